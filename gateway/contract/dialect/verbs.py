"""The closed set of verbs as values that run: a step reads from one tree and writes into another.

A step never raises for what a message contains. What it cannot translate becomes a :class:`Problem`; the value
then stands untranslated in the target, so that nobody is told it was missing, or not at all where it would mislead.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import ROUND_HALF_UP, Decimal, Inexact, localcontext
from typing import Any, Literal, Protocol

from gateway.contract.dialect.dates import DatePattern
from gateway.contract.dialect.paths import Absent, Path, find, find_all, find_rows, put
from gateway.contract.dialect.payload import leaf_text
from gateway.contract.model import Node, Problem

OnUnfit = Literal["keep", "drop", "silent"]
"""What stands in the target for a value that cannot be translated: ``keep`` it as it came, or nothing (reported or not)."""

WHOLE = ("",)
"""Where a message that is itself a list stands until it is complete."""

_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,30}(?:\.[0-9]{0,20})?|\.[0-9]{1,20})")


class UnfitError(Exception):
    """A value that a verb cannot translate.

    Args:
        rule: rule name of :class:`Problem`.
        text: the end of a Chinese sentence that began with the name of the field.
    """

    def __init__(self, rule: str, text: str) -> None:
        self.rule = rule
        self.text = text
        super().__init__(text)


Convert = Callable[[Sequence[Any]], Any]
"""Present values in the order of the paths (absent ones as "") to the value written; raises UnfitError."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands on both sides, for the sentence about it."""

    his: str
    """The hospital's own path."""
    node: str
    field: str
    label: str

    def sentence(self, text: str) -> str:
        """``text`` with both names of the field in front."""
        national = "/".join(part for part in (self.node, self.field) if part)
        return f"院内字段 {self.his}（国家字段 {national} {self.label}）{text}"


@dataclass(slots=True)
class Scope:
    """One row being translated."""

    source: Any
    top: Any
    """What paths with a leading ``/`` start from."""
    target: dict[str, Any]
    rows: tuple[int, ...] = ()
    problems: list[Problem] = field(default_factory=list)

    def find(self, path: Path) -> Any:
        """The single value at ``path``."""
        return find(self.top if path.absolute else self.source, path.parts)

    def report(self, place: Place, value: str, error: UnfitError) -> None:
        """Add a problem of this row."""
        row = "/".join(map(str, self.rows))
        where = f"第 {row} 行" if row else ""
        text = place.sentence(f"{where}{error.text}")
        self.problems.append(Problem(place.node, row, place.field, place.label, value, error.rule, text))


class Step(Protocol):
    """One line of a dialect file, compiled."""

    def run(self, scope: Scope) -> None:
        """Translate what this step is about in one row."""
        ...


@dataclass(frozen=True, slots=True)
class Leaf:
    """Writes one value made from others: every verb but ``default``, ``each`` and a ``move`` of a node."""

    sources: tuple[Path, ...]
    target: Path
    place: Place
    convert: Convert
    on_unfit: OnUnfit = "drop"

    def run(self, scope: Scope) -> None:
        found = [scope.find(path) for path in self.sources]
        if found and all([value is Absent.MISSING for value in found]):  # noqa: C419  a list is twice as fast for one or two
            return
        try:
            values = [value if type(value) is str else _leaf(value) for value in found]
        except UnfitError as error:
            scope.report(self.place, "", error)
            return
        try:
            put(scope.target, self.target.parts, self.convert(values))
        except UnfitError as error:
            self._unfit(scope, values, error)

    def _unfit(self, scope: Scope, values: Sequence[Any], error: UnfitError) -> None:
        if self.on_unfit == "silent":
            return
        scope.report(self.place, leaf_text(values[0]), error)
        if self.on_unfit == "keep":
            put(scope.target, self.target.parts, values[0])


def _leaf(value: Any) -> Any:
    if value is Absent.MISSING:
        return ""
    if value is Absent.REPEATED:
        raise UnfitError("repeat", "出现多次，只能出现一次。")
    if not isinstance(value, dict):
        return value
    if "#text" in value and all(name.startswith(("@", "#")) for name in value):
        return value["#text"]
    if all(name.startswith("@") for name in value):
        return ""
    raise UnfitError("shape", "应为一个值，却含下级节点。")


@dataclass(frozen=True, slots=True)
class Default:
    """Fills a field that is absent or empty after the steps above it."""

    target: Path
    value: str

    def run(self, scope: Scope) -> None:
        if find(scope.target, self.target.parts) in (Absent.MISSING, "", None):
            put(scope.target, self.target.parts, self.value)


@dataclass(frozen=True, slots=True)
class Each:
    """Runs its steps once per row of a repeated node."""

    source: Path
    target: Path
    steps: tuple[Step, ...]
    only_first: bool = False

    def run(self, scope: Scope) -> None:
        rows = list(find_rows(scope.top if self.source.absolute else scope.source, self.source.parts))
        if not self.target.parts:
            for row in rows[:1]:
                self._row(replace(scope, source=row))
            return
        if not rows and self.target.parts != WHOLE:
            return
        if find_all(scope.target, self.target.parts) is Absent.MISSING:
            put(scope.target, self.target.parts, [])
        written = find_all(scope.target, self.target.parts)
        if not isinstance(written, list):
            return
        for row in rows[:1] if self.only_first else rows:
            target: dict[str, Any] = {}
            written.append(target)
            self._row(replace(scope, source=row, target=target, rows=(*scope.rows, len(written))))

    def _row(self, scope: Scope) -> None:
        for step in self.steps:
            step.run(scope)


