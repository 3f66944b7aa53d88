"""XML <-> dict <-> JSON for one side of a transaction, and the check that reports every problem at once.

Compiled once from the tables (``Side``). The shape of a message is described in ``gateway.contract.model``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, Final

from lxml import etree

from gateway.contract.model import CodeList, Field, Node, Problem, Side
from gateway.contract.published import NAMESPACE
from gateway.contract.xml import escape, illegal_character, local

Message = dict[str, Any] | list[Any]

ROW: Final = "row"
"""Element of one row when the whole side repeats (``Side.root_repeat``)."""

_NUMBER: Final = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?")
_DATE: Final = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_DATETIME: Final = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2}) ([0-9]{2}):([0-9]{2}):([0-9]{2})")
_XSD_DATETIME: Final = re.compile(r"([0-9-]{10})T([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})?")
_XML_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_SHANGHAI: Final = timezone(timedelta(hours=8))
_VALUE_SHOWN_MAX: Final = 60
# as tuples, because ``dict | list`` would be put together anew for every leaf
_NESTED: Final = (dict, list)
_NUMERIC: Final = (str, int, Decimal)
_EXPONENT_MAX: Final = 60
_INTEGER_DIGITS_MAX: Final = 18
"""Digits of a whole number whose table gives no length; JSON readers on the other side end at 64 bits."""


@dataclass(slots=True)
class Findings:
    """What a check found. ``unknown`` are paths of fields no table has, ``warnings`` whole sentences."""

    problems: list[Problem] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


class Wrong(Exception):
    """A leaf value that does not fit its field; carries the rule and the sentence."""

    def __init__(self, rule: str, text: str) -> None:
        self.rule = rule
        self.text = text
        super().__init__(text)


# ------------------------------------------------------------------ leaves


def _string(spec: Field, value: Any) -> str:
    if not isinstance(value, str):
        raise Wrong("type", "应为文本" + ("，JSON 中请加引号" if isinstance(value, int | Decimal) else ""))
    if spec.length is not None and len(value) > spec.length:
        raise Wrong("length", f"长度 {len(value)} 超过 {spec.length} 个字符")
    # nearly every text is printable, and nothing printable is illegal: asking that first saves a search per leaf
    if not value.isprintable() and (bad := illegal_character(value)):
        raise Wrong("character", f"含有不能上传的字符 {bad}")
    return value


def _printable(value: Decimal) -> bool:
    """Whether it can be written out without exponent: 1E-999999999 would fill the memory with zeros."""
    return (
        value.is_finite() and abs(int(value.as_tuple().exponent)) <= _EXPONENT_MAX and value.adjusted() <= _EXPONENT_MAX
    )


def _digits(value: Any) -> tuple[str, str, str]:
    """Sign, whole part and fraction of a number as printed."""
    if isinstance(value, bool) or not isinstance(value, _NUMERIC):
        raise Wrong("type", "应为数字")
    if isinstance(value, Decimal) and not _printable(value):
        raise Wrong("precision", "数字过大或小数位过多")
    match = _NUMBER.fullmatch(format(value, "f") if isinstance(value, Decimal) else str(value))
    if match is None:
        raise Wrong("type", "应为数字")
    return match[1], match[2], match[3] or ""


def _integer(spec: Field, value: Any) -> int:
    sign, whole, fraction = _digits(value)
    if fraction:
        raise Wrong("scale", "应为整数")
    digits_max = _INTEGER_DIGITS_MAX if spec.length is None else spec.length
    if len(whole.lstrip("0")) > digits_max:
        raise Wrong("length", f"超过 {digits_max} 位数字")
    return int(sign + (whole.lstrip("0") or "0"))


def _decimal(spec: Field, value: Any) -> Decimal:
    sign, whole, fraction = _digits(value)
    if spec.scale is not None and len(fraction) > spec.scale:
        raise Wrong("scale", f"小数 {len(fraction)} 位，超过 {spec.scale} 位")
    whole_max = (spec.precision or 40) - (spec.scale or 0)
    if len(whole.lstrip("0")) > whole_max:
        raise Wrong("precision", f"整数部分超过 {whole_max} 位")
    return Decimal(f"{sign}{whole}.{fraction}" if fraction else sign + whole)


def _calendar(text: str, pattern: re.Pattern[str], shown: str) -> None:
    match = pattern.fullmatch(text)
    if match is None:
        raise Wrong("date", f"应为 {shown}")
    try:
        datetime(*map(int, match.groups()))  # type: ignore[arg-type]  # noqa: DTZ001  only whether the calendar has it
    except ValueError:
        raise Wrong("date", "日历上没有这一天或这一刻") from None


def _date(spec: Field, value: Any) -> str:
    text = _string(spec, value)
    _calendar(text, _DATE, "yyyy-MM-dd")
    return text


def _datetime(spec: Field, value: Any) -> str:
    """The national form as printed; an ``xs:dateTime`` is converted to Shanghai time, never string-cut (rule C4)."""
    text = _string(spec, value)
    if (iso := _XSD_DATETIME.fullmatch(text)) is not None:
        text = _in_shanghai(iso)
    _calendar(text, _DATETIME, "yyyy-MM-dd HH:mm:ss")
    return text


def _in_shanghai(iso: re.Match[str]) -> str:
    day, clock, offset = iso.groups()
    if offset is None:
        return f"{day} {clock}"
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}{offset}").astimezone(_SHANGHAI)
    except (ValueError, OverflowError):
        raise Wrong("date", "应为 yyyy-MM-dd HH:mm:ss 的有效日期") from None
    return moment.strftime("%Y-%m-%d %H:%M:%S")


_READERS: Final[dict[str, Callable[[Field, Any], Any]]] = {
    "string": _string,
    "text": _string,
    "integer": _integer,
    "decimal": _decimal,
    "date": _date,
    "datetime": _datetime,
}
_NUMBERS: Final = ("integer", "decimal")


def _shown(value: Any) -> str:
    text = "" if value is None else value if isinstance(value, str) else str(value)
    return text if len(text) <= _VALUE_SHOWN_MAX else text[:_VALUE_SHOWN_MAX] + "…"


# ------------------------------------------------------------------- nodes


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in the message we are: path of nodes and the rows on it."""

    node: str = ""
    row: str = ""
    label: str = ""

    def inside(self, node: Node, number: int | None) -> _Place:
        row = "/".join(filter(None, (self.row, "" if number is None else str(number))))
        return _Place(f"{self.node}/{node.name}" if self.node else node.name, row, node.label)

    def problem(self, spec: Field | Node, value: Any, rule: str, text: str) -> Problem:
        name = spec.name if isinstance(spec, Field) else ""
        where = f"{self.node}（{self.label}）" if self.node else "报文"
        row = f"第 {self.row} 行 " if self.row else ""
        return Problem(
            node=self.node,
            row=self.row,
            field=name,
            label=spec.label,
            value=_shown(value),
            rule=rule,
            text=f"{where} {row}{name}（{spec.label}）：{text}" if name else f"{where} {row}{text}",
        )


