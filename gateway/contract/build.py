"""Mapping documents -> :class:`~gateway.contract.model.Contract`. Pure: what was read is an argument.

The reader (``gateway.mappings``) has already checked every document against its JSON Schema; here is what a schema
cannot see. Everything wrong is collected, and raised together.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Protocol

from gateway.contract.errors import MappingError, raise_together
from gateway.contract.model import CodeList, Contract, EnvelopeField, Field, Node, Safety, Side, Transaction

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
    tables: Mapping[str, Source]
    overlays: Sequence[Overlay]


def build_contract(documents: Documents, version: str) -> Contract:
    """Build the interface of the last overlay's province.

    Args:
        documents: schema-checked documents.
        version: hash over the bytes of all of them.

    Raises:
        MappingError: with every problem found, the others in ``others``.
    """
    from gateway.contract.overlay import apply_overlays  # it builds on this module

    errors: list[MappingError] = []
    codes = _code_lists(documents, errors)
    builder = Builder(codes, _aliases(documents.aliases, codes, errors), errors)
    base = {infno: builder.transaction(infno, source) for infno, source in documents.tables.items()}
    classified = _classified(base, documents.safety, errors)
    raise_together(errors)
    changed = apply_overlays(documents, classified, builder)
    raise_together(errors)
    _check_references(documents, changed.transactions, errors)
    raise_together(errors)
    return Contract(
        province=documents.overlays[-1].source.value["province"],
        version=version,
        transactions=MappingProxyType(dict(sorted(changed.transactions.items()))),
        codes=MappingProxyType(codes),
        request_envelope=tuple(_envelope_field(field) for field in changed.request),
        response_envelope=tuple(_envelope_field(field) for field in changed.response),
        settings=MappingProxyType(changed.settings),
    )


def _envelope_field(field: Field) -> EnvelopeField:
    return EnvelopeField(field.name, field.label, field.type, field.length, field.required)


# -------------------------------------------------------------------- codes


def _code_lists(documents: Documents, errors: list[MappingError]) -> dict[str, CodeList]:
    regions = [
        (o.source, i, r) for o in documents.overlays for i, r in enumerate(o.source.value.get("code_regions", []))
    ]
    raw = documents.codes.value
    known = {region for entry in raw.values() for region in entry.get("regional", {})}
    errors += [
        source.error(("code_regions", index), f"codes.yaml 中没有名为 {region} 的 regional。")
        for source, index, region in regions
        if region not in known
    ]
    lists = {}
    for name, entry in raw.items():
        values = dict(entry["values"])
        for _, _, region in regions:
            values |= entry.get("regional", {}).get(region, {})
        lists[name] = (entry["label"], values)
    for overlay in documents.overlays:
        for name, change in overlay.source.value.get("codes", {}).items():
            _change_codes(lists, name, change, overlay.source, errors)
    return {name: CodeList(name, label, MappingProxyType(values)) for name, (label, values) in lists.items()}


def _change_codes(
    lists: dict[str, tuple[str, dict[str, str]]],
    name: str,
    change: Mapping[str, Any],
    source: Source,
    errors: list[MappingError],
) -> None:
    if name not in lists and "label" not in change:
        errors.append(source.error(("codes", name), f"值域 {name} 不存在；若要新增，请写明 label。"))
        return
    label, values = lists.get(name, ("", {}))
    for index, code in enumerate(change.get("drop", [])):
        if values.pop(code, None) is None:
            errors.append(source.error(("codes", name, "drop", index), f"值域 {name} 中没有代码 {code}。"))
    lists[name] = (change.get("label", label), values | change.get("add", {}))


def _aliases(source: Source, codes: Mapping[str, CodeList], errors: list[MappingError]) -> Mapping[str, str]:
    aliases: Mapping[str, str] = source.value or {}
    errors += [source.error((name,), f"值域 {to} 不存在。") for name, to in aliases.items() if to not in codes]
    return aliases


_CAMEL = re.compile(r"(?<=[a-z0-9])([A-Z])")


def snake_case(name: str) -> str:
    """``rxFrquCodg`` -> ``rx_frqu_codg``: the spelling the code lists use."""
    return _CAMEL.sub(r"_\1", name).lower()


# ------------------------------------------------------------------- tables


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


# ------------------------------------------------------------------- safety


def _classified(
    transactions: Mapping[str, Transaction], safety: Source, errors: list[MappingError]
) -> dict[str, Transaction]:
    """Set the safety class by the rule in the design, then the deviations of ``safety.yaml``."""
    raw = safety.value
    errors += [
        safety.error((table, infno), f"交易 {infno} 不存在。")
        for table in ("row_keys", "deviations", "undone_by", "callbacks")
        for infno in raw[table]
        if infno not in transactions
    ]
    result = {}
    for infno, transaction in transactions.items():
        keyed = replace(transaction, row_key=tuple(raw["row_keys"].get(infno, {}).get("fields", ())))
        deviation = raw["deviations"].get(infno)
        if deviation and deviation["safety"] == safety_class(keyed):
            errors.append(safety.error(("deviations", infno), f"交易 {infno} 按规则已是此等级，不必列出。"))
        if infno in raw["undone_by"] and keyed.undone_by:
            errors.append(safety.error(("undone_by", infno), f"交易 {infno} 的表中已有 undone_by，不必列出。"))
        result[infno] = replace(
            keyed,
            safety=deviation["safety"] if deviation else safety_class(keyed),
            undone_by=keyed.undone_by or raw["undone_by"].get(infno, {}).get("by"),
            callback=infno in raw["callbacks"],
        )
    return result


def safety_class(transaction: Transaction) -> Safety:
    """The class by the rule alone (design, Safety classes)."""
    if transaction.money or transaction.reversible_by_2601:
        return "money"
    if transaction.row_key:
        return "repeatable"
    return "state" if transaction.mutates else "read"


# --------------------------------------------------------------- references


def _check_references(
    documents: Documents, transactions: Mapping[str, Transaction], errors: list[MappingError]
) -> None:
    sources = dict(documents.tables)
    for overlay in documents.overlays:
        sources |= overlay.tables
    province = documents.overlays[-1].source
    for infno, transaction in transactions.items():
        if transaction.undone_by and transaction.undone_by not in transactions:
            source = sources.get(infno, province)
            errors.append(source.error(("undone_by",), f"undone_by 所指的交易 {transaction.undone_by} 不存在。"))
        for field in transaction.row_key:
            if not _has_field(transaction.input, field):
                text = f"交易 {infno} 的行键字段 {field} 在输入中不存在。"
                errors.append(documents.safety.error(("row_keys", infno, "fields"), text))


def _has_field(side: Side, path: str) -> bool:
    *nodes, name = path.split("/")
    fields, children = side.root, side.nodes
    for wanted in nodes:
        node = next((node for node in children if node.name == wanted), None)
        if node is None:
            return False
        fields, children = node.fields, node.children
    return any(field.name == name for field in fields)
