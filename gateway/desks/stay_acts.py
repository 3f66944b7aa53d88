"""What people do about stays from the console: each through the same exchange as a call of the HIS, in their own name.

Nothing here decides: the exchange asks the rules, writes the journal, and its answer is what the person is told.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import structlog

from gateway.contract.interface import Interface
from gateway.contract.jsontext import dumps
from gateway.contract.model import RuleTable
from gateway.desks.seen import CHANGED_MEANWHILE, mark_of
from gateway.episodes import Episodes
from gateway.exchange.call import Call, Client, Reply
from gateway.exchange.exchange import Exchange
from gateway.exchange.ports import JournalUnavailable
from gateway.faults import CATEGORY_PATH, STAY_UNKNOWN, Refused
from gateway.rules.message import Row
from gateway.rules.stay import Stay
from gateway.stays.desk import Judged, StayDesk, is_known
from gateway.stays.emergency import EmergencyDesk, EmergencyTold, view
from gateway.stays.fee_undo import FeeUndo, fee_undo
from gateway.stays.messages import Message, discharge_message, main_operation, undo_message
from gateway.stays.ports import StayRef
from gateway.store.operator_log import OperatorLog
from jobs.alignment import Alignment, change_message

log = structlog.get_logger(__name__)

Answer = dict[str, Any]
NAME: Final = "console"
"""As which client and by which channel it stands in the journal."""
DISCHARGE, UNDO, CHANGE, FEE_UNDO = "2402", "2405", "2403", "2302"
_CLIENT: Final = Client(NAME, transactions=(DISCHARGE, UNDO, CHANGE, FEE_UNDO))
_OPTER_CHARS_MAX: Final = 30
_OPTER_NAME_CHARS_MAX: Final = 50
CATEGORY: Final = ("med_type", "dise_codg", "dise_name")
"""What a person gives for a change of category (ET-13)."""
_BATCH_MAX: Final = 2000


@dataclass(slots=True)
class Batch:
    """Several stays aligned one after the other, for the page that shows how far it is."""

    operator: str = ""
    total: int = 0
    done: int = 0
    aligned: int = 0
    running: bool = False
    left: list[dict[str, str]] = field(default_factory=list)
    """Those that could not be aligned, with the reason."""


class StayActs:
    """The operations of the console's desk about stays; arguments and answers are plain JSON values.

    Args:
        desk: knows the stays.
        exchange: carries what is sent.
        alignment: sends the 2403 of 入院信息变更.
        episodes: the list, brought up to date after an act, so that the next page shows it.
        log: keeps who did what, before it is done.
        head: workstation that stands in the head beside the person.
    """

    def __init__(
        self,
        desk: StayDesk,
        exchange: Exchange,
        alignment: Alignment,
        episodes: Episodes,
        log: OperatorLog,
        head: Mapping[str, str],
    ) -> None:
        self._desk = desk
        self._exchange = exchange
        self._alignment = alignment
        self._episodes = episodes
        self._emergency = EmergencyDesk(desk)
        self._log = log
        self._head = head
        self._batch = Batch()
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._thread: threading.Thread | None = None
        self.operations: Mapping[str, Callable[..., Answer]] = {
            "stay_align": self._align,
            "stay_align_many": self._align_many,
            "stay_aligning": self._aligning,
            "stay_discharge": self._discharge,
            "stay_undo": self._undo,
            "stay_category": self._category,
            "stay_fee_undo": self._fee_undo,
            "emergency_extract": self._extract,
            "emergency_approve": self._approve,
        }

    def close(self) -> None:
        """End a batch after the stay at hand."""
        self._end.set()
        if self._thread is not None:
            self._thread.join()

    # ------------------------------------------------------------ alignment

    def _align(self, operator: str, ipt_no: str, mdtrt_id: str) -> Answer:
        self._log.append(operator, "alignment.one", f"stay {ipt_no or mdtrt_id}")
        left = self._alignment.one(StayRef(ipt_no, mdtrt_id))
        self._taken_up()
        return {"ok": True} if left is None else {"ok": False, "error": left.reason, "code": left.code}

    def _align_many(self, operator: str, stays: Sequence[Sequence[str]]) -> Answer:
        """Begin with these, ``[ipt_no, mdtrt_id]`` each; one batch at a time."""
        refs = [StayRef(str(ipt_no), str(mdtrt_id)) for ipt_no, mdtrt_id in stays][:_BATCH_MAX]
        if not refs:
            return {"ok": False, "error": "没有选择病人"}
        with self._lock:
            if self._batch.running:
                return {"ok": False, "error": f"{self._batch.operator} 的批量变更正在进行，请等它结束"}
            self._log.append(operator, "alignment.batch", f"{len(refs)} stays", "、".join(map(str, refs))[:2000])
            self._batch = Batch(operator, len(refs), running=True)
        self._thread = threading.Thread(target=self._run, args=(self._batch, refs), name="align_many", daemon=True)
        self._thread.start()
        return {"ok": True}

    def _run(self, batch: Batch, refs: Sequence[StayRef]) -> None:
        try:
            for ref in refs:
                if self._end.is_set():
                    break
                self._one_of(batch, ref)
        finally:
            self._taken_up()
            batch.running = False

    def _one_of(self, batch: Batch, ref: StayRef) -> None:
        try:
            left = self._alignment.one(ref)
            reason = None if left is None else (left.code, left.reason)
        except JournalUnavailable:
            reason = ("", "网关存储不可用，没有办理")
        except Exception:
            log.exception("align_many_failed", ref=str(ref))
            reason = ("", "网关内部错误，请信息科查看日志")
        if reason is None:
            batch.aligned += 1
        else:
            told = {"ipt_no": ref.ipt_no, "mdtrt_id": ref.mdtrt_id, "code": reason[0], "reason": reason[1]}
            batch.left.append(told)
        batch.done += 1

    def _aligning(self, operator: str) -> Answer:
        del operator
        return {"ok": True, "batch": asdict(self._batch)}

    # ------------------------------------------------- discharge, category

    def _discharge(self, operator: str, user: str, ipt_no: str, mdtrt_id: str, given: Mapping[str, str]) -> Answer:
        judged = self._judged(ipt_no, mdtrt_id)
        transaction = self._exchange.interface.operation(DISCHARGE)
        texts = {str(name): str(value) for name, value in given.items()}
        message = discharge_message(judged.stay, judged.history, transaction, texts)
        return self._sent(operator, user, DISCHARGE, judged, message)

    def _undo(self, operator: str, user: str, ipt_no: str, mdtrt_id: str, reason: str) -> Answer:
        judged = self._judged(ipt_no, mdtrt_id)
        return self._sent(operator, user, UNDO, judged, undo_message(judged.stay), str(reason))

    def _category(
        self, operator: str, user: str, ipt_no: str, mdtrt_id: str, given: Mapping[str, str], seen: str = ""
    ) -> Answer:
        """``seen`` marks the message that the person was shown: another one is not sent."""
        judged = self._judged(ipt_no, mdtrt_id)
        wanted = {name: str(given.get(name, "")) for name in CATEGORY}
        table = self._exchange.interface.contract.rules
        if (why := category_refusal(judged.stay, table, wanted)) is not None:
            raise why
        message = category_message(judged.stay, self._exchange.interface, wanted)
        if seen and seen != mark_of(message):
            return {"ok": False, "error": CHANGED_MEANWHILE}
        detail = f"医疗类别 {judged.stay.med_type or '未知'} → {wanted['med_type']}，病种 {wanted['dise_codg']}"
        return self._sent(operator, user, CHANGE, judged, message, detail)

    def _fee_undo(
        self, operator: str, user: str, ipt_no: str, mdtrt_id: str, numbers: Sequence[str], reason: str, seen: str
    ) -> Answer:
        """``seen`` marks the rows and the sum that the person was shown: others are not taken back."""
        judged = self._judged(ipt_no, mdtrt_id)
        undo = fee_undo(judged.stay, [str(one) for one in numbers])
        if undo.problems:
            return {"ok": False, "error": undo.problems[0], "problems": list(undo.problems[1:])}
        if seen != fee_undo_mark(judged.stay, undo):
            return {"ok": False, "error": CHANGED_MEANWHILE}
        message = undo.message(judged.stay, self._exchange.interface.operation(FEE_UNDO))
        detail = f"{'全部未结算，' if undo.whole else ''}{len(undo.rows)} 行，{undo.amount:f} 元：{reason}"
        told = self._sent(operator, user, FEE_UNDO, judged, message, detail)
        return {**told, "rows": len(undo.rows), "amount": f"{undo.amount:f}"}

    def _judged(self, ipt_no: str, mdtrt_id: str) -> Judged:
        """Raises ``Refused`` for a stay that nobody told of."""
        ref = StayRef(str(ipt_no), str(mdtrt_id))
        judged = self._desk.judged(ref)
        if not is_known(judged.history) or not judged.stay.mdtrt_id:
            raise Refused(STAY_UNKNOWN, str(ref))
        return judged

    def _sent(self, operator: str, user: str, infno: str, judged: Judged, message: Message, detail: str = "") -> Answer:
        self._log.append(operator, f"stay.{infno}", f"stay {judged.stay.ipt_no or judged.stay.mdtrt_id}", detail)
        head = {**self._head, "opter": user[:_OPTER_CHARS_MAX], "opter_name": operator[:_OPTER_NAME_CHARS_MAX]}
        reply = self._exchange.handle(Call(_CLIENT, infno, message, dumps(message), NAME, head))
        self._taken_up()
        return _told(reply)

    def _taken_up(self) -> None:
        """The list follows by itself in seconds; what was sent must not be told as failed for its sake."""
        with contextlib.suppress(JournalUnavailable):
            self._episodes.catch_up()

    # ------------------------------------------------------------ emergency

    def _extract(self, operator: str, ipt_no: str) -> Answer:
        self._log.append(operator, "emergency.extract", f"stay {ipt_no}")
        return emergency_answer(self._emergency.extract(ipt_no, NAME, operator))

    def _approve(self, operator: str, ipt_no: str, cut_time: str) -> Answer:
        self._log.append(operator, "emergency.approve", f"stay {ipt_no}", f"截止 {cut_time}")
        told = self._emergency.approve(ipt_no, cut_time, operator)
        # what the office has approved is what it was told: the doctor's station is compared with it
        return emergency_answer(told if told.refusal else self._emergency.extract(ipt_no, NAME, operator))


def category_message(stay: Stay, interface: Interface, given: Mapping[str, str]) -> Message:
    """The 2403 of 医保变更 (ET-13): as last acknowledged, with another category, disease and the main operation."""
    message = change_message(stay, interface)
    operation: Row = main_operation(stay)
    changed = {**given, **{name: operation.get(name) for name in ("oprn_oprt_code", "oprn_oprt_name")}}
    form = next(node for node in message if isinstance(message[node], dict))
    # what is not given must not stay as it was: an ordinary disease is none of day surgery
    message[form] = {name: value for name, value in {**message[form], **changed}.items() if value not in ("", None)}
    if not message[form].get("begntime") and stay.times.t_ins:
        message[form]["begntime"] = stay.times.t_ins.text
    return message


def fee_undo_mark(stay: Stay, undo: FeeUndo) -> str:
    """Marks what a person was shown before a 2302."""
    return mark_of([stay.mdtrt_id, undo.whole, undo.told])


def category_refusal(stay: Stay, table: RuleTable, wanted: Mapping[str, str]) -> Refused | None:
    """What the page does not offer is not sent either: from here only 日间手术 may be chosen.

    The rules let a 2403 pass that leaves ``med_type`` as it is, since a change of bed looks so too; from this page such a
    one is the repeat of a change that was made, or no change of category at all.
    """
    again = wanted["dise_codg"] and (stay.med_type, stay.dise_codg) == (wanted["med_type"], wanted["dise_codg"])
    if stay.presence == "cancelled":
        return Refused(STAY_UNKNOWN, "入院登记已撤销（2404）")
    if wanted["med_type"] not in table.day_surgery or (stay.med_type == wanted["med_type"] and not again):
        return Refused(CATEGORY_PATH, f"医疗类别 {stay.med_type or '未知'} → {wanted['med_type'] or '未选'}")
    return None


def _told(reply: Reply) -> Answer:
    """An answer of the exchange; ``error`` as staff read it when it was not done."""
    told: Answer = {
        "ok": reply.infcode == "0",
        "exchange_id": reply.exchange_id,
        "code": reply.code,
        "warn_msg": reply.warn_msg,
        "repeated": reply.repeated,
    }
    if not told["ok"]:
        told["error"] = reply.err_msg or f"平台答复 {reply.infcode}"
        told["problems"] = [one.text for one in reply.problems]
    return told


def emergency_answer(told: EmergencyTold) -> Answer:
    """The set of ET-10 as pages show it; ``error`` where it may not be taken over."""
    answer: Answer = {"ok": told.refusal is None, "fees": view(told), "warnings": list(told.warnings)}
    if told.refusal is not None:
        answer |= {"error": told.refusal.text, "code": told.refusal.fault.code}
    return answer
