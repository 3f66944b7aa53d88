"""A message out of a form, and the four ways it can go to the gateway. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from xml.sax.saxutils import escape

from lxml import etree

from gateway.contract.codec import Codec, as_text
from gateway.contract.jsontext import dumps, loads
from gateway.contract.model import Field, Node, Transaction
from gateway.contract.published import NAMESPACE
from gateway.contract.xml import local, parse_text
from gateway.faults import GatewayFault

ROWS_MAX: Final = 50
REQUEST_ID: Final = "head.request_id"
"""Where the form has the caller's own number."""
_HEADS: Final = ("infcode", "code", "err_msg", "warn_msg", "msgid")
_SOAP: Final = "http://schemas.xmlsoap.org/soap/envelope/"


@dataclass(frozen=True, slots=True)
class Sent:
    """What goes over the wire."""

    path: str
    content_type: str
    body: str


@dataclass(frozen=True, slots=True)
class Input:
    """One field of the form; ``key`` is its name there (``diseinfo.0.diag_code``)."""

    key: str
    field: Field
    value: str
    choices: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Block:
    """One row of a node in the form."""

    title: str
    note: str
    inputs: Sequence[Input]
    repeat: str = ""
    """Of a node that may repeat: its place, by which one more row is asked for."""

    @property
    def first(self) -> list[Input]:
        """What must be filled in, and what is."""
        return [one for one in self.inputs if one.field.required or one.value]

    @property
    def rest(self) -> list[Input]:
        """What may stay empty, and does."""
        return [one for one in self.inputs if not (one.field.required or one.value)]


@dataclass(frozen=True, slots=True)
class Seen:
    """What stands at the head of a reply, whichever way it came.

    Args:
        problems: what was wrong with the message, each in a sentence.
    """

    infcode: str = ""
    code: str = ""
    err_msg: str = ""
    warn_msg: str = ""
    msgid: str = ""
    problems: tuple[str, ...] = ()


def blocks(
    transaction: Transaction, form: Mapping[str, str], choices: Callable[[Field], Mapping[str, str]]
) -> list[Block]:
    """The form of a transaction with the values given so far.

    Args:
        form: values by key; ``rows.<place>`` says how many rows a repeated node has.
        choices: code list of a field, empty when any text may stand there.
    """
    side = transaction.input
    found = list(_blocks("", side.nodes, form, choices))
    root = [_input("", spec, form, choices) for spec in side.root]
    return [Block("报文", "", root), *found] if root else found


def _blocks(
    place: str, nodes: Iterable[Node], form: Mapping[str, str], choices: Callable[[Field], Mapping[str, str]]
) -> Iterator[Block]:
    for node in nodes:
        below = f"{place}{node.name}"
        count = rows_of(form, below) if node.repeat else 1
        for number in range(count):
            inside = f"{below}.{number}."
            title = f"{node.name} {node.label}" + (f" 第 {number + 1} 行" if node.repeat else "")
            inputs = [_input(inside, spec, form, choices) for spec in node.fields]
            last = node.repeat and number == count - 1
            note = "可不填" if node.optional else ""
            yield Block(title, note, inputs, below if last and count < ROWS_MAX else "")
            yield from _blocks(inside, node.children, form, choices)


def rows_of(form: Mapping[str, str], place: str) -> int:
    """How many rows of a repeated node the form has, at least one."""
    text = form.get(f"rows.{place}", "1")
    return min(max(int(text), 1), ROWS_MAX) if text.isascii() and text.isdigit() and len(text) < 4 else 1


def _input(place: str, spec: Field, form: Mapping[str, str], choices: Callable[[Field], Mapping[str, str]]) -> Input:
    key = f"{place}{spec.name}"
    return Input(key, spec, form.get(key, ""), choices(spec))


def read_message(transaction: Transaction, form: Mapping[str, str]) -> dict[str, Any]:
    """What was filled in; empty fields and empty rows are left out."""
    return _row("", transaction.input.root, transaction.input.nodes, form)


