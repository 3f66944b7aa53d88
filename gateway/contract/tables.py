"""Tables -> transactions, sides, nodes, fields: the part of building that base tables and overlays share."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from gateway.contract.errors import MappingError
from gateway.contract.model import CodeList, Field, Node, Safety, Side, Transaction

Path = tuple[str | int, ...]
ROOT = "_root"


class Source(Protocol):
    """A document that knows on which line a value stands."""

    @property
    def file(self) -> str: ...

    @property
    def value(self) -> Any: ...

    def error(self, path: Path, text: str) -> MappingError:
        """An error at the line of ``path``."""
        ...


@dataclass(frozen=True, slots=True)
class Overlay:
    """One province: its ``province.yaml`` and its own tables by infno."""

    source: Source
    tables: Mapping[str, Source]


@dataclass(frozen=True, slots=True)
class Documents:
    """Everything a contract is built from. ``overlays`` run from the most general to the province itself."""

    envelope: Source
    codes: Source
    aliases: Source
    safety: Source
    proofs: Sequence[Source]
    """``proofs.yaml`` and what the provinces change in it, most general first."""
    rules: Sequence[Source]
    """``rules/entry-time.yaml`` and what the provinces change in it, most general first."""
    quality: Sequence[Source]
    """``rules/settlement-list.yaml`` and what the provinces change in it, most general first."""
    tables: Mapping[str, Source]
    overlays: Sequence[Overlay]


_CAMEL = re.compile(r"(?<=[a-z0-9])([A-Z])")


def snake_case(name: str) -> str:
    """``rxFrquCodg`` -> ``rx_frqu_codg``: the spelling the code lists use."""
    return _CAMEL.sub(r"_\1", name).lower()


class Builder:
    """Builds fields, nodes, sides and transactions against one set of code lists; collects what is wrong."""

    def __init__(self, codes: Mapping[str, CodeList], aliases: Mapping[str, str], errors: list[MappingError]) -> None:
        self.errors = errors
        self._codes = codes
        self._aliases = aliases

    def transaction(self, infno: str, source: Source) -> Transaction:
        """One table; ``infno`` is the name of its file. Its safety class is set later."""
        raw = source.value
        if raw["infno"] != infno:
            self.errors.append(source.error(("infno",), f"infno {raw['infno']} 与文件名 {infno} 不一致。"))
        return Transaction(
            infno=raw["infno"],
            name=raw["name"],
            group=raw["group"],
            input=self.side(raw["input"], source, ("input",)),
            output=self.side(raw["output"], source, ("output",)),
            safety="read",
            mutates=raw["mutates"],
            money=raw["money"],
            reversible_by_2601=raw.get("reversible_by_2601", False),
            undone_by=raw.get("undone_by"),
            confidence=raw["confidence"],
            doubts=tuple(raw["doubts"]),
            note=raw.get("note", ""),
            rules=tuple(raw.get("rules", ())),
            file_layout=self.fields(raw.get("file_layout", ()), source, ("file_layout",)),
        )

    def side(self, rows: Sequence[Mapping[str, Any]], source: Source, at: Path) -> Side:
        """Input or output: nodes put into each other by ``parent``, roots merged."""
        roots = [index for index, row in enumerate(rows) if is_root(row)]
        tree = _Tree(rows, roots, source, at, self.errors)
        top = Node(
            ROOT,
            "",
            repeat=any(rows[index]["repeat"] for index in roots),
            fields=tuple(
                field for index in roots for field in self.fields(rows[index]["fields"], source, (*at, index, "fields"))
            ),
            children=tuple(self._node(tree, index) for index in tree.children(None)),
        )
        self.check_names(top, source, at)
        return Side(top.fields, top.children, top.repeat)

    def _node(self, tree: _Tree, index: int) -> Node:
        row = tree.rows[index]
        node = self.node(row, tree.source, (*tree.at, index))
        children = tuple(self._node(tree, child) for child in tree.children(index))
        node = replace(node, children=children)
        self.check_names(node, tree.source, (*tree.at, index))
        return node

    def node(self, row: Mapping[str, Any], source: Source, at: Path) -> Node:
        """One node with its fields, without children."""
        return Node(
            row["node"],
            row["label"],
            repeat=row["repeat"],
            optional=row.get("optional", False),
            fields=self.fields(row["fields"], source, (*at, "fields")),
            note=row.get("note", ""),
        )

    def fields(self, rows: Iterable[Mapping[str, Any]], source: Source, at: Path) -> tuple[Field, ...]:
        """Rows of a table in their order; a name may occur once."""
        fields = tuple(self.field(row, source, (*at, index)) for index, row in enumerate(rows))
        seen: set[str] = set()
        for index, field in enumerate(fields):
            if field.name in seen:
                self.errors.append(source.error((*at, index), f"字段 {field.name} 重复。"))
            seen.add(field.name)
        return fields

    def field(self, row: Mapping[str, Any], source: Source, at: Path) -> Field:
        """One row of a table."""
        precision, scale = row.get("precision"), row.get("scale")
        if precision is not None and scale is not None and scale > precision:
            self.errors.append(source.error((*at, "scale"), f"字段 {row['name']} 的 scale 大于 precision。"))
        return Field(
            name=row["name"],
            label=row["label"],
            type=row["type"],
            required=row["required"],
            length=row.get("length"),
            precision=precision,
            scale=scale,
            codes=self._code_list(row, source, at),
            note=row.get("note", ""),
            filled_by=row.get("filled_by"),
        )

    def _code_list(self, row: Mapping[str, Any], source: Source, at: Path) -> str | None:
        if "codes" in row:
            named: str = row["codes"]
            if named not in self._codes:
                self.errors.append(source.error((*at, "codes"), f"字段 {row['name']} 的值域 {named} 不存在。"))
            return named
        if not row.get("code"):
            return None
        spellings = (row["name"], snake_case(row["name"]))
        candidates = (name for spelling in spellings for name in (spelling, self._aliases.get(spelling)))
        return next((name for name in candidates if name in self._codes), None)

    def check_names(self, node: Node, source: Source, at: Path) -> None:
        """Fields and child nodes share one dict in a message, so their names must differ."""
        fields = {field.name for field in node.fields}
        self.errors += [
            source.error(at, f"节点 {child.name} 与同级字段同名。") for child in node.children if child.name in fields
        ]


def is_root(row: Mapping[str, Any]) -> bool:
    """Whether the fields of this node stand directly under input or output."""
    return row["node"] == ROOT or bool(row.get("root"))


class _Tree:
    """Which node stands in which. A parent is a name, or a path (``a/b``) where the name alone is not unique."""

    def __init__(
        self,
        rows: Sequence[Mapping[str, Any]],
        roots: Sequence[int],
        source: Source,
        at: Path,
        errors: list[MappingError],
    ) -> None:
        self.rows = rows
        self.source = source
        self.at = at
        self._nodes = [index for index in range(len(rows)) if index not in roots]
        self._parents: dict[int, int | None] = {}
        for index in self._nodes:
            try:
                self._path(index, ())
            except _BrokenError as broken:
                errors.append(source.error((*at, index), str(broken)))
        self._check_places(errors)

    def children(self, parent: int | None) -> list[int]:
        return [index for index in self._nodes if self._parents.get(index, -1) == parent]

    def _check_places(self, errors: list[MappingError]) -> None:
        seen: set[tuple[int | None, str]] = set()
        for index, parent in sorted(self._parents.items()):
            place = (parent, self.rows[index]["node"])
            if place in seen:
                errors.append(self.source.error((*self.at, index), f"节点 {place[1]} 在同一位置重复。"))
            seen.add(place)

    def _path(self, index: int, below: tuple[int, ...]) -> tuple[str, ...]:
        if index in below:
            raise _BrokenError(f"节点 {self.rows[index]['node']} 的上级成环。")
        if index not in self._parents:
            self._parents[index] = self._find_parent(index, (*below, index))
        parent = self._parents[index]
        own = (str(self.rows[index]["node"]),)
        return own if parent is None else self._path(parent, (*below, index)) + own

    def _find_parent(self, index: int, below: tuple[int, ...]) -> int | None:
        named = self.rows[index].get("parent")
        if named is None or named == ROOT:
            return None
        wanted = tuple(named.split("/"))
        found = [i for i in self._nodes if i != index and self.rows[i]["node"] == wanted[-1]]
        if len(wanted) > 1:
            found = [i for i in found if self._path(i, below)[-len(wanted) :] == wanted]
        if len(found) > 1:
            raise _BrokenError(f"上级节点 {named} 不止一个，请写路径（上级/{wanted[-1]}）。")
        if not found:
            itself = self.rows[index]["node"] == named
            raise _BrokenError(f"节点 {named} 以自己为上级。" if itself else f"上级节点 {named} 不存在。")
        return found[0]


class _BrokenError(Exception):
    pass


def safety_class(transaction: Transaction) -> Safety:
    """The class by the rule alone (design, Safety classes)."""
    if transaction.money or transaction.reversible_by_2601:
        return "money"
    if transaction.row_key:
        return "repeatable"
    return "state" if transaction.mutates else "read"
