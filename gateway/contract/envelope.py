"""The common envelope (公共报文, mappings/envelope.yaml): written for the platform, read from its answer."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from math import inf
from operator import le
from typing import Any, Final, NamedTuple

from gateway.contract.codec import Message, as_text
from gateway.contract.jsontext import dumps, loads
from gateway.contract.model import Contract, EnvelopeField, Problem
from gateway.contract.xml import illegal_character
from gateway.faults import Unreadable

HEAD_FIELDS: Final = (
    "opter",
    "opter_name",
    "opter_type",
    "insuplc_admdvs",
    "mdtrtarea_admvs",
    "sign_no",
    "dev_no",
    "dev_safe_info",
    "cainfo",
    "signtype",
)
"""Envelope fields that a caller may give in ``head``; the gateway fills the rest."""


_GIVEN: Final = frozenset(HEAD_FIELDS)
CALLER_FIELDS: Final = ("request_id", "mac", "ip")
"""What a head may hold besides: the caller's own number, and the workstation for the sign-in."""


class _Layout(NamedTuple):
    """The table of the request's envelope, made ready."""

    fields: tuple[EnvelopeField, ...]
    blank: Mapping[str, str]
    """Every field, empty, in the order of the table."""
    head: tuple[str, ...]
    """Those that a caller may give."""
    no_head: Mapping[str, str]
    lengths: tuple[float, ...]
    """At most so many characters, for each of ``head``."""
    required: tuple[str, ...]
    known: frozenset[str]
    """What a head may hold."""

    @classmethod
    def of(cls, fields: tuple[EnvelopeField, ...]) -> _Layout:
        given = [spec for spec in fields if spec.name in _GIVEN]
        head = tuple(spec.name for spec in given)
        return cls(
            fields,
            {spec.name: "" for spec in fields},
            head,
            dict.fromkeys(head, ""),
            tuple(inf if spec.length is None else spec.length for spec in given),
            tuple(spec.name for spec in given if _must_be_given(spec)),
            frozenset(spec.name for spec in fields) | set(CALLER_FIELDS),
        )


_LAYOUTS_MAX: Final = 64
_layouts: dict[int, _Layout] = {}
"""By identity: hashing a table costs as much as going through it."""


def _layout(contract: Contract) -> _Layout:
    fields = contract.request_envelope
    layout = _layouts.get(id(fields))
    if layout is None or layout.fields is not fields:
        if len(_layouts) >= _LAYOUTS_MAX:
            _layouts.clear()
        layout = _layouts[id(fields)] = _Layout.of(fields)
    return layout


def _must_be_given(spec: EnvelopeField) -> bool:
    return spec.required and spec.name != "mdtrtarea_admvs"


class Garbage(Exception):
    """What came back is not an answer of the interface; the platform may have acted all the same."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends: facts of the institution and of the way to the province."""

    fixmedins_code: str
    fixmedins_name: str
    mdtrtarea_admvs: str
    insuplc_admdvs: str
    recer_sys_code: str
    infver: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The platform's answer. ``infcode`` is text whatever it was sent as, and ``0`` exactly when it is a success."""

    infcode: str
    inf_refmsgid: str
    err_msg: str
    warn_msg: str
    output: Any

    @property
    def success(self) -> bool:
        return self.infcode == "0"


