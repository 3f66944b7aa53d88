"""JSON text with exact decimals: numbers with a fraction are Decimal on the way in and printed digits on the way out."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any, Final, NoReturn

import msgspec

from gateway.faults import CHARSET_WRONG, JSON_MALFORMED, TOO_DEEP, Unreadable

_DECODER: Final = msgspec.json.Decoder(float_hook=Decimal)
_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")
_SORTING_ENCODER: Final = msgspec.json.Encoder(decimal_format="number", order="sorted")
_NODES: Final = (dict, list)
_NODE_TYPES: Final = frozenset(_NODES)
_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")
_INT64: Final = range(-(2**63), 2**63)
_STRINGS: Final = re.compile(r'"(?:[^"\\]|\\.)*"?')
_BRACKETS: Final = re.compile(r"[^][{}]+")
DEPTH_MAX: Final = 64
"""Levels of nesting; the deepest table has seven."""


def loads(body: bytes) -> Any:
    """Parse UTF-8 JSON of the platform; of a key given twice the last counts.

    Raises:
        Unreadable: GW-1008 with the position, GW-1003 when the bytes are no UTF-8, GW-1007 when nested too deep.
    """
    try:
        value = _DECODER.decode(body)
    except RecursionError:
        raise Unreadable(TOO_DEEP) from None
    except msgspec.DecodeError as error:
        raise Unreadable(JSON_MALFORMED, str(error)[:200]) from None
    except UnicodeDecodeError as error:
        raise Unreadable(CHARSET_WRONG, f"JSON 应为 UTF-8，第 {error.start + 1} 字节起无法解码") from None
    # where fewer brackets open than levels are allowed nobody needs to look
    if type(value) in _NODES and body.count(b"{") + body.count(b"[") > DEPTH_MAX:
        _check_depth(value, DEPTH_MAX)
    return value


def loads_strict(text: str) -> Any:
    """Parse JSON of a caller, where a key given twice would silently lose a value.

    Raises:
        Unreadable: GW-1008 with the position or the doubled key, GW-1007 when nested too deep.
    """
    try:
        value = json.loads(text, parse_float=Decimal, parse_constant=_no_constant, object_pairs_hook=_unique)
    except RecursionError:
        raise Unreadable(TOO_DEEP) from None
    except json.JSONDecodeError as error:
        if _nesting(text[: error.pos]) > DEPTH_MAX:
            raise Unreadable(TOO_DEEP) from None
        raise Unreadable(JSON_MALFORMED, f"第 {error.lineno} 行第 {error.colno} 列：{error.msg}") from None
    except ValueError as error:
        raise Unreadable(JSON_MALFORMED, str(error)[:200]) from None
    if type(value) in _NODES:
        _check_depth(value, DEPTH_MAX)
    if _SURROGATE.search(text):
        _check_surrogates(value)
    return value


def _nesting(text: str) -> int:
    """Levels open at the end of broken JSON: how deep the parser itself can go differs between Python versions."""
    marks = _BRACKETS.sub("", _STRINGS.sub("", text))
    return sum(1 if mark in "[{" else -1 for mark in marks)


def _check_surrogates(value: Any) -> None:
    """Half a character cannot be sent, stored or answered in any charset."""
    try:
        _ENCODER.encode(value)
    except UnicodeEncodeError:
        raise Unreadable(JSON_MALFORMED, "含不成对的代理字符（U+D800 至 U+DFFF）") from None
    except OverflowError:
        _check_surrogates(_within_64_bits(value))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"键 {twice[:60]!r} 出现多次")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} 不是 JSON 数字")


def dumps(value: Any) -> bytes:
    """UTF-8 JSON, compact, keys in order of the dict, decimals as numbers with the digits they have."""
    try:
        return _ENCODER.encode(value)
    except OverflowError:
        return _ENCODER.encode(_within_64_bits(value))


def dumps_sorted(value: Any) -> bytes:
    """As :func:`dumps`, with the keys of every object in order."""
    try:
        return _SORTING_ENCODER.encode(value)
    except OverflowError:
        return _SORTING_ENCODER.encode(_within_64_bits(value))


def _within_64_bits(value: Any) -> Any:
    """Whole numbers of any size: the encoder's own integers end at 64 bits, its decimals do not."""
    if isinstance(value, dict):
        return {key: _within_64_bits(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_within_64_bits(item) for item in value]
    return Decimal(value) if isinstance(value, int) and value not in _INT64 else value


def _check_depth(value: Any, left: int) -> None:
    if left == 0:
        raise Unreadable(TOO_DEEP)
    # by exact type, and a row of leaves in one go: this looks at every leaf of an answer
    children = value.values() if type(value) is dict else value
    if _NODE_TYPES.isdisjoint(map(type, children)):
        return
    for child in children:
        if type(child) in _NODES:
            _check_depth(child, left - 1)
