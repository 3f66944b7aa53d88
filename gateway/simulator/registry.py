"""How a transaction is written: a function of a :class:`Turn`, registered under its numbers.

A handler first checks everything, raising :class:`Declined`, and changes the ledger only after its last check,
so that a refusal never leaves half a change behind.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gateway.simulator import tables
from gateway.simulator.ledger import Ledger, printed
from gateway.simulator.tables import Table


@dataclass(frozen=True, slots=True)
class Turn:
    """One request on its way through the platform: envelope and tables are already checked."""

    infno: str
    msgid: str
    envelope: dict[str, Any]
    message: Any
    table: Table
    ledger: Ledger
    now: datetime
    discharge_first: bool
    one_sign_in: bool = False
    undo: list[Callable[[], None]] = field(default_factory=list)
    """At most one: what 2601 calls. It checks first and declines while later business stands on this request."""

    @property
    def institution(self) -> str:
        return str(self.envelope["fixmedins_code"])

    @property
    def time(self) -> str:
        return printed(self.now)

    def shaped(self, **nodes: Any) -> Any:
        """The answer in the order of the output table, its gaps filled plausibly."""
        return self.shaped_root(nodes)

    def shaped_root(self, values: Any) -> Any:
        """As :meth:`shaped`, for tables whose fields stand directly under ``output``."""
        return tables.shape(self.table.output, values, self.now, self.ledger.next_id("4"))


Handler = Callable[[Turn], Any]
"""Returns ``output``: an object, a list for a repeated ``_root``, or None."""

HANDLERS: dict[str, Handler] = {}


def handles(*infnos: str) -> Callable[[Handler], Handler]:
    """Register a handler under its transaction numbers."""

    def register(handler: Handler) -> Handler:
        HANDLERS.update(dict.fromkeys(infnos, handler))
        return handler

    return register
