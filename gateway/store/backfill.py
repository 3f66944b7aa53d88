"""Facts for exchanges of before there were any: made once from their bodies, when the gateway first starts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final, Protocol

import structlog

from gateway.contract.envelope import Garbage, read_answer
from gateway.contract.jsontext import loads
from gateway.exchange.ports import Exchange, Journal
from gateway.exchange.stay_rules import stay_facts, tells_of_stays
from gateway.faults import Unreadable
from gateway.stays.ports import StayFact

log = structlog.get_logger(__name__)

PAGE: Final = 200


class Unfilled(Protocol):
    """Where exchanges without facts are found and filled."""

    def unfilled(self, infnos: Sequence[str], count: int) -> list[int]:
        """Newest first; empty when all have been filled."""
        ...

    def fill(self, facts: Mapping[int, Sequence[StayFact]], *, done: bool) -> None:
        """Keep the facts of a page of :meth:`unfilled`; ``done`` with the last."""
        ...


def fill_facts(journal: Journal, records: Unfilled, infnos: Collection[str], success: Collection[str]) -> int:
    """Make the facts of every exchange of the past; how many exchanges there were.

    Args:
        infnos: transactions of the province, of which those about stays count.
        success: infcodes that mean success.
    """
    count = 0
    about = [infno for infno in infnos if tells_of_stays(infno)]
    while page := records.unfilled(about, PAGE):
        facts = {number: _facts(journal, entry, success) for number in page if (entry := journal.get(number))}
        records.fill(facts, done=len(page) < PAGE)
        count += len(page)
        log.info("stay_facts_filled", exchanges=count)
        if len(page) < PAGE:
            break
    return count


def _facts(journal: Journal, entry: Exchange, success: Collection[str]) -> tuple[StayFact, ...]:
    """What is unreadable by now tells nothing; the stay is then adopted from the platform like one nobody knows."""
    bodies = journal.bodies(entry.id)
    if bodies is None or bodies.platform_request is None:
        return ()
    try:
        message = loads(bodies.platform_request).get("input")
        answer = bodies.proof_answer or bodies.platform_answer
        output = read_answer(answer, frozenset(success)).output if answer else {}
    except (Unreadable, Garbage):
        log.warning("no_facts_of_the_past", exchange=entry.id, infno=entry.infno)
        return ()
    return stay_facts(entry.infno, message, output)
