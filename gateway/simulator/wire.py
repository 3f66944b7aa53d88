"""JSON as the platform reads and writes it: standard library only, exact decimals, bounded depth."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

BODY_BYTES_MAX = 64 * 1024 * 1024
DEPTH_MAX = 32
CENT = Decimal("0.01")
_BOUNDARY = re.compile(r'boundary=(?:"([^"]+)"|([^;\s]+))')
_PART_NAME = re.compile(r'[;\s]name="([^"]*)"')


class Unreadable(Exception):
    """The bytes are no request; the text (Chinese) says why."""


@dataclass(frozen=True, slots=True)
class Response:
    """What goes back over HTTP."""

    status: int
    body: bytes
    content_type: str = "application/json; charset=utf-8"


def split_upload(headers: Mapping[str, str], body: bytes) -> tuple[bytes, bytes | None]:
    """The envelope and the file of a ``multipart/form-data`` request; any other body is the envelope alone.

    Args:
        headers: names in lower case.

    Raises:
        Unreadable: no such parts.
    """
    declared = headers.get("content-type", "")
    if not declared.lower().startswith("multipart/form-data"):
        return body, None
    boundary = _BOUNDARY.search(declared)
    pieces = body.split(b"--" + (boundary[1] or boundary[2]).encode()) if boundary else []
    parts: dict[str, bytes] = {}
    for piece in pieces[1:-1]:
        head, _, content = piece.partition(b"\r\n\r\n")
        name = _PART_NAME.search(head.decode("utf-8", "replace"))
        parts[name[1] if name else ""] = content.removesuffix(b"\r\n")
    if "jsonStr" not in parts or not {"file", "in"} & parts.keys():
        raise Unreadable("multipart 报文应有 jsonStr 与 file 两部分")
    return parts["jsonStr"], parts.get("file", parts.get("in", b""))


def read_object(body: bytes) -> dict[str, Any]:
    """The JSON object in ``body``.

    Raises:
        Unreadable: not UTF-8, not JSON, a key given twice, too deep, or no object.
    """
    try:
        value = json.loads(
            body.decode("utf-8-sig"),
            parse_float=Decimal,
            parse_constant=_no_constant,
            object_pairs_hook=_unique,
        )
    except UnicodeDecodeError as error:
        raise Unreadable(f"报文不是 UTF-8 编码（第 {error.start + 1} 字节）") from error
    except json.JSONDecodeError as error:
        raise Unreadable(f"报文不是合法的 JSON（第 {error.lineno} 行第 {error.colno} 列）") from error
    except RecursionError as error:
        raise Unreadable(f"报文嵌套超过 {DEPTH_MAX} 层") from error
    except ValueError as error:  # an integer of thousands of digits
        raise Unreadable("报文含过长的数字") from error
    if not isinstance(value, dict):
        raise Unreadable("报文顶层不是 JSON 对象")
    _check_depth(value)
    return value


def write(value: Any) -> str:
    """JSON text; amounts keep their printed digits, Chinese stays readable."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{write(str(key))}:{write(item)}" for key, item in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ",".join(map(write, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def encode(value: Any) -> bytes:
    """The JSON text of ``value`` in UTF-8; half a surrogate pair that a caller sent comes back as ``?``."""
    return write(value).encode("utf-8", "replace")


def _unique(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise Unreadable(f"JSON 中同一对象的键 {key[:60]} 出现两次")
        result[key] = value
    return result


def _no_constant(text: str) -> None:
    raise Unreadable(f"JSON 中不允许 {text}")


def _check_depth(value: Any) -> None:
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > DEPTH_MAX:
            raise Unreadable(f"报文嵌套超过 {DEPTH_MAX} 层")
        level = [child for item in level for child in _children(item)]


def _children(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
