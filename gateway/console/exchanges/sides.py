"""What the HIS said beside what the platform was told, field by field; and the same of the answer, on its way back. Pure.

Three texts stand behind a field of a request: the HIS's own, the national one it was read as, and the one that went out.
Where the first two differ the dialect has converted it; where the last two do the gateway has amended it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from gateway.console.exchanges.reading import HIDDEN, Reader
from gateway.contract.codec import as_text
from gateway.contract.dialect import Carried, Spot, leaves
from gateway.contract.model import Field, Node, Side
from gateway.masking import mask_text

Mark = Literal["", "converted", "amended", "filled", "left"]
MARKS: Final[Mapping[Mark, tuple[str, str]]] = {
    "converted": ("换算", "idle"),
    "amended": ("网关改", "warn"),
    "filled": ("网关补", "run"),
    "left": ("未交出", "idle"),
}
"""What became of a field, and its colour."""
ROWS_PAGE: Final = 50
MATCHED_MAX: Final = 60
"""Rows that are looked for among each other; more are taken in their order."""
_ROW: Final = re.compile(r"\[[0-9]+\]")
_FIGURES: Final = re.compile(r"(?:[0-9][-:./ T年月日时分秒]*){1,14}")
"""An amount or a time in the form of a HIS; a number of a person is longer."""
_NOTHING: Final[Mapping[str, Any]] = {}


@dataclass(frozen=True, slots=True)
class Pair:
    """One field on both sides.

    Args:
        name: national; ``label`` is its Chinese name.
        his: the HIS's name; several joined by ``+``, empty for what it does not have.
        his_text, text: the two values, masked already.
        meaning: of a coded value.
        rule: the rule that amended it.
    """

    name: str
    label: str
    his: str
    his_text: str
    text: str
    meaning: str
    mark: Mark = ""
    rule: str = ""


@dataclass(frozen=True, slots=True)
class PairRow:
    """One row of a node; ``number`` counts from 1 where the node repeats."""

    number: int
    pairs: Sequence[Pair]


@dataclass(frozen=True, slots=True)
class PairSection:
    """One node of a message.

    Args:
        rows: those of the page.
        count: of all rows.
        repeats: it is a list, also with one row.
    """

    path: str
    label: str
    rows: Sequence[PairRow]
    count: int
    repeats: bool

    @property
    def pages(self) -> int:
        """Of its rows."""
        return -(-self.count // ROWS_PAGE)

    @property
    def changed(self) -> int:
        """Fields of the page that are not the same on both sides."""
        return sum(bool(pair.mark) for row in self.rows for pair in row.pairs)

    @property
    def columns(self) -> list[tuple[str, str, str]]:
        """National name, label and the HIS's name of each field that a row of the page has."""
        found: dict[str, tuple[str, str, str]] = {}
        for row in self.rows:
            for pair in row.pairs:
                if not found.get(pair.name, ("", "", ""))[2]:
                    found[pair.name] = (pair.name, pair.label, pair.his)
        return list(found.values())

    def cells(self, row: PairRow) -> list[Pair | None]:
        """The pairs of a row, one per column."""
        by_name = {pair.name: pair for pair in row.pairs}
        return [by_name.get(name) for name, _, _ in self.columns]


@dataclass(frozen=True, slots=True)
class Request:
    """The message of a request in its stages.

    Args:
        given: as it was read, in national names, leaves as they came.
        checked: after the check; fields that do not fit are not in it.
        sent: ``input`` of what went to the platform; None where nothing was made ready.
        carried: the dialect's work; None where the HIS speaks the national names.
        amended: rule by ``node/field``.
    """

    given: Any
    checked: Any
    sent: Any
    carried: Sequence[Carried] | None = None
    amended: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """The output of an answer, and what of it the HIS is given.

    Args:
        body: in the HIS's own names; None where it speaks the national ones.
        carried: the dialect's work on it.
        known_only: fields that no table has are not handed on.
    """

    output: Any
    body: Any = None
    carried: Sequence[Carried] = ()
    known_only: bool = False


@dataclass(frozen=True, slots=True)
class _Row:
    """One row on its way: ``sent`` None where nothing went."""

    spot: Spot
    given: Mapping[str, Any]
    checked: Mapping[str, Any]
    sent: Mapping[str, Any] | None


_MakePair = Callable[["_Row", Field | None, str, str], Pair | None]


def amendments(values: Iterable[Any]) -> dict[str, str]:
    """Rule by ``node/field``, out of the evidence that the rules left (``changes``)."""
    found: dict[str, str] = {}
    for value in values:
        changes = value.get("changes") if isinstance(value, Mapping) else None
        for change in changes if isinstance(changes, list) else []:
            if isinstance(change, Mapping):
                found[_ROW.sub("", as_text(change.get("place")))] = as_text(change.get("rule"))
    return found


