"""Paths ``a/b/c`` into plain trees: what a hospital's XML or JSON and a national message both become.

A tree is a dict of name -> value; a value is a text, a number, a tree, or a list where a name repeats.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

_SEGMENT = re.compile(r"@?[^\s/@]+|#text")


class Absent(Enum):
    """Why a path leads to no single value."""

    MISSING = "missing"
    REPEATED = "repeated"


@dataclass(frozen=True, slots=True)
class Path:
    """A parsed path. ``absolute`` (written with a leading ``/``) starts at the top of the message instead of the row."""

    parts: tuple[str, ...]
    absolute: bool = False

    def __str__(self) -> str:
        return ("/" if self.absolute else "") + ("/".join(self.parts) or ".")


def parse_path(text: str) -> Path:
    """Parse ``a/b``, ``/a/b``, ``@attribute`` or ``.`` (the row itself).

    Raises:
        ValueError: an empty or blank segment.
    """
    if text in (".", "/"):
        return Path((), absolute=text == "/")
    absolute = text.startswith("/")
    parts = tuple(text.removeprefix("/").split("/"))
    if not all(_SEGMENT.fullmatch(part) for part in parts) or ".." in parts:
        raise ValueError(text)
    return Path(parts, absolute)


def find(source: Any, parts: tuple[str, ...]) -> Any:
    """The one value at ``parts``, or why there is none. A list with one element counts as that element."""
    if len(parts) == 1 and isinstance(source, dict):  # a field of the row: nearly every call
        return _single(source.get(parts[0], Absent.MISSING))
    value = _single(source)
    for part in parts:
        if not isinstance(value, dict):
            return value if value is Absent.REPEATED else Absent.MISSING
        value = _single(value.get(part, Absent.MISSING))
    return value


def find_all(source: Any, parts: tuple[str, ...]) -> Any:
    """What stands at ``parts``, a list where the last name repeats, or ``Absent.MISSING``."""
    if not parts:
        return source
    parent = find(source, parts[:-1])
    return parent.get(parts[-1], Absent.MISSING) if isinstance(parent, dict) else Absent.MISSING


def find_rows(source: Any, parts: tuple[str, ...]) -> Iterator[Any]:
    """Every row at ``parts``, also below repeated parents; nothing for what is absent or blank."""
    if isinstance(source, list):
        for item in source:
            yield from find_rows(item, parts)
    elif parts:
        if isinstance(source, dict):
            yield from find_rows(source.get(parts[0]), parts[1:])
    elif source is not None and not (isinstance(source, str) and not source.strip()):
        yield source


def put(target: dict[str, Any], parts: tuple[str, ...], value: Any) -> None:
    """Write ``value`` at ``parts``. A subtree that the caller shaped as something else stays: the check names it."""
    if not parts:
        target.update(value if isinstance(value, dict) else {})
        return
    for part in parts[:-1]:
        child = target.setdefault(part, {})
        if not isinstance(child, dict):
            return
        target = child
    target[parts[-1]] = value


def _single(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    if not value:
        return Absent.MISSING
    return value[0] if len(value) == 1 else Absent.REPEATED
