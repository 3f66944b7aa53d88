"""Messages for people: every field with its Chinese label and the meaning of its code; masked for who may not see them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from lxml import etree

from gateway.contract.codec import as_text
from gateway.contract.jsontext import loads
from gateway.contract.model import CodeList, Field, Node, Side
from gateway.contract.xml import parse_text
from gateway.faults import GatewayFault
from gateway.masking import kind, mask_text, mask_value

ROWS_MAX: Final = 200
TEXT_CHARS_MAX: Final = 60_000
HIDDEN: Final = "•••"
_OPEN_TYPES: Final = ("decimal", "integer", "date", "datetime")
"""Amounts and times stay readable for everybody who may see the exchange."""
_OPEN: Final = re.compile(
    r"-?[0-9]{1,10}(\.[0-9]{1,8})?|[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2}(:[0-9]{2})?)?"
)
"""What an amount or a time looks like, and no number of a person or of a telephone."""
_NUMBERS: Final = frozenset({"mdtrt_id", "setl_id", "ipt_no", "ipt_otp_no", "feedetl_sn", "msgid", "omsgid"})


@dataclass(frozen=True, slots=True)
class Cell:
    """One field: what stands there and what it means."""

    name: str
    label: str
    text: str
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """One node of a message: one row is shown as a list of fields, several as a table."""

    path: str
    label: str
    rows: Sequence[Sequence[Cell]]
    left_out: int = 0

    @property
    def columns(self) -> list[tuple[str, str]]:
        """Name and label of each field that any row has."""
        return list({cell.name: (cell.name, cell.label) for row in self.rows for cell in row}.values())

    def cells(self, row: Sequence[Cell]) -> list[Cell | None]:
        """The cells of a row, one per column."""
        by_name = {cell.name: cell for cell in row}
        return [by_name.get(name) for name, _ in self.columns]


class Reader:
    """Reads messages of one contract.

    Args:
        codes: code lists by name.
        plain: False masks what is personal.
    """

    def __init__(self, codes: Mapping[str, CodeList], *, plain: bool) -> None:
        self._codes = codes
        self.plain = plain

    def sections(self, side: Side, message: Any) -> list[Section]:
        """The nodes of a message in the order of the table; what no table has comes with its bare name."""
        return list(self._sections("", "", side.root, side.nodes, message))

    def _sections(
        self, path: str, label: str, fields: Sequence[Field], nodes: Sequence[Node], value: Any
    ) -> Iterator[Section]:
        rows = [row for row in (value if isinstance(value, list) else [value]) if isinstance(row, Mapping)]
        cells = [self._cells(fields, nodes, row) for row in rows[:ROWS_MAX]]
        if any(cells):
            yield Section(path, label, cells, max(len(rows) - ROWS_MAX, 0))
        for node in nodes:
            inner = [row[node.name] for row in rows[:ROWS_MAX] if node.name in row]
            flat = [each for found in inner for each in (found if isinstance(found, list) else [found])]
            if flat:
                below = f"{path}/{node.name}" if path else node.name
                yield from self._sections(below, node.label, node.fields, node.children, flat)

    def _cells(self, fields: Sequence[Field], nodes: Sequence[Node], row: Mapping[str, Any]) -> list[Cell]:
        known = {spec.name: spec for spec in fields}
        below = {node.name for node in nodes}
        names = [name for name in known if name in row] + [
            name for name in row if name not in known | dict.fromkeys(below)
        ]
        return [self.cell(known.get(name), str(name), row[name]) for name in names]

    def cell(self, spec: Field | None, name: str, value: Any) -> Cell:
        """One field as this person may see it; ``spec`` None: no table has it."""
        text = as_text(value) if not isinstance(value, list | dict) else msgspec.json.encode(value).decode()
        meaning = self._meaning(spec, text)
        if not self.plain:
            text = self._masked(spec, name, text)
        if spec is None:  # names come from strangers, too
            return Cell(name if self.plain else mask_text(name), "接口规范之外", text, meaning)
        return Cell(name, spec.label, text, meaning)

    def _meaning(self, spec: Field | None, text: str) -> str:
        found = self._codes.get(spec.codes) if spec is not None and spec.codes else None
        return found.values.get(text, "") if found is not None else ""

    def _masked(self, spec: Field | None, name: str, text: str) -> str:
        if not text:
            return text
        if kind(name) is not None or name in _NUMBERS:
            return str(mask_value(name, text))
        return text if spec is not None and self._is_open(spec, text) else HIDDEN

    def _is_open(self, spec: Field, text: str) -> bool:
        """Whether it is what the table says: a name that a HIS puts where an amount belongs stays hidden."""
        if spec.codes is not None:
            return bool(self._meaning(spec, text))
        return spec.type in _OPEN_TYPES and _OPEN.fullmatch(text) is not None


def input_of(body: bytes | None) -> Any:
    """``input`` of the bytes that went to the platform; None when there is none."""
    return _part(body, "input")


def envelope_of(body: bytes | None) -> Any:
    """What stands around ``input`` in the bytes that went to the platform; None when there is none."""
    document = _document(body)
    return {name: value for name, value in document.items() if name != "input"} if isinstance(document, dict) else None


def output_of(body: bytes | None) -> Any:
    """``output`` of the platform's answer; None when it cannot be read."""
    return _part(body, "output")


def _part(body: bytes | None, name: str) -> Any:
    document = _document(body)
    return document.get(name) if isinstance(document, dict) else None


def _document(body: bytes | None) -> Any:
    try:
        return loads(body.removeprefix(b"\xef\xbb\xbf")) if body is not None else None
    except GatewayFault:
        return None


def pretty(body: bytes | None, charset: str) -> str:
    """The bytes as text, indented where they are XML or JSON; what is no text shows as escapes."""
    if body is None:
        return ""
    text = body.decode(_codec(charset), "backslashreplace")
    if len(text) > TEXT_CHARS_MAX:
        return f"{text[:TEXT_CHARS_MAX]}\n……（共 {len(text)} 个字符，此处只显示开头；完整内容可用 yibao journal show 查看）"
    try:
        if text.lstrip("\ufeff \r\n\t")[:1] in ("{", "["):
            return msgspec.json.format(text, indent=2)
        root = parse_text(text)
    except (msgspec.DecodeError, GatewayFault):
        return text
    etree.indent(root)
    return etree.tostring(root, encoding="unicode")


def inside(body: bytes) -> str:
    """The message that stands as text inside a SOAP envelope (string service), indented; empty when there is none."""
    try:
        root = parse_text(body.decode("utf-8", "backslashreplace"))
    except GatewayFault:
        return ""
    texts = [element.text.strip() for element in root.iter() if element.text]
    found = next((text for text in texts if text.startswith(("<", "{"))), "")
    return pretty(found.encode(), "utf-8") if found else ""


def _codec(charset: str) -> str:
    try:
        "".encode(charset or "utf-8")
    except LookupError:
        return "utf-8"
    return charset or "utf-8"