class Codec:
    """One side of one transaction, compiled.

    Args:
        side: the table.
        codes: code lists by name.
        code_lists: ``refuse`` reports a code outside its list as a problem, ``warn`` as a warning.
    """

    def __init__(self, side: Side, codes: Mapping[str, CodeList], *, code_lists: str = "refuse") -> None:
        self.side = side
        self._codes = codes
        self._codes_refuse = code_lists == "refuse"
        self._root = _Shape(side.root, side.nodes)
        self._shapes: dict[int, _Shape] = {}
        self._compile(side.nodes)

    def _compile(self, nodes: Sequence[Node]) -> None:
        for node in nodes:
            self._shapes[id(node)] = _Shape(node.fields, node.children)
            self._compile(node.children)

    # --------------------------------------------------------------- XML in

    def read_xml(self, element: etree._Element, skip: frozenset[str] = frozenset()) -> Message:
        """Children of ``element`` as a message with text leaves, unchecked; what no table has is kept under its name.

        Args:
            element: ``<input>``, the wrapper of a typed operation, or ``<output>``.
            skip: local names of children that are not part of the message (``head``).
        """
        if self.side.root_repeat:
            return [self._read_node(row, self._root) for row in element if isinstance(row.tag, str)]
        message: dict[str, Any] = {}
        for child in element:
            if local(child.tag) not in skip:
                self._place(child, self._root, message)
        return message

    def _read_node(self, element: etree._Element, shape: _Shape) -> dict[str, Any]:
        row: dict[str, Any] = {}
        leaves = shape.leaves
        for child in element:
            name = leaves.get(child.tag)
            # the one case that nearly every element is: a field of the table, the first of its name, with text alone
            if name is not None and name not in row and not len(child):
                row[name] = child.text or ""
            else:
                self._place(child, shape, row)
        if element.text and element.text.strip():
            row["#text"] = element.text.strip()
        return row

    def _place(self, child: etree._Element, shape: _Shape, into: dict[str, Any]) -> None:
        tag = child.tag
        name = tag if tag in shape.members else local(tag)
        member = shape.members.get(name)
        value: Any
        if isinstance(member, Node):
            value = self._read_node(child, self._shapes[id(member)])
            if member.repeat:
                into.setdefault(name, []).append(value)
                return
        else:
            value = _tree(child) if len(child) else child.text or ""
        if name in into:
            before = into[name]
            into[name] = _Repeated([*before, value] if isinstance(before, _Repeated) else [before, value])
        else:
            into[name] = value

    # ---------------------------------------------------------------- check

    def check(self, message: Any) -> tuple[Message, Findings]:
        """Check a message with leaves as text, numbers or already typed.

        Returns:
            The typed message in the order of the table, without unknown fields; and everything that was found.
        """
        findings = Findings()
        place = _Place()
        if self.side.root_repeat:
            rows = message if isinstance(message, list) else [message]
            return [self._check_row(row, self._root, place, findings) for row in rows], findings
        if not isinstance(message, dict):
            findings.problems.append(Problem("", "", "", "交易输入", _shown(message), "shape", "报文应为节点的集合"))
            return {}, findings
        return self._check_row(message, self._root, place, findings), findings

    def _check_row(self, row: dict[str, Any], shape: _Shape, place: _Place, found: Findings) -> dict[str, Any]:
        typed: dict[str, Any] = {}
        for spec in shape.fields:
            self._check_leaf(spec, row, typed, place, found)
        for node in shape.nodes:
            self._check_node(node, row.get(node.name), typed, place, found)
        if len(row) > len(typed):
            found.unknown.extend(f"{place.node}/{name}".lstrip("/") for name in row if name not in shape.members)
        return typed

    def _check_leaf(
        self, spec: Field, row: dict[str, Any], typed: dict[str, Any], place: _Place, found: Findings
    ) -> None:
        value = row.get(spec.name)
        if value is None or value == "":
            if spec.required and spec.filled_by is None:
                found.problems.append(place.problem(spec, value, "required", "必填"))
            elif spec.name in row:
                typed[spec.name] = None if spec.type in _NUMBERS else ""
            return
        if isinstance(value, _NESTED):
            text = "出现多次" if isinstance(value, _Repeated) else "应为单个值，不能含下级节点"
            found.problems.append(place.problem(spec, "", "shape", text))
            return
        try:
            typed[spec.name] = _READERS[spec.type](spec, value)
        except Wrong as wrong:
            found.problems.append(place.problem(spec, value, wrong.rule, wrong.text))
            return
        if spec.codes is not None and value not in self._codes[spec.codes].values:
            problem = place.problem(spec, value, "code", f"不在值域“{self._codes[spec.codes].label}”中")
            if self._codes_refuse:
                found.problems.append(problem)
            else:
                found.warnings.append(problem.text)

    def _check_node(self, node: Node, value: Any, typed: dict[str, Any], place: _Place, found: Findings) -> None:
        shape = self._shapes[id(node)]
        if value is None or value == "" or value == []:
            if not node.optional and shape.has_required:
                found.problems.append(place.inside(node, None).problem(node, "", "required", "缺少该节点"))
            return
        if not node.repeat:
            if isinstance(value, dict):
                typed[node.name] = self._check_row(value, shape, place.inside(node, None), found)
            else:
                text = "只能出现一次" if isinstance(value, list) else "应为节点，不能是单个值"
                rule = "repeat" if isinstance(value, list) else "shape"
                found.problems.append(place.inside(node, None).problem(node, "", rule, text))
            return
        rows = value if isinstance(value, list) else [value]
        checked = typed.setdefault(node.name, [])
        for number, item in enumerate(rows, 1):
            here = place.inside(node, number)
            if isinstance(item, dict):
                checked.append(self._check_row(item, shape, here, found))
            else:
                found.problems.append(here.problem(node, item, "shape", "应为节点，不能是单个值"))

    # -------------------------------------------------------------- XML out

    def write_xml(self, message: Any, *, known_only: bool = False) -> str:
        """A message as XML text without an enclosing element, in the order of the table.

        Args:
            message: typed, or as the platform sent it (an object where a list belongs is one row).
            known_only: leave out what the table does not have, for callers with a strict schema.
        """
        parts: list[str] = []
        if isinstance(message, list) or (self.side.root_repeat and message):
            for row in message if isinstance(message, list) else [message]:
                parts.append(f"<{ROW}>")
                self._write_row(row, self._root, parts, known_only)
                parts.append(f"</{ROW}>")
        else:
            self._write_row(message, self._root, parts, known_only)
        return "".join(parts)

    def _write_row(self, row: Any, shape: _Shape, parts: list[str], known_only: bool) -> None:
        if not isinstance(row, dict):
            parts.append(escape(as_text(row)))
            return
        for spec in shape.fields:
            if spec.name in row:
                _write_leaf(spec.name, row[spec.name], parts)
        for node in shape.nodes:
            for item in _rows(row.get(node.name)):
                parts.append(f"<{node.name}>")
                self._write_row(item, self._shapes[id(node)], parts, known_only)
                parts.append(f"</{node.name}>")
        if not known_only and len(row) > len(shape.members.keys() & row.keys()):
            for name, value in row.items():
                if name not in shape.members and _XML_NAME.fullmatch(name):
                    _write_tree(name, value, parts)


