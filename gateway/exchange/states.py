"""The states of an exchange and the only ways between them (design, "Exchange states"; drawn in docs/inside/states.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.exchange.ports import State

EDGES: Final[Mapping[State, frozenset[State]]] = {
    State.RECEIVED: frozenset({State.REFUSED, State.INTENDED}),
    State.INTENDED: frozenset({State.CONFIRMED, State.DECLINED, State.NOT_SENT, State.IN_DOUBT}),
    State.IN_DOUBT: frozenset({State.CONFIRMED, State.DECLINED, State.NOT_DONE, State.REVERSED, State.ESCALATED}),
    State.ESCALATED: frozenset({State.CONFIRMED, State.NOT_DONE, State.REVERSED}),
    State.REFUSED: frozenset(),
    State.CONFIRMED: frozenset(),
    State.DECLINED: frozenset(),
    State.NOT_SENT: frozenset(),
    State.NOT_DONE: frozenset(),
    State.REVERSED: frozenset(),
}
"""Every state with the states it may become. The store moves by compare-and-set along these and no others."""

OPEN: Final = frozenset({State.INTENDED, State.IN_DOUBT, State.ESCALATED})
"""The platform may have acted and nobody has the last word yet: keeps the ``request_id`` and the ``busy`` row."""
UNRESOLVED: Final = frozenset({State.IN_DOUBT, State.ESCALATED})
"""What :meth:`~gateway.exchange.ports.Journal.resolve` may move."""
FREE: Final = frozenset({State.REFUSED, State.NOT_SENT, State.DECLINED, State.NOT_DONE, State.REVERSED})
"""Nothing is in force at the platform: the same request is a new attempt, with a new msgid."""
SENT: Final = EDGES[State.INTENDED]
"""Where the sender itself may bring an exchange."""
RECORDED: Final = SENT | {State.REFUSED}
"""What may be written at once, in its last state."""


def may_move(before: State, after: State) -> bool:
    """Whether the table has this edge."""
    return after in EDGES[before]
