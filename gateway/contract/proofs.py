"""``proofs.yaml`` -> :class:`~gateway.contract.model.Proofs`: what proves what about a doubtful exchange."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from gateway.contract.errors import MappingError
from gateway.contract.model import Evidence, Node, ProofQuery, ProofRule, Proofs, Side, Transaction
from gateway.contract.tables import Path, Source

_TEXTS = ("never_seen", "already_reversed", "done_before", "sign_in_again")


def build_proofs(
    sources: Sequence[Source], transactions: Mapping[str, Transaction], errors: list[MappingError]
) -> Proofs:
    """Lay the files over each other, most general first; what they name must be in the tables.

    Args:
        sources: schema-checked documents.
        transactions: of the province, overlays applied.
        errors: problems are added here, with file and line.
    """
    rules: dict[str, ProofRule] = {}
    classes: dict[str, ProofRule] = {}
    texts: dict[str, tuple[str, ...]] = {}
    for source in sources:
        check = _Check(source, transactions, errors)
        raw = source.value
        texts |= {name: tuple(raw[name]) for name in _TEXTS if name in raw}
        classes |= {safety: _rule(rule) for safety, rule in raw.get("defaults", {}).items()}
        for numbers, rule in raw.get("transactions", {}).items():
            for infno in numbers.split(", "):
                check.rule(infno, rule, ("transactions", numbers))
                rules[infno] = _rule(rule)
    return Proofs(MappingProxyType(rules), MappingProxyType(classes), **texts)


def _rule(raw: Mapping[str, Any]) -> ProofRule:
    return ProofRule(
        then=raw["then"],
        queries=tuple(_query(query) for query in raw.get("queries", ())),
        output=raw.get("output", {}),
        at_once=raw.get("at_once", False),
        done_waits=raw.get("done_waits", False),
        done_before=tuple(raw.get("done_before", ())),
        reason=raw["reason"],
    )


def _query(raw: Mapping[str, Any]) -> ProofQuery:
    filled = {node: {name: tuple(sources) for name, sources in fields.items()} for node, fields in raw["input"].items()}
    evidence = tuple(Evidence(**given) for given in raw["evidence"])
    return ProofQuery(raw["infno"], filled, evidence, raw.get("each", ""))


class _Check:
    """What a schema cannot see: every transaction, node and field must be in the tables."""

    def __init__(self, source: Source, transactions: Mapping[str, Transaction], errors: list[MappingError]) -> None:
        self._source = source
        self._transactions = transactions
        self._errors = errors

    def rule(self, infno: str, raw: Mapping[str, Any], at: Path) -> None:
        if infno not in self._transactions:
            self._wrong(at, f"交易 {infno} 不存在。")
            return
        for index, query in enumerate(raw.get("queries", ())):
            self._query(infno, query, (*at, "queries", index))
        for node, fields in raw.get("output", {}).items():
            for name in fields:
                self._field(infno, "output", f"{node}/{name}", (*at, "output", node, name))

    def _query(self, infno: str, raw: Mapping[str, Any], at: Path) -> None:
        asked = raw["infno"]
        if asked not in self._transactions or self._transactions[asked].safety != "read":
            self._wrong((*at, "infno"), f"交易 {asked} 不存在，或不是查询。")
            return
        row_of = raw.get("each", "")
        for node, fields in raw["input"].items():
            for name, sources in fields.items():
                self._field(asked, "input", f"{node}/{name}", (*at, "input", node, name))
                for source in sources:
                    self._value(infno, source, (*at, "input", node, name), row_of)
        for index, evidence in enumerate(raw["evidence"]):
            self._evidence(infno, asked, evidence, row_of, (*at, "evidence", index))

    def _evidence(self, infno: str, asked: str, raw: Mapping[str, Any], row_of: str, at: Path) -> None:
        for name in (*raw["where"], *([raw["fresh"]] if "fresh" in raw else ())):
            self._field(asked, "output", f"{raw['node']}/{name}", at)
        if raw.get("asked") and not row_of:
            self._wrong((*at, "asked"), "asked 只能与查询的 each 同写。")
        for name in raw.get("asked", ()) if row_of else ():
            self._field(infno, "input", f"{row_of}/{name}", (*at, "asked", name))
        for name, value in raw["where"].items():
            self._value(infno, value, (*at, "where", name), raw.get("each", row_of))

    def _value(self, infno: str, source: str, at: Path, row_of: str) -> None:
        kind, _, rest = source.partition(":")
        if kind == "message":
            self._field(infno, "input", rest, at)
        elif kind == "journal":
            other, _, path = rest.partition(":")
            if other in self._transactions:
                self._field(other, "input", path, at)
            else:
                self._wrong(at, f"交易 {other} 不存在。")
        elif kind == "row" and row_of:
            self._field(infno, "input", f"{row_of}/{rest}", at)
        elif kind == "row":
            self._wrong(at, f"{source} 只能与 each 同写。")

    def _field(self, infno: str, side: str, path: str, at: Path) -> None:
        if not has_field(getattr(self._transactions[infno], side), path):
            self._wrong(at, f"交易 {infno} 的{'输入' if side == 'input' else '输出'}中没有 {path}。")

    def _wrong(self, at: Path, text: str) -> None:
        self._errors.append(self._source.error(at, text))


def has_field(side: Side, path: str) -> bool:
    """Whether ``node/.../field`` is in this side of a table."""
    *nodes, name = path.split("/")
    fields, children = side.root, side.nodes
    for wanted in nodes:
        node: Node | None = next((node for node in children if node.name == wanted), None)
        if node is None:
            return False
        fields, children = node.fields, node.children
    return any(field.name == name for field in fields)