class Shape:
    """Which nodes of a national subtree repeat, so that one element of a repeated node becomes a list too."""

    __slots__ = ("children", "repeat")

    def __init__(self, nodes: Sequence[Node], *, repeat: bool = False) -> None:
        self.repeat = repeat
        self.children: Mapping[str, Shape] = {node.name: Shape(node.children, repeat=node.repeat) for node in nodes}

    def of(self, value: Any) -> Any:
        """``value`` with a list for every repeated node; what has no place here stays as it is, the check names it."""
        rows = [self._row(row) for row in find_rows(value, ())]
        if self.repeat:
            return rows
        return rows[0] if len(rows) == 1 else rows or {}

    def _row(self, row: Any) -> Any:
        if not isinstance(row, dict):
            return row
        return {name: self._item(self.children.get(name), item) for name, item in row.items()}

    @staticmethod
    def _item(shape: Shape | None, item: Any) -> Any:
        if shape is not None:
            return shape.of(item)
        if isinstance(item, dict) and "#text" in item and all(name.startswith(("@", "#")) for name in item):
            return item["#text"]
        return item


@dataclass(frozen=True, slots=True)
class MoveNode:
    """Moves a whole subtree; the names inside are national already, or stay national on the way back."""

    source: Path
    target: Path
    shape: Shape | None
    """None on the way back: the hospital gets what the platform sent."""

    def run(self, scope: Scope) -> None:
        value = find_all(scope.top if self.source.absolute else scope.source, self.source.parts)
        if value is Absent.MISSING:
            return
        put(scope.target, self.target.parts, value if self.shape is None else self.shape.of(value))


# --------------------------------------------------------- what a verb does with values


def same(values: Sequence[Any]) -> Any:
    """``rename`` and ``move``: the value as it came."""
    return values[0]


def constant(value: str) -> Convert:
    """``constant``: a fixed value."""
    return lambda _values: value


def code(table_name: str, table: Mapping[str, str], otherwise: str | None) -> Convert:
    """``code``: the table's value; blanks around are ignored, an empty value stays empty."""

    def convert(values: Sequence[Any]) -> str:
        key = leaf_text(values[0]).strip()
        if not key:
            return ""
        found = table.get(key, otherwise)
        if found is None:
            raise UnfitError("code", f"的值“{key}”不在对照表 {table_name} 中（有：{_some(table)}）。")
        return found

    return convert


def _some(table: Mapping[str, str]) -> str:
    return "、".join(list(table)[:12]) + ("……" if len(table) > 12 else "")


def date(read: Sequence[DatePattern], write: DatePattern, empty: frozenset[str]) -> Convert:
    """``date``: the first pattern that fits, written as ``write``; a value listed in ``empty`` means no date."""
    patterns = " 或 ".join(pattern.text for pattern in read)

    def convert(values: Sequence[Any]) -> str:
        text = leaf_text(values[0]).strip()
        if not text or text in empty:
            return ""
        moment = next((found for pattern in read if (found := pattern.read(text))), None)
        if moment is None:
            raise UnfitError("date", f"的值“{text}”不是格式为 {patterns} 的日期。")
        return write.write(moment)

    return convert


def unit(factor: Decimal, scale: int | None, *, rounding: bool) -> Convert:
    """``unit``: the number times ``factor``, in Decimal; digits beyond ``scale`` are refused unless ``rounding``."""

    def convert(values: Sequence[Any]) -> str:
        text = leaf_text(values[0]).strip()
        if not text:
            return ""
        if not _NUMBER.fullmatch(text):
            raise UnfitError("type", f"的值“{text}”不是数字。")
        with localcontext() as context:
            context.prec = 120
            context.rounding = ROUND_HALF_UP
            context.traps[Inexact] = not rounding
            product = Decimal(text) * factor
            try:
                return format(product if scale is None else product.quantize(Decimal(1).scaleb(-scale)), "f")
            except Inexact:
                raise UnfitError("scale", f"的值“{text}”换算后小数超过 {scale} 位。") from None

    return convert


def concat(separator: str) -> Convert:
    """``concat``: the values that are not blank, joined."""
    return lambda values: separator.join(text for value in values if (text := leaf_text(value)).strip())


def lookup(table_name: str, table: Mapping[str, Mapping[str, str]], column: str) -> Convert:
    """``lookup``: one column of the row that has this key; a row without the column gives an empty text."""

    def convert(values: Sequence[Any]) -> str:
        key = leaf_text(values[0]).strip()
        if not key:
            return ""
        row = table.get(key)
        if row is None:
            raise UnfitError("code", f"的值“{key}”不在资料表 {table_name} 中。")
        return row.get(column, "")

    return convert


def function(name: str, call: Callable[..., str]) -> Convert:
    """``function``: a named function of the registry; nothing to do when every value is blank."""

    def convert(values: Sequence[Any]) -> str:
        texts = [leaf_text(value) for value in values]
        if not any(text.strip() for text in texts):
            return ""
        try:
            return call(*texts)
        except ValueError as error:
            raise UnfitError("type", f"无法由函数 {name} 换算：{error}。") from None

    return convert
