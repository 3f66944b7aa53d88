"""Every transaction without a behaviour of its own: checked by its table, recorded when it changes something."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.simulator.registry import Turn
from gateway.simulator.tables import Node


def answer(turn: Turn) -> Any:
    """Plausible values of the right types; text fields echo the request's field of the same name.

    The one answer for all of them: a query finds one row, a change is written into the ledger's ``records``.
    """
    leaves = dict(_leaves(turn.message))
    if turn.table.mutates:
        turn.ledger.records.append(
            {
                "infno": turn.infno,
                "msgid": turn.msgid,
                "time": turn.time,
                "psn_no": leaves.get("psn_no", ""),
                "rows": sum(len(rows) for rows in lists(turn.message)),
            }
        )
    return turn.shaped_root(_echo(turn.table.output, leaves)) if turn.table.output else None


def leaves(message: Any, name: str) -> Iterator[str]:
    """Every text value called ``name`` anywhere in a message."""
    return (value for key, value in _leaves(message) if key == name)


def _echo(nodes: tuple[Node, ...], given: dict[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for node in nodes:
        own = {
            column.name: given[column.name]
            for column in node.columns
            if column.type in ("string", "text") and column.name in given
        } | _echo(node.children, given)
        values.update(own if node.name == "_root" else {node.name: own})
    return values


def _leaves(message: Any) -> Iterator[tuple[str, str]]:
    if isinstance(message, list):
        for row in message:
            yield from _leaves(row)
    elif isinstance(message, dict):
        for key, value in message.items():
            if isinstance(value, str):
                yield key, value
            else:
                yield from _leaves(value)


def lists(message: Any) -> Iterator[list[Any]]:
    """Every repeated node of a message."""
    for value in message.values() if isinstance(message, dict) else (message,):
        if isinstance(value, list):
            yield value
        elif isinstance(value, dict):
            yield from lists(value)
