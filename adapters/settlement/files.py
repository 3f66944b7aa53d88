"""How a file goes out with a 9101 and comes in with a 9102 (transport facts, section 10).

Out: ``multipart/form-data`` with the envelope in ``jsonStr`` and the file beside it, or Base64 inside the envelope; which
one is a setting of the province. In: octets, or the national envelope in JSON when there is none.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from urllib3.filepost import encode_multipart_formdata
from urllib3.response import BaseHTTPResponse

from adapters.settlement._answer import judge, told
from gateway.contract.jsontext import dumps, loads
from gateway.exchange.filed import DOWNLOAD_NODE, UPLOAD_NODE
from gateway.exchange.ports import NoAnswer, NotSent, PlatformRequest
from gateway.faults import Unreadable
from gateway.files.parcel import Parcel
from gateway.files.shelf import Shelf
from gateway.files.unpack import FileWrong

UploadForm = Literal["multipart", "base64"]

ENVELOPE_PART: Final = "jsonStr"
FILE_PART: Final = "file"
OCTETS: Final = "application/octet-stream"
_CHUNK_BYTES: Final = 64 * 1024
_ZIP_MAGIC: Final = b"PK\x03\x04"
_MESSAGE_BYTES_MAX: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Files:
    """How this province takes and gives files.

    Args:
        form: of an upload.
        shelf: where downloads are kept; None: none are taken.
    """

    form: UploadForm = "multipart"
    shelf: Shelf | None = None

    def outgoing(
        self, body: bytes, parcel: Parcel, sealed: Callable[[bytes], bytes]
    ) -> tuple[bytes, Mapping[str, str]]:
        """The bytes for the wire and their headers.

        Args:
            body: the envelope as the journal holds it, with a reference where the file belongs.
            sealed: writes an envelope as the province wants to read it.

        Raises:
            NotSent: it cannot be written; nothing left this machine.
        """
        if self.form == "base64":
            return sealed(_with_file(body, base64.b64encode(parcel.content).decode())), {}
        parts = {
            ENVELOPE_PART: (None, sealed(_with_file(body, None)), "application/json; charset=utf-8"),
            FILE_PART: (parcel.name or FILE_PART, parcel.content, OCTETS),
        }
        content, content_type = encode_multipart_formdata(parts)  # type: ignore[arg-type]  # a part needs no file name
        return content, {"Content-Type": content_type}

    def incoming(self, request: PlatformRequest) -> Incoming:
        """What reads the answer to a request; new for each."""
        return Incoming(self.shelf if request.wants_file else None, request.wants_file)


NO_FILES: Final = Files()


class Incoming:
    """Reads one answer. ``received``: it was a file, which lies on the shelf now."""

    def __init__(self, shelf: Shelf | None, name: str) -> None:
        self._shelf = shelf
        self._name = name
        self.received = False

    def judge(self, response: BaseHTTPResponse, bytes_max: int) -> bytes:
        """The envelope that the platform answered with, or one that tells of the file that came.

        Raises:
            Rejected, NoAnswer: as for every answer; NoAnswer also for a file that did not come whole.
        """
        declared = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if self._shelf is None or response.status != 200 or "json" in declared:
            return judge(response, bytes_max)
        chunks = _chunks(response)
        first = next(chunks, b"")
        if (declared != OCTETS and not first.startswith(_ZIP_MAGIC)) or first.lstrip()[:1] == b"{":
            return told(response.status, _message(first, chunks))
        try:
            kept = self._shelf.receive(self._name, _joined(first, chunks))
        except FileWrong as error:
            raise NoAnswer(f"下载的文件不能使用：{error}") from error
        except OSError as error:
            raise NoAnswer(f"下载的文件无法存盘：{error.strerror or type(error).__name__}") from error
        self.received = True
        node = {"size": str(kept.size), "sha256": kept.sha256}
        return dumps({"infcode": "0", "inf_refmsgid": "", "err_msg": "", "output": {DOWNLOAD_NODE: node}})


def _chunks(response: BaseHTTPResponse) -> Iterator[bytes]:
    while chunk := response.read(_CHUNK_BYTES, decode_content=True):
        yield chunk


def _joined(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest


def _message(first: bytes, rest: Iterator[bytes]) -> bytes:
    """JSON although octets were announced: a platform that has no file says so in its envelope."""
    body = b""
    for chunk in _joined(first, rest):
        body += chunk
        if len(body) > _MESSAGE_BYTES_MAX:
            raise NoAnswer("平台的答复既不是文件，也不是报文")
    return body


def _with_file(body: bytes, text: str | None) -> bytes:
    """The envelope with the file in its place, or without the place where the file goes beside it."""
    try:
        envelope = loads(body)
        node: dict[str, Any] = envelope["input"][UPLOAD_NODE]
        node.pop("in")
    except (Unreadable, KeyError, TypeError, AttributeError) as error:
        raise NotSent("上传文件的报文不完整，没有发出") from error
    if text is not None:
        node["in"] = text
    return dumps(envelope)
