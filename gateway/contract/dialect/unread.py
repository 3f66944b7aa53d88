"""What a request contains that no verb reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Reads:
    """A tree of the paths that a transaction's steps read; ``deep`` covers everything below, ``leaf`` the value itself."""

    children: dict[str, Reads] = field(default_factory=dict)
    leaf: bool = False
    deep: bool = False

    def at(self, parts: tuple[str, ...]) -> Reads:
        """The node at ``parts``, made when it is not there."""
        node = self
        for part in parts:
            node = node.children.setdefault(part, Reads())
        return node

    def joined(self, other: Reads) -> Reads:
        """What either of the two reads."""
        result = Reads(dict(self.children), self.leaf or other.leaf, self.deep or other.deep)
        for name, child in other.children.items():
            mine = result.children.get(name)
            result.children[name] = child if mine is None else mine.joined(child)
        return result


def unread(value: Any, reads: Reads, path: str = "") -> tuple[str, ...]:
    """Paths that hold something nobody reads, each once, in the order of the message. Empty elements hold nothing."""
    return tuple(dict.fromkeys(_unread(value, reads, path)))


def _unread(value: Any, reads: Reads, path: str) -> Iterator[str]:
    if reads.deep:
        return
    if isinstance(value, list):
        for item in value:
            yield from _unread(item, reads, path)
    elif isinstance(value, dict):
        for name, item in value.items():
            if name == "#text":
                yield from _unread(item, reads, path)
            else:
                yield from _child(item, reads.children.get(name), f"{path}/{name}" if path else name)
    elif not reads.leaf and str(value).strip():
        yield path


def _child(item: Any, reads: Reads | None, path: str) -> Iterator[str]:
    if reads is not None:
        yield from _unread(item, reads, path)
    elif _holds_something(item):
        yield path


def _holds_something(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_holds_something(item) for item in value.values())
    if isinstance(value, list):
        return any(_holds_something(item) for item in value)
    return bool(str(value).strip())
