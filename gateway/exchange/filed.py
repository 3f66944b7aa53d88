"""Files that pass through the exchange (9101, 9102): set aside from the message on the way in, handed over on the way out.

The journal keeps size and checksum (docs/inside/decisions, "files beside the journal").
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import replace
from typing import Any, Final

from gateway.contract.model import Problem
from gateway.exchange.call import Call
from gateway.files.parcel import PREFIX, Parcel
from gateway.files.shelf import Shelf

UPLOAD: Final = "9101"
DOWNLOAD: Final = "9102"
UPLOAD_NODE: Final = "fsUploadIn"
DOWNLOAD_NODE: Final = "fsDownloadOut"
UPLOAD_BYTES_MAX: Final = 64 * 1024 * 1024


def set_aside(call: Call) -> Call:
    """The call with its file beside the message, where there is one; its bytes as they came lose the file too.

    A wrong one stays where it is, with a problem that says why.
    """
    given: Any = call.message
    node = given.get(UPLOAD_NODE) if call.infno == UPLOAD and isinstance(given, dict) else None
    text = node.get("in") if isinstance(node, dict) else None
    if not isinstance(node, dict) or not isinstance(text, str) or not text.strip():
        return call
    parcel, why = _parcel(str(node.get("filename") or ""), text)
    reference = parcel.reference if parcel else f"（{len(text)} 个字符）"
    message = {**given, UPLOAD_NODE: {**node, "in": reference}}
    raw = call.raw.replace(text.encode(), reference.encode()) if text.isascii() else call.raw
    if raw == call.raw:  # written in some other way: with line breaks, in UTF-16
        raw = f"{call.infno} {len(call.raw)} bytes, {UPLOAD_NODE}/in {reference}".encode()
    problems = call.problems if parcel else (*call.problems, _problem(why))
    return replace(call, message=message, raw=raw, parcel=parcel, problems=problems)


def wanted_file(infno: str, message: Any) -> str:
    """The name of the file that a checked 9102 asks for; empty for every other transaction."""
    return str(message["fsDownloadIn"]["filename"]) if infno == DOWNLOAD else ""


def handed_over(infno: str, output: Any, shelf: Shelf | None) -> Any:
    """The output of a 9102 with the file itself as Base64 while it is kept and not too large."""
    node: Any = output.get(DOWNLOAD_NODE) if infno == DOWNLOAD and isinstance(output, dict) else None
    place = shelf.find(str(node.get("sha256", ""))) if shelf and isinstance(node, dict) else None
    if shelf is None or place is None or place.stat().st_size > shelf.inline_bytes_max:
        return output
    content = base64.b64encode(place.read_bytes()).decode()
    return {**output, DOWNLOAD_NODE: {**node, "in": content}}


def _parcel(name: str, text: str) -> tuple[Parcel | None, str]:
    if text.startswith(PREFIX):
        return None, "应为文件内容的 Base64"
    if len(text) > UPLOAD_BYTES_MAX * 4 // 3 + 4:
        return None, f"文件过大：上限 {UPLOAD_BYTES_MAX} 字节"
    try:
        content = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return None, "不是合法的 Base64"
    return (Parcel(name, content), "") if content else (None, "文件是空的")


def _problem(why: str) -> Problem:
    text = f"{UPLOAD_NODE} in（文件数据）：{why}"
    return Problem(UPLOAD_NODE, "", "in", "文件数据", "", "file", text)
