"""Reading a national message without knowing what a province calls its nodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

Row = Mapping[str, Any]
_NODES: Final = (Mapping, list)
_LEAVES: Final = frozenset({str, int, bool, float, Decimal, type(None)})


def body_node(message: Any) -> str:
    """Name of the node that stands once (``dscginfo``, ``adminfo``, ``data``); empty when the fields stand at the root.

    Of several the one that names the visit or the person: some provinces add a node of the agent beside it.
    """
    if not isinstance(message, Mapping):
        return ""
    single = [str(name) for name, value in message.items() if isinstance(value, Mapping)]
    named = [name for name in single if "mdtrt_id" in message[name] or "psn_no" in message[name]]
    return next(iter(named or single), "")


def body(message: Any) -> Row:
    """The fields that stand once: of the first single node, else of the root."""
    node = body_node(message)
    found = message[node] if node else message
    return found if isinstance(found, Mapping) else {}


def rows(message: Any, node: str) -> list[Row]:
    """Rows of a node, wherever it stands; a single row counts as a list of one."""
    return list(_rows(message, node))


def _rows(value: Any, node: str) -> Iterator[Row]:
    if isinstance(value, list):
        for item in value:
            yield from _rows(item, node)
    elif isinstance(value, Mapping):
        found = value.get(node)
        if isinstance(found, list):
            yield from (row for row in found if isinstance(row, Mapping))
        elif isinstance(found, Mapping):
            yield found
        for name, item in value.items():
            # nearly everything is a leaf, and asking a text whether it is a mapping costs more than its type
            if type(item) not in _LEAVES and name != node and isinstance(item, _NODES):
                yield from _rows(item, node)


def text(row: Row, name: str) -> str:
    """A leaf as text; empty when it is absent or None."""
    value = row.get(name)
    return "" if value is None else str(value).strip()
