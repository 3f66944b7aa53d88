"""The messages that are measured, made from the tables: an admission (2401) and an upload of fee rows (2301)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from gateway.contract.codec import as_text
from gateway.contract.interface import Interface
from gateway.contract.jsontext import dumps
from gateway.contract.model import Field, Node
from gateway.contract.published import NAMESPACE
from gateway.contract.xml import escape

Message = dict[str, Any]

SMALL_DIAGNOSES: Final = 5
LARGE_ROWS: Final = 500
_HEAD: Final = {
    "opter": "0001",
    "opter_name": "张三",
    "opter_type": "1",
    "insuplc_admdvs": "320100",
    "mac": "00-16-3E-0A-0B-0C",
    "ip": "10.1.20.33",
}
_TEXT: Final = "慢性阻塞性肺疾病伴急性下呼吸道感染，心内科三病区"


@dataclass(frozen=True, slots=True)
class Case:
    """One message, whole: what the hospital sends, what the province answers."""

    name: str
    infno: str
    message: Message
    soap: bytes
    answer: bytes
    """One row for each row sent."""
    short_answer: bytes
    """The least that is a success, so that a façade that answers a constant is not at an advantage."""


def small(interface: Interface) -> Case:
    """An admission with every field of the table and five diagnoses."""
    admission, diagnosis = interface.contract.transactions["2401"].input.nodes
    message = {admission.name: _row(admission, 1), diagnosis.name: _rows(diagnosis, SMALL_DIAGNOSES)}
    return _case("small", "2401", message, interface, 1)


def fees(interface: Interface, rows: int = LARGE_ROWS) -> Case:
    """An upload of fee rows with every field of the table."""
    (detail,) = interface.contract.transactions["2301"].input.nodes
    return _case(f"{rows} rows", "2301", {detail.name: _rows(detail, rows)}, interface, rows)


def _case(name: str, infno: str, message: Message, interface: Interface, answered: int) -> Case:
    (result,) = interface.contract.transactions[infno].output.nodes
    return Case(
        name, infno, message, _soap(infno, message), _answer(result, answered, infno), _answer(result, 1, infno)
    )


def _answer(result: Node, rows: int, infno: str) -> bytes:
    """The national envelope with amounts as JSON numbers, as a platform writes them."""
    return dumps(
        {
            "infcode": 0,
            "inf_refmsgid": f"320100202611210830000000{infno}00",
            "refmsg_time": "20261121083000000",
            "respond_time": "20261121083000123",
            "err_msg": "",
            "output": {result.name: _rows(result, rows) if result.repeat else _row(result, 1)},
        }
    )


def _rows(node: Node, count: int) -> list[Message]:
    return [_row(node, number) for number in range(1, count + 1)]


def _row(node: Node, number: int) -> Message:
    return {spec.name: _value(spec, number) for spec in node.fields}


def _value(spec: Field, number: int) -> Any:
    """A value as long as hospitals write them, different in each row."""
    if spec.type == "decimal":
        return Decimal(number % 90 + 10).scaleb(-min(spec.scale or 0, 2))
    if spec.type == "integer":
        return number % 9 + 1
    if spec.type in ("date", "datetime"):
        return f"2026-11-{number % 28 + 1:02d}" + (" 08:30:00" if spec.type == "datetime" else "")
    if spec.codes is not None:
        return _CODE.get(spec.name, "1")
    if spec.name.endswith(("_name", "_dscr", "memo", "_cond")):
        return _TEXT[number % 9 : number % 9 + min(spec.length or 12, 12)]
    return f"{spec.name[:4].upper()}{number:012d}"[: min(spec.length or 20, 20)]


_CODE: Final = {"insutype": "310", "mdtrt_cert_type": "02", "med_type": "21", "chrgitm_lv": "01"}


def _soap(infno: str, message: Message) -> bytes:
    """The typed envelope as a generated client writes it: document/literal, one default namespace."""
    body = _nodes({"head": _HEAD, **message})
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>'
        f'<Txn{infno} xmlns="{NAMESPACE}">{body}</Txn{infno}></soapenv:Body></soapenv:Envelope>'
    ).encode()


def _nodes(message: Message) -> str:
    parts: list[str] = []
    for name, value in message.items():
        rows: Sequence[Message] = value if isinstance(value, list) else [value]
        parts += [f"<{name}>{_leaves(row)}</{name}>" for row in rows]
    return "".join(parts)


def _leaves(row: Message) -> str:
    return "\n".join(f"<{name}>{escape(as_text(value))}</{name}>" for name, value in row.items())
