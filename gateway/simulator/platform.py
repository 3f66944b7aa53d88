"""The platform in memory: one request in, one answer out, everything behind one lock."""

from __future__ import annotations

import base64
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Literal

# the families register their handlers when imported
from gateway.simulator import (
    attributes,
    catalogs,
    files,
    generic,
    inpatient,
    lists,
    outpatient,
    person,
    pharmacy,
    query,
    reconciliation,
    reversal,
    services,
    signin,
)
from gateway.simulator.callbacks import CALLBACKS, composed, post
from gateway.simulator.envelope import answer, envelope_problems
from gateway.simulator.faults import Fault, FaultBoard, FaultWrong
from gateway.simulator.files import FileAnswer
from gateway.simulator.ledger import Declined, Executed, Ledger, printed
from gateway.simulator.registry import HANDLERS, Turn
from gateway.simulator.sealing import E_PRESCRIPTION, Refused, Sealing
from gateway.simulator.signature import Signing, TokenSigning
from gateway.simulator.soap import SoapFront
from gateway.simulator.tables import Tables, is_infno, problems, shape
from gateway.simulator.wire import Response, Unreadable, encode, read_object, split_upload

FAMILIES = (
    attributes,
    catalogs,
    files,
    generic,
    inpatient,
    lists,
    outpatient,
    person,
    pharmacy,
    query,
    reconciliation,
    reversal,
    signin,
)
CALL_SERVICE = "callService"
_SHANGHAI = timezone(timedelta(hours=8))
_log = logging.getLogger(__name__)

Clock = Callable[[], datetime]
SoapForm = tuple[Literal["json", "xml"], str]
"""The form of the payload, and the charset of answers."""


def shanghai_now() -> datetime:
    """The wall clock in Asia/Shanghai."""
    return datetime.now(_SHANGHAI)


@dataclass(frozen=True, slots=True)
class Request:
    """A request that has arrived: read and counted, not yet executed."""

    infno: str
    path_infno: str
    headers: Mapping[str, str]
    envelope: dict[str, Any]
    unreadable: str
    received: datetime
    generation: int
    unsealed: str = ""
    """Why a sealed envelope was not let through."""
    fault: Fault | None = None

    @property
    def msgid(self) -> str:
        msgid = self.envelope.get("msgid")
        return msgid if isinstance(msgid, str) else ""


