"""A HIS asked through its SOAP services: the same port, columns and checks as through its database.

Which operation is called with what, and where the columns stand in its answer, is data (``calls.py``). A service sorts and
pages as it likes; here rows are put in the order of change, and those before the mark are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import partial
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any, Final

from lxml import etree
from urllib3.response import BaseHTTPResponse

from adapters.his.calls import OF_CHANGED, OF_STAY, PLACE, Asked, Call, Source, file_of
from adapters.settlement._answer import read_body
from adapters.settlement._post import HttpPost
from adapters.wsdl import Operation, SoapFault, WsdlWrong, result_of
from gateway.contract.jsontext import loads
from gateway.contract.xml import illegal_character, local, parse_text
from gateway.exchange.ports import NoAnswer, NotSent, PlatformRequest, Rejected
from gateway.faults import Unreadable
from gateway.rules.times import TimeUnreadable, read_instant
from gateway.stays.hospital import (
    CHANGED_AT,
    ROW_ID,
    SUBJECTS,
    HisMisconfigured,
    HisUnavailable,
    Mark,
    Page,
    Point,
    SubjectName,
)
from gateway.stays.hospital_rows import page_of, page_of_stay

MIB: Final = 1024 * 1024
ROWS_MAX: Final = 200_000
"""Rows of one answer; more means that the service does not limit itself by ``{changed_since}``."""
ROWS_OF_STAY_MAX: Final = 50_000
LONG_AGO: Final = datetime(1900, 1, 1)  # noqa: DTZ001 - the HIS's own clock, which has no zone
_XSI_NIL: Final = "{http://www.w3.org/2001/XMLSchema-instance}nil"

Cells = dict[str, Any]


class ServiceRecords:
    """``HospitalRecords`` over SOAP. Shared by threads.

    Args:
        url: of the service; the address in the WSDL is not used.
        wsdl: the file; what it imports lies beside it, nothing is fetched.
        calls: by subject, as read by ``read_calls``.
        charset: of requests, and of answers that do not say in which they are.
        user, password: for arguments, and for WS-Security.
        security: WS-Security UsernameToken with the password as ``text`` or ``digest``; ``none``: without.
        pool_size: requests at the same time.
        wait_s_max: seconds to wait for one of them to end.
        answer_s_max: seconds for a whole answer.
        answer_bytes_max: larger answers are not taken.

    Raises:
        HisMisconfigured: the address, the WSDL or an operation cannot be used.
    """

    def __init__(
        self,
        url: str,
        wsdl: Path,
        calls: Mapping[SubjectName, Call],
        *,
        charset: str = "utf-8",
        user: str = "",
        password: str = "",
        security: str = "none",
        pool_size: int = 2,
        wait_s_max: float = 5,
        answer_s_max: float = 20,
        answer_bytes_max: int = 64 * MIB,
        ca_file: Path | None = None,
    ) -> None:
        self.charset = charset
        self._values = {"user": user, "password": password}
        self._wait_s_max, self._pool_size = wait_s_max, pool_size
        self._turns = BoundedSemaphore(pool_size)
        self._wsdl = wsdl
        self._make: Callable[[str], Operation] = partial(
            Operation,
            wsdl,
            charset=charset,
            user=user if security != "none" else "",
            password=password,
            digest=security == "digest",
        )
        self._operations: dict[str, Operation] = {}
        self.wrong: dict[SubjectName, str] = {}
        """Subjects whose operation cannot be called as their file says."""
        for subject, call in calls.items():
            try:
                self._prepare(call)
            except WsdlWrong as error:
                self.wrong[subject] = f"{file_of(subject)}：{error}"
        self._calls = {subject: call for subject, call in calls.items() if subject not in self.wrong}
        try:
            self._line = HttpPost(
                url,
                read_timeout_s=answer_s_max,
                answer_bytes_max=answer_bytes_max,
                pool_size=pool_size,
                ca_file=ca_file,
            )
        except ValueError as error:
            raise HisMisconfigured(f"HIS 服务无法使用：{_ours(error)}") from error
        self._url = url

    def _prepare(self, call: Call) -> None:
        """Read the operations and write each once: wrong arguments show at start-up. Raises ``WsdlWrong``."""
        values = {**dict.fromkeys((*OF_CHANGED, *OF_STAY), "1"), **self._since(call, None, None, 1)}
        for asked in filter(None, (call.changed, call.of_stay)):
            if asked.operation not in self._operations:
                self._operations[asked.operation] = self._make(asked.operation)
            self._operations[asked.operation].write(_filled(asked, values))

    @property
    def guard(self) -> str:
        """How a write is kept out, for the report."""
        return "只调用说明中写明的查询操作；该账号在 HIS 中应只有查询权限"

    def subjects(self) -> tuple[SubjectName, ...]:
        return tuple(self._calls)

    def file_of(self, subject: SubjectName) -> str:
        """Name of the file that tells of a subject."""
        return file_of(subject)

    def changed(
        self, subject: SubjectName, *, since: Point | None = None, after: Mark | None = None, rows_max: int = 500
    ) -> Page:
        """A page in the order of change.

        Raises:
            HisMisconfigured: the service gives the same full page again and again, so nothing behind it can be reached.
        """
        call = self._call(subject)
        begin = after.changed_at if after else since
        given = self._asked(subject, call, call.changed, self._since(call, begin, after, rows_max))
        rows = [row for row in given if row[CHANGED_AT] is not None]
        if begin is not None and any(_kind(row[CHANGED_AT]) != _kind(begin) for row in rows):
            raise HisMisconfigured(f"{file_of(subject)} 的 changed_at 与此前的形式不同，请核对 point")
        rows.sort(key=_place)
        behind = [row for row in rows if _is_behind(row, since, after)]
        full = bool(call.rows_max) and len(given) >= call.rows_max
        if full and after and not behind:
            raise HisMisconfigured(
                f"{file_of(subject)} 的服务一次给 {call.rows_max} 行，而同一 changed_at 的行不止这些，读不下去；"
                "请让服务按 {after_row_id} 续读，或一次多给几行"
            )
        page = behind[:rows_max]
        return page_of(subject, page, charset=self.charset, last=len(behind) <= rows_max and not full)

    def of_stay(self, subject: SubjectName, ipt_no: str, *, since: Point | None = None) -> Page:
        """Rows of a stay; a service gives all of them, what is older than ``since`` is left out here."""
        call = self._call(subject)
        if call.of_stay is None:
            raise HisMisconfigured(f"{file_of(subject)} 没有 of_stay，不能按住院号查询{SUBJECTS[subject].label}")
        if bad := illegal_character(ipt_no):
            raise HisMisconfigured(f"住院号含有不能传送的字符 {bad}")
        rows = self._asked(subject, call, call.of_stay, {"ipt_no": ipt_no})
        if len(rows) > ROWS_OF_STAY_MAX:
            raise HisMisconfigured(
                f"{file_of(subject)} 对住院号 {ipt_no} 给出超过 {ROWS_OF_STAY_MAX} 行，请核对服务的查询条件"
            )
        if since is not None:
            rows = [row for row in rows if row[CHANGED_AT] is None or _not_older(subject, row[CHANGED_AT], since)]
        return page_of_stay(subject, rows, charset=self.charset, since=since)

    # ------------------------------------------------------- for the report

    def columns(self, subject: SubjectName) -> tuple[str, ...]:
        """Names of the columns that the file says where to find."""
        return tuple(self._call(subject).columns)

    def sample(self, subject: SubjectName, rows_max: int) -> list[Cells]:
        """Some rows, the oldest changes first, as the service gives them."""
        call = self._call(subject)
        return self._asked(subject, call, call.changed, self._since(call, None, None, rows_max))[:rows_max]

    def server(self) -> str:
        """Which address answers. Raises ``HisUnavailable`` when none does."""
        if not self._line.reachable(self._wait_s_max):
            raise HisUnavailable(f"HIS 服务 {self._url} 连不上")
        return f"SOAP 服务 {self._url}（{self._wsdl.name}）"

    def close(self) -> None:
        self._line.close()

    # ------------------------------------------------------------- asking

    def _call(self, subject: SubjectName) -> Call:
        if subject not in self._calls:
            raise HisMisconfigured(f"没有可用的 {file_of(subject)}（{SUBJECTS[subject].label}）")
        return self._calls[subject]

    def _since(self, call: Call, begin: Point | None, after: Mark | None, rows_max: int) -> dict[str, str]:
        if begin is None:
            begin = LONG_AGO if call.point == "time" else "0" if call.point == "number" else ""
        text = begin.strftime(call.since_format) if isinstance(begin, datetime) else str(begin)
        return {
            "changed_since": text,
            "after_row_id": str(after.row_id) if after else "",
            "rows_max": str(call.rows_max or rows_max),
        }

    def _asked(self, subject: SubjectName, call: Call, asked: Asked, values: Mapping[str, str]) -> list[Cells]:
        """Rows as the service gives them. Raises :class:`HisError`."""
        try:
            answer = self._answer(asked.operation, _filled(asked, {**self._values, **values}))
            document = _document(result_of(answer, call.result), call.payload)
            _check_succeeded(call, document)
            rows = [_cells(call, row) for row in _found(document, call.rows)]
        except (ValueError, Unreadable) as error:
            raise HisMisconfigured(f"{file_of(subject)}：HIS 服务的答复无法读取：{_ours(error)}") from error
        if len(rows) > ROWS_MAX:
            raise HisMisconfigured(f"{file_of(subject)}：服务一次给出超过 {ROWS_MAX} 行，请核对 {{changed_since}}")
        return rows

    def _answer(self, name: str, arguments: Mapping[str, Any]) -> etree._Element:
        operation = self._operations[name]
        envelope = operation.write(arguments)
        headers = {**envelope.headers, "Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "yibao-gateway"}
        if not self._turns.acquire(timeout=self._wait_s_max):
            raise HisUnavailable(f"HIS 服务的 {self._pool_size} 个调用都还没有答复")
        try:
            path = self._line.base_path or "/"
            answered = self._line.post(path, headers, envelope.body, PlatformRequest(name, "", b""), _judge)
        except (NotSent, NoAnswer) as error:
            raise HisUnavailable(f"HIS 服务没有按时答复：{_ours(error)}") from error
        except Rejected as error:
            raise HisMisconfigured(f"HIS 服务拒绝：{_ours(error)}") from error
        finally:
            self._turns.release()
        found = operation.read(answered.body, answered.headers.get("content-type", ""))
        if isinstance(found, SoapFault):
            raise _told_by(name, found)
        return found


def _judge(response: BaseHTTPResponse, bytes_max: int) -> bytes:
    """SOAP 1.1 answers a fault as HTTP 500, 1.2 a fault of the sender as 400: what it says is worth reading."""
    if response.status in (200, 400, 500):
        return read_body(response, bytes_max)
    if response.status in (401, 403, 404, 405, 415):
        raise Rejected(f"HTTP {response.status}")
    raise NoAnswer(f"HTTP {response.status}")


def _told_by(name: str, fault: SoapFault) -> HisMisconfigured | HisUnavailable:
    """The caller's fault is to be mended, the server's may pass."""
    text = f"HIS 服务 {name} 答以 SOAP Fault（{'、'.join(map(local, fault.codes))}）：{fault.text}"
    ours = any(local(code).partition(".")[0] in ("Client", "Sender") for code in fault.codes)
    return HisMisconfigured(text) if ours else HisUnavailable(text)


def _ours(error: Exception) -> str:
    """What the line says of a platform, said of a HIS."""
    return str(error).replace("平台", "HIS 服务")


def _filled(asked: Asked, values: Mapping[str, str]) -> dict[str, Any]:
    """The arguments with their places filled, ``{"a.b": x}`` as ``{"a": {"b": x}}``."""
    tree: dict[str, Any] = {}
    for name, text in asked.arguments.items():
        *parents, leaf = name.split(".")
        at = tree
        for parent in parents:
            at = at.setdefault(parent, {})
        at[leaf] = PLACE.sub(lambda place: values[place[1]], text)
    return tree


# ------------------------------------------------------------------ the answer

Node = Any
"""An XML element, or a JSON value."""


def _document(result: etree._Element, payload: str) -> Node:
    """The result itself, or what stands in it as text. Raises ValueError or Unreadable."""
    text = (result.text or "").strip() if not len(result) else ""
    if payload == "json":
        return loads(text.encode())
    return parse_text(text) if text.startswith("<") else result


def _check_succeeded(call: Call, document: Node) -> None:
    said = call.succeeded
    if said is None:
        return
    code = _first(document, said.path)
    if code not in said.good:
        raise HisMisconfigured(f"HIS 服务答以 {said.path} {code}：{_first(document, said.message) or '没有说明'}"[:400])


def _found(document: Node, path: str) -> Sequence[Node]:
    """Nodes at a path of names; in XML the first name may stand at any depth."""
    first, *rest = path.split("/")
    found = _anywhere(document, first) if isinstance(document, etree._Element) else _children(document, first)
    for name in rest:
        found = [child for node in found for child in _children(node, name)]
    return found


def _anywhere(element: etree._Element, name: str) -> list[Node]:
    return [one for one in element.iter() if isinstance(one.tag, str) and local(one.tag) == name]


def _children(node: Node, name: str) -> list[Node]:
    if isinstance(node, etree._Element):
        if name.startswith("@"):
            return [value for key, value in node.attrib.items() if local(str(key)) == name[1:]]
        return [child for child in node if isinstance(child.tag, str) and local(child.tag) == name]
    value = node.get(name) if isinstance(node, dict) else None
    return value if isinstance(value, list) else [] if value is None else [value]


def _first(node: Node, path: str) -> Any:
    return next((_leaf(one) for one in (_found(node, path) if path else ())), None)


def _cells(call: Call, row: Node) -> Cells:
    cells = {name: _cell(source, row) for name, source in call.columns.items()}
    cells[CHANGED_AT] = _point(call, cells[CHANGED_AT])
    return cells


def _cell(source: Source, row: Node) -> Any:
    if source.constant is not None:
        return source.constant
    nodes: Iterable[Node] = [row]
    for name in source.path.split("/"):
        nodes = [child for node in nodes for child in _children(node, name)]
    value = next((_leaf(node) for node in nodes), None)
    return source.codes.get(str(value), value) if value is not None else None


def _leaf(node: Node) -> Any:
    if isinstance(node, etree._Element):
        nil = node.get(_XSI_NIL) in ("true", "1")
        return None if nil or len(node) else node.text
    return node if isinstance(node, str | int | float | Decimal) and not isinstance(node, bool) else None


def _point(call: Call, given: Any) -> Point | None:
    """``changed_at`` so that it sorts. Raises ValueError (Chinese) for what is none: no row behind it could be reached."""
    if given is None or str(given).strip() == "":
        return None
    text = str(given).strip()
    if call.point == "text":
        return text
    try:
        if call.point == "time":
            return read_instant(text).replace(tzinfo=None)
        number = Decimal(text)
        if number.is_finite():
            return number
    except (TimeUnreadable, InvalidOperation):
        pass
    raise ValueError(f"{CHANGED_AT} 为 {text[:40]!r}，与 point = {call.point!r} 不符")


def _kind(point: Point) -> str:
    if isinstance(point, datetime):
        return "time"
    return "text" if isinstance(point, str) else "number"


def _place(row: Cells) -> tuple[Any, str]:
    return row[CHANGED_AT], str(row[ROW_ID])


def _not_older(subject: SubjectName, changed_at: Point, since: Point) -> bool:
    if _kind(changed_at) != _kind(since):
        raise HisMisconfigured(f"{file_of(subject)} 的 changed_at 与此前的形式不同，请核对 point")
    return changed_at >= since  # type: ignore[operator]


def _is_behind(row: Cells, since: Point | None, after: Mark | None) -> bool:
    if after is not None:
        return _place(row) > (after.changed_at, str(after.row_id))
    return since is None or bool(row[CHANGED_AT] >= since)
