"""What an answer shows about a doubtful exchange: sources of ``proofs.yaml`` read, evidence judged. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from gateway.contract.codec import as_text
from gateway.contract.model import Evidence, ProofQuery

Verdict = Literal["done", "not_done", "unclear"]
_TIME = len("2026-11-21 08:30:00")


@dataclass(slots=True)
class Sources:
    """Where values come from.

    Args:
        message: the ``input`` of the doubtful exchange as it was sent.
        journal: ``input`` of the newest exchange in force of other transactions about the same visit, by infno.
        sent_at: when the doubtful exchange was sent.
    """

    message: Any
    journal: Mapping[str, Any]
    sent_at: datetime
    guessed: bool = field(default=False)
    """Whether a value had to be guessed, so that finding nothing proves nothing."""

    def first(self, sources: Collection[str], row: Any = None) -> str:
        """The first of these that has a value; "" when none has."""
        for source in sources:
            if value := self.value(source, row):
                self.guessed |= source.startswith("guess")
                return value
        return ""

    def value(self, source: str, row: Any = None) -> str:
        """One source as text.

        Args:
            row: what ``row:`` and ``answer:`` read from.
        """
        kind, _, rest = source.partition(":")
        if kind == "message":
            return _at(self.message, rest)
        if kind == "journal":
            infno, _, path = rest.partition(":")
            return _at(self.journal.get(infno), path)
        if kind in ("sent", "guess-sent"):
            return f"{self.sent_at + timedelta(days=int(rest.removesuffix('d'))):%Y-%m-%d %H:%M:%S}"
        return _at(row, rest) if kind in ("row", "answer") else rest


def asked_rows(query: ProofQuery, message: Any) -> list[Any]:
    """What the query is asked for: each row of its node in the doubtful message, else the message as a whole (None)."""
    return _rows(message, query.each) if query.each else [None]


def question(query: ProofQuery, sources: Sources, row: Any = None) -> dict[str, dict[str, str]]:
    """The message of a query; fields without a value are left out.

    Args:
        row: of :func:`asked_rows`.
    """
    return {
        node: {name: value for name, given in fields.items() if (value := sources.first(given, row))}
        for node, fields in query.input.items()
    }


def journal_infnos(queries: Collection[ProofQuery]) -> list[str]:
    """Transactions whose messages the sources ask for."""
    sources = (
        one for query in queries for fields in query.input.values() for given in fields.values() for one in given
    )
    return list(dict.fromkeys(source.split(":")[1] for source in sources if source.startswith("journal:")))


def fresh_values(query: ProofQuery, output: Any) -> Iterator[tuple[str, str]]:
    """``(field, value)`` of which the judge must know whether another exchange brought them."""
    for evidence in query.evidence:
        if evidence.fresh:
            yield from ((evidence.fresh, _at(row, evidence.fresh)) for row in _rows(output, evidence.node))


def judge(
    query: ProofQuery, output: Any, sources: Sources, known: Collection[str], asked: Any = None
) -> tuple[Verdict, Any]:
    """What the first evidence that holds proves, and the row that shows it.

    Args:
        output: of the platform's positive answer.
        sources: the same that the question was made from.
        known: values of :func:`fresh_values` that another exchange has brought.
        asked: the row of :func:`asked_rows` that the question was made for.
    """
    for evidence in query.evidence:
        if not evidence.exists and not evidence.each and sources.guessed:
            continue
        if any(_at(asked, name) != value for name, value in evidence.asked.items()):
            continue
        holds, row = _holds(evidence, output, sources, known, asked)
        if holds:
            return evidence.proves, row
    return "unclear", None


def together(verdicts: Collection[Verdict]) -> Verdict:
    """What one query proves that was asked for several rows: only what all of them say, for a part of it is neither."""
    return next(iter(verdicts)) if len(set(verdicts)) == 1 else "unclear"


def _holds(evidence: Evidence, output: Any, sources: Sources, known: Collection[str], row: Any) -> tuple[bool, Any]:
    if not evidence.each:
        found = _match(evidence, output, sources, known, row)
        return (found is not None) is evidence.exists, found
    asked = [
        row
        for row in _rows(sources.message, evidence.each)
        if all(_at(row, name) == value for name, value in evidence.each_where.items())
    ]
    missing = [row for row in asked if _match(evidence, output, sources, known, row) is None]
    return bool(asked) and bool(missing) is not evidence.exists, None


def _match(evidence: Evidence, output: Any, sources: Sources, known: Collection[str], asked: Any) -> Any:
    wanted = {name: sources.value(source, asked) for name, source in evidence.where.items()}
    for row in _rows(output, evidence.node):
        new = not evidence.fresh or _at(row, evidence.fresh) not in known
        if new and all(not value or _alike(_at(row, name), value) for name, value in wanted.items()):
            return row
    return None


def _alike(seen: str, wanted: str) -> bool:
    """Equal, or the same second printed with more digits."""
    return seen == wanted or (len(wanted) == _TIME and wanted[10] == " " and seen[:_TIME] == wanted)


def _rows(value: Any, path: str) -> list[Any]:
    """Every row of a node, under every row of the nodes above it."""
    rows = [value]
    for node in path.split("/"):
        found = [row.get(node) for row in rows if isinstance(row, dict)]
        rows = [one for item in found for one in (item if isinstance(item, list) else [item])]
    return [row for row in rows if isinstance(row, dict)]


def _at(value: Any, path: str) -> str:
    for name in path.split("/"):
        if isinstance(value, list):
            value = value[0] if value else None
        value = value.get(name) if isinstance(value, dict) else None
    return as_text(value).strip() if not isinstance(value, dict | list) else ""
