"""What a confirmed exchange means for earlier ones."""

from __future__ import annotations

from typing import Any, Final

from gateway.contract.interface import Interface
from gateway.exchange.ports import Exchange

REVERSAL: Final = "2601"


def effects(interface: Interface, entry: Exchange) -> dict[str, Any]:
    """``ends`` and ``ends_msgid`` of the outcome of ``entry`` (design, "Duplicates")."""
    omsgid = next((value for kind, value in entry.keys if kind == "omsgid"), None)
    return {"ends": interface.ends(entry.infno), "ends_msgid": omsgid if entry.infno == REVERSAL else None}
