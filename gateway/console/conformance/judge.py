"""Each item judged by what the journal holds of one client since the start of its run; nobody can tick anything."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from gateway.console.conformance.items import Clause, Item
from gateway.console.exchanges.reading import input_of
from gateway.exchange.ports import Bodies, Exchange, Proof, ProofKind, State

SHOWN_MAX: Final = 5
PROVING: Final = 2
"""Rows shown where one is enough."""
Verdict = Literal["passed", "open", "failed"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the journal holds.

    Args:
        rows: of one client since the start, oldest first.
        bodies: the bytes of one.
        proofs: the evidence that a doubt was settled by.
    """

    rows: Sequence[Exchange]
    bodies: Callable[[int], Bodies | None]
    proofs: Callable[[int], Sequence[Proof]]


@dataclass(frozen=True, slots=True)
class Judged:
    """One item: ``open`` while something is missing, ``failed`` while something is there that must not be."""

    item: Item
    verdict: Verdict
    rows: Sequence[Exchange]
    """What proves it, or stands against it."""
    told: str = ""


@dataclass(frozen=True, slots=True)
class _Held:
    verdict: Verdict
    rows: Sequence[Exchange] = ()
    told: str = ""


def judge(items: Iterable[Item], evidence: Evidence) -> list[Judged]:
    """Every item."""
    return [_judged(item, evidence) for item in items]


def accepted(judged: Iterable[Judged]) -> bool:
    """Whether everything holds that is not optional, and nothing optional has failed."""
    return all(one.verdict == "passed" or (one.item.optional and one.verdict == "open") for one in judged)


def _judged(item: Item, evidence: Evidence) -> Judged:
    held = [_KINDS[clause.kind](clause, evidence) for clause in item.proof]
    verdicts = {one.verdict for one in held}
    verdict: Verdict = "failed" if "failed" in verdicts else "open" if "open" in verdicts else "passed"
    telling = [one for one in held if one.verdict == verdict]
    rows = {row.id: row for one in telling for row in one.rows}
    told = "；".join(one.told for one in held if one.told)
    return Judged(item, verdict, [rows[number] for number in sorted(rows)][:SHOWN_MAX], told)


def _exists(clause: Clause, evidence: Evidence) -> _Held:
    wanted = clause.wanted.get("count", 1)
    found = [row for row in evidence.rows if _fits(row, clause.wanted, evidence)]
    if len(found) >= wanted:
        return _Held("passed", found[: max(wanted, PROVING)])
    return _Held("open", found, f"还差 {wanted - len(found)} 笔" if wanted > 1 else "")


def _none(clause: Clause, evidence: Evidence) -> _Held:
    found = [row for row in evidence.rows if _fits(row, clause.wanted, evidence)]
    return _Held("failed", found, f"有 {len(found)} 笔不符") if found else _Held("passed")


def _course(clause: Clause, evidence: Evidence) -> _Held:
    visits: dict[str, list[Exchange]] = defaultdict(list)
    for row in evidence.rows:
        if row.state is State.CONFIRMED:
            for visit in {value for kind, value in row.keys if kind == "mdtrt_id"}:
                visits[visit].append(row)
    best: list[Exchange] = []
    for rows in visits.values():
        found = _in_order(clause.wanted, rows)
        best = max(best, found, key=len)
    if len(best) == len(clause.wanted):
        return _Held("passed", best)
    return _Held("open", best, f"办到第 {len(best)} 步，共 {len(clause.wanted)} 步")


def _in_order(wanted: Sequence[str], rows: Iterable[Exchange]) -> list[Exchange]:
    found: list[Exchange] = []
    for row in rows:
        if len(found) < len(wanted) and row.infno == wanted[len(found)]:
            found.append(row)
    return found


def _rows(clause: Clause, evidence: Evidence) -> _Held:
    wanted, total, found = clause.wanted, 0, []
    for row in evidence.rows:
        if row.state is State.CONFIRMED and row.infno == wanted["infno"]:
            total += _lines(evidence.bodies(row.id), wanted["node"])
            found.append(row)
        if total >= wanted["at_least"]:
            return _Held("passed", found[-SHOWN_MAX:], f"共 {total} 行")
    return _Held("open", found[-SHOWN_MAX:], f"共 {total} 行，还差 {wanted['at_least'] - total} 行")


def _lines(bodies: Bodies | None, node: str) -> int:
    message = input_of(bodies.platform_request) if bodies else None
    found = message.get(node) if isinstance(message, Mapping) else None
    return len(found) if isinstance(found, list) else 0


def _asked_again(clause: Clause, evidence: Evidence) -> _Held:
    """A doubt that was settled by evidence, and the success that the same ``request_id`` came to in the end."""
    doubts = [
        row
        for row in evidence.rows
        if row.infno in clause.wanted["infno"] and row.request_id and _proven(row, evidence)
    ]
    for doubt in doubts:
        for row in evidence.rows:
            told = row.state is State.CONFIRMED and row.reply == "written"
            if row.id >= doubt.id and row.request_id == doubt.request_id and told:
                return _Held("passed", [doubt] if row is doubt else [doubt, row])
    return _Held("open", doubts[-SHOWN_MAX:], "已核实，还没有以同一 request_id 问到成功" if doubts else "")


_KINDS: Final[Mapping[str, Callable[[Clause, Evidence], _Held]]] = {
    "exists": _exists,
    "none": _none,
    "course": _course,
    "rows": _rows,
    "asked_again": _asked_again,
}


def _fits(row: Exchange, wanted: Mapping[str, Any], evidence: Evidence) -> bool:
    """Whether a row meets every condition; what must be read for it is looked at last."""
    plain = {
        "infno": row.infno,
        "channel": row.channel,
        "state": row.state.value,
        "code": row.code,
        "safety": row.safety,
        "reply": row.reply,
    }
    flags = {"request_id": bool(row.request_id), "undone": row.undone_by is not None}
    return (
        all(value in wanted[name] for name, value in plain.items() if name in wanted)
        and all(value == wanted[name] for name, value in flags.items() if name in wanted)
        and ("proven" not in wanted or _proven(row, evidence) == wanted["proven"])
        and ("charset" not in wanted or _charset(row, evidence) in wanted["charset"])
    )


def _proven(row: Exchange, evidence: Evidence) -> bool:
    return any(one.kind is not ProofKind.RULES for one in evidence.proofs(row.id))


def _charset(row: Exchange, evidence: Evidence) -> str:
    """Of a request that has more than ASCII in it: any charset would do for the others."""
    bodies = evidence.bodies(row.id)
    if bodies is None or (bodies.caller_request or b"").isascii():
        return ""
    return bodies.caller_charset.lower()
