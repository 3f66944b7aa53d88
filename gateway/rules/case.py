"""One transaction before its rules: what it says, what the stay is, and what the rules changed or remarked."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gateway.contract.model import RuleTable
from gateway.faults import Refused
from gateway.rules.list_view import Terms
from gateway.rules.message import Row, body, body_node, rows
from gateway.rules.policy import Policy
from gateway.rules.stay import Stay

SHOWN_MAX = 10
"""Rows named in a text; the evidence has all of them."""


@dataclass(frozen=True, slots=True)
class Change:
    """One amendment of a message, kept with the exchange and told in ``warn_msg``."""

    rule: str
    """``ET-01`` ..."""
    place: str
    """``node/field``, or ``node[row]/field`` with the 1-based row."""
    before: str | None
    """None where the field was absent."""
    after: str | None
    """None where the field was taken out."""


@dataclass(frozen=True, slots=True)
class DayOperation:
    """An entry of the 日间手术病种目录 (1311): the operations it allows, and what both are called."""

    dise_codg: str
    operations: frozenset[str]
    dise_name: str = ""
    operation_names: tuple[str, ...] = ()
    """As printed; not in the order of the codes."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rules say of one transaction.

    ``message`` is what is to be sent; it is the caller's own unless ``changes`` lists something.
    """

    message: Any
    refusal: Refused | None = None
    changes: tuple[Change, ...] = ()
    warnings: tuple[str, ...] = ()
    evidence: Mapping[str, str] = field(default_factory=dict)
    """Values compared and what made it pass, by rule; kept with the exchange."""


@dataclass(slots=True)
class Case:
    """Handed from rule to rule; a rule refuses by raising :class:`~gateway.faults.Refused`."""

    infno: str
    message: Any
    stay: Stay
    now: datetime
    policy: Policy
    table: RuleTable
    day_surgery: Mapping[str, DayOperation] | None = None
    terms: Terms = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    evidence: dict[str, str] = field(default_factory=dict)

    @property
    def form(self) -> Row:
        """The fields that stand once."""
        return body(self.message)

    def rows(self, node: str) -> list[Row]:
        return rows(self.message, node)

    def own_rows(self, node: str) -> list[Row]:
        """Rows about this stay: an upload may carry those of several."""
        return [row for row in self.rows(node) if row.get("mdtrt_id") in (None, "", self.stay.mdtrt_id)]

    def amend(self, rule: str, name: str, after: str | None) -> None:
        """Put a value into a field that stands once, or take it out with None; recorded."""
        before = self.form.get(name)
        if before == after:
            return
        node = body_node(self.message)
        self._own_copy()
        form = self.message[node] if node else self.message
        if after is None:
            form.pop(name, None)
        else:
            form[name] = after
        self.changes.append(Change(rule, f"{node}/{name}" if node else name, _text(before), after))

    def amend_rows(self, rule: str, node: str, after: list[Row], told: str) -> None:
        """Put rows in another order or number them anew; ``told`` names the field that shows what moved."""
        before = self.rows(node)
        if [dict(row) for row in before] == [dict(row) for row in after]:
            return
        self._own_copy()
        self.message[node] = [dict(row) for row in after]
        self.changes.append(Change(rule, f"{node}/{told}", _column(before, told), _column(after, told)))

    def _own_copy(self) -> None:
        if not self.changes:
            self.message = copy.deepcopy(self.message)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _column(found: list[Row], name: str) -> str:
    return ",".join(str(row.get(name, "")) for row in found)


def listed(items: list[str]) -> str:
    """Some of many, for a text."""
    rest = len(items) - SHOWN_MAX
    return "、".join(items[:SHOWN_MAX]) + (f" 等 {len(items)} 条" if rest > 0 else "")
