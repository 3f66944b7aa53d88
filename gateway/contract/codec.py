"""XML <-> dict <-> JSON for one side of a transaction, and the check that reports every problem at once.

Compiled once from the tables (``Side``). The shape of a message is described in ``gateway.contract.model``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, NamedTuple

from lxml import etree

from gateway.contract.leaves import Wrong, printable, reader
from gateway.contract.model import CodeList, Field, Node, Problem, Side
from gateway.contract.plain_rows import Cut, RowCutter, RowReader, Texts, VouchedRow, VouchedRows
from gateway.contract.published import NAMESPACE
from gateway.contract.xml import NEEDS_ESCAPE, escape, local

Message = dict[str, Any] | list[Any]

ROW: Final = "row"
"""Element of one row when the whole side repeats (``Side.root_repeat``)."""

_XML_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_VALUE_SHOWN_MAX: Final = 60
CHAIN: Final = "→"
"""Joins codes that follow each other in one field."""
# as tuples, because ``dict | list`` would be put together anew for every leaf
_NESTED: Final = (dict, list)
_NUMBERS: Final = ("integer", "decimal")


@dataclass(slots=True)
class Findings:
    """What a check found. ``unknown`` are paths of fields no table has, ``warnings`` whole sentences."""

    problems: list[Problem] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def _shown(value: Any) -> str:
    text = "" if value is None else value if isinstance(value, str) else str(value)
    return text if len(text) <= _VALUE_SHOWN_MAX else text[:_VALUE_SHOWN_MAX] + "…"


# ------------------------------------------------------------------- nodes


class _Place(NamedTuple):
    """Where in the message we are. Only a problem asks for it in words, so it holds no more than where it hangs."""

    parent: _Place | None = None
    inner: Node | None = None
    number: int | None = None

    @property
    def node(self) -> str:
        """Path of nodes."""
        return "/".join(place.inner.name for place in self._way() if place.inner is not None)

    @property
    def row(self) -> str:
        """Rows on the path."""
        return "/".join(str(place.number) for place in self._way() if place.number is not None)

    @property
    def label(self) -> str:
        return self.inner.label if self.inner is not None else ""

    def _way(self) -> list[_Place]:
        way = [self]
        while way[-1].parent is not None:
            way.append(way[-1].parent)
        return way[::-1]

    def inside(self, node: Node, number: int | None) -> _Place:
        return _Place(self, node, number)

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
        self._root = _Shape(side.root, side.nodes, codes)
        self._shapes: dict[int, _Shape] = {}
        self._cutters: dict[RowReader | None, RowCutter] = {}
        self._compile(side.nodes)

    def _compile(self, nodes: Sequence[Node]) -> None:
        for node in nodes:
            self._shapes[id(node)] = _Shape(node.fields, node.children, self._codes)
            self._compile(node.children)

    # --------------------------------------------------------------- XML in

    def cut(self, text: str, path: tuple[str, ...], beside: RowReader | None = None) -> Cut | None:
        """The plain rows of a message of this side apart from the document that it comes in.

        Args:
            text: the document.
            path: local names from below its root to the element that holds the message.
            beside: reads what stands beside the message, once.
        """
        cutter = self._cutters.get(beside)
        if cutter is None:
            cutter = self._cutters[beside] = RowCutter(self.side, self._codes, beside)
        return cutter.cut(text, path, self)

    def read_cut(self, cut: Cut, beside: RowReader) -> Message:
        """As :meth:`read_xml`, of a document of which nothing is left but marks."""
        message: dict[str, Any] = {}
        for one, texts in cut.runs:
            if one is not beside:
                self._place_run(one, texts, message)
        return message

    def read_xml(self, element: etree._Element, skip: frozenset[str] = frozenset(), cut: Cut | None = None) -> Message:
        """Children of ``element`` as a message, unchecked; what no table has is kept under its name.

        Args:
            element: ``<input>``, the wrapper of a typed operation, or ``<output>``.
            skip: local names of children that are not part of the message (``head``).
            cut: made by this codec, of the document that ``element`` is in.

        Returns:
            Leaves are text, but for vouched rows.
        """
        if self.side.root_repeat:
            return [self._read_node(row, self._root) for row in element if isinstance(row.tag, str)]
        message: dict[str, Any] = {}
        for child in element:
            if local(child.tag) in skip:
                continue
            run = None if cut is None else cut.run_at(child)
            if run is not None:
                self._place_run(*run, message)
            else:
                self._place(child, self._root, message)
        return message

    def _place_run(self, reader: RowReader, texts: list[Texts], into: dict[str, Any]) -> None:
        """What was cut out: vouched where every value holds, else rows like any other."""
        node, typed = reader.node, reader.typed(texts)
        by = self._shapes[id(node)]
        if not node.repeat:
            for given in reader.as_given(texts) if typed is None else typed:
                row = given
                if typed is not None:
                    row = VouchedRow(given)
                    row.by = by
                _put(node.name, row, into)
            return
        before = into.get(node.name, ())
        rows = before if isinstance(before, VouchedRows) else VouchedRows(before, by)
        rows.extend(typed if typed is not None else reader.as_given(texts))
        if typed is None:
            rows.doubtful.extend(range(len(rows) - len(texts), len(rows)))
        into[node.name] = rows

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
                rows = into.setdefault(name, [])
                if type(rows) is VouchedRows:
                    rows.doubtful.append(len(rows))
                rows.append(value)
                return
        else:
            value = _tree(child) if len(child) else child.text or ""
        _put(name, value, into)

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
        # the one loop that nearly all of the work of a large message is, so the ordinary leaf is dealt with here
        typed: dict[str, Any] = {}
        given = row.get
        for name, spec, read, allowed in shape.checks:
            value = given(name)
            if value is None or value == "":
                if spec.required and spec.filled_by is None:
                    found.problems.append(place.problem(spec, value, "required", "必填"))
                elif name in row:
                    typed[name] = None if spec.type in _NUMBERS else ""
                continue
            try:
                typed[name] = read(value)
            except Wrong as wrong:
                self._wrong_leaf(spec, value, wrong, place, found)
            else:
                if allowed is not None and value not in allowed:
                    self._wrong_code(spec, value, place, found)
        for node in shape.nodes:
            self._check_node(node, given(node.name), typed, place, found)
        if len(row) > len(typed):
            found.unknown.extend(f"{place.node}/{name}".lstrip("/") for name in row if name not in shape.members)
        return typed

    def _wrong_leaf(self, spec: Field, value: Any, wrong: Wrong, place: _Place, found: Findings) -> None:
        if isinstance(value, _NESTED):
            text = "出现多次" if isinstance(value, _Repeated) else "应为单个值，不能含下级节点"
            found.problems.append(place.problem(spec, "", "shape", text))
        else:
            found.problems.append(place.problem(spec, value, wrong.rule, wrong.text))

    def _wrong_code(self, spec: Field, value: Any, place: _Place, found: Findings) -> None:
        known = self._codes[spec.codes or ""].values
        if all(part in known for part in str(value).split(CHAIN)):
            return  # several transfers, one after the other (4101A refldept_dept)
        problem = place.problem(spec, value, "code", f"不在值域“{self._codes[spec.codes or ''].label}”中")
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
            if type(value) is VouchedRow and value.by is shape:
                typed[node.name] = dict(value)
            elif isinstance(value, dict):
                typed[node.name] = self._check_row(value, shape, place.inside(node, None), found)
            else:
                text = "只能出现一次" if isinstance(value, list) else "应为节点，不能是单个值"
                rule = "repeat" if isinstance(value, list) else "shape"
                found.problems.append(place.inside(node, None).problem(node, "", rule, text))
            return
        if type(value) is VouchedRows and value.by is shape:
            checked = typed[node.name] = list(value)
            for index in value.doubtful:
                checked[index] = self._check_row(value[index], shape, place.inside(node, index + 1), found)
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
        for name, start, end, empty in shape.tags:
            if name in row:
                value = row[name]
                text = value if type(value) is str else as_text(value)
                if not text:
                    parts.append(empty)
                elif NEEDS_ESCAPE.search(text) is None:
                    parts.append(f"{start}{text}{end}")
                else:
                    _write_leaf(name, text, parts)
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

    __slots__ = ("checks", "has_required", "leaves", "members", "nodes", "tags")

    def __init__(self, fields: tuple[Field, ...], nodes: tuple[Node, ...], codes: Mapping[str, CodeList]) -> None:
        self.nodes = nodes
        self.checks = [
            (spec.name, spec, reader(spec), None if spec.codes is None else codes[spec.codes].values) for spec in fields
        ]
        self.tags = [(spec.name, f"<{spec.name}>", f"</{spec.name}>", f"<{spec.name}/>") for spec in fields]
        self.members: dict[str, Field | Node] = {spec.name: spec for spec in fields}
        self.members.update({node.name: node for node in nodes})
        named = [name for name, member in self.members.items() if isinstance(member, Field)]
        self.leaves = {tag: name for name in named for tag in (name, f"{{{NAMESPACE}}}{name}")}
        self.has_required = _has_required(fields, nodes)


def _put(name: str, value: Any, into: dict[str, Any]) -> None:
    """A field or single node; that it came more than once is for the check to tell."""
    if name in into:
        before = into[name]
        into[name] = _Repeated([*before, value] if isinstance(before, _Repeated) else [before, value])
    else:
        into[name] = value


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
        _put(name, value, result)
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
        return format(value, "f") if "E" in text and printable(value) else text
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
