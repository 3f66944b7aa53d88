"""The exchange that an address names."""

from __future__ import annotations

from gateway.console.visit import Visit
from gateway.exchange.ports import Exchange


def exchange_of(visit: Visit) -> Exchange | None:
    """The exchange whose number stands in the address."""
    return numbered(visit, visit.path["exchange_id"])


def numbered(visit: Visit, text: str) -> Exchange | None:
    """The exchange of a number as somebody may have written it."""
    return visit.parts.store.journal.get(int(text)) if text.isascii() and text.isdigit() and len(text) < 19 else None