class _Repeated(list[Any]):
    """A field or single node that occurred more than once in XML."""


class _Shape:
    """Fields and child nodes of one place, by name; ``leaves`` are the fields by tag, as they come in XML."""

    __slots__ = ("fields", "has_required", "leaves", "members", "nodes")

    def __init__(self, fields: tuple[Field, ...], nodes: tuple[Node, ...]) -> None:
        self.fields = fields
        self.nodes = nodes
        self.members: dict[str, Field | Node] = {spec.name: spec for spec in fields}
        self.members.update({node.name: node for node in nodes})
        named = [name for name, member in self.members.items() if isinstance(member, Field)]
        self.leaves = {tag: name for name in named for tag in (name, f"{{{NAMESPACE}}}{name}")}
        self.has_required = _has_required(fields, nodes)


def _has_required(fields: Sequence[Field], nodes: Sequence[Node]) -> bool:
    """Whether leaving the node out leaves out something required: a field of its own or of a node it must have."""
    return any(spec.required and spec.filled_by is None for spec in fields) or any(
        not node.optional and _has_required(node.fields, node.children) for node in nodes
    )


def _rows(value: Any) -> Iterator[Any]:
    if value is None:
        return
    if isinstance(value, list):
        yield from value
    else:
        yield value


def _tree(element: etree._Element) -> Any:
    """An element no table knows, as nested dicts of text."""
    if not len(element):
        return element.text or ""
    result: dict[str, Any] = {}
    for child in element:
        name, value = local(child.tag), _tree(child)
        if name in result:
            before = result[name]
            result[name] = _Repeated([*before, value] if isinstance(before, _Repeated) else [before, value])
        else:
            result[name] = value
    return result


def as_text(value: Any) -> str:
    """A leaf as it is printed: decimals without exponent as far as that is sane, nothing for None."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        text = str(value)  # an amount has no exponent and is done here, at a sixth of what the next line costs
        return format(value, "f") if "E" in text and _printable(value) else text
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, default=as_text)
    return str(value)


def _write_leaf(name: str, value: Any, parts: list[str]) -> None:
    text = escape(as_text(value))
    parts.append(f"<{name}>{text}</{name}>" if text else f"<{name}/>")


def _write_tree(name: str, value: Any, parts: list[str]) -> None:
    if isinstance(value, list):
        for item in value:
            _write_tree(name, item, parts)
    elif isinstance(value, dict):
        parts.append(f"<{name}>")
        for key, item in value.items():
            if _XML_NAME.fullmatch(key):
                _write_tree(key, item, parts)
        parts.append(f"</{name}>")
    else:
        _write_leaf(name, value, parts)
