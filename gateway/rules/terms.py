"""What catalogs say of the codes in a message: looked up before the rules are asked, since rules do no I/O."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from gateway.contract.quality import QualityTable
from gateway.rules.list_view import Terms, matching
from gateway.rules.message import rows, text

TermBook = Callable[[Mapping[str, Collection[str]]], Terms]
"""Looks codes up: catalog -> codes, to catalog -> code -> its names."""

CATALOG_VERBS: Final = ("catalogued", "named")


def no_catalogs(asked: Mapping[str, Collection[str]]) -> Terms:
    """Where nothing has been downloaded: the rules stay 未检."""
    del asked
    return {}


def codes_asked(table: QualityTable, message: Any) -> dict[str, set[str]]:
    """The codes of a list that its rules want to have looked up, by catalog."""
    found: dict[str, set[str]] = {}
    for rule in table.rules:
        for check in rule.checks:
            if check.verb in CATALOG_VERBS:
                told = matching(rows(message, rule.rows), rule.where)
                found.setdefault(check.args["catalog"], set()).update(text(row, check.args["field"]) for row in told)
    return {infno: {code for code in codes if code} for infno, codes in found.items()}