class Simulator:
    """A provincial platform to debug against.

    Args:
        mappings_dir: folder with ``envelope.yaml`` and ``transactions/``.
        institutions: code -> name of those that may call; empty lets every institution call.
        signing: who may call and how they prove it; None is the plain front machine, which checks no signature.
        sealing: how envelopes come encrypted and signed; None: they come as they are.
        path_per_service: transactions are posted to a path of their own per service, as in Hebei, and nowhere else.
        soap: it is a SOAP service, with the envelope as ``json`` or ``xml`` text in an argument; None: it is not.
        seed: fixes what it invents, identifiers included; None takes identifiers that no earlier run has given.
        clock: aware time in Asia/Shanghai.
        admdvs: the platform's area (六位医保区划).
        require_sign_in: refuse what carries no ``sign_no`` of a running 9001.
        one_sign_in: a new 9001 ends the number that the operator had before.
        discharge_first: refuse a final 2304 before 2402; some regions settle first, so it is off.
    """

    def __init__(
        self,
        mappings_dir: Path,
        *,
        institutions: Mapping[str, str] | None = None,
        signing: Signing | None = None,
        sealing: Sealing | None = None,
        path_per_service: bool = False,
        soap: SoapForm | None = None,
        seed: int | None = None,
        clock: Clock = shanghai_now,
        admdvs: str = "440800",
        require_sign_in: bool = False,
        one_sign_in: bool = False,
        discharge_first: bool = False,
    ) -> None:
        self._tables = Tables(mappings_dir)
        self._institutions = dict(institutions or {})
        self._signing = signing
        self._sealing = sealing
        self._path_per_service = path_per_service
        self.soap = None if soap is None else SoapFront(self._tables, *soap)
        self._clock = clock
        self._admdvs = admdvs
        self._require_sign_in = require_sign_in
        self._one_sign_in = one_sign_in
        self._discharge_first = discharge_first
        self._lock = threading.RLock()
        self._faults = FaultBoard()
        self._generation = 0
        self._ledger = self._new_ledger(seed)

    # -------------------------------------------------------------- requests

    def handle(self, path_infno: str, headers: Mapping[str, str], body: bytes) -> Response:
        """Answer one request; pending faults are for the line, so none is used up here.

        Args:
            path_infno: the number in the address, empty when the address is for every transaction.
            headers: HTTP headers, names in any case.
            body: the national envelope in JSON.
        """
        return self.execute(self._read(path_infno, headers, body))

    def receive(self, path_infno: str, headers: Mapping[str, str], body: bytes) -> Request:
        """Read and count a request that came over the line, and use up the fault pending for it."""
        request = self._read(path_infno, headers, body)
        with self._lock:
            fault = self._faults.take(request.infno)
        return replace(request, fault=fault)

    def execute(self, request: Request) -> Response:
        """Do what the request asks. One that waited through a reset is answered but changes nothing."""
        kind = request.fault.kind if request.fault else ""
        with self._lock:
            refused = self._signature_refusal(request, kind)
            if refused:
                return Response(401, encode({"code": 401, "message": refused}))
            refmsgid = f"{self._admdvs}{self._clock():%Y%m%d%H%M%S}{self._ledger.serial()}"
            try:
                output, refusal = self._act(request, kind), ""
            except Declined as declined:
                output, refusal = None, str(declined)
            except Exception:
                _log.exception("simulator failed", extra={"infno": request.infno, "msgid": request.msgid})
                return Response(500, encode({"code": 500, "message": "平台内部错误"}))
            if isinstance(output, FileAnswer):
                return Response(200, output.content, "application/octet-stream")
            answered = answer(refmsgid, request.received, self._clock(), output=output, refusal=refusal)
            return Response(200, encode(self._sealing.seal(answered, request.envelope) if self._sealing else answered))

    def token(self, headers: Mapping[str, str], form: bytes) -> Response:
        """What the token service answers; without OAuth there is none."""
        if not isinstance(self._signing, TokenSigning):
            return Response(404, encode({"error": "没有这个地址"}))
        lowered = {name.lower(): value for name, value in headers.items()}
        with self._lock:
            issued = self._signing.issue(lowered, form, int(self._clock().timestamp()))
        return Response(200, encode(issued)) if issued else Response(401, encode({"error": "invalid_client"}))

    def named_by(self, path: str) -> str | None:
        """The transaction that an address names; empty: any, None: nothing is posted there.

        Args:
            path: of the request, without a query.
        """
        if self.soap is not None:
            return None
        service = services.infno_of(path)
        if service is not None or self._path_per_service:
            return service
        last = path.rpartition("/")[2]
        if last == CALL_SERVICE:
            return ""
        return last if is_infno(last) or (last in E_PRESCRIPTION and self._sealing is not None) else None

    def _read(self, path_infno: str, headers: Mapping[str, str], body: bytes) -> Request:
        envelope, unreadable, unsealed = {}, "", ""
        headers = {name.lower(): value for name, value in headers.items()}
        try:
            text, file = split_upload(headers, body)
            envelope = read_object(text)
            if self._sealing is not None:
                envelope = self._sealing.unseal(envelope, path_infno, self._clock())
            if file is not None:
                _put_in(envelope, file)
        except Unreadable as error:
            unreadable = str(error)
        except Refused as error:
            unsealed = str(error)
        path_infno = E_PRESCRIPTION.get(path_infno, path_infno)
        infno = envelope.get("infno") or path_infno
        with self._lock:
            request = Request(
                infno=infno if isinstance(infno, str) else "",
                path_infno=path_infno,
                headers=headers,
                envelope=envelope,
                unreadable=unreadable,
                received=self._clock(),
                generation=self._generation,
                unsealed=unsealed,
            )
            if 0 < len(request.msgid) <= 30:
                self._ledger.requests[request.msgid] += 1
        return request

    def _signature_refusal(self, request: Request, kind: str) -> str | None:
        if kind == "bad-signature":
            return "签名不一致"
        if request.unsealed:
            return request.unsealed
        if self._signing is None:
            return None
        return self._signing.refusal(request.headers, int(request.received.timestamp()))

    def _act(self, request: Request, kind: str) -> Any:
        """Check, then run the handler; whatever is refused leaves no trace."""
        if request.unreadable:
            raise Declined(request.unreadable)
        if request.generation != self._generation:
            raise Declined("模拟平台已重置，该请求不再执行")
        turn = self._checked(request)
        if kind == "refuse":
            raise Declined(f"演练：平台拒绝办理交易 {turn.infno}")
        if kind == "drop-row":
            _drop_row(turn.message)
        output = HANDLERS.get(turn.infno, generic.answer)(turn)
        if turn.table.mutates and turn.infno != "2601":
            psn_no = next(generic.leaves(turn.message, "psn_no"), "")
            undo = turn.undo[0] if turn.undo else None
            self._ledger.executed[turn.msgid] = Executed(turn.infno, psn_no, printed(turn.now), undo)
        return output

    def _checked(self, request: Request) -> Turn:
        """The request after every check that is not a matter of one transaction."""
        envelope = request.envelope
        wrong = list(envelope_problems(envelope, self._tables, self._institutions))
        if wrong:
            raise Declined(f"公共报文有 {len(wrong)} 处错误：{'；'.join(wrong)}")
        if request.path_infno and request.path_infno != request.infno:
            raise Declined(f"地址中的交易编号 {request.path_infno} 与报文 infno {request.infno} 不符")
        if request.infno not in self._tables or request.infno in CALLBACKS:
            raise Declined(f"未知交易：infno {request.infno}")
        if self._require_sign_in and request.infno != "9001" and envelope.get("sign_no") not in self._ledger.sign_ins:
            raise Declined("签到流水号无效，请先签到（9001）")
        table = self._tables[request.infno]
        wrong = list(problems(table.input, envelope["input"]))
        if wrong:
            raise Declined(f"交易输入有 {len(wrong)} 处错误：{'；'.join(wrong)}")
        self._check_repeat(request, mutates=table.mutates)
        for psn_no in sorted(set(generic.leaves(envelope["input"], "psn_no")) - {""}):
            self._ledger.person(psn_no)
        return Turn(
            infno=request.infno,
            msgid=request.msgid,
            envelope=envelope,
            message=envelope["input"],
            table=table,
            ledger=self._ledger,
            now=self._clock(),
            discharge_first=self._discharge_first,
            one_sign_in=self._one_sign_in,
        )

    def _check_repeat(self, request: Request, *, mutates: bool) -> None:
        """A msgid takes effect once; 2601 is repeatable by its omsgid instead."""
        if not mutates or request.infno == "2601":
            return
        if request.msgid in self._ledger.reversals:
            raise Declined(f"msgid {request.msgid} 已冲正，不予受理")
        before = self._ledger.executed.get(request.msgid)
        if before:
            raise Declined(f"msgid 重复：{request.msgid} 已于 {before.at} 办理成功（交易 {before.infno}），不再执行")

    # -------------------------------------------------------------- control

    def ledger(self) -> dict[str, Any]:
        """What ``GET /_sim/ledger`` shows, faults not included."""
        with self._lock:
            return self._ledger.shown()

    def add_fault(self, wish: Mapping[str, Any]) -> dict[str, Any]:
        """Make the next requests go wrong; raises :class:`~gateway.simulator.faults.FaultWrong`."""
        with self._lock:
            self._faults.add(wish, self._tables)
            return self._faults.listed()[-1]

    def call_back(self, wish: Mapping[str, Any]) -> dict[str, Any]:
        """Send a callback to the gateway; what it answered.

        Args:
            wish: ``infno``, ``url`` (the gateway's ``/callback`` without the number) and, if not all is to be invented,
                ``data``.

        Raises:
            FaultWrong: not a callback, or nobody answers (Chinese).
        """
        infno, url, data = wish.get("infno"), wish.get("url"), wish.get("data") or {}
        if wish.keys() - {"infno", "url", "data"} or infno not in CALLBACKS or not isinstance(url, str):
            raise FaultWrong(
                f'应为 {{"infno": {"、".join(CALLBACKS)} 之一, "url": "http://网关/callback", "data": {{...}}}}'
            )
        if not isinstance(data, dict):
            raise FaultWrong("data 应为对象")
        headers, body = self.callback(infno, data)
        status, text = post(f"{url.rstrip('/')}/{infno}", headers, body)
        return {"status": status, "answer": text}

    def callback(self, infno: str, data: Mapping[str, Any]) -> tuple[dict[str, str], bytes]:
        """Headers and body of a callback; fields that ``data`` lacks are invented."""
        with self._lock:
            now, serial = self._clock(), self._ledger.serial()
        message = shape(self._tables[infno].input, {"data": data}, now, serial)
        msgid = f"{self._admdvs:0<12}{now:%Y%m%d%H%M%S}{serial[-4:]}"
        return composed(infno, message, msgid, now, self._signing, self._sealing)

    def faults(self) -> list[dict[str, Any]]:
        """The faults still pending."""
        with self._lock:
            return self._faults.listed()

    def clear_faults(self) -> None:
        """No fault is pending any more."""
        with self._lock:
            self._faults.clear()

    def plant(self, wish: Mapping[str, Any]) -> dict[str, Any]:
        """Make the books differ (3201, 3202); raises :class:`~gateway.simulator.faults.FaultWrong`."""
        with self._lock:
            return reconciliation.plant(self._ledger, wish)

    def planted(self) -> list[dict[str, Any]]:
        """The differences planted."""
        with self._lock:
            return list(self._ledger.planted)

    def clear_planted(self) -> None:
        """The books tell again what took effect."""
        with self._lock:
            self._ledger.planted.clear()

    def command_catalogs(self, wish: Mapping[str, Any]) -> dict[str, Any]:
        """Publish an edition of a catalog or break its next file; raises :class:`~gateway.simulator.faults.FaultWrong`."""
        with self._lock:
            return catalogs.command(self._ledger, self._tables, wish)

    def catalogs(self) -> list[dict[str, Any]]:
        """The catalogs that were asked for, with their editions."""
        with self._lock:
            return catalogs.listed(self._ledger)

    def lists(self) -> dict[str, Any]:
        """The settlement lists by ``setl_id``."""
        with self._lock:
            return lists.shown(self._ledger)

    def review(self, wish: Mapping[str, Any]) -> dict[str, Any]:
        """The insurer's word on a submitted list: ``setl_id``, ``stas_type`` 2 or 3, ``chk_cont``.

        Raises:
            FaultWrong: there is no such list, or it cannot be reviewed (Chinese).
        """
        texts = [wish.get(name, "") for name in ("setl_id", "stas_type", "chk_cont")]
        if wish.keys() - {"setl_id", "stas_type", "chk_cont"} or not all(isinstance(one, str) for one in texts):
            raise FaultWrong('应为 {"setl_id": "...", "stas_type": "2 或 3", "chk_cont": "..."}，值都是文字')
        with self._lock:
            try:
                return lists.review(self._ledger, *texts)
            except Declined as declined:
                raise FaultWrong(str(declined)) from None

    def reset(self, seed: int | None = None) -> None:
        """Empty ledger and faults; requests still waiting to be executed never will be.

        Args:
            seed: fixes what is invented from here on; None keeps the persons and takes fresh identifiers.
        """
        with self._lock:
            self._generation += 1
            self._faults.clear()
            self._ledger = self._new_ledger(seed, persons_seed=self._ledger.seed)

    def _new_ledger(self, seed: int | None, persons_seed: int = 0) -> Ledger:
        return Ledger(
            seed=persons_seed if seed is None else seed,
            origin=time.time_ns() // 1000 % 10**11 if seed is None else seed,
            admdvs=self._admdvs,
            today=self._clock().date(),
        )


def _put_in(envelope: dict[str, Any], file: bytes) -> None:
    """A file that came beside the envelope stands in it as in the other form."""
    message = envelope.get("input")
    node = message.get("fsUploadIn") if isinstance(message, dict) else None
    if isinstance(node, dict):
        node["in"] = base64.b64encode(file).decode()


def _drop_row(message: Any) -> None:
    """Lose the last row of the longest repeated node."""
    rows = max(generic.lists(message), key=len, default=[])
    if rows:
        rows.pop()
