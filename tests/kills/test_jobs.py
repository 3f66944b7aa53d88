"""SIGKILL inside ``his_sync`` and ``fee_upload``: what the HIS has is told once, however many lives it takes.

``YIBAO_KILLS`` says how many kills there are altogether; a tenth of them strike here.
"""

from __future__ import annotations

import itertools
import json
import os
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from adapters.his.sample import Sizes, write_sample
from gateway import clock
from gateway.exchange.ports import Query, State
from gateway.stays.ports import StayRef
from gateway.store import Store, open_store
from tests.commands.helpers import yibao
from tests.day.hospital import Inpatient, charged, inpatients
from tests.kills.house import Gateway, Gone, House, house
from tests.servers import free_ports
from tests.simulation import messages

KILLS = max(2, int(os.environ.get("YIBAO_KILLS", "20")) // 10)
IN_SYNC = (
    "before_mark:ward_events",
    "after_told:Diagnoses",
    "before_mark:operations",
    "after_mark:ward_events",
    "before_mark:inpatients",
    "after_mark:diagnoses",
)
"""In the order in which the job comes to them; what was told in one life is not told again in the next."""
IN_UPLOAD = (
    "after_send:2301",
    "after_outcome:2301",
    "before_send:2301",
    "before_outcome:2301",
    "after_intent:2301",
    "before_intent:2301",
)
UPLOADS = KILLS // 2
AGAIN = tuple(boundary for boundary in IN_SYNC if "_mark:" in boundary)
"""Every run comes to these, whatever there is to tell."""
PLAN = [
    *(
        ("his_sync", boundary)
        for boundary in itertools.islice(itertools.chain(IN_SYNC, itertools.cycle(AGAIN)), KILLS - UPLOADS)
    ),
    *(("fee_upload", IN_UPLOAD[number % len(IN_UPLOAD)]) for number in range(UPLOADS)),
]
"""What runs, and where the gateway dies in it."""
KILL_S = 240
"""What one kill may take at most, on a machine with much else to do."""
END_S_MAX = 240.0
LOOK_EVERY_S = 0.2
EARLY = ("早于入科", "所退的行没有上传", "所退的行不在费用清单中")
"""Charges of before the ward-in, which no gateway uploads by itself."""
SEED = 20261122


@dataclass
class Hospital:
    """A gateway that dies, its platform, and the HIS that it reads."""

    place: House
    his: Path
    stays: list[Inpatient]

    def admit(self, gateway: Gateway) -> None:
        """What the desks do: every stay is registered with the platform."""
        for number, stay in enumerate(self.stays):
            wish = messages.person(stay.row["sfzh"])
            wish["data"] |= {"psn_name": stay.row["xm"]}
            stay.psn_no = str(_done(gateway, "1101", wish, f"P{number}")["baseinfo"]["psn_no"])
            told = _done(gateway, "2401", stay.admission(), f"A{number}")
            stay.mdtrt_id = str(told["result"]["mdtrt_id"])

    def run(self, job: str) -> dict[str, Any]:
        """Run a job as its operator would; empty when the gateway died in it."""
        ran = yibao("jobs", "run", job, "--config", self.place.config, "--operator", "医保办", "--json")
        return dict(json.loads(ran.out)) if ran.out.strip() else {}

    def dies_in(self, gateway: Gateway, job: str) -> None:
        """Run a job that the gateway does not survive; the life before may still stand as the one that runs it."""
        deadline = time.monotonic() + END_S_MAX
        while not self.run(job):
            if gateway.process.poll() is not None:
                return
            assert time.monotonic() < deadline, f"{job} did not begin"
            time.sleep(LOOK_EVERY_S)
        gateway.wait_until_dead()


def _done(gateway: Gateway, infno: str, message: dict[str, Any], request_id: str) -> Any:
    answer = gateway.final(infno, message, request_id)
    assert str(answer["infcode"]) == "0", answer
    return answer["output"]


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    folder = tmp_path_factory.mktemp("jobs")
    his = folder / "his.db"
    until = (clock.now() - timedelta(minutes=30)).replace(tzinfo=None, second=0, microsecond=0)
    stays = UPLOADS + 1
    """Each kill in an upload leaves at least one stay to the next one."""
    write_sample(make_url(f"sqlite:///{his}"), Sizes(stays, (4, 8), until), SEED)
    with house(folder) as place:
        admin = f'\n[listen.admin]\naddress = "127.0.0.1:{free_ports(1)[0]}"\n'
        with place.config.open("a", encoding="utf-8") as config:
            config.write(f'{admin}\n[his]\nurl = "sqlite:///{his}"\n')
        yield Hospital(place, his, inpatients(his))


@pytest.mark.timeout(180 + KILLS * KILL_S)
def test_jobs_that_are_killed_tell_everything_once(hospital: Hospital) -> None:
    aligned = False
    for number, (job, boundary) in enumerate(PLAN):
        try:
            with hospital.place.gateway(boundary) as gateway:
                if number == 0:
                    hospital.admit(gateway)
                if job == "fee_upload" and not aligned:
                    _comes_to_its_end(hospital, "his_sync")
                    _comes_to_its_end(hospital, "alignment")
                    aligned = True
                hospital.dies_in(gateway, job)
        except Gone:
            # settling what the life before had left in doubt, it came to the boundary before it was ready
            assert aligned, f"it did not start, to die at {boundary}"
    with hospital.place.gateway():
        # twice: a refund goes up once what it refunds is up
        for job in ("his_sync", "alignment", "fee_upload", "fee_upload"):
            _comes_to_its_end(hospital, job)
        again = hospital.run("his_sync")["counts"], hospital.run("fee_upload")["counts"]
    assert (again[0]["上报入出转"], again[0]["上报记录"], again[1]["已上传行"]) == (0, 0, 0), "nothing is left to tell"
    with closing(open_store(f"sqlite:///{hospital.place.folder}/yibao.db", node="look", read_only=True)) as store:
        _events_once(hospital, store)
        _fees_once(hospital, store)


def _comes_to_its_end(hospital: Hospital, job: str) -> None:
    """Run it until nothing is left but what is for a person; what a kill left in doubt is settled meanwhile."""
    deadline = time.monotonic() + END_S_MAX
    while True:
        run = hospital.run(job)
        left = run.get("detail", {}).get("left", ())
        over = run.get("outcome") in ("done", "partial") and not run["counts"].get("待人工")
        if over and all(any(words in one["reason"] for words in EARLY) for one in left):
            return
        assert time.monotonic() < deadline, f"{job} does not come to its end: {run}"
        time.sleep(LOOK_EVERY_S)


def _events_once(hospital: Hospital, store: Store) -> None:
    """Every event of the HIS is there, none was taken for a correction of itself, and each record has one version."""
    told = 0
    for stay in hospital.stays:
        history = store.journal.stays.known(StayRef(stay.ipt_no, stay.mdtrt_id)).history
        events = Counter(event.event_id for event in history.events)
        assert events, stay.ipt_no
        assert set(events.values()) == {1}
        records = Counter((record.kind, record.version) for record in history.records)
        assert set(records) >= {("diagnoses", 1)}
        assert set(records.values()) == {1}, records
        assert max(version for _, version in records) == 1, "the same record is not told as a new one"
        told += len(events)
    with closing(sqlite3.connect(hospital.his)) as connection:
        (in_the_his,) = connection.execute("SELECT count(*) FROM zy_bqyd").fetchone()
    assert told == in_the_his


def _fees_once(hospital: Hospital, store: Store) -> None:
    """The platform has every row of the HIS once, to the cent, and the journal says the same of every call."""
    ledger = hospital.place.ledger()
    there = {one["mdtrt_id"]: one for one in ledger["stays"]}
    for stay in hospital.stays:
        total, _ = charged(hospital.his, stay)
        fees = there[stay.mdtrt_id]["fees"]
        assert Decimal(str(fees["sumamt"])) == total, stay.ipt_no
    for row in store.journal.search(Query(infno="2301", limit=1000)):
        done = row.msgid in ledger["executed"]
        assert (row.state is State.CONFIRMED) == done, row
        assert row.state not in (State.INTENDED, State.IN_DOUBT, State.ESCALATED), row
