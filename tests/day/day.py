"""A recorded day: a whole hospital through sync, fee upload, settlement and reconciliation, by real processes over sockets."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any, Final
from urllib.request import Request, urlopen

from sqlalchemy import make_url

from adapters.his.sample import Sizes, write_sample
from gateway import clock
from gateway.contract.jsontext import loads
from gateway.exchange.ports import Query, State
from gateway.store import Store, open_store
from tests.commands.helpers import yibao
from tests.day.differences import CAUSES, Differences, Key
from tests.day.hospital import PAID, Hospital, Inpatient, Money, charged, days, inpatients
from tests.kills.house import House, house
from tests.servers import free_ports

INSTITUTION: Final = "H44080000001"
ROUNDS_MAX: Final = 40
CONTROL_S_MAX: Final = 180.0
SETTLES_S_MAX: Final = 180.0
EARLY: Final = ("早于入科", "所退的行没有上传", "所退的行不在费用清单中")


@dataclass(frozen=True, slots=True)
class Size:
    """How large a day is.

    Args:
        fees: least and most fee rows of a stay.
        chance: of a fault before a call of the HIS.
        each: differences of each kind.
    """

    stays: int
    visits: int
    fees: tuple[int, int]
    chance: float = 0.03
    each: int = 1
    desks: int = 4


SMALL: Final = Size(6, 40, (8, 16), chance=0.05, desks=8)
WHOLE: Final = Size(300, 3000, (300, 500), each=4, desks=6)


@dataclass
class Day:
    """One day of one hospital.

    Args:
        say: is told what is being done.
    """

    place: House
    his: Path
    hospital: Hospital
    size: Size
    seed: int
    say: Callable[[str], None] = lambda _: None
    stays: list[Inpatient] = field(default_factory=list)

    # ------------------------------------------------------------ the day itself

    def passes(self) -> None:
        """From the first admission to the last settlement, until nothing is open."""
        self.stays = inpatients(self.his)
        self.say(f"{len(self.stays)} admissions")
        self.hospital.admit(self.stays)
        self._synced()
        self.say("alignment")
        self._run("alignment", "2403", lambda run: not run["counts"].get("待人工"))
        self.say("fees")
        self._run("fee_upload", "2301", _all_but_early)
        self.say("discharges")
        self.hospital.discharge(self.stays)
        self.say(f"{self.size.visits} visits")
        self.hospital.outpatients(self.size.visits)
        self.settles()

    def _synced(self) -> None:
        run = self.job("his_sync")
        assert (run["outcome"], run["counts"]["上报记录"] >= len(self.stays)) == ("done", True), run
        assert self.job("his_sync")["counts"]["上报入出转"] == 0

    def _run(self, job: str, infno: str, good: Callable[[Mapping[str, Any]], bool]) -> None:
        """Run a job while the platform goes wrong now and then, until it has done all that can be done."""
        weather = self.hospital.line(job)._weather
        for _ in range(ROUNDS_MAX):
            for _ in range(max(1, self.size.stays // 30)):
                weather.fault(infno)
            run = self.job(job)
            self._control("DELETE", "/_sim/faults")
            self.settles()
            if run["outcome"] in ("done", "partial") and good(run):
                self.hospital.faults += weather.planted
                return
            if job == "alignment":
                yibao("stays", "align", "--config", self.place.config, "--operator", "医保办")
        raise AssertionError(f"{job} does not come to its end: {run}")

    def settles(self) -> None:
        """Until no exchange is open any more."""
        deadline = time.monotonic() + SETTLES_S_MAX
        while open_ones := self.unresolved():
            assert time.monotonic() < deadline, f"still open: {open_ones}"
            time.sleep(0.2)

    def unresolved(self) -> list[str]:
        """Exchanges of which the end is not known."""
        states = (State.INTENDED, State.IN_DOUBT, State.ESCALATED)
        with self._store() as store:
            return [
                f"{row.id} {row.infno} {row.state}" for row in store.journal.search(Query(states=states, limit=100))
            ]

    # ------------------------------------------------------------- the three books

    def told(self) -> dict[str, tuple[Money, bool]]:
        """Of each settlement the amounts, and whether it was cancelled: as the HIS was told."""
        told = self.hospital.told
        return {one.setl_id: (one.money, one.setl_id in told.revoked) for one in told.settled.values()}

    def at_the_platform(self) -> dict[str, tuple[Money, bool]]:
        """The same as the platform has it; what 2601 has reversed never was."""
        return {
            str(row["setl_id"]): (_money(row), row["state"] == "revoked")
            for row in self.ledger()["settlements"]
            if row["state"] != "reversed"
        }

    def in_the_journal(self) -> dict[str, tuple[Money, bool]]:
        """The same by the answers in the journal."""
        found: dict[str, tuple[Money, bool]] = {}
        with self._store() as store:
            for infno in ("2207", "2304"):
                for row in _confirmed(store, infno):
                    undone = store.journal.get(row.undone_by) if row.undone_by else None
                    if undone is not None and undone.infno == "2601":
                        continue
                    bodies = store.journal.bodies(row.id)
                    assert bodies is not None
                    info = loads(bodies.proof_answer or bodies.platform_answer or b"")["output"]["setlinfo"]
                    found[str(info["setl_id"])] = (_money(info), undone is not None)
        return found

    def is_even(self) -> None:
        """The three books agree to the cent, and every stay was charged what the HIS has charged."""
        told, there, here = self.told(), self.at_the_platform(), self.in_the_journal()
        assert told == there, _unlike(told, there)
        assert told == here, _unlike(told, here)
        held = {one.mdtrt_id: one.money[0] for one in self.hospital.told.settled.values()
                if one.setl_id not in self.hospital.told.revoked}  # fmt: skip
        for stay in self.stays:
            if stay.gone:
                assert held[stay.mdtrt_id] == charged(self.his, stay)[0], stay.ipt_no

    # ------------------------------------------------------------- reconciliation

    def times(self) -> list[str]:
        """When the platform settled."""
        return [str(row["setl_time"]) for row in self.ledger()["settlements"]]

    def ledger(self) -> dict[str, Any]:
        """What the platform has; at full size that is a long answer."""
        with urlopen(f"http://127.0.0.1:{self.place.platform_port}/_sim/ledger", timeout=CONTROL_S_MAX) as answer:
            return dict(json.loads(answer.read()))

    def reconciled(self) -> list[dict[str, Any]]:
        """Open cases after comparing every day of the ledger, and the day after, which must be empty."""
        *past, tomorrow = days(self.times())
        cases = [case for day in past for case in self._compared(day)]
        assert self._compared(tomorrow) == []
        return cases

    def rechecked(self) -> list[dict[str, Any]]:
        """Open cases after comparing again whatever is open."""
        yibao("reconcile", "recheck", "--config", self.place.config, "--operator", "医保办")
        return self.cases()

    def cases(self) -> list[dict[str, Any]]:
        """Open cases as the command lists them."""
        ran = yibao("reconcile", "cases", "--config", self.place.config, "--json")
        assert ran.code == 0, ran.err
        return list(json.loads(ran.out))

    def _compared(self, day: str) -> list[dict[str, Any]]:
        ran = yibao("reconcile", "day", day, "--config", self.place.config, "--operator", "医保办", "--json")
        result = json.loads(ran.out)
        assert result["whole"], result["parts"]
        found = [case for case in result["cases"] if case["state"] == "open"]
        assert (ran.code == 0) == (not found)
        return found

    def planted(self) -> Differences:
        """Differences of all five kinds, ``size.each`` of each."""
        made = Differences(self._plant, self.place.folder / "yibao.db")
        told, dice = self.hospital.told, Random(f"{self.seed}/differences")
        standing = [one for one in told.settled.values() if one.setl_id not in told.revoked]
        dice.shuffle(standing)
        cancelled = [told.settled[setl_id] for setl_id in sorted(told.revoked)]
        day = max(self.times())[:10]
        for number in range(self.size.each):
            made.dearer_there(standing.pop(), f"{number + 1}.{dice.randrange(100):02d}")
            made.missing_there(standing.pop())
            which = number % 3
            if which == 0:
                made.revoked_there(standing.pop(), INSTITUTION)
            elif which == 1 and cancelled:
                made.not_revoked_there(cancelled.pop())
            else:
                made.not_done_here(standing.pop())
            if number % 2:
                made.more_there(standing[0].psn_no, f"{number}2.34", day)
            else:
                made.lost_here(standing.pop())
        made.in_doubt(self.hospital, range(self.size.visits, self.size.visits + self.size.each), self._fault)
        return made

    def repaired(self, made: Differences) -> None:
        """Both books are as they were, and the doubts are known; the desks settle what was reversed."""
        made.repaired()
        self._control("DELETE", "/_sim/differences")
        self._control("DELETE", "/_sim/faults")
        self.settles()

    # -------------------------------------------------------------------- the parts

    def job(self, name: str) -> dict[str, Any]:
        """Run a job as its operator would."""
        ran = yibao("jobs", "run", name, "--config", self.place.config, "--operator", "医保办", "--json")
        assert ran.out, ran.err
        return dict(json.loads(ran.out))

    @contextmanager
    def _store(self) -> Iterator[Store]:
        store = open_store(f"sqlite:///{self.place.folder / 'yibao.db'}", node="look", read_only=True)
        try:
            yield store
        finally:
            store.close()

    def _control(self, method: str, path: str, wish: Mapping[str, Any] | None = None) -> None:
        control(self.place, method, path, wish)

    def _plant(self, wish: Mapping[str, Any]) -> None:
        self._control("POST", "/_sim/differences", wish)

    def _fault(self, wish: Mapping[str, Any]) -> None:
        self._control("POST", "/_sim/faults", wish)


def keys(cases: list[dict[str, Any]]) -> set[Key]:
    """What cases are about; each with a cause that fits its kind."""
    for case in cases:
        assert any(words in case["cause"] for words in CAUSES[case["kind"]]), case
    found = {(str(case["kind"]), str(case["setl_id"] or case["msgid"]), bool(case["refund"])) for case in cases}
    assert len(found) == len(cases), "one difference is one case"
    return found


def control(place: House, method: str, path: str, wish: Mapping[str, Any] | None = None) -> None:
    """A control call of the simulator."""
    body = None if wish is None else json.dumps(wish).encode()
    with urlopen(Request(f"http://127.0.0.1:{place.platform_port}{path}", body, method=method), timeout=CONTROL_S_MAX):
        pass


def _confirmed(store: Store, infno: str) -> Iterator[Any]:
    before: int | None = None
    while page := store.journal.search(Query(infno=infno, states=(State.CONFIRMED,), limit=500, before_id=before)):
        yield from page
        before = page[-1].id


def _money(row: Mapping[str, Any]) -> Money:
    return tuple(Decimal(str(row[name])).quantize(Decimal("0.01")) for name in PAID)


def _unlike(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    names = [name for name in {*one, *other} if one.get(name) != other.get(name)]
    return "; ".join(f"{name}: {one.get(name)} / {other.get(name)}" for name in names[:5])


def _all_but_early(run: Mapping[str, Any]) -> bool:
    """Whether nothing is left but charges of before the ward-in, which no gateway uploads by itself."""
    return all(any(words in one["reason"] for words in EARLY) for one in run["detail"].get("left", ()))


@contextmanager
def day(folder: Path, size: Size, seed: int, say: Callable[[str], None] = lambda _: None) -> Iterator[Day]:
    """A hospital with its gateway and a platform, each a process of its own, ready for its day."""
    his = folder / "his.db"
    until = clock.now().replace(tzinfo=None, microsecond=0) - timedelta(minutes=30)
    write_sample(make_url(f"sqlite:///{his}"), Sizes(size.stays, size.fees, _to_the_minute(until)), seed)
    with house(folder) as place:
        with place.config.open("a", encoding="utf-8") as config:
            config.write(
                f'\n[listen.admin]\naddress = "127.0.0.1:{free_ports(1)[0]}"\n\n[his]\nurl = "sqlite:///{his}"\n'
            )
        hospital = Hospital(
            place.port, his, lambda wish: control(place, "POST", "/_sim/faults", wish), seed, size.chance, size.desks
        )
        with place.gateway():
            yield Day(place, his, hospital, size, seed, say)


def _to_the_minute(at: datetime) -> datetime:
    return at.replace(second=0)
