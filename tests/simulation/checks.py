"""What must be true: during a run at every moment, and at its end of everything together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from gateway.exchange.ports import Exchange, Query, State
from gateway.simulator.ledger import Episode
from gateway.store import integrity

if TYPE_CHECKING:
    from tests.simulation.hospital import Belief
    from tests.simulation.world import World

START = datetime(2026, 3, 2, 8, 0, tzinfo=timezone(timedelta(hours=8)))
"""When every world begins."""
PAGE = 1000
OPEN = (State.INTENDED, State.IN_DOUBT, State.ESCALATED)
SETTLES = ("2304", "2207")
SAME_EFFECT = ("2403", "2203")
"""Particulars sent anew: where they already stood as they are, a query rightly says done though this request never came.

What counts is that the platform has what the HIS was told, and that is compared (:func:`compare`)."""


class Violation(AssertionError):
    """Something that must never be."""


def compare(belief: Belief, episode: Episode | None) -> None:
    """What a desk believes of its stay or visit against the ledger."""
    if episode is None:
        raise Violation(f"{belief.mdtrt_id} is unknown to the platform")
    state = "cancelled" if episode.state == "reversed" else episode.state
    if state == "settled":
        state = "registered"
    _same(belief, "state", belief.state, state)
    if belief.begntime:
        _same(belief, "begntime", belief.begntime, episode.begntime)
    _same(belief, "lines", sorted(belief.lines), sorted(episode.lines))
    _same(belief, "settlements", sorted(belief.paid), sorted(one.setl_id for one in episode.settled))


def _same(belief: Belief, what: str, told: Any, actual: Any) -> None:
    if told != actual:
        raise Violation(f"{belief.mdtrt_id}: the HIS was told {what} {told}, the platform has {actual}")


def rows_of(world: World) -> Iterator[Exchange]:
    """Every row of the journal, newest first."""
    before_id = None
    while True:
        page = world.journal.search(Query(limit=PAGE, before_id=before_id))
        yield from page
        if len(page) < PAGE:
            return
        before_id = page[-1].id


def check_end(world: World) -> Counter[str]:
    """Every invariant of a finished run; returns how many exchanges ended in which state."""
    states: Counter[str] = Counter()
    by_msgid: dict[str, Exchange] = {}
    for row in rows_of(world):
        states[row.state.value] += 1
        if row.msgid and row.state is not State.REFUSED and world.mutates(row.infno):
            by_msgid[row.msgid] = row
            _check_row(world, row)
    for msgid, done in world.ledger.executed.items():
        if msgid not in by_msgid and world.mutates(done.infno):
            raise Violation(f"the platform executed {done.infno} {msgid}, the journal does not know it")
    _check_episodes(world, by_msgid)
    _check_told(world, by_msgid)
    _check_work_list(world, by_msgid)
    if world.beside.centre:
        world.beside.centre.check()
    if wrong := integrity.check(world.backend):
        raise Violation("；".join(wrong))
    return states


def _check_row(world: World, row: Exchange) -> None:
    """One exchange against the ledger."""
    ledger = world.ledger
    if row.state in OPEN:
        raise Violation(f"{_named(row)} is {row.state} at the end")
    assert row.msgid is not None
    if row.infno == "2601":
        _check_reversal(world, row)
        return
    executed = row.msgid in ledger.executed
    reversal = ledger.reversals.get(row.msgid)
    reversed_ = reversal is not None and not reversal.refusal
    if row.state is State.CONFIRMED and not executed and row.infno not in SAME_EFFECT:
        raise Violation(f"{_named(row)} is CONFIRMED, the platform never did it")
    if row.state is State.REVERSED and not (executed and reversed_):
        raise Violation(f"{_named(row)} is REVERSED, the ledger says executed={executed} reversed={reversed_}")
    if row.state in (State.DECLINED, State.NOT_SENT, State.NOT_DONE) and executed and not reversed_:
        raise Violation(f"{_named(row)} is {row.state}, the platform did it")
    if row.state is State.CONFIRMED and row.in_force and reversed_:
        raise Violation(f"{_named(row)} is in force in the journal, the platform has reversed it")


def _check_reversal(world: World, row: Exchange) -> None:
    if row.state is not State.CONFIRMED:
        return
    sent = world.message_of(row)
    done = world.ledger.reversals.get(sent["data"]["omsgid"])
    if done is None or done.refusal:
        raise Violation(f"{_named(row)} is CONFIRMED, the platform has not reversed {sent['data']['omsgid']}")


def _check_episodes(world: World, by_msgid: dict[str, Exchange]) -> None:
    for settlement in world.ledger.settlements.values():
        row = by_msgid[settlement.msgid]
        if (settlement.state == "settled") != row.in_force:
            raise Violation(
                f"{_named(row)}: settlement {settlement.setl_id} is {settlement.state}, "
                f"the journal says {row.state} undone_by={row.undone_by}"
            )
    for episode in world.ledger.episodes.values():
        final = [one for one in episode.settled if one.final]
        if len(final) > 1 and episode.kind == "stay":
            raise Violation(f"{episode.mdtrt_id} has {len(final)} settlements in force")
    _check_presence(world, by_msgid)


def _check_presence(world: World, by_msgid: dict[str, Exchange]) -> None:
    """Admissions and discharges in force are those of the ledger."""
    discharged: set[str] = set()
    for row in by_msgid.values():
        keys = dict(row.keys)
        mdtrt_id = keys.get("mdtrt_id", "")
        if row.in_force and row.infno == "2402":
            discharged.add(mdtrt_id)
        if row.state is State.CONFIRMED and row.infno in ("2401", "2201"):
            gone = world.ledger.episodes[mdtrt_id].gone
            if gone == row.in_force:
                raise Violation(f"{_named(row)}: gone={gone} at the platform, in force={row.in_force} in the journal")
    for episode in world.ledger.episodes.values():
        if episode.kind == "stay":
            actual = episode.state == "discharged"
            if actual != (episode.mdtrt_id in discharged):
                raise Violation(f"{episode.mdtrt_id} is {episode.state}, the journal says discharged={not actual}")


def _check_told(world: World, by_msgid: dict[str, Exchange]) -> None:
    """A HIS that was told "not done" about a msgid finds nothing of it in force."""
    for name, infno, msgid, code in world.told_not_done:
        row = by_msgid.get(msgid)
        executed = msgid in world.ledger.executed
        reversal = world.ledger.reversals.get(msgid)
        if infno != "2601" and executed and (reversal is None or reversal.refusal):
            raise Violation(f"{name} was told {code} for {infno} {msgid}, the platform did it ({row and row.state})")


def _check_work_list(world: World, by_msgid: dict[str, Exchange]) -> None:
    """Money in force that the HIS has not heard of is on the work list."""
    ever = timedelta(days=3650)
    listed = {row.id for row in world.journal.untold(START - ever, START + ever, PAGE)}
    for msgid, row in by_msgid.items():
        if row.safety == "money" and row.in_force and msgid not in world.told_done and row.id not in listed:
            raise Violation(f"{_named(row)} is in force, nobody was told, and it is on no list")


def _named(row: Exchange) -> str:
    return f"exchange {row.id} {row.infno} {row.msgid}"