def asked(side: Side, request: Request, reader: Reader, page: int = 1) -> list[PairSection]:
    """A request, node by node in the order of the table.

    Args:
        page: of long nodes, from 1.
    """
    origin = _by_target(request.carried)

    def pair(row: _Row, spec: Field | None, name: str, node: str) -> Pair | None:
        return _asked_pair(row, spec, name, origin, reader, request.amended.get(f"{node}/{name}".lstrip("/"), ""))

    rows = _paired((), request.given, request.checked, request.sent)
    return list(_sections("", "", side.root, side.nodes, rows, side.root_repeat, pair, page))


def told(side: Side, answer: Answer, reader: Reader, page: int = 1) -> list[PairSection]:
    """An answer, node by node; what the HIS is not given is marked."""
    handed = _by_source(answer.carried)
    texts = {spot: as_text(value) for spot, value in leaves(answer.body)} if answer.body is not None else None

    def pair(row: _Row, spec: Field | None, name: str, _node: str) -> Pair | None:
        return _told_pair(row, spec, name, handed, texts, reader, known_only=answer.known_only)

    rows = [_Row(spot, _NOTHING, _NOTHING, found) for spot, found in _rows_of((), answer.output)]
    return list(_sections("", "", side.root, side.nodes, rows, side.root_repeat, pair, page))


# ------------------------------------------------------------------- the nodes


def _sections(
    path: str,
    label: str,
    fields: Sequence[Field],
    nodes: Sequence[Node],
    rows: Sequence[_Row],
    repeats: bool,
    pair: _MakePair,
    page: int,
) -> Iterator[PairSection]:
    known = {spec.name: spec for spec in fields}
    below = {node.name for node in nodes}
    first = ROWS_PAGE * (page - 1) if len(rows) > ROWS_PAGE else 0
    shown = rows[first : first + ROWS_PAGE]
    made = [PairRow(n, _pairs(row, known, below, path, pair)) for n, row in enumerate(shown, first + 1)]
    if any(row.pairs for row in made) or first:
        yield PairSection(path, label, made, len(rows), repeats)
    for node in nodes:
        inner = [found for row in rows for found in _below(row, node.name)]
        if inner:
            place = f"{path}/{node.name}" if path else node.name
            yield from _sections(place, node.label, node.fields, node.children, inner, node.repeat, pair, page)


def _pairs(row: _Row, known: Mapping[str, Field], below: set[str], path: str, pair: _MakePair) -> list[Pair]:
    there = {**row.given, **row.checked, **(row.sent or _NOTHING)}
    names = [name for name in known if name in there] + [
        name for name in there if name not in known and name not in below
    ]
    found = [pair(row, known.get(name), name, path) for name in names]
    return [one for one in found if one is not None]


def _below(row: _Row, name: str) -> list[_Row]:
    sent = row.sent.get(name) if row.sent is not None else None
    return _paired((*row.spot, name), row.given.get(name), row.checked.get(name), sent, went=row.sent is not None)


def _paired(spot: Spot, given: Any, checked: Any, sent: Any, *, went: bool | None = None) -> list[_Row]:
    """The rows of a node on all stages; a rule may have put them in another order.

    Args:
        went: a message went out, also when this node is not in it.
    """
    went = sent is not None if went is None else went
    raw, typed = dict(_rows_of(spot, given)), dict(_rows_of(spot, checked))
    mine = [_Row(at, raw.get(at, _NOTHING), typed.get(at, _NOTHING), None) for at in dict.fromkeys((*raw, *typed))]
    if not went:
        return mine
    out = _rows_of(spot, sent)
    if not mine:
        return [_Row(at, _NOTHING, _NOTHING, row) for at, row in out]
    partners = matched([one.checked or one.given for one in mine], [row for _, row in out])
    found = [replace(one, sent=_NOTHING if n is None else out[n][1]) for one, n in zip(mine, partners, strict=True)]
    added = [row for number, (_, row) in enumerate(out) if number not in partners]
    return [*found, *(_Row((*spot, 0), _NOTHING, _NOTHING, row) for row in added)]


def _rows_of(spot: Spot, value: Any) -> list[tuple[Spot, Mapping[str, Any]]]:
    if isinstance(value, list):
        return [((*spot, number), row) for number, row in enumerate(value, 1) if isinstance(row, Mapping)]
    return [(spot, value)] if isinstance(value, Mapping) else []