def write_request(
    contract: Contract, sender: Sender, head: Mapping[str, str], infno: str, msgid: str, now: datetime, message: Message
) -> bytes:
    """The exact bytes that go to the platform.

    Args:
        head: what the caller gave and the sign-in number; keys of :data:`HEAD_FIELDS`.
        infno: the number on the wire (``Transaction.send_as``).
        now: real clock, Asia/Shanghai.
        message: the checked message; an empty number goes as 0 (envelope.yaml ``empty_values``).
    """
    blank = _layout(contract).blank
    envelope: dict[str, Any] = {
        **blank,
        "mdtrtarea_admvs": sender.mdtrtarea_admvs,
        "insuplc_admdvs": sender.insuplc_admdvs,
        **{name: value for name, value in head.items() if value and name in _GIVEN},
        "infno": infno,
        "msgid": msgid,
        "inf_time": now.isoformat(" ", "seconds")[:19],
        "fixmedins_code": sender.fixmedins_code,
        "fixmedins_name": sender.fixmedins_name,
        "recer_sys_code": sender.recer_sys_code,
        "infver": sender.infver,
    }
    if len(envelope) > len(blank):
        envelope = {name: envelope[name] for name in blank}
    envelope["input"] = message
    body = dumps(envelope)
    if b"null" in body:
        envelope["input"] = _empty_numbers_as_zero(message)
        body = dumps(envelope)
    return body


def head_problems(contract: Contract, head: Mapping[str, str]) -> list[Problem]:
    """What is wrong with the head: an envelope field that is required, missing and not ours to fill, or too long."""
    layout = _layout(contract)
    given = {**layout.no_head, **head}
    values = tuple(map(given.__getitem__, layout.head))
    if (
        all(map(given.__getitem__, layout.required))
        and all(map(le, map(len, values), layout.lengths))
        and "".join(values).isprintable()
    ):
        return []
    return list(_head_problems(contract, head))


def _head_problems(contract: Contract, head: Mapping[str, str]) -> Iterator[Problem]:
    for spec in contract.request_envelope:
        if spec.name not in _GIVEN:
            continue
        value = head.get(spec.name, "")
        if _must_be_given(spec) and not value:
            text = f"head {spec.name}（{spec.label}）：必填，可由客户端的 workstation 配置补足"
            yield Problem("head", "", spec.name, spec.label, "", "required", text)
        elif spec.length is not None and len(value) > spec.length:
            text = f"head {spec.name}（{spec.label}）：长度 {len(value)} 超过 {spec.length} 个字符"
            yield Problem("head", "", spec.name, spec.label, value[:60], "length", text)
        elif not value.isprintable() and (bad := illegal_character(value)):
            text = f"head {spec.name}（{spec.label}）：含有不能上传的字符 {bad}"
            yield Problem("head", "", spec.name, spec.label, value[:60], "character", text)


def unknown_in_head(contract: Contract, head: Mapping[str, str]) -> list[str]:
    """Names in the head that nobody reads, as ``head/name``; what the gateway fills itself is no news."""
    known = _layout(contract).known
    return [] if known.issuperset(head) else [f"head/{name}" for name in head if name not in known]


def _empty_numbers_as_zero(value: Any) -> Any:
    kind = type(value)
    if kind is dict:
        return {key: _empty_numbers_as_zero(item) for key, item in value.items()}
    if kind is list:
        return [_empty_numbers_as_zero(item) for item in value]
    return 0 if value is None else value


def read_answer(body: bytes, success_infcodes: Collection[str] = ("0",)) -> Answer:
    """Read the platform's answer.

    Args:
        body: the bytes as they came.
        success_infcodes: what this province means by success (provinces/<name>/province.yaml).

    Raises:
        Garbage: not UTF-8, not one JSON object, or without ``infcode``.
    """
    try:
        document = loads(body.removeprefix(b"\xef\xbb\xbf"))
    except Unreadable as error:
        raise Garbage(error.text) from None
    if not isinstance(document, dict):
        raise Garbage("答复不是 JSON 对象")
    infcode = as_text(document.get("infcode")).strip()
    if not infcode:
        raise Garbage("答复没有 infcode")
    return Answer(
        infcode="0" if infcode in success_infcodes else "-1" if infcode == "0" else infcode,
        inf_refmsgid=as_text(document.get("inf_refmsgid")),
        err_msg=as_text(document.get("err_msg")),
        warn_msg=as_text(document.get("warn_msg") or document.get("warn_info")),
        output=document.get("output"),
    )
