"""``rules/entry-time.yaml`` -> :class:`~gateway.contract.model.RuleTable`: which rules guard which transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

from gateway.contract.errors import MappingError
from gateway.contract.model import RuleTable, Transaction
from gateway.contract.tables import Source


def build_rules(
    sources: Sequence[Source], transactions: Mapping[str, Transaction], errors: list[MappingError]
) -> RuleTable:
    """Lay the files over each other, most general first; what they name must be in the tables.

    Args:
        sources: schema-checked documents.
        transactions: of the province, overlays applied.
        errors: problems are added here, with file and line.
    """
    guards: dict[str, tuple[str, ...]] = {}
    operations: dict[str, Literal["single", "multi"]] = {}
    kinds: dict[str, frozenset[str]] = {}
    for source in sources:
        raw = source.value
        guards |= {infno: tuple(names) for infno, names in _by_infno(source, "guards", transactions, errors).items()}
        operations |= _by_infno(source, "operations", transactions, errors)
        kinds |= {name: frozenset(codes) for name, codes in raw.get("med_type", {}).items()}
    ordinary, day_surgery = (kinds.get(name, frozenset()) for name in ("ordinary", "day_surgery"))
    return RuleTable(MappingProxyType(guards), MappingProxyType(operations), ordinary, day_surgery)


def _by_infno(
    source: Source, table: str, transactions: Mapping[str, Transaction], errors: list[MappingError]
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for numbers, value in source.value.get(table, {}).items():
        for infno in numbers.split(", "):
            if infno not in transactions:
                errors.append(source.error((table, numbers), f"交易 {infno} 不存在。"))
            found[infno] = value
    return found
