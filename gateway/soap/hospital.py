"""``/soap/hospital`` and ``/api/v1/hospital/<operation>``: what the hospital tells and asks the gateway itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from gateway.contract.codec import Codec, as_text
from gateway.contract.hospital import BY_NAME, CALLBACKS, OUTCOME, ROWS, SETTLEMENT_LIST, HospitalOperation, codec
from gateway.contract.interface import Interface
from gateway.contract.jsontext import dumps
from gateway.contract.model import Field, Problem
from gateway.contract.plain_rows import Cutter
from gateway.contract.published import NAMESPACE, Element
from gateway.contract.xml import escape
from gateway.exchange.call import Call, Client, Reply
from gateway.exchange.callbacks import CallbackDesk
from gateway.exchange.case import ContentWrong
from gateway.exchange.ports import JournalUnavailable
from gateway.exchange.replies import refusal_reply
from gateway.faults import (
    EXCHANGE_UNKNOWN,
    PARAMETERS_WRONG,
    STAY_UNKNOWN,
    STORE_UNAVAILABLE,
    TRANSACTION_FORBIDDEN,
    Refused,
    Unreadable,
)
from gateway.http.reception import Reception
from gateway.rules.times import TimeUnreadable, read_instant
from gateway.soap.lane import SoapRequest
from gateway.soap.services import SMALL_NUMBER, json_reply
from gateway.stays.desk import Answered, StayDesk, is_known, ward_in_time
from gateway.stays.emergency import EmergencyDesk, EmergencyTold
from gateway.stays.emergency import view as fees_told
from gateway.stays.history import RecordKind, WardEventKind
from gateway.stays.ports import StayRef
from gateway.stays.view import state, status
from gateway.vouchers.desk import Asked, VoucherDesk
from gateway.vouchers.sheet import ADMITTED, Print, Table

Answer = dict[str, Any]
"""What an operation answers, by the names of its published elements."""

_EVENTS: Final[Mapping[str, WardEventKind]] = {
    "WardIn": "ward_in",
    "WardInVoid": "ward_in_void",
    "WardTransfer": "transfer",
    "WardOut": "ward_out",
}
_RECORDS: Final[Mapping[str, RecordKind]] = {"Diagnoses": "diagnoses", "Operations": "operations"}
_TIMES: Final = ("event_time", "recorded_time", "begntime", "observation_time", "cut_time")
"""Arguments that are times: kept as they came, so they are read leniently and checked apart from the table (C4)."""


@dataclass(frozen=True, slots=True)
class HospitalCall:
    """One operation as it was asked for.

    Args:
        message: arguments by name, leaves as they came.
        raw: the bytes as they came over the wire.
        channel: ``hospital`` or ``json``.
    """

    operation: HospitalOperation
    client: Client
    message: Any
    raw: bytes
    channel: str
    charset: str = "utf-8"


class Hospital:
    """The operations themselves, the same for SOAP and JSON."""

    def __init__(self, reception: Reception, desk: StayDesk, vouchers: VoucherDesk, callbacks: CallbackDesk) -> None:
        self._reception = reception
        self._desk = desk
        self._vouchers = vouchers
        self._callbacks = callbacks
        self._emergency = EmergencyDesk(desk)
        self._codecs: dict[tuple[str, str], Codec] = {}
        asked: dict[str, Callable[[HospitalCall, Answer], Answer]] = {
            OUTCOME.name: self._outcome,
            "Recall": lambda call, told: _allowed(self._desk.recall(told, call.client.name)),
            "RecallAllowed": lambda _, told: _allowed(self._desk.recall_allowed(StayRef(told["ipt_no"]))),
            "FeeChangeAllowed": lambda _, told: _allowed(self._desk.fee_change_allowed(StayRef(told["ipt_no"]))),
            "EmergencyFees": self._emergency_fees,
            SETTLEMENT_LIST.name: self._settlement_list,
            "EmergencyFeesExtract": self._extract,
            "EmergencyFeesApprove": self._approve,
            "StayStatus": self._status,
            "Voucher": self._voucher,
            CALLBACKS.name: self._waiting,
            "CallbackDone": self._done,
        }
        self._operations = {
            **asked,
            **dict.fromkeys(_EVENTS, self._event),
            **dict.fromkeys(_RECORDS, self._record),
        }

    def reader(self, operation: HospitalOperation) -> Codec:
        """Reads the arguments of an operation by the tables in force."""
        interface: Interface = self._reception.exchange.interface
        key = (operation.name, interface.contract.version)
        return self._codecs.get(key) or self._codecs.setdefault(key, codec(operation, interface))

    def row_fields(self, name: str) -> frozenset[str]:
        """What a row of a record may hold (``Diagnoses``, ``Operations``); anything else in it is not kept.

        Args:
            name: of the operation.
        """
        rows = (node for node in self.reader(BY_NAME[name]).side.nodes if node.name == ROWS)
        return frozenset(spec.name for node in rows for spec in node.fields)

    def call(self, call: HospitalCall) -> Answer:
        """Answer one operation; a refusal is an answer like any other, and is journaled with its bytes.

        Raises:
            Unreadable: GW-2003, the client may not call this operation, or not ask about this transaction.
        """
        operation = call.operation
        if not operation.free and not call.client.may_call(operation.name):
            raise self._forbidden(call)
        try:
            told, warnings = self._checked(call)
            answer = self._operations[operation.name](call, told)
        except Refused as refusal:
            return self._refused(call, refusal)
        except JournalUnavailable:
            return _failure(refusal_reply(Refused(STORE_UNAVAILABLE)))
        if not_allowed := answer.pop(_REFUSAL, None):
            return {**self._refused(call, not_allowed), **answer}
        return {**answer, "warn_msg": "；".join(filter(None, (answer.get("warn_msg", ""), *warnings)))}

    def teller(self, name: str) -> Callable[[str, Mapping[str, Any]], Answer]:
        """The operations for a job of this gateway: the same tables, checks and journal as for the hospital.

        Args:
            name: under which it stands in the journal and as whose word it counts.
        """
        client = Client(name, transactions=tuple(BY_NAME))

        def tell(operation: str, message: Mapping[str, Any]) -> Answer:
            return self.call(HospitalCall(BY_NAME[operation], client, message, dumps(message), "jobs"))

        return tell

    def _forbidden(self, call: HospitalCall) -> Unreadable:
        text = f"客户端 {call.client.name} 未获授权调用 {call.operation.name}"
        refusal = Unreadable(TRANSACTION_FORBIDDEN, text)
        self._reception.turn_away(refusal, self._as_call(call))
        refusal.journaled = True
        return refusal

    # ------------------------------------------------------------- checking

    def _checked(self, call: HospitalCall) -> tuple[Answer, list[str]]:
        """Every problem at once. Raises ``Refused`` GW-1012 for a parameter of another name, GW-1101 for the content."""
        given = call.message if isinstance(call.message, dict) else {}
        reader = self.reader(call.operation)
        names = [spec.name for spec in reader.side.root] + [node.name for node in reader.side.nodes]
        if strange := sorted(set(given) - set(names)):
            raise Refused(PARAMETERS_WRONG, f"{call.operation.name} 没有参数 {'、'.join(strange)[:100]}")
        told, found = reader.check(_with_texts(given, reader.side.root))
        assert isinstance(told, dict)
        problems = [*found.problems, *_unreadable_times(reader.side.root, told, "", "")]
        for node in reader.side.nodes:
            if not node.repeat and isinstance(told.get(node.name), dict):
                problems += _unreadable_times(node.fields, told[node.name], node.name, node.label)
        if problems:
            raise ContentWrong(problems)
        warnings = list(found.warnings)
        if found.unknown:
            warnings.append(f"以下字段不在接口中，未记录：{'、'.join(dict.fromkeys(found.unknown))}")
        return {name: value for name, value in told.items() if value not in ("", None)}, warnings

    def _refused(self, call: HospitalCall, refusal: Refused) -> Answer:
        if call.operation.free:
            return _failure(refusal_reply(refusal))
        return _failure(self._reception.turn_away(refusal, self._as_call(call)))

    def _as_call(self, call: HospitalCall) -> Call:
        """For the journal, where a refused operation stands under its name."""
        given = call.message if isinstance(call.message, dict) else {}
        return Call(
            client=call.client,
            infno=call.operation.name,
            message=given,
            raw=call.raw,
            channel=call.channel,
            head={"opter": as_text(given.get("operator"))},
            raw_charset=call.charset,
        )

    # ----------------------------------------------------------- operations

    def _event(self, call: HospitalCall, told: Answer) -> Answer:
        answered = self._desk.tell(_EVENTS[call.operation.name], told, call.client.name)
        void = self._vouchers.mark_void(answered.stay)
        warnings = (f"资格确认单（凭证号 {number}）已作废，须重新打印" for number in void)
        return _told(replace(answered, warnings=(*answered.warnings, *warnings)))

    def _record(self, call: HospitalCall, told: Answer) -> Answer:
        return _told(self._desk.keep(_RECORDS[call.operation.name], told, call.client.name))

    def _settlement_list(self, call: HospitalCall, told: Answer) -> Answer:
        """Kept as one row by node, so that it is told and read whole."""
        names = (*SETTLEMENT_LIST.nodes, *(node.name for node in SETTLEMENT_LIST.side.nodes))
        nodes = {name: told[name] for name in names if told.get(name)}
        return _told(self._desk.keep("settlement_list", {**told, "rows": [nodes]}, call.client.name))

    def _emergency_fees(self, call: HospitalCall, told: Answer) -> Answer:
        visit = {name: as_text(value) for name, value in told.get("emergency_visit", {}).items() if value}
        return _told(self._desk.keep("emergency_fees", told, call.client.name, visit=visit))

    def _extract(self, call: HospitalCall, told: Answer) -> Answer:
        return _extracted(self._emergency.extract(told["ipt_no"], call.client.name, told["operator"]))

    def _approve(self, call: HospitalCall, told: Answer) -> Answer:
        del call
        return _extracted(self._emergency.approve(told["ipt_no"], told["cut_time"], told["operator"]))

    def _status(self, call: HospitalCall, told: Answer) -> Answer:
        del call
        ref = StayRef(told.get("ipt_no", ""), told.get("mdtrt_id", ""))
        if not str(ref):
            raise Refused(PARAMETERS_WRONG, "须给出 ipt_no 或 mdtrt_id")
        judged = self._desk.judged(ref)
        if not is_known(judged.history):
            raise Refused(STAY_UNKNOWN, str(ref))
        table = self._reception.exchange.interface.contract.rules
        return {"infcode": "0", **status(judged.stay, table, self._desk.policy, self._desk.clock())}

    def _voucher(self, call: HospitalCall, told: Answer) -> Answer:
        asked = Asked(told.get("operator", ""), call.client.name, OWN_FORM)
        if number := told.get("voucher_no"):
            return _values(self._vouchers.reprint(number, asked))
        ref = StayRef(told.get("ipt_no", ""), told.get("mdtrt_id", ""), told.get("setl_id", ""))
        return _values(self._vouchers.print(told.get("kind", ""), ref, asked))

    def _waiting(self, call: HospitalCall, told: Answer) -> Answer:
        del call
        wanted = told.get("rows_max", CALLBACK_ROWS)
        if not 1 <= wanted <= CALLBACK_ROWS_MAX:
            raise Refused(PARAMETERS_WRONG, f"rows_max 应为 1 到 {CALLBACK_ROWS_MAX}")
        found, waiting = self._callbacks.waiting(wanted)
        rows = [
            {
                "callback_id": str(one.id),
                "infno": one.infno,
                "received_at": one.received_at.strftime("%Y-%m-%d %H:%M:%S"),
                "content": message,
            }
            for one, message in found
        ]
        return {"infcode": "0", "waiting": str(waiting), "callback": rows}

    def _done(self, call: HospitalCall, told: Answer) -> Answer:
        number = told["callback_id"]
        if not self._callbacks.take(number, call.client.name):
            raise Refused(PARAMETERS_WRONG, f"没有回调 {number}")
        return {"infcode": "0", "waiting": str(self._callbacks.waiting(1)[1])}

    def _outcome(self, call: HospitalCall, told: Answer) -> Answer:
        request_id, mdtrt_id, infno = (told.get(name, "") for name in ("request_id", "mdtrt_id", "infno"))
        if not request_id and not (mdtrt_id and infno):
            raise Refused(PARAMETERS_WRONG, "须给出 request_id，或 mdtrt_id 与 infno")
        reply = self._reception.outcome(call.client, request_id=request_id, mdtrt_id=mdtrt_id, infno=infno)
        if reply is None:
            raise Refused(EXCHANGE_UNKNOWN, request_id or f"{mdtrt_id} {infno}")
        return {"state": reply.state, "infno": reply.infno, **_parts(reply)}


CALLBACK_ROWS: Final = 50
CALLBACK_ROWS_MAX: Final = 200
OWN_FORM: Final = "hospital"
"""Channel of a voucher that the hospital prints itself."""
_REFUSAL: Final = "refusal"
"""Where an operation leaves the refusal that goes into its answer."""


def _values(shown: Print) -> Answer:
    """A print as values, by the names of its published elements."""
    sheet = shown.sheet
    return {
        "infcode": "0",
        "warn_msg": "；".join(shown.warnings),
        "voucher_no": str(shown.number),
        "kind": sheet.kind,
        "title": sheet.title,
        "hospital": sheet.hospital,
        "admitted": sheet.value(ADMITTED),
        "prints": str(shown.count),
        "printed_at": shown.printed_at,
        "first_printed_at": shown.first_printed_at,
        "mark": list(shown.marks),
        "remark": list(shown.remarks),
        "item": [
            {"name": item.name, "label": item.label, "value": item.value, "group": group.label}
            for group in sheet.groups
            for item in group.items
        ],
        "table": [
            {"name": table.name, "label": table.label, "row": [{"cell": _cells(table, row)} for row in table.rows]}
            for table in sheet.tables
        ],
        "note": list(sheet.notes),
    }


def _cells(table: Table, row: tuple[str, ...]) -> list[Answer]:
    columns = zip(table.columns, row, strict=True)
    return [{"name": column.name, "label": column.label, "value": value} for column, value in columns]


def _parts(reply: Reply) -> Answer:
    return {name: value for name, value in json_reply(reply).items() if value is not None} | {"infcode": reply.infcode}


def _failure(reply: Reply) -> Answer:
    return {**_parts(reply), "allowed": "false"}


def _told(answered: Answered) -> Answer:
    return {
        "infcode": "0",
        "warn_msg": "；".join(answered.warnings),
        "state": state(answered.stay),
        "ward_in_time": ward_in_time(answered.stay),
    }


def _extracted(told: EmergencyTold) -> Answer:
    answer = {**_told(Answered(told.stay, told.warnings)), **fees_told(told)}
    if told.refusal is None:
        return answer
    status = ("infcode", "warn_msg")
    return {name: value for name, value in answer.items() if name not in status} | {_REFUSAL: told.refusal}


def _allowed(answered: Answered) -> Answer:
    answer = _told(answered)
    if answered.refusal is None:
        return {**answer, "allowed": "true"}
    return {"state": answer["state"], "ward_in_time": answer["ward_in_time"], _REFUSAL: answered.refusal}


def _with_texts(given: Mapping[str, Any], fields: tuple[Field, ...]) -> dict[str, Any]:
    """JSON numbers where a text is meant: an id that is all digits is still an id."""
    texts = {spec.name for spec in fields if spec.type == "string"}
    return {
        name: as_text(value).strip() if name in texts and not isinstance(value, dict | list) else value
        for name, value in given.items()
    }


def _unreadable_times(fields: tuple[Field, ...], told: Mapping[str, Any], node: str, label: str) -> Iterator[Problem]:
    for spec in fields:
        raw = told.get(spec.name)
        if spec.name not in _TIMES or not raw:
            continue
        try:
            read_instant(raw)
        except TimeUnreadable as error:
            where = f"{node}（{label}）" if node else "报文"
            text = f"{where} {spec.name}（{spec.label}）：{error}"
            yield Problem(node, "", spec.name, spec.label, raw[:60], "date", text)


# ------------------------------------------------------------------ the two forms


class HospitalService:
    """The SOAP form."""

    channel = "hospital"
    cutter: Cutter | None = None

    def __init__(self, hospital: Hospital, reception: Reception) -> None:
        self._hospital = hospital
        self._reception = reception

    def answer(self, request: SoapRequest, operation: str) -> str:
        found = BY_NAME[operation]
        message = self._hospital.reader(found).read_xml(request.operation)
        assert isinstance(message, dict)
        call = HospitalCall(found, request.client, _trimmed(message), request.raw, self.channel, request.charset)
        answer = self._hospital.call(call)
        if found is OUTCOME:
            answer = self._with_output(answer)
        if found is CALLBACKS:
            answer = answer | {"callback": [self._with_content(row) for row in answer.get("callback", ())]}
        parts = "".join(_element(item, answer.get(item.name)) for item in found.answer)
        return f'<{operation}Response xmlns="{NAMESPACE}">{parts}</{operation}Response>'

    def _with_output(self, answer: Answer) -> Answer:
        """``output`` as XML text, since it is a different one for every transaction."""
        output, infno = answer.get("output"), answer.get("infno")
        if not output or not infno:
            return answer | {"output": ""}
        written = self._reception.exchange.interface.output(infno).write_xml(output)
        return answer | {"output": f"<output>{written}</output>"}

    def _with_content(self, row: Answer) -> Answer:
        """``content`` as XML text, for the same reason."""
        if row["content"] is None:
            return row
        written = self._reception.exchange.interface.input(row["infno"]).write_xml(row["content"])
        return row | {"content": f"<input>{written}</input>"}

    def failure(self, request: SoapRequest, fault: Any) -> str | None:
        del request, fault
        return None


def _trimmed(message: Mapping[str, Any]) -> dict[str, Any]:
    """Without what came empty: a client that writes every element of the WSDL has not told any of them."""
    return {name: value for name, value in message.items() if not isinstance(value, str) or value.strip()}


def _element(element: Element, value: Any) -> str:
    """One element of an answer; a leaf is always there, a node or a list only with content."""
    if element.repeat:
        return "".join(_element(replace(element, repeat=False), one) for one in value or ())
    if element.children is None:
        return f"<{element.name}>{escape(as_text(value))}</{element.name}>"
    if not value:
        return ""
    inner = "".join(_element(child, value.get(child.name)) for child in element.children)
    return f"<{element.name}>{inner}</{element.name}>"


def hospital_json(operation: HospitalOperation, answer: Answer) -> Answer:
    """The JSON form: the same names; ``infcode`` a number and ``allowed`` a boolean as elsewhere in JSON."""
    told = {element.name: answer[element.name] for element in operation.answer if element.name in answer}
    for element in operation.answer:
        if element.children is None and not element.repeat:
            told.setdefault(element.name, "")
    code = str(told["infcode"])
    told["infcode"] = int(code) if SMALL_NUMBER.fullmatch(code) else code
    if "allowed" in told:
        told["allowed"] = told["allowed"] == "true"
    return told
