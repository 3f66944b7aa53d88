"""What is asked of two nodes behind one address, whatever the balancer is."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from gateway.exchange.ports import Query
from tests.kills.house import Gateway
from tests.kills.test_kills import ADMITTED_AT, Stay
from tests.nodes.two import Two, until
from tests.simulation import messages

TWINS = 4
STAYS = 3


def every_twin_is_one_call(place: Two, balanced: Gateway) -> None:
    """The same request several times at once, without a ``request_id``: one call to the platform, one answer to all."""
    with ThreadPoolExecutor(TWINS * STAYS) as pool:
        psn_no = _call(balanced, "1101", messages.person("440899198507241014"))["baseinfo"]["psn_no"]
        admissions = [messages.admission(psn_no, f"ZYB{number}") for number in range(STAYS)]
        answers = list(pool.map(lambda message: _call(balanced, "2401", message), admissions * TWINS))
        stays = [answers[number::STAYS] for number in range(STAYS)]
        assert all(len({one["result"]["mdtrt_id"] for one in same}) == 1 for same in stays)
        fees = []
        for number, same in enumerate(stays):
            stay = Stay(number, psn_no, same[0]["result"]["mdtrt_id"])
            # the stays of this story have numbers of their own
            _call(balanced, "WardIn", messages.ward_event(f"ZYB{number}", "E1", ADMITTED_AT))
            _call(balanced, "2301", stay.message("2301"))
            # an odd number of calls for each stay, so that a balancer that takes turns gives the next 2301 to the other
            _call(balanced, "1101", messages.person("440899198507241014"))
            fees.append(stay.message("2304"))
        settled = list(pool.map(lambda message: _call(balanced, "2304", message), fees * TWINS))
    for number in range(STAYS):
        assert len({one["setlinfo"]["setl_id"] for one in settled[number::STAYS]}) == 1
    ledger = place.ledger()
    assert Counter(ledger["executed"].values()) == {"2401": STAYS, "2301": STAYS, "2304": STAYS}
    assert set(ledger["requests"].values()) == {1}
    assert len(ledger["settlements"]) == STAYS


def both_nodes_had_calls(place: Two) -> None:
    """The balancer has used both."""
    rows = place.store.journal.search(Query(limit=1000))
    called = {row.node for row in rows if row.safety != "read" and row.node}
    assert called == {"a", "b"}, Counter((row.node, row.infno) for row in rows)


def _call(gateway: Gateway, infno: str, message: Any) -> Any:
    """The output of what must succeed; 4102 and 1423 are asked again, as a HIS does."""
    found: list[Any] = []

    def done() -> bool:
        body = gateway.call(infno, message, "")
        assert str(body["infcode"]) == "0" or body["code"] in ("GW-4102", "GW-1423"), body
        found[:] = [body.get("output")] if str(body["infcode"]) == "0" else []
        return bool(found)

    until(done, f"no outcome of {infno}")
    return found[0]
