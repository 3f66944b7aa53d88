"""Which field of the one side became which of the other: the steps of a dialect walked for their places (pure).

For tools that show both sides: nothing is translated here, so the values of the side written come from the translation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.contract.dialect.paths import Absent, Path, find_all, find_rows
from gateway.contract.dialect.payload import leaf_text
from gateway.contract.dialect.verbs import WHOLE, Default, Each, Leaf, MoveNode, Shape, Step

Spot = tuple[str | int, ...]
"""Names from the top of a tree; after a name that repeats comes the number of its row, from 1 on."""


@dataclass(frozen=True, slots=True)
class Carried:
    """One field of the side that was written.

    Args:
        sources: the fields it was made of, each with its text; empty for what the dialect itself fills in.
    """

    sources: tuple[tuple[Spot, str], ...]
    target: Spot


def carried(steps: Sequence[Step], source: Any) -> list[Carried]:
    """Every field that ``steps`` write for ``source``, in the order of the steps.

    Args:
        source: the tree that they read, top of the message.
    """
    return list(_Walk(source).through(steps, source, (), ()))


def leaves(tree: Any, spot: Spot = ()) -> Iterator[tuple[Spot, Any]]:
    """Every value of a tree with its place; an element with attributes is a tree too."""
    if isinstance(tree, dict):
        for name, value in tree.items():
            yield from leaves(value, (*spot, name))
    elif isinstance(tree, list):
        for number, value in enumerate(tree, 1):
            yield from leaves(value, (*spot, number))
    else:
        yield spot, tree


class _Walk:
    """One message."""

    def __init__(self, top: Any) -> None:
        self._top = top
        self._spots = dict(_trees(top, ()))
        self._written: dict[Spot, int] = {}

    def through(self, steps: Sequence[Step], row: Any, at: Spot, into: Spot) -> Iterator[Carried]:
        """One row.

        Args:
            at: where it stands.
            into: where the row that is written stands.
        """
        for step in steps:
            if isinstance(step, Leaf):
                yield from self._leaf(step, row, at, into)
            elif isinstance(step, Default):
                yield Carried((), (*into, *step.target.parts))
            elif isinstance(step, Each):
                yield from self._each(step, row, at, into)
            elif isinstance(step, MoveNode):
                value = find_all(self._start(step.source, row), step.source.parts)
                start = () if step.source.absolute else at
                yield from _moved(value, step.shape, (*start, *step.source.parts), (*into, *_named(step.target)))

    def _start(self, path: Path, row: Any) -> Any:
        return self._top if path.absolute else row

    def _leaf(self, step: Leaf, row: Any, at: Spot, into: Spot) -> Iterator[Carried]:
        found = [one for path in step.sources if (one := self._source(path, row, at)) is not None]
        if found or not step.sources:
            yield Carried(tuple(found), (*into, *step.target.parts))

    def _source(self, path: Path, row: Any, at: Spot) -> tuple[Spot, str] | None:
        """The one value at ``path`` and where it stands; None when there is none."""
        value, spot = _alone(self._start(path, row), () if path.absolute else at)
        for part in path.parts:
            if not isinstance(value, dict) or part not in value:
                return None
            value, spot = _alone(value[part], (*spot, part))
        return spot, _text(value)

    def _each(self, step: Each, row: Any, at: Spot, into: Spot) -> Iterator[Carried]:
        path = step.source
        rows = list(find_rows(self._start(path, row), path.parts))
        alone = step.only_first or not step.target.parts
        for one in rows[:1] if alone else rows:
            start = self._spots.get(id(one), (*(() if path.absolute else at), *path.parts))
            yield from self.through(step.steps, one, start, self._next(step, into))

    def _next(self, step: Each, into: Spot) -> Spot:
        """Where the next row is written."""
        if not step.target.parts:
            return into
        below = (*into, *_named(step.target))
        self._written[below] = self._written.get(below, 0) + 1
        return (*below, self._written[below])


def _named(target: Path) -> tuple[str, ...]:
    """The names of a target; a message that is itself a list has none."""
    return () if target.parts == WHOLE else target.parts


def _trees(value: Any, spot: Spot) -> Iterator[tuple[int, Spot]]:
    """Where each tree stands, by its identity: rows are found without their places."""
    if isinstance(value, dict):
        yield id(value), spot
        for name, item in value.items():
            yield from _trees(item, (*spot, name))
    elif isinstance(value, list):
        for number, item in enumerate(value, 1):
            yield from _trees(item, (*spot, number))


def _alone(value: Any, spot: Spot) -> tuple[Any, Spot]:
    """A list with one element counts as that element."""
    return (value[0], (*spot, 1)) if isinstance(value, list) and len(value) == 1 else (value, spot)


def _text(value: Any) -> str:
    """What stands at a place as a leaf reads it: of an element with attributes its text."""
    if isinstance(value, dict):
        value = value.get("#text", "")
    return "" if isinstance(value, list) else leaf_text(value)


def _moved(value: Any, shape: Shape | None, spot: Spot, into: Spot) -> Iterator[Carried]:
    """A subtree whose names stay."""
    rows = (
        [((*spot, number), row) for number, row in enumerate(value, 1)] if isinstance(value, list) else [(spot, value)]
    )
    listed = shape.repeat if shape is not None else isinstance(value, list)
    for number, (at, row) in enumerate(rows, 1):
        below = (*into, number) if listed or len(rows) > 1 else into
        if isinstance(row, dict) and not _is_text(row):
            for name, item in row.items():
                child = shape.children.get(name) if shape is not None else None
                yield from _moved(item, child, (*at, name), (*below, name))
        elif not isinstance(row, Absent | list):
            yield Carried(((at, _text(row)),), below)


def _is_text(row: Any) -> bool:
    """Whether it is an element with attributes and nothing below."""
    return isinstance(row, dict) and "#text" in row and all(name.startswith(("@", "#")) for name in row)
