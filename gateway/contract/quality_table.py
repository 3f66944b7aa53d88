"""``rules/settlement-list.yaml`` -> :class:`~gateway.contract.quality.QualityTable`; what a schema cannot see is checked here."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from gateway.contract.errors import MappingError
from gateway.contract.model import CodeList, Transaction
from gateway.contract.quality import FACTS, Check, QualityRule, QualityTable
from gateway.contract.tables import Source

LISTS: Final = ("4101", "4101A")
_PATHS: Final = (
    "field",
    "left",
    "right",
    "to",
    "from",
    "number",
    "born",
    "at",
    "with",
    "years",
    "days",
    "then_field",
    "name",
)
_PATH_LISTS: Final = ("fields", "of", "by")
_PATTERN: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9_]*(?:/[a-zA-Z][a-zA-Z0-9_]*)?")
_LITERALS: Final = frozenset({"compare", "sum", "count", "range"})
"""Verbs whose ``to`` or ``right`` may be a value instead of a field."""


def build_quality(
    sources: Sequence[Source],
    transactions: Mapping[str, Transaction],
    codes: Mapping[str, CodeList],
    errors: list[MappingError],
    *,
    strict: bool,
) -> QualityTable:
    """Lay the files over each other, most general first; a province writes a whole rule anew under its id.

    Args:
        sources: schema-checked documents.
        transactions: of the province, overlays applied.
        errors: problems are added here, with file and line.
        strict: a field that no list has is a mistake; a province may lack what the national file names.
    """
    layouts = {infno: frozenset(_layout(transactions[infno])) for infno in LISTS if infno in transactions}
    builder = _Builder(layouts, codes, errors, strict=strict)
    rules: dict[str, QualityRule] = {}
    for source in sources:
        rules |= {number: builder.rule(source, number, raw) for number, raw in source.value.get("rules", {}).items()}
    labels = {path: label for infno in LISTS if infno in transactions for path, label in _labels(transactions[infno])}
    labels |= {f"{node}/{name}": label for node, fields in FACTS.items() for name, label in fields.items()}
    found = tuple(rules[number] for number in sorted(rules))
    return QualityTable(found, MappingProxyType(layouts), MappingProxyType(labels))


def _layout(transaction: Transaction) -> Iterator[str]:
    for node in transaction.input.nodes:
        yield node.name
        yield from (f"{node.name}/{spec.name}" for spec in node.fields)


def _labels(transaction: Transaction) -> Iterator[tuple[str, str]]:
    for node in transaction.input.nodes:
        yield from ((f"{node.name}/{spec.name}", spec.label) for spec in node.fields)


class _Builder:
    """Builds rules against the layouts of a province."""

    def __init__(
        self,
        layouts: Mapping[str, frozenset[str]],
        codes: Mapping[str, CodeList],
        errors: list[MappingError],
        *,
        strict: bool,
    ) -> None:
        self._known = frozenset().union(*layouts.values()) if layouts else frozenset()
        self._codes = codes
        self._errors = errors
        self._strict = strict

    def rule(self, source: Source, number: str, raw: Mapping[str, Any]) -> QualityRule:
        at = ("rules", number)
        rows = raw.get("rows", "")
        self._node(source, at, rows)
        checks = self._checks(source, (*at, "check"), raw["check"], rows)
        where = {name: tuple(values) for name, values in raw.get("where", {}).items()}
        for name in where:
            self._path(source, (*at, "where"), name, rows)
        return QualityRule(
            rule_id=number,
            level=raw["level"],
            text=raw["text"],
            source=raw["source"],
            checks=checks,
            when=self._checks(source, (*at, "when"), raw.get("when", []), rows),
            rows=rows,
            where=MappingProxyType(where),
            beside=raw.get("beside", ""),
            first=_first(checks, rows),
        )

    def _checks(self, source: Source, at: tuple[str, ...], raw: Any, rows: str) -> tuple[Check, ...]:
        return tuple(self._check(source, at, one, rows) for one in raw)

    def _check(self, source: Source, at: tuple[str, ...], raw: Mapping[str, Any], rows: str) -> Check:
        ((verb, value),) = raw.items()
        args = _arguments(value)
        inner = args.get("rows", rows)
        self._node(source, at, args.get("rows", ""))
        for path in _paths(verb, args):
            self._path(source, at, path, inner)
        if name := args.get("list"):
            args["values"] = self._values(source, at, name)
        if "is" in args and verb == "pattern":
            args["is"] = self._pattern(source, at, args["is"])
        return Check(verb, MappingProxyType(args))

    def _values(self, source: Source, at: tuple[str, ...], name: str) -> tuple[str, ...]:
        if name in self._codes:
            return tuple(self._codes[name].values)
        self._errors.append(source.error(at, f"值域 {name} 不存在。"))
        return ()

    def _pattern(self, source: Source, at: tuple[str, ...], text: str) -> re.Pattern[str]:
        try:
            return re.compile(text)
        except re.error as error:
            self._errors.append(source.error(at, f"正则表达式 {text} 写法不对：{error}。"))
            return re.compile("")

    def _node(self, source: Source, at: tuple[str, ...], name: str) -> None:
        if name and self._strict and name not in self._known:
            self._errors.append(source.error(at, f"清单没有节点 {name}。"))

    def _path(self, source: Source, at: tuple[str, ...], path: str, rows: str) -> None:
        for one in path.split("|"):
            name = one.partition(":")[0]
            node, slash, field = name.rpartition("/")
            if not _PATTERN.fullmatch(name):
                self._errors.append(source.error(at, f"字段 {one} 应写作 节点/字段，行内可只写字段。"))
            elif not slash and not rows:
                self._errors.append(source.error(at, f"字段 {one} 须写明节点，如 setlinfo/{one}。"))
            elif node in FACTS:
                if field not in FACTS[node]:
                    self._errors.append(source.error(at, f"{node} 没有 {field}；可用：{'、'.join(FACTS[node])}。"))
            elif self._strict and f"{node or rows}/{field}" not in self._known:
                self._errors.append(source.error(at, f"4101、4101A 都没有字段 {node or rows}/{field}。"))


def _arguments(value: Any) -> dict[str, Any]:
    """A verb that takes nothing but fields has them as a list, ``unchecked`` its reason as a text."""
    if isinstance(value, Mapping):
        return dict(value)
    return {"fields": value} if isinstance(value, list) else {"reason": value}


def _paths(verb: str, args: Mapping[str, Any]) -> Iterator[str]:
    """Arguments of a verb that name fields."""
    for name in _PATHS:
        value = args.get(name)
        if name == "then_field" or (name in ("to", "right", "from") and verb in _LITERALS and not _is_path(value)):
            continue
        if isinstance(value, str):
            yield value
    for name in _PATH_LISTS:
        yield from args.get(name, ())
    yield from args.get("where", {})


def _is_path(value: Any) -> bool:
    return isinstance(value, str) and "/" in value and value[0].isalpha()


def _first(checks: Sequence[Check], rows: str) -> str:
    """The first field of the list itself that a check names."""
    for check in checks:
        for path in _paths(check.verb, check.args):
            for one in path.partition(":")[0].split("|"):
                node = one.rpartition("/")[0] or check.args.get("rows", rows)
                if node not in FACTS:
                    return one if "/" in one else f"{node}/{one}"
    return rows
