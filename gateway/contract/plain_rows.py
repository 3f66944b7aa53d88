"""Rows read from the text of a document, without an XML element for each leaf.

Most of a large message is rows of one node, written plainly: the fields in the order of the table, each with text alone,
without attributes, references and comments. One pattern made from the table matches such a row and checks it at once.
What matches is cut out and a mark is left in its place; the XML parser sees the rest and still judges envelope,
namespaces, nesting and everything that is not plain. So this way can only say yes: a row that does not match stays where
it is, and a document whose marks do not come back exactly where rows belong is parsed whole
(docs/inside/decisions/0029).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from lxml import etree

from gateway.contract.charset import claims_utf8, declared_in_xml, decode, without_declaration
from gateway.contract.leaves import plain
from gateway.contract.model import CodeList, Field, Node, Side
from gateway.contract.xml import as_document, local, parse, parse_text
from gateway.faults import Unreadable

if TYPE_CHECKING:
    from gateway.contract.codec import Codec

Texts = tuple[str | None, ...]
"""One row: a text for each field of the table, empty or None where it is not there."""

_MARK: Final = "yibao.rows"
"""Attribute of the element that stands for rows which were cut out: their number."""
_MISFITS_MAX: Final = 3
"""A caller who writes otherwise does so throughout; then looking on is wasted. One row in ten may be odd."""
_FITTING_PER_MISFIT: Final = 10
_ROWS_AT_ONCE: Final = 2000
_CELLS_FREE: Final = 20_000
_CHARS_PER_CELL_MIN: Final = 4
"""A row holds a place for each field of the table, so millions of rows with nothing in them would fill the memory."""
_SPACE: Final = r"[ \t\r\n]*+"
_XML_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_PREFIX: Final = r"(?:[A-Za-z_][A-Za-z0-9_.-]*+:)?"
_EMPTY: Final = object()
"""A number that was given but empty, while None still means one that was not given."""
_Judged = tuple[int, Callable[[str], Any] | None, Callable[[Sequence[str]], bool] | None, frozenset[str] | None]
"""Index of a field; what makes its values typed, what asks whether they hold, its code list."""


class RowReader:
    """Reads the rows of one node.

    Args:
        node: without child nodes.
        codes: code lists by name.
    """

    def __init__(self, node: Node, codes: Mapping[str, CodeList]) -> None:
        self.node = node
        self._names = tuple(spec.name for spec in node.fields)
        self.width = len(self._names)
        self._judged = list(self._to_judge(codes))

    def _to_judge(self, codes: Mapping[str, CodeList]) -> Iterator[_Judged]:
        """What of a row is not done with its pattern."""
        for index, spec in enumerate(self.node.fields):
            form = plain(spec)
            allowed = None if spec.codes is None else frozenset(codes[spec.codes].values)
            if form is not None and (form.typed or form.hold or allowed is not None):
                yield index, form.typed, form.hold, allowed

    @cached_property
    def _unprefixed(self) -> re.Pattern[str]:
        return re.compile(self._pattern("", ""))

    @cached_property
    def _prefixed(self) -> re.Pattern[str]:
        """For any prefix: patterns must not be made of what strangers write."""
        return re.compile(self._pattern("(?P=node)", "(?P=leaf)"))

    def _pattern(self, node: str, leaf: str) -> str:
        first = f"(?P<node>{_PREFIX})" if node else ""
        look = f"(?=<(?P<leaf>{_PREFIX}))" if leaf else ""
        name = re.escape(self.node.name)
        leaves = "".join(_leaf(spec, leaf) + _SPACE for spec in self.node.fields)
        return f'<{first}{name}(?: xmlns="")?>{_SPACE}{look}{leaves}</{node}{name}>{_SPACE}'

    def rows(self, text: str, at: int, prefix: str) -> tuple[list[Texts], int]:
        """The plain rows that follow one another in ``text`` from ``at`` on, some thousands at most, and where they end."""
        found: list[Texts] = []
        match = (self._prefixed if prefix else self._unprefixed).match(text, at)
        while match is not None and len(found) < _ROWS_AT_ONCE:
            texts = match.groups()
            if prefix:
                # a prefix that the mark does not carry would be cut out before the parser could ask what it means
                if texts[0] != prefix or texts[1] not in ("", prefix):
                    break
                texts = texts[2:]
            found.append(texts)
            at = match.end()
            match = match.re.match(text, at)
        return found, at

    def as_given(self, rows: Sequence[Texts]) -> list[dict[str, Any]]:
        """Rows with text leaves, as the codec reads them from XML."""
        return [{name: text for name, text in zip(self._names, row, strict=True) if text is not None} for row in rows]

    def typed(self, rows: Sequence[Texts]) -> list[dict[str, Any]] | None:
        """Rows as the check would leave them; None where a value is in no code list or no calendar."""
        columns: list[Sequence[Any]] = list(zip(*rows, strict=True))
        holes = () if all(map(all, rows)) else [index for index, column in enumerate(columns) if not all(column)]
        gaps = any(None in columns[index] for index in holes)
        for index, typed, hold, allowed in self._judged:
            column = columns[index]
            values = [text for text in column if text] if index in holes else column
            if (allowed is not None and not allowed.issuperset(values)) or (hold is not None and not hold(values)):
                return None
            if typed is not None:
                if values is column:
                    columns[index] = list(map(typed, column))
                else:
                    columns[index] = [typed(text) if text else _EMPTY if text == "" else None for text in column]
                    gaps = True
        names, typed_rows = self._names, zip(*columns, strict=True)
        if not gaps:
            return [dict(zip(names, row, strict=True)) for row in typed_rows]
        return [
            {
                name: None if value is _EMPTY else value
                for name, value in zip(names, row, strict=True)
                if value is not None
            }
            for row in typed_rows
        ]


def _leaf(spec: Field, prefix: str) -> str:
    """Pattern of one field, with one group: its text, empty for ``<name/>`` too, None when it is left out."""
    form = plain(spec)
    assert form is not None
    name = prefix + re.escape(spec.name)
    if spec.required and spec.filled_by is None:
        return f"<{name}>({form.pattern})</{name}>"
    # after the name comes either ">" and a text, or at once the end of an empty element
    return f"(?:<{name}>?+((?<=>){form.pattern}|)(?:</{name}>|(?<!>) ?/>)|)"


class VouchedRow(dict[str, Any]):
    """A row of a single node that has been checked, typed; ``by`` is what it was checked against."""

    __slots__ = ("by",)

    def __init__(self, row: dict[str, Any], by: object) -> None:
        super().__init__(row)
        self.by = by


class VouchedRows(list[dict[str, Any]]):
    """Rows of a repeated node that have been checked, typed, all but the ``doubtful`` ones (by index)."""

    __slots__ = ("by", "doubtful")

    def __init__(self, unread: Iterable[dict[str, Any]], by: object) -> None:
        super().__init__(unread)
        self.by = by
        self.doubtful = list(range(len(self)))


@dataclass(frozen=True, slots=True)
class Cut:
    """A document of which rows were cut out."""

    skeleton: str
    """Its text with a mark for each run of rows."""
    runs: tuple[tuple[RowReader, list[Texts]], ...]
    path: tuple[str, ...]
    """Local names from below the root to the element that holds the message."""
    by: Codec
    """That can read it."""

    def run_at(self, element: etree._Element) -> tuple[RowReader, list[Texts]] | None:
        """The rows that ``element`` stands for."""
        number = element.get(_MARK)
        return None if number is None else self.runs[int(number)]

    def stands_in(self, root: etree._Element) -> bool:
        """Whether every mark is an element, where rows of a message are, in the order in which they were left."""
        holder = root
        for name in self.path:
            found = [child for child in holder if local(child.tag) == name]
            if len(found) != 1:
                return False
            holder = found[0]
        return [mark for child in holder if (mark := child.get(_MARK)) is not None] == [
            str(number) for number in range(len(self.runs))
        ]


class RowCutter:
    """Cuts the plain rows of one message out of a document.

    Args:
        side: the table.
        codes: code lists by name.
    """

    def __init__(self, side: Side, codes: Mapping[str, CodeList]) -> None:
        times = Counter(_names(side))
        nodes = () if side.root_repeat else side.nodes
        self._readers = {
            node.name: RowReader(node, codes) for node in nodes if times[node.name] == 1 and _is_plain(node)
        }
        names = "|".join(map(re.escape, self._readers))
        self._start = re.compile(f'<(?P<prefix>{_PREFIX})(?P<name>{names})(?: xmlns="")?>') if names else None

    def cut(self, text: str, path: tuple[str, ...], by: Codec) -> Cut | None:
        """Cut what is plain out of ``text``; None when nothing is.

        Args:
            text: a document.
            path: local names from below the root to the element that holds the message.
            by: the codec that will read what is left.
        """
        if self._start is None:
            return None
        kept: list[str] = []
        skeleton: list[str] = []
        runs: list[tuple[RowReader, list[Texts]]] = []
        done = fitting = cells = 0
        misfits_left = _MISFITS_MAX
        start = self._start.search(text)
        while start is not None and misfits_left + fitting // _FITTING_PER_MISFIT > 0:
            prefix, name = start.groups()
            reader = self._readers[name]
            rows, end = reader.rows(text, start.start(), prefix)
            if rows:
                kept.append(text[done : start.start()])
                skeleton += (kept[-1], f'<{prefix}{name} {_MARK}="{len(runs)}"/>')
                runs.append((reader, rows))
                done = end
                fitting += len(rows)
                cells += len(rows) * reader.width
                if cells > max(_CELLS_FREE, end // _CHARS_PER_CELL_MIN):
                    return None
            else:
                misfits_left -= 1
                end = start.end()
            start = self._start.search(text, end)
        kept.append(text[done:])
        if not runs or any(_MARK in piece for piece in kept):  # nobody else may leave marks
            return None
        return Cut("".join((*skeleton, kept[-1])), tuple(runs), path, by)


def _names(side: Side) -> Iterator[str]:
    """Every name of the table, once for each place: where a name has two, a mark would not tell which is meant."""
    yield from (spec.name for spec in side.root)
    for node in side.nodes:
        yield from _names_in(node)


def _names_in(node: Node) -> Iterator[str]:
    yield node.name
    yield from (spec.name for spec in node.fields)
    for child in node.children:
        yield from _names_in(child)


def _is_plain(node: Node) -> bool:
    names = [node.name, *(spec.name for spec in node.fields)]
    return (
        bool(node.fields)
        and not node.children
        and len(set(names)) == len(names)
        and all(map(_XML_NAME.fullmatch, names))
        and all(plain(spec) is not None for spec in node.fields)
    )


# ------------------------------------------------------------------ parsing

Cutter = Callable[[str], Cut | None]
"""Cuts the rows out of a document, as far as it knows which they are."""


def parse_apart(body: bytes, in_header: str, cutter: Cutter) -> tuple[etree._Element, str, Cut | None]:
    """As :func:`gateway.contract.xml.parse`, with the plain rows apart.

    Args:
        cutter: gets the document's text.

    Returns:
        The root of what is left, the codec to answer in, and what was cut out; None: the root holds everything.

    Raises:
        Unreadable: as ``parse``.
    """
    in_xml = declared_in_xml(body)
    try:
        if claims_utf8(body, in_xml=in_xml, in_header=in_header):
            text, codec = body.decode(), "utf-8"
        else:
            text, codec = decode(body, in_xml=in_xml, in_header=in_header)
            text = without_declaration(text)
    except (UnicodeDecodeError, Unreadable):
        cut = None  # parsing it whole says what is wrong
    else:
        cut = cutter(text)
        root = _skeleton(cut)
    if cut is None or root is None:
        return *parse(body, in_header), None
    return root, codec, cut


def parse_text_apart(text: str, cutter: Cutter) -> tuple[etree._Element, Cut | None]:
    """As :func:`gateway.contract.xml.parse_text`, with the plain rows apart."""
    cut = cutter(without_declaration(text.lstrip("\ufeff \t\r\n")))
    root = _skeleton(cut)
    return (parse_text(text), None) if root is None else (root, cut)


def _skeleton(cut: Cut | None) -> etree._Element | None:
    """Its root; None when it must be parsed whole, also to tell truly where it is malformed."""
    if cut is None:
        return None
    try:
        root = as_document(cut.skeleton)
    except Unreadable:
        return None
    return root if cut.stands_in(root) else None
