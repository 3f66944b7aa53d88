"""Mapping documents -> :class:`~gateway.contract.model.Contract`. Pure: what was read is an argument.

The reader (``gateway.mappings``) has already checked every document against its JSON Schema; here is what a schema
cannot see. Everything wrong is collected, and raised together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from gateway.contract.errors import MappingError, raise_together
from gateway.contract.model import CodeList, Contract, EnvelopeField, Field, Transaction
from gateway.contract.overlay import apply_overlays
from gateway.contract.proofs import build_proofs, has_field
from gateway.contract.quality_table import build_quality
from gateway.contract.rule_table import build_rules
from gateway.contract.tables import Builder, Documents, Source, safety_class


def build_contract(documents: Documents, version: str) -> Contract:
    """Build the interface of the last overlay's province.

    Args:
        documents: schema-checked documents.
        version: hash over the bytes of all of them.

    Raises:
        MappingError: with every problem found, the others in ``others``.
    """
    errors: list[MappingError] = []
    codes = _code_lists(documents, errors)
    builder = Builder(codes, _aliases(documents.aliases, codes, errors), errors)
    base = {infno: builder.transaction(infno, source) for infno, source in documents.tables.items()}
    classified = _classified(base, documents.safety, errors)
    raise_together(errors)
    changed = apply_overlays(documents, classified, builder)
    raise_together(errors)
    _check_references(documents, changed.transactions, errors)
    proofs = build_proofs(documents.proofs, changed.transactions, errors)
    rules = build_rules(documents.rules, changed.transactions, errors)
    strict = len(documents.overlays) == 1
    quality = build_quality(documents.quality, changed.transactions, codes, errors, strict=strict)
    raise_together(errors)
    return Contract(
        province=documents.overlays[-1].source.value["province"],
        version=version,
        transactions=MappingProxyType(dict(sorted(changed.transactions.items()))),
        codes=MappingProxyType(codes),
        request_envelope=tuple(_envelope_field(field) for field in changed.request),
        response_envelope=tuple(_envelope_field(field) for field in changed.response),
        settings=MappingProxyType(changed.settings),
        proofs=proofs,
        rules=replace(rules, quality=quality),
        label=documents.overlays[-1].source.value["label"],
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
            if not has_field(transaction.input, field):
                text = f"交易 {infno} 的行键字段 {field} 在输入中不存在。"
                errors.append(documents.safety.error(("row_keys", infno, "fields"), text))
