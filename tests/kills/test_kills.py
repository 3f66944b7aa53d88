"""SIGKILL at every durable boundary of a real gateway, then the same request again: nothing lost, nothing twice.

``YIBAO_KILLS`` says how many kills (20 where it is not set).
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.exchange.ports import Exchange, Query, State
from gateway.store import open_store
from tests.kills.house import Gateway, Gone, House, house
from tests.simulation import messages

KILLS = int(os.environ.get("YIBAO_KILLS", "20"))
ADMITTED_AT = "2026-02-20 09:12:30"
"""Within the minute that the admission says: nothing has to be changed before the discharge."""
BOUNDARIES = ("before_intent", "after_intent", "before_send", "after_send", "before_outcome", "after_outcome")
KILL_S = 12
"""What one kill may take: a start of the gateway and the resolver's work."""


@dataclass
class Stay:
    """One stay on its way; each step asks for a final answer and remembers what the next one needs."""

    number: int
    psn_no: str = ""
    mdtrt_id: str = ""
    setl_id: str = ""
    rows: list[dict[str, str]] = field(default_factory=list)

    @property
    def ipt_no(self) -> str:
        return f"ZYK{self.number:06d}"

    def message(self, infno: str) -> dict[str, Any]:
        """What a step sends."""
        return _MESSAGES[infno](self)

    def learn(self, infno: str, output: Any) -> None:
        """What an answer tells."""
        if infno == "1101":
            self.psn_no = output["baseinfo"]["psn_no"]
        elif infno == "2401":
            self.mdtrt_id = output["result"]["mdtrt_id"]
        elif infno == "2304":
            self.setl_id = output["setlinfo"]["setl_id"]


def _fees(stay: Stay) -> dict[str, Any]:
    stay.rows = [messages.fee(stay.psn_no, stay.mdtrt_id, f"K{stay.number}-{row}", 1234 + row, med_type="21")
                 for row in range(3)]  # fmt: skip
    return {"feedetail": stay.rows}


_MESSAGES: dict[str, Callable[[Stay], dict[str, Any]]] = {
    "1101": lambda stay: messages.person("440899198507241014"),
    "2401": lambda stay: messages.admission(stay.psn_no, stay.ipt_no),
    "2301": _fees,
    "2304": lambda stay: messages.stay_settlement(stay.psn_no, stay.mdtrt_id, messages.total(stay.rows)),
    "2305": lambda stay: messages.undo(stay.psn_no, stay.mdtrt_id, setl_id=stay.setl_id),
    "2402": lambda stay: messages.discharge(stay.psn_no, stay.mdtrt_id),
    "2405": lambda stay: messages.undo(stay.psn_no, stay.mdtrt_id),
}
WAYS: dict[str, tuple[str, ...]] = {
    "2304": ("1101", "2401", "WardIn", "2301", "2304"),
    "2402": ("1101", "2401", "WardIn", "2402"),
    "2305": ("1101", "2401", "WardIn", "2301", "2304", "2305"),
    "2401": ("1101", "2401"),
    "2301": ("1101", "2401", "2301"),
    "2405": ("1101", "2401", "WardIn", "2402", "2405"),
}
"""How to get to each transaction; the last step is the one that the gateway dies in."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("kills")) as built:
        yield built


@pytest.mark.timeout(120 + KILLS * KILL_S)
def test_kills(place: House) -> None:
    """Each life of the gateway finishes what the one before it left behind, and dies in something else."""
    targets = list(WAYS)
    plan = [(BOUNDARIES[kill % 6], targets[(kill + kill // 6) % 6]) for kill in range(KILLS)]
    left: tuple[Stay, str, str] | None = None
    for number, (boundary, target) in enumerate(plan):
        with place.gateway(f"{boundary}:{target}") as gateway:
            if left is not None:
                _finish(gateway, *left)
            stay = Stay(number)
            left = (stay, target, _die(gateway, stay, target))
    with place.gateway() as gateway:
        assert left is not None
        _finish(gateway, *left)
    _check_books(place)


def _die(gateway: Gateway, stay: Stay, target: str) -> str:
    """Walk the way until the gateway dies in its last step; the request_id of that step."""
    *before, last = WAYS[target]
    for infno in before:
        if infno == "WardIn":
            told = gateway.tell("WardIn", messages.ward_event(stay.ipt_no, "E1", ADMITTED_AT))
            assert told["infcode"] == 0, told
            continue
        answer = gateway.final(infno, stay.message(infno), f"{stay.ipt_no}-{infno}")
        assert str(answer["infcode"]) == "0", answer
        stay.learn(infno, answer["output"])
    request_id = f"{stay.ipt_no}-{last}"
    with pytest.raises(Gone):
        gateway.call(last, stay.message(last), request_id)
    gateway.wait_until_dead()
    return request_id


def _finish(gateway: Gateway, stay: Stay, infno: str, request_id: str) -> None:
    """The same request again succeeds: with the first answer, or because the first attempt is proven not done."""
    answer = gateway.final(infno, stay.message(infno), request_id)
    assert str(answer["infcode"]) == "0", answer
    stay.learn(infno, answer["output"])


def _check_books(place: House) -> None:
    """Journal and ledger, message by message; no settlement twice."""
    ledger = place.ledger()
    rows = {row.msgid: row for row in _rows(place) if row.msgid and row.safety != "read"}
    for msgid, infno in ledger["executed"].items():
        assert rows[msgid].state in (State.CONFIRMED, State.REVERSED), (infno, rows[msgid])
    for row in rows.values():
        assert row.state not in (State.INTENDED, State.IN_DOUBT, State.ESCALATED), row
        if row.infno != "2601":
            assert (row.state in (State.CONFIRMED, State.REVERSED)) == (row.msgid in ledger["executed"]), row
    in_force = {row.msgid for row in rows.values() if row.infno == "2304" and row.in_force}
    settled = [one for one in ledger["settlements"] if one["state"] == "settled"]
    assert {one["msgid"] for one in settled} == in_force
    assert max(Counter(one["mdtrt_id"] for one in settled).values()) == 1


def _rows(place: House) -> list[Exchange]:
    store = open_store(f"sqlite:///{place.folder}/yibao.db", node="look", read_only=True)
    try:
        found: list[Exchange] = []
        while page := store.journal.search(Query(limit=1000, before_id=found[-1].id if found else None)):
            found += page
        return found
    finally:
        store.close()
