"""What makes two requests the same, and what a message can be found by."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any, Final

from gateway.contract.jsontext import dumps_sorted

KEY_FIELDS: Final = {
    "psn_no": "psn_no",
    "mdtrt_id": "mdtrt_id",
    "setl_id": "setl_id",
    "ipt_no": "ipt_no",
    "ipt_otp_no": "ipt_otp_no",
    "certno": "certno",
    "psn_name": "psn_name",
    "mdtrt_cert_no": "card",
    "card_sn": "card",
    "omsgid": "omsgid",
    "file_qury_no": "file_qury_no",
}
"""Fields by which the journal is searched, wherever they stand in a message, and the kind of key that each becomes."""
IDENTITY_CARD: Final = "02"
"""``mdtrt_cert_type``: the voucher is the identity card, its number the ``certno``."""
KEYS_MAX: Final = 64
"""Distinct values kept of one message; an upload of 500 rows is found by its visit, not by each row."""

_NODES: Final = (dict, list)
_LEAVES: Final = frozenset({str, int, bool, float, Decimal, type(None)})
"""Asked of a row in one go whether it holds nothing else: a large message has thousands of leaves."""


def content_hash(infno: str, message: Any) -> str:
    """SHA-256 over the national message, without head and credentials: 1.5 and 1.50 are the same amount."""
    return hashlib.sha256(infno.encode() + b"\n" + dumps_sorted(_normal(message))).hexdigest()


def _normal(value: Any) -> Any:
    """Keys are put in order while writing; leaves are told from nodes by exact type, as a large message has thousands."""
    kind = type(value)
    if kind is dict:
        return {key: item if type(item) is str else _normal(item) for key, item in value.items()}
    if kind is list:
        return [_normal(item) for item in value]
    return format(value.normalize(), "f") if kind is Decimal else value


def visit_keys(institution: str, message: Any, keys: Iterable[tuple[str, str]]) -> list[str]:
    """What the exchange is about, as keys that one exchange at a time may hold (design, "One exchange at a time").

    The ``mdtrt_id`` of each visit in the message; before there is one, institution, person and ``ipt_no`` or
    ``ipt_otp_no``; empty when the message names no visit.

    Args:
        keys: :func:`business_keys` of ``message``.
    """
    visits = dict.fromkeys(_values(message, "mdtrt_id"))
    if visits:
        return [f"mdtrt_id:{value}" for value in visits]
    person = next((value for kind, value in keys if kind == "psn_no"), "")
    number = next((value for kind, value in keys if kind in ("ipt_no", "ipt_otp_no")), "")
    return [f"new:{institution}:{person}:{number}"] if person and number else []


def _values(value: Any, name: str) -> Iterator[str]:
    """Every text under ``name``, wherever it stands."""
    if isinstance(value, list):
        for item in value:
            yield from _values(item, name)
    elif isinstance(value, dict):
        found = value.get(name)
        if isinstance(found, str) and found:
            yield found
        for item in _nodes_in(value):
            yield from _values(item, name)


def content_key(infno: str, content: str) -> str:
    """The key of an exchange that names no visit: at least its twin does not run beside it."""
    return f"same:{infno}:{content}"


def business_keys(message: Any) -> list[tuple[str, str]]:
    """Distinct ``(kind, value)`` pairs of a message, in the order found, at most :data:`KEYS_MAX`."""
    found: dict[tuple[str, str], None] = {}
    _collect(message, found)
    return list(found)


def _collect(value: Any, found: dict[tuple[str, str], None]) -> None:
    if len(found) >= KEYS_MAX:
        return
    if isinstance(value, list):
        for item in value:
            _collect(item, found)
    elif isinstance(value, dict):
        for name, kind in KEY_FIELDS.items():
            text = value.get(name)
            if isinstance(text, str) and text and len(found) < KEYS_MAX:
                found[kind, text] = None
                if name == "mdtrt_cert_no" and value.get("mdtrt_cert_type") == IDENTITY_CARD:
                    found["certno", text] = None
        for item in _nodes_in(value):
            _collect(item, found)


def _nodes_in(row: dict[str, Any]) -> list[Any]:
    if _LEAVES.issuperset(map(type, row.values())):
        return []
    return [item for item in row.values() if isinstance(item, _NODES)]
