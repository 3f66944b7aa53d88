"""Places that clients share: each is sure of some, the rest goes round evenly. No thread waits in here.

A place is a call in hand (``limits.calls_max``) or a request on its way to the platform (``listen.threads``). Because a
sure place is never lent, a client below its sure share gets one at once, whatever the others do.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from itertools import count


class Shares:
    """Who holds how many of ``places``.

    Args:
        places: held at one time, by all together.
        clients: who is sure of a share; anybody else takes from what is common.
        sure: part of the places (0 to 1) that is divided evenly among the clients and kept for them.
        at_most: places that a client may hold whatever is free.
    """

    def __init__(
        self, places: int, clients: Collection[str], sure: float, at_most: Mapping[str, int] | None = None
    ) -> None:
        self._each = int(places * sure / len(clients)) if clients else 0
        self._sure = frozenset(clients)
        self._common_free = places - self._each * len(self._sure)
        self._at_most = dict(at_most or {})
        self._held: Counter[str] = Counter()

    def held(self, client: str) -> int:
        """Places the client holds now."""
        return self._held[client]

    @property
    def all_held(self) -> int:
        """Places held now."""
        return self._held.total()

    def room(self, client: str) -> bool:
        """Whether the client could take one more."""
        held = self._held[client]
        return held < self._at_most.get(client, held + 1) and (held < self.sure(client) or self._common_free > 0)

    def sure(self, client: str) -> int:
        """Places that are kept for the client."""
        return self._each if client in self._sure else 0

    def take(self, client: str) -> bool:
        """Take one; whether there was room."""
        if not self.room(client):
            return False
        if self._held[client] >= self.sure(client):
            self._common_free -= 1
        self._held[client] += 1
        return True

    def give_back(self, client: str) -> None:
        """The place is free again."""
        if self._held[client] < 1:
            raise ValueError(f"{client} holds no place")
        self._held[client] -= 1
        if self._held[client] >= self.sure(client):
            self._common_free += 1
        if not self._held[client]:
            del self._held[client]


@dataclass(slots=True, eq=False)
class Turn:
    """One call that has a place or waits for one."""

    client: str
    number: int
    granted: Callable[[], None] = field(repr=False)
    """Called once, when the place is there."""
    has_place: bool = False


class FairQueue:
    """Calls waiting for one of the shares; who holds fewest goes first, then who came first.

    Args:
        shares: what is waited for.
    """

    def __init__(self, shares: Shares) -> None:
        self.shares = shares
        self._waiting: dict[str, deque[Turn]] = {}
        self._numbers = count()

    @property
    def waiting(self) -> int:
        """Calls without a place."""
        return sum(len(turns) for turns in self._waiting.values())

    def arrive(self, client: str, granted: Callable[[], None]) -> Turn:
        """Ask for a place; it may be there at once, then ``granted`` has been called."""
        turn = Turn(client, next(self._numbers), granted)
        self._waiting.setdefault(client, deque()).append(turn)
        self._grant()
        return turn

    def leave(self, turn: Turn) -> None:
        """Give the place back, or give up waiting for it."""
        if turn.has_place:
            turn.has_place = False
            self.shares.give_back(turn.client)
            self._grant()
            return
        queue = self._waiting[turn.client]
        queue.remove(turn)
        if not queue:
            del self._waiting[turn.client]

    def _grant(self) -> None:
        while (turn := self._next()) is not None:
            queue = self._waiting[turn.client]
            queue.popleft()
            if not queue:
                del self._waiting[turn.client]
            self.shares.take(turn.client)
            turn.has_place = True
            turn.granted()

    def _next(self) -> Turn | None:
        heads = (turns[0] for client, turns in self._waiting.items() if self.shares.room(client))
        return min(heads, key=lambda turn: (self.shares.held(turn.client), turn.number), default=None)