def matched(ours: Sequence[Mapping[str, Any]], theirs: Sequence[Mapping[str, Any]]) -> list[int | None]:
    """For each of ours the number of the one of theirs that it became: the one most like it, each once."""
    in_order: list[int | None] = [number if number < len(theirs) else None for number in range(len(ours))]
    if max(len(ours), len(theirs)) > MATCHED_MAX:
        return in_order
    texts = [{name: as_text(value) for name, value in row.items()} for row in (*ours, *theirs)]
    mine, other = texts[: len(ours)], texts[len(ours) :]
    alike = [
        (-sum(one.get(name) == text for name, text in their.items()), abs(n - m), n, m)
        for n, one in enumerate(mine)
        for m, their in enumerate(other)
    ]
    found: dict[int, int] = {}
    for _, _, n, m in sorted(alike):
        if n not in found and m not in found.values():
            found[n] = m
    return [found.get(number) for number in range(len(ours))]


# ------------------------------------------------------------------- the fields


def _asked_pair(
    row: _Row, spec: Field | None, name: str, origin: Mapping[Spot, Carried] | None, reader: Reader, rule: str
) -> Pair | None:
    his, his_text = _said(row, name, origin)
    read = as_text((row.checked if name in row.checked else row.given).get(name))
    out = row.sent if row.sent is not None else {name: row.checked.get(name, row.given.get(name))}
    text = as_text(out.get(name))
    if not (his_text or read or text):
        return None
    mark = _mark(his_text, read, text, went=row.sent is not None)
    cell = reader.cell(spec, name, out.get(name))
    shown = _beside(his_text, text, cell.text, reader, went=row.sent is not None)
    ruled = rule if mark in ("amended", "filled", "left") else ""
    return Pair(cell.name, cell.label, cell.name if his == name else his, shown, cell.text, cell.meaning, mark, ruled)


def _mark(his: str, read: str, text: str, *, went: bool) -> Mark:
    if his == text:
        return ""
    if not text:
        return "left" if went else ""
    if not his:
        return "filled"
    return "amended" if went and read != text else "converted"


def _said(row: _Row, name: str, origin: Mapping[Spot, Carried] | None) -> tuple[str, str]:
    """The HIS's name of a field and what it said there."""
    if origin is None:
        return (name, as_text(row.given[name])) if name in row.given else ("", "")
    found = origin.get((*row.spot, name))
    if found is None:
        return "", ""
    return " + ".join(_named(spot) for spot, _ in found.sources), " + ".join(text for _, text in found.sources if text)


def _told_pair(
    row: _Row,
    spec: Field | None,
    name: str,
    handed: Mapping[Spot, Sequence[Spot]],
    texts: Mapping[Spot, str] | None,
    reader: Reader,
    *,
    known_only: bool,
) -> Pair | None:
    value = (row.sent or _NOTHING).get(name)
    cell, text = reader.cell(spec, name, value), as_text(value)
    if texts is None:
        kept = spec is not None or not known_only
        return Pair(cell.name, cell.label, cell.name if kept else "", cell.text if kept else "", cell.text, cell.meaning, "" if kept else "left")  # fmt: skip
    places = [spot for spot in handed.get((*row.spot, name), ()) if spot in texts]
    his_text = " + ".join(texts[spot] for spot in places)
    mark: Mark = "left" if not places and text else "" if his_text == text else "converted"
    shown = _beside(his_text, text, cell.text, reader, went=True)
    return Pair(cell.name, cell.label, " + ".join(map(_named, places)), shown, cell.text, cell.meaning, mark)


def _beside(his_text: str, text: str, shown: str, reader: Reader, *, went: bool) -> str:
    """The HIS's own text as this person may see it: masked like the national one beside it."""
    if reader.plain or not his_text:
        return his_text
    if his_text == text:
        return shown
    # what went out as an amount or a time was one before, in another form
    figures = _FIGURES.fullmatch(his_text) and mask_text(his_text) == his_text
    return his_text if went and shown == text and figures else HIDDEN


def _named(spot: Spot) -> str:
    return "/".join(part for part in spot if isinstance(part, str)) or "."


def _by_target(carried: Sequence[Carried] | None) -> Mapping[Spot, Carried] | None:
    """The first that says something of each national field; what the dialect fills in comes last."""
    if carried is None:
        return None
    found: dict[Spot, Carried] = {}
    for one in carried:
        before = found.get(one.target)
        if before is None or not any(text for _, text in before.sources):
            found[one.target] = one if one.sources or before is None else before
    return found


def _by_source(carried: Iterable[Carried]) -> Mapping[Spot, list[Spot]]:
    found: dict[Spot, list[Spot]] = {}
    for one in carried:
        for spot, _ in one.sources:
            found.setdefault(spot, []).append(one.target)
    return found
