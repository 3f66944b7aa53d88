"""Quality control of a settlement list (结算清单质控): every rule of the table is asked, and says what came of it.

A rule whose input is missing is 未检 with the reason, never passed. What a rule says is the same on every path, since the
exchange asks here (guard ``list_quality`` of 4101, 4101A), and so do the console, the job and ``yibao lists check``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from gateway.contract.model import Problem
from gateway.contract.quality import FACTS, Check, Level, QualityRule, QualityTable
from gateway.faults import LIST_QUALITY, Refused
from gateway.rules.case import Case
from gateway.rules.list_verbs import Lacking, Outcome, Scope, Wrong, ask, together
from gateway.rules.list_view import Told, View, matching
from gateway.rules.message import Row, body, text
from gateway.rules.stay import Settled, Stay

Result = Literal["passed", "problem", "unchecked", "not_applicable"]
RULE: Final = "SL"
TOLD_MAX: Final = 20
"""Findings spelled out in a text; the structured list has all."""
_PLACE: Final = re.compile(r"\{([a-z_A-Z0-9/]+)\}")


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of one rule, of one row where it is asked row by row.

    Args:
        text: for staff, with the values; of an unchecked rule what is missing.
        place: ``node/field`` that it is shown beside.
        row: 1-based, 0 where the rule is about no row.
        value: what was found.
    """

    rule_id: str
    level: Level
    result: Result
    text: str
    source: str
    place: str = ""
    row: int = 0
    value: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What came of all rules."""

    findings: tuple[Finding, ...]

    def of(self, level: Level) -> list[Finding]:
        """Problems of a level."""
        return [one for one in self.findings if one.result == "problem" and one.level == level]

    @property
    def unchecked(self) -> list[Finding]:
        return [one for one in self.findings if one.result == "unchecked"]

    def count(self, result: Result) -> int:
        return sum(one.result == result for one in self.findings)

    def beside(self, place: str, row: int = 0) -> list[Finding]:
        """Problems shown beside a field."""
        return [
            one for one in self.findings if one.result == "problem" and (one.place, one.row) == (place, row)
        ]  # fmt: skip


class QualityRefused(Refused):
    """GW-1103 with every finding that refuses."""

    def __init__(self, findings: Sequence[Finding], labels: Mapping[str, str]) -> None:
        self.problems = [_problem(one, labels) for one in findings]
        super().__init__(LIST_QUALITY, told(findings))


def list_quality(case: Case) -> None:
    """4101, 4101A: refuse with every finding of that level; warnings are told (settlement list, rules SL)."""
    settled = settled_of(case.stay, text(body(case.message), "setl_id"))
    quality = case.table.quality
    about = Told(case.infno, case.message, case.stay, settled, case.now, case.terms)
    found = check(about, quality, case.policy.list_levels)
    case.evidence[RULE] = summary(found)
    if refused := found.of("refuse"):
        raise QualityRefused(refused, quality.labels)
    case.warnings += [f"{one.rule_id} {one.text}" for one in found.of("warn")]


def settled_of(stay: Stay, setl_id: str) -> Settled | None:
    """The settlement in force with this number."""
    return next((one for one in stay.settlements if one.setl_id == setl_id), None)


def check(about: Told, table: QualityTable, levels: Mapping[str, Level]) -> Report:
    """Ask every rule that is not switched off.

    Args:
        about: the list and what is known beside it.
        levels: what the hospital has set otherwise than the table, by rule id.
    """
    view = View(about, table)
    found: list[Finding] = []
    for rule in table.rules:
        level = levels.get(rule.rule_id, rule.level)
        if level != "off":
            found += _asked(rule, level, view, table)
    return Report(tuple(found))


def told(findings: Sequence[Finding]) -> str:
    """Findings as one text."""
    shown = "；".join(f"{one.rule_id} {_row(one)}{one.text}" for one in findings[:TOLD_MAX])
    rest = len(findings) - TOLD_MAX
    return f"共 {len(findings)} 处：{shown}" + (f"；另有 {rest} 处" if rest > 0 else "")


def _row(one: Finding) -> str:
    return f"第{one.row}行 " if one.row else ""


def summary(report: Report) -> str:
    """Counts, and which rules spoke: for the journal."""
    said = [f"{name} {'、'.join(dict.fromkeys(one.rule_id for one in found))}" for name, found in _spoken(report)]
    counts = f"通过 {report.count('passed')}，未检 {report.count('unchecked')}，不适用 {report.count('not_applicable')}"
    return "；".join([f"清单质控：{counts}", *said])


def _spoken(report: Report) -> Iterator[tuple[str, list[Finding]]]:
    levels: tuple[tuple[str, Level], ...] = (("拒绝", "refuse"), ("提示", "warn"), ("提醒", "hint"))
    yield from ((name, found) for name, level in levels if (found := report.of(level)))


def _problem(one: Finding, labels: Mapping[str, str]) -> Problem:
    node, _, name = one.place.rpartition("/")
    row = str(one.row) if one.row else ""
    text_ = f"{one.rule_id} {_row(one)}{one.text}（{one.source}）"
    return Problem(node, row, name, labels.get(one.place, ""), one.value[:60], one.rule_id, text_)


# ------------------------------------------------------------------ one rule


def _asked(rule: QualityRule, level: Level, view: View, table: QualityTable) -> Iterator[Finding]:
    def scope(row: Row | None) -> Scope:
        return Scope(view, rule.rows, row, lambda path, node: _label(table.labels, path, node))

    if not rule.rows:
        yield _finding(rule, level, _outcome(rule, scope(None)), scope(None))
        return
    rows = view.rows(rule.rows)
    if rows is None:
        yield _bare(rule, level, "unchecked", f"本交易没有节点 {rule.rows}")
        return
    wanted = {id(row) for row in matching(rows, rule.where)}
    found = [
        _finding(rule, level, _outcome(rule, scope(row)), scope(row), number)
        for number, row in enumerate(rows, 1)
        if id(row) in wanted
    ]
    yield from _of_rows(rule, level, found)


def _of_rows(rule: QualityRule, level: Level, found: Sequence[Finding]) -> Iterable[Finding]:
    """Every row that is wrong; else one finding for all of them."""
    problems = [one for one in found if one.result == "problem"]
    if problems:
        return problems
    for result in ("passed", "unchecked"):
        if first := next((one for one in found if one.result == result), None):
            return [first]
    return [_bare(rule, level, "not_applicable", "没有这样的行")]


def _outcome(rule: QualityRule, scope: Scope) -> Outcome | Literal["not_applicable"]:
    for condition in rule.when:
        found = ask(condition.verb, condition.args, scope)
        if isinstance(found, Lacking):
            # a condition about a field that is empty does not hold; about one that cannot be known it cannot be told
            return found if _unknown(condition, scope) else "not_applicable"
        if found is not None:
            return "not_applicable"
    return together([ask(one.verb, one.args, scope) for one in rule.checks])


def _unknown(condition: Check, scope: Scope) -> bool:
    if "rows" in condition.args:
        return True
    paths = [condition.args[name] for name in ("field", "left", "number") if name in condition.args]
    paths += condition.args.get("fields", [])
    return any(scope.value(path) is None for path in paths)


def _finding(
    rule: QualityRule, level: Level, outcome: Outcome | Literal["not_applicable"], scope: Scope, row: int = 0
) -> Finding:
    if outcome is None:
        return _bare(rule, level, "passed", "")
    if isinstance(outcome, Lacking):
        return _bare(rule, level, "unchecked", outcome.reason)
    if not isinstance(outcome, Wrong):
        return _bare(rule, level, "not_applicable", "")
    text_ = _PLACE.sub(lambda found: _shown(found[1], outcome, scope), rule.text)
    return Finding(rule.rule_id, level, "problem", text_, rule.source, _place(rule, outcome), row, outcome.found)


def _bare(rule: QualityRule, level: Level, result: Result, text_: str) -> Finding:
    return Finding(rule.rule_id, level, result, text_, rule.source, rule.beside or rule.first)


def _place(rule: QualityRule, outcome: Wrong) -> str:
    """Where the rule says, else beside the very field that was wrong."""
    path = outcome.path.partition(":")[0].partition("|")[0]
    if rule.beside or not path or path.partition("/")[0] in FACTS:
        return rule.beside or rule.first
    return path if "/" in path else f"{rule.rows}/{path}"


def _shown(name: str, outcome: Wrong, scope: Scope) -> str:
    if name == "found":
        return outcome.found
    if name == "expected":
        return outcome.expected
    return scope.value(name) or "空"


def _label(labels: Mapping[str, str], path: str, node: str) -> str:
    one = path.partition(":")[0].partition("|")[0]
    return labels.get(one if "/" in one else f"{node}/{one}", one)
