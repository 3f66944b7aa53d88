"""Who keeps the gateway going at this moment: nodes, whoever runs the jobs, operators who are signed in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from gateway.console.home.raised import Raised
from gateway.console.visit import Visit
from gateway.exchange.ports import Exchange, Node, NodeState, Query, State
from gateway.exchange.sign_in import SIGN_IN, SIGN_OUT
from gateway.store.jobs import LEADER
from jobs.standing import TITLES

VALID_FOR: Final = timedelta(days=1)
"""As :class:`gateway.exchange.sign_in.SignIns` reckons."""
READ_MAX: Final = 200
DEAD_SHOWN: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Jobs:
    """How the jobs stand.

    Args:
        leader: the node that keeps the timetable; empty when there is none.
        running: titles of those that go on.
        failed: how many are on alert.
    """

    leader: str
    running: Sequence[str]
    failed: int


def jobs_now(visit: Visit, raised: Sequence[Raised]) -> Jobs:
    """One statement; what is on alert is known from the open alerts."""
    slots = visit.parts.store.jobs.slots()
    running = [TITLES[name] for name, slot in slots.items() if slot.node and name in TITLES]
    leader = slots[LEADER].node if LEADER in slots else ""
    return Jobs(leader, running, sum(one.alert.rule == "jobs" for one in raised))


def nodes_now(visit: Visit) -> list[Node]:
    """Nodes that run, and those that were declared dead a short time ago."""
    since = visit.parts.clock() - DEAD_SHOWN
    found = visit.parts.store.nodes.nodes()
    return [
        one
        for one in found
        if one.state is NodeState.RUNNING or (one.state is NodeState.DEAD and one.heartbeat_at >= since)
    ]


def signed_in_now(visit: Visit) -> list[Exchange]:
    """The sign-in (9001) in force of each operator, the newest first."""
    ins, outs = (_confirmed(visit, infno) for infno in (SIGN_IN, SIGN_OUT))
    return in_force(ins, outs)


def _confirmed(visit: Visit, infno: str) -> list[Exchange]:
    query = Query(
        infno=infno, states=(State.CONFIRMED,), since=visit.parts.clock() - VALID_FOR, limit=READ_MAX
    )  # fmt: skip
    return visit.parts.store.journal.search(query)


def in_force(ins: Iterable[Exchange], outs: Iterable[Exchange]) -> list[Exchange]:
    """The newest sign-in of each operator who has not signed out since; both newest first."""
    left: dict[str, int] = {}
    for one in outs:
        left.setdefault(one.opter, one.id)
    found: dict[str, Exchange] = {}
    for one in ins:
        found.setdefault(one.opter, one)
    return [one for one in found.values() if left.get(one.opter, 0) < one.id]