def _row(place: str, fields: Iterable[Field], nodes: Iterable[Node], form: Mapping[str, str]) -> dict[str, Any]:
    row: dict[str, Any] = {spec.name: text for spec in fields if (text := form.get(f"{place}{spec.name}", "").strip())}
    for node in nodes:
        below = f"{place}{node.name}"
        count = rows_of(form, below) if node.repeat else 1
        rows = [_row(f"{below}.{number}.", node.fields, node.children, form) for number in range(count)]
        rows = [found for found in rows if found]
        if rows:
            row[node.name] = rows if node.repeat else rows[0]
    return row


def written(way: str, transaction: Transaction, codec: Codec, message: Any, request_id: str = "") -> Sent:
    """The request as it goes: ``xml`` and ``json`` in the string service, ``typed`` SOAP, ``api`` plain JSON.

    Args:
        request_id: the caller's own number for it, in the head; empty leaves the head out.
    """
    infno = transaction.infno
    if transaction.input.root_repeat and isinstance(message, dict):
        message = [message] if message else []
    document = {**({"head": {"request_id": request_id}} if request_id else {}), "input": message}
    head = f"<head><request_id>{escape(request_id)}</request_id></head>" if request_id else ""
    if way == "api":
        return Sent(f"/api/v1/transactions/{infno}", "application/json; charset=utf-8", dumps(document).decode())
    if way == "typed":
        inner = f'<Txn{infno} xmlns="{NAMESPACE}">{head}{codec.write_xml(message)}</Txn{infno}>'
        return Sent(f"/soap/{transaction.group}", "text/xml; charset=utf-8", _envelope(inner))
    text = (
        dumps(document).decode()
        if way == "json"
        else f"<request>{head}<input>{codec.write_xml(message)}</input></request>"
    )
    inner = f'<Call xmlns="{NAMESPACE}"><infno>{escape(infno)}</infno><request>{escape(text)}</request></Call>'
    return Sent("/soap/exchange", "text/xml; charset=utf-8", _envelope(inner))


def seen(body: bytes) -> Seen | None:
    """The head of a reply; None where there is none that can be read."""
    text = body.decode("utf-8", "replace").strip("\ufeff \t\r\n")
    try:
        return _seen_json(loads(text.encode())) if text[:1] == "{" else _seen_xml(parse_text(text))
    except GatewayFault:
        return None


def _seen_json(document: Any) -> Seen | None:
    if not isinstance(document, dict):
        return None
    problems = document.get("problem")
    rows = [row for row in problems if isinstance(row, dict)] if isinstance(problems, list) else []
    heads = {name: as_text(document.get(name)) for name in _HEADS}
    return Seen(**heads, problems=tuple(map(_problem, rows)))


def _seen_xml(root: etree._Element) -> Seen | None:
    """Of the elements, of the text that stands in them (string service), or of a SOAP Fault."""
    texts: dict[str, str] = {}
    for element in root.iter():
        if isinstance(element.tag, str):
            texts.setdefault(local(element.tag), element.text or "")
    if "infcode" in texts:
        rows = [{local(part.tag): part.text for part in one} for one in root.iter("{*}problem")]
        return Seen(**{name: texts.get(name, "") for name in _HEADS}, problems=tuple(map(_problem, rows)))
    if "faultstring" in texts:
        return Seen(infcode="SOAP Fault", err_msg=texts["faultstring"])
    inner = next((text.strip() for text in texts.values() if text.strip()[:1] in ("<", "{")), "")
    return seen(inner.encode()) if inner else None


def _problem(row: Mapping[str, Any]) -> str:
    """The sentence, and the value where the sentence does not have it."""
    text, value = as_text(row.get("text")), as_text(row.get("value"))
    return f"{text}（收到“{value}”）" if value and value not in text else text


def _envelope(inner: str) -> str:
    return f'<soap:Envelope xmlns:soap="{_SOAP}"><soap:Body>{inner}</soap:Body></soap:Envelope>'
