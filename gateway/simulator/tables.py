"""The field tables of the interface, read one by one when first used, and the checks made from them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INFNO = re.compile(r"[0-9]{4}[A-Z]{0,2}|[0-9]{6}|[A-Z][0-9]{3}")
_FORMS = {"date": ("%Y-%m-%d", re.compile(r"\d{4}-\d\d-\d\d"), "yyyy-MM-dd"),
          "datetime": ("%Y-%m-%d %H:%M:%S", re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"), "yyyy-MM-dd HH:mm:ss")}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Column:
    """One field of a node."""

    name: str
    label: str
    type: str
    required: bool
    code: bool
    length: int | None
    precision: int | None
    scale: int


@dataclass(frozen=True, slots=True)
class Node:
    """A node with its own columns and the nodes inside it; the one named ``_root`` stands for the side itself."""

    name: str
    repeat: bool
    optional: bool
    columns: tuple[Column, ...]
    children: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """One transaction of the interface."""

    infno: str
    name: str
    mutates: bool
    input: tuple[Node, ...]
    output: tuple[Node, ...]
    layout: tuple[Column, ...] = ()
    """Columns of the file that is fetched afterwards (13xx)."""


class Tables:
    """The folder ``mappings/``: ``envelope.yaml`` and ``transactions/<infno>.yaml``.

    Args:
        mappings_dir: the folder; a table in it is read when its transaction first comes.
    """

    def __init__(self, mappings_dir: Path) -> None:
        self._folder = mappings_dir / "transactions"
        self._known = {path.stem for path in self._folder.glob("*.yaml")}
        if not self._known:
            raise FileNotFoundError(f"no transaction tables in {self._folder}")
        self._read: dict[str, Table] = {}
        fields = _load(mappings_dir / "envelope.yaml")["request"]["fields"]
        self.envelope = tuple(_column(field) for field in fields if field["name"] != "input")

    def __contains__(self, infno: object) -> bool:
        return infno in self._known

    def __getitem__(self, infno: str) -> Table:
        if infno not in self._known:
            raise KeyError(infno)
        if infno not in self._read:
            self._read[infno] = _table(_load(self._folder / f"{infno}.yaml"))
        return self._read[infno]


def is_infno(text: str) -> bool:
    """Whether ``text`` has the form of a transaction number."""
    return bool(_INFNO.fullmatch(text))


def _load(path: Path) -> Any:
    with path.open(encoding="utf-8") as file:
        return yaml.load(file, Loader=_LOADER)  # noqa: S506 (CSafeLoader or SafeLoader)


def _table(document: Mapping[str, Any]) -> Table:
    return Table(
        infno=str(document["infno"]),
        name=document["name"],
        mutates=document["mutates"],
        input=_nodes(document["input"], None),
        output=_nodes(document["output"], None),
        layout=tuple(map(_column, document.get("file_layout", ()))),
    )


def _nodes(rows: list[dict[str, Any]], parent: str | None) -> tuple[Node, ...]:
    """The nodes under ``parent``; one whose parent is no node of this side (3702: ``input``) stands at the top."""
    names = {row["node"] for row in rows}
    return tuple(
        Node(
            name="_root" if row.get("root") else row["node"],
            repeat=row["repeat"],
            optional=bool(row.get("optional")) or parent is not None,
            columns=tuple(map(_column, row["fields"])),
            children=_nodes([other for other in rows if other is not row], row["node"]),
        )
        for row in rows
        if (row.get("parent") if row.get("parent") in names | {parent} else None) == parent
    )


def _column(row: Mapping[str, Any]) -> Column:
    return Column(
        name=row["name"],
        label=row["label"],
        type=row["type"],
        required=row["required"],
        code=bool(row.get("code")),
        length=row.get("length"),
        precision=row.get("precision"),
        scale=row.get("scale") or 0,
    )


# ------------------------------------------------------------------ checks


def problems(nodes: tuple[Node, ...], message: Any, where: str = "") -> Iterator[str]:
    """Every problem of ``message`` against ``nodes``, in Chinese; unknown fields are ignored as platforms do."""
    for node in nodes:
        if node.name == "_root":
            yield from _node_problems(node, message, where or "input")
        elif not isinstance(message, dict):
            yield f"{where or 'input'} 应为对象"
        else:
            yield from _node_problems(node, message.get(node.name), f"{where}/{node.name}".lstrip("/"))


def column_problem(column: Column, value: Any) -> str | None:
    """What is wrong with one value, or None."""
    if value is None or value == "":
        if column.required:
            return "必填"
        if value == "" and column.type in ("decimal", "integer"):
            return "数值为空时应填 0"
        return None
    if column.type == "decimal":
        return _decimal_problem(column, value)
    if column.type == "integer":
        return _integer_problem(column, value)
    if not isinstance(value, str):
        return "应为字符串"
    if column.type in _FORMS:
        return _time_problem(column.type, value)
    if column.length is not None and len(value) > column.length:
        return f"长度 {len(value)} 超过 {column.length}"
    return None


def number(value: Any) -> Decimal | None:
    """``value`` as an exact finite number, or None; numbers printed in a string count, as platforms coerce them."""
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        return None
    try:
        result = Decimal(value)
    except InvalidOperation:
        return None
    return result if result.is_finite() and abs(result.adjusted()) < 40 else None


def _node_problems(node: Node, value: Any, where: str) -> Iterator[str]:
    if value is None or value in ({}, []):
        if not node.optional and any(column.required for column in node.columns):
            yield f"节点 {where} 必填"
        return
    if not node.repeat:
        yield from _row_problems(node, value, where)
    elif not isinstance(value, list):
        yield f"节点 {where} 应为数组"
    else:
        for number_, row in enumerate(value, 1):
            yield from _row_problems(node, row, f"{where}[{number_}]")


def _row_problems(node: Node, row: Any, where: str) -> Iterator[str]:
    if not isinstance(row, dict):
        yield f"节点 {where} 应为对象"
        return
    for column in node.columns:
        problem = column_problem(column, row.get(column.name))
        if problem:
            yield f"{where}.{column.name}({column.label}){problem}"
    yield from problems(node.children, row, where)


def _decimal_problem(column: Column, value: Any) -> str | None:
    amount = number(value)
    if amount is None:
        return "应为数值"
    exponent = amount.normalize().as_tuple().exponent
    if isinstance(exponent, int) and -exponent > column.scale:
        return f"小数位超过 {column.scale} 位"
    if column.precision is not None and amount and amount.adjusted() + 1 > column.precision - column.scale:
        return f"整数位超过 {column.precision - column.scale} 位"
    return None


def _integer_problem(column: Column, value: Any) -> str | None:
    whole = number(value)
    if whole is None or whole != whole.to_integral_value():
        return "应为整数"
    if column.length is not None and len(str(abs(int(whole)))) > column.length:
        return f"位数超过 {column.length} 位"
    return None


@lru_cache(maxsize=4096)  # the rows of one upload share their times
def _time_problem(form: str, text: str) -> str | None:
    pattern, shape, printed = _FORMS[form]
    try:
        if not shape.fullmatch(text):
            return f"应为 {printed}"
        datetime.strptime(text, pattern)  # noqa: DTZ007 (the interface prints local time without a zone)
    except ValueError:
        return f"不是有效的时间，应为 {printed}"
    return None


# ------------------------------------------------------------------ answers


def shape(nodes: tuple[Node, ...], values: Any, now: datetime, serial: str) -> Any:
    """An answer in the order of its table: given values, and plausible ones for required fields nobody gave.

    Args:
        nodes: the output side of a table.
        values: node name -> row or rows; for a ``_root`` node its fields, or the list of its rows.
        now: time printed into invented fields.
        serial: digits that make invented identifiers distinct.
    """
    answer: dict[str, Any] = {}
    for node in nodes:
        if node.name != "_root":
            answer[node.name] = _shape_node(node, values.get(node.name), now, serial)
        elif node.repeat:  # the side is a list; the other nodes (3702, 4104) stand inside each row
            inside = tuple(other for other in nodes if other is not node)
            return _shape_node(replace(node, children=inside), values, now, serial)
        else:
            answer.update(_shape_row(node, values, now, serial))
    return answer


def _shape_node(node: Node, given: Any, now: datetime, serial: str) -> Any:
    if not node.repeat:
        return _shape_row(node, given or {}, now, serial)
    rows = given if isinstance(given, list) else [given or {}]
    return [_shape_row(node, row, now, serial) for row in rows]


def _shape_row(node: Node, given: Mapping[str, Any], now: datetime, serial: str) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for column in node.columns:
        if column.name in given:
            row[column.name] = _printed(column, given[column.name])
        elif column.required:
            row[column.name] = _invent(column, now, serial)
    row.update(shape(node.children, given, now, serial))
    return row


def _printed(column: Column, value: Any) -> Any:
    """``value`` with the digits and length of its column; None stays an absent value."""
    if column.type == "decimal" and isinstance(value, int | Decimal):
        return Decimal(value).quantize(Decimal(1).scaleb(-column.scale))
    if isinstance(value, str) and column.type in ("string", "text") and column.length:
        return value[: column.length]
    return value


def _invent(column: Column, now: datetime, serial: str) -> Any:
    if column.type == "decimal":
        return Decimal(0).quantize(Decimal(1).scaleb(-column.scale))
    if column.type == "integer":
        return 1
    if column.type in _FORMS:
        return now.strftime(_FORMS[column.type][0])
    if column.code:
        return "1"
    plain = serial if column.name.lower().endswith(("id", "no", "sn", "codg", "code")) else f"模拟{column.label}"
    return plain[-column.length :] if column.length else plain
