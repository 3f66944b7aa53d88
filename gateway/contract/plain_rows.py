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
from functools import cached_property, partial
from itertools import compress, islice
from operator import is_not, methodcaller, not_
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from lxml import etree

from gateway.contract.charset import claims_utf8, declared_in_xml, decode, without_declaration
from gateway.contract.leaves import all_in_calendar, plain
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
_SKELETON_CHARS_MAX: Final = 2000
_SPACE: Final = r"[ \t\r\n]*+"
_XML_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_PREFIX: Final = r"(?:[A-Za-z_][A-Za-z0-9_.-]*+:)?"
_IS_GIVEN: Final = partial(is_not, None)
_NONES: Final = methodcaller("count", None)
_EMPTY: Final = object()
"""A number that was given but empty, while None still means one that was not given."""
_NOT_GIVEN: Final = frozenset({"", None})
"""What is in every code list and in every calendar: that it must not be missing the pattern has asked."""


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
        forms = [plain(spec) for spec in node.fields]
        coded = [(index, codes[spec.codes].values) for index, spec in enumerate(node.fields) if spec.codes is not None]
        self._coded = [index for index, _ in coded]
        self._allowed = [_NOT_GIVEN.union(values) for _, values in coded]
        self._dated = [index for index, form in enumerate(forms) if form is not None and form.dated]
        self._numbers = [
            (index, form.typed) for index, form in enumerate(forms) if form is not None and form.typed is not None
        ]

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
        if prefix:
            return self._rows_prefixed(text, at, prefix)
        # as re.Scanner does it: each match begins where the last one ended, without a step in Python
        scanner = self._unprefixed.scanner(text, at)  # type: ignore[attr-defined]
        found: list[Texts] = []
        match = None
        for match in islice(iter(scanner.match, None), _ROWS_AT_ONCE):
            found.append(match.groups())
        return found, at if match is None else match.end()

    def _rows_prefixed(self, text: str, at: int, prefix: str) -> tuple[list[Texts], int]:
        found: list[Texts] = []
        match = self._prefixed.match(text, at)
        while match is not None and len(found) < _ROWS_AT_ONCE:
            ours, inner, *texts = match.groups()
            # a prefix that the mark does not carry would be cut out before the parser could ask what it means
            if ours != prefix or inner not in ("", prefix):
                break
            found.append(tuple(texts))
            at = match.end()
            match = match.re.match(text, at)
        return found, at

    def as_given(self, rows: Sequence[Texts]) -> list[dict[str, Any]]:
        """Rows with text leaves, as the codec reads them from XML."""
        return [
            dict(zip(compress(self._names, given), compress(row, given), strict=True))
            for row in rows
            for given in (tuple(map(_IS_GIVEN, row)),)
        ]

    def typed(self, rows: Sequence[Texts]) -> list[dict[str, Any]] | None:
        """Rows as the check would leave them; None where a value is in no code list or no calendar."""
        columns: list[Iterable[Any]] = list(zip(*rows, strict=True))
        column = columns.__getitem__
        # loops in C: a small message has one row, a large one thousands, and neither may pay for each field
        if not all(map(frozenset.issuperset, self._allowed, map(column, self._coded))):
            return None
        if self._dated:
            dates: set[Any] = set().union(*map(column, self._dated))
            if not all_in_calendar(dates - _NOT_GIVEN):
                return None
        if not all(map(all, rows)):
            return self._typed_with_gaps(columns, len(rows))
        for index, typed in self._numbers:
            columns[index] = map(typed, columns[index])
        names = self._names
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]

    def _typed_with_gaps(self, columns: list[Any], times: int) -> list[dict[str, Any]]:
        """Rows of which some fields are empty, or were left out; mostly by all of them alike."""
        absent = list(map(_NONES, columns))
        if not {0, times}.issuperset(absent):
            return self._ragged(columns)
        for index, typed in self._numbers:
            columns[index] = [typed(text) if text else None for text in columns[index]]
        given = list(map(not_, absent))
        names = tuple(compress(self._names, given))
        return [dict(zip(names, row, strict=True)) for row in zip(*compress(columns, given), strict=True)]

    def _ragged(self, columns: list[Any]) -> list[dict[str, Any]]:
        """Rows of which some have a field that others have not."""
        for index, typed in self._numbers:
            columns[index] = [typed(text) if text else _EMPTY if text == "" else None for text in columns[index]]
        return [
            {
                name: None if value is _EMPTY else value
                for name, value in zip(self._names, row, strict=True)
                if value is not None
            }
            for row in zip(*columns, strict=True)
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
    by: object


class VouchedRows(list[dict[str, Any]]):
    """Rows of a repeated node that have been checked, typed, all but the ``doubtful`` ones (by index)."""

    __slots__ = ("by", "doubtful")

    def __init__(self, unread: Iterable[dict[str, Any]], by: object) -> None:
        super().__init__(unread)
        self.by = by
        self.doubtful = list(range(len(self)))


class Cut(NamedTuple):
    """A document of which rows were cut out."""

    skeleton: str
    """Its text with a mark for each run of rows."""
    runs: Sequence[tuple[RowReader, list[Texts]]]
    path: tuple[str, ...]
    """Local names from below the root to the element that holds the message."""
    by: Codec
    """That can read it."""

    @property
    def names(self) -> list[str]:
        """Of the rows that were cut out, once for each run."""
        return [reader.node.name for reader, _ in self.runs]

    def row_of(self, reader: RowReader) -> Texts | None:
        """The one row that ``reader`` has read, or None."""
        return next((texts[0] for one, texts in self.runs if one is reader), None)

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
        beside: reads a row that stands once beside the nodes of the message and is no part of it.
    """

    def __init__(self, side: Side, codes: Mapping[str, CodeList], beside: RowReader | None = None) -> None:
        times = Counter(_names(side))
        nodes = () if side.root_repeat else side.nodes
        self._readers = {
            node.name: RowReader(node, codes) for node in nodes if times[node.name] == 1 and _is_plain(node)
        }
        self._beside = beside if beside is not None and not times[beside.node.name] else None
        if self._beside is not None:
            self._readers[self._beside.node.name] = self._beside
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
        search = self._start.search
        skeleton: list[str] = []
        runs: list[tuple[RowReader, list[Texts]]] = []
        done = fitting = cells = misfits = 0
        start = search(text)
        while start is not None:
            at, (prefix, name) = start.start(), start.groups()
            reader = self._readers[name]
            rows, end = reader.rows(text, at, prefix)
            if rows:
                if reader is self._beside and len(rows) > 1:
                    return None
                skeleton += (text[done:at], f'<{prefix}{name} {_MARK}="{len(runs)}"/>')
                runs.append((reader, rows))
                done = end
                fitting += len(rows)
                cells += len(rows) * reader.width
                if cells > _CELLS_FREE and cells > end // _CHARS_PER_CELL_MIN:
                    return None
            else:
                misfits += 1
                end = start.end()
                if misfits >= _MISFITS_MAX + fitting // _FITTING_PER_MISFIT:
                    break
            start = search(text, end)
        if all(reader is self._beside for reader, _ in runs):  # not worth another text of the whole message
            return None
        skeleton.append(text[done:])
        left = "".join(skeleton)
        if left.count(_MARK) != len(runs):  # nobody else may leave marks
            return None
        return Cut(left, runs, path, by)


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


def apart(body: bytes, in_header: str, cutter: Cutter) -> tuple[Cut | None, str]:
    """The plain rows of a document of unknown charset; nothing is parsed yet.

    Args:
        in_header: charset of the Content-Type header, if any.
        cutter: gets the document's text.

    Returns:
        What was cut out, and the codec to answer in; None: nothing was, and parsing the whole tells why.
    """
    in_xml = declared_in_xml(body)
    try:
        if claims_utf8(body, in_xml=in_xml, in_header=in_header):
            return cutter(body.decode()), "utf-8"
        text, codec = decode(body, in_xml=in_xml, in_header=in_header)
        return cutter(without_declaration(text)), codec
    except (UnicodeDecodeError, Unreadable):
        return None, ""


def parse_apart(body: bytes, in_header: str, cutter: Cutter) -> tuple[etree._Element, str, Cut | None]:
    """As :func:`gateway.contract.xml.parse`, with the plain rows apart.

    Args:
        cutter: gets the document's text.

    Returns:
        The root of what is left, the codec to answer in, and what was cut out; None: the root holds everything.

    Raises:
        Unreadable: as ``parse``.
    """
    cut, codec = apart(body, in_header, cutter)
    root = skeleton_of(cut)
    return (*parse(body, in_header), None) if root is None else (root, codec, cut)


def parse_text_apart(text: str, cutter: Cutter) -> tuple[etree._Element, Cut | None]:
    """As :func:`gateway.contract.xml.parse_text`, with the plain rows apart."""
    cut = cutter(without_declaration(text.lstrip("\ufeff \t\r\n")))
    root = skeleton_of(cut)
    return (parse_text(text), None) if root is None else (root, cut)


def skeleton_of(cut: Cut | None) -> etree._Element | None:
    """Root of what is left of a document; None when it must be parsed whole, also to tell truly where it is malformed."""
    if cut is None:
        return None
    try:
        root = as_document(cut.skeleton)
    except Unreadable:
        return None
    return root if cut.stands_in(root) else None


def says_nothing(skeleton: str, root: etree._Element) -> bool:
    """Whether only tags and marks are left of a document: no text, no attribute, no comment.

    Of such ones clients send the same again and again, and none holds anything of a patient or a password.
    """
    if len(skeleton) > _SKELETON_CHARS_MAX or "<!" in skeleton or skeleton.rfind("<?") > 0:
        return False
    return not any(
        (element.text or "").strip() or (element.tail or "").strip() or not {_MARK}.issuperset(element.attrib)
        for element in root.iter()
    )


def is_mark(element: etree._Element) -> bool:
    """Whether it stands for rows that were cut out."""
    return element.get(_MARK) is not None
