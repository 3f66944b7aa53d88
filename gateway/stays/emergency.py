"""Emergency fees of a stay as the doctor's station and the insurance office are told them, by one function (ET-10)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from gateway.contract.jsontext import dumps_sorted
from gateway.faults import EMERGENCY_CUT_MOVED, EMERGENCY_NO_WARD, Refused
from gateway.rules.emergency import Extraction, extract, window
from gateway.rules.message import Row, text
from gateway.rules.stay import Approval, Stay
from gateway.rules.times import minute_of, shown
from gateway.stays.desk import StayDesk, as_one_step
from gateway.stays.history import Approved, Extracted
from gateway.stays.ports import StayRef

ROW: Final = (
    "feedetl_sn", "init_feedetl_sn", "fee_ocur_time", "med_list_codg", "medins_list_codg", "medins_list_name", "cnt",
    "pric", "det_item_fee_sumamt",
)  # fmt: skip
"""National fields of a row that are shown."""


@dataclass(frozen=True, slots=True)
class EmergencyTold:
    """What a caller is told: the set as it is now, whether it may be taken over, and what others were told.

    ``found`` is None before the ward-in, when there is no cut.
    """

    stay: Stay
    found: Extraction | None
    refusal: Refused | None = None
    others: tuple[Extracted, ...] = ()
    """The last word to every other caller."""
    warnings: tuple[str, ...] = ()


class EmergencyDesk:
    """Extraction and approval of emergency fees.

    Args:
        desk: knows the stays.
    """

    def __init__(self, desk: StayDesk) -> None:
        self._desk = desk

    def extract(self, ipt_no: str, client: str, operator: str) -> EmergencyTold:
        """The set of ET-10 with what every caller was told; a refusal tells the set too, since it is to be looked at anew.

        That ``client`` was told it is kept, so that the others can be compared with it.
        """
        told = self.look(ipt_no, client)
        if told.found is not None:
            mine = _extracted(told.found, client, operator, self._desk)
            if not any(_same(one, mine) for one in self._desk.records.extractions(ipt_no)):
                self._desk.records.extracted(ipt_no, mine)
        return told

    def look(self, ipt_no: str, client: str) -> EmergencyTold:
        """The same without keeping that anybody was told: what the others were told is compared with it."""
        told = self._told(ipt_no)
        if told.found is None:
            return told
        others = tuple(one for one in self._desk.records.extractions(ipt_no) if one.client != client)
        return EmergencyTold(told.stay, told.found, told.refusal, others, _remarks(told.stay, told.found))

    def approve(self, ipt_no: str, cut: str, operator: str) -> EmergencyTold:
        """Approve the set as it is now.

        Args:
            cut: the cut time that the person approving has seen; another than the present one is refused (ET10-02).
        """
        return as_one_step(lambda: self._approved(ipt_no, cut, operator))

    def _approved(self, ipt_no: str, cut: str, operator: str) -> EmergencyTold:
        judged = self._desk.judged(StayRef(ipt_no))
        told = self._of(judged.stay)
        if told.found is None or (told.refusal is not None and told.refusal.fault is not EMERGENCY_CUT_MOVED):
            return told
        if minute_of(cut) != told.found.cut:
            refusal = Refused(EMERGENCY_CUT_MOVED, f"所审核的入科时间 {cut}，现为 {shown(told.found.cut)}")
            return EmergencyTold(told.stay, told.found, refusal)
        approved = Approved(_printed(told.found), self._desk.clock(), operator, content_of(told.found.rows_in))
        self._desk.records.approve(ipt_no, approved, judged.versions)
        now = self._told(ipt_no)
        return EmergencyTold(now.stay, now.found, now.refusal, (), _remarks(now.stay, now.found))

    def _told(self, ipt_no: str) -> EmergencyTold:
        return self._of(self._desk.judged(StayRef(ipt_no)).stay)

    def _of(self, stay: Stay) -> EmergencyTold:
        try:
            return EmergencyTold(stay, extract(stay, self._desk.policy))
        except Refused as refusal:
            if refusal.fault is EMERGENCY_NO_WARD:
                return EmergencyTold(stay, None, refusal)
            return EmergencyTold(stay, window(stay, self._desk.policy), refusal)


def approval_stands(found: Extraction, approval: Approval | None) -> bool:
    """Whether the newest approval is of exactly this set."""
    return (
        approval is not None and approval.cut == found.cut and approval.content in ("", content_of(found.rows_in))
    )  # fmt: skip


def content_of(rows: Sequence[Row]) -> str:
    """Digest of a set of fees, whatever their order."""
    keyed = {text(row, "feedetl_sn"): {name: text(row, name) for name in ROW} for row in rows}
    return hashlib.sha256(dumps_sorted(keyed)).hexdigest()


def view(told: EmergencyTold) -> dict[str, Any]:
    """The answer by the names of its published elements; empty before the ward-in."""
    found = told.found
    if found is None:
        return {}
    return {
        "cut_time": _printed(found),
        "start_time": found.start.strftime("%Y-%m-%d %H:%M:%S") if found.start else "",
        "ipt_otp_no": found.visit.ipt_otp_no if found.visit else "",
        "rows_in": str(len(found.rows_in)),
        "rows_out": str(len(found.rows_out)),
        "total_in": _money(found.total_in),
        "total_out": _money(found.total_out),
        "approval": _approval(found, told.stay.approval),
        "caller": [_caller(one, found) for one in told.others],
        "fee": [*_fees(found, found.rows_in, "true"), *_fees(found, found.rows_out, "false")],
    }


def _approval(found: Extraction, approval: Approval | None) -> dict[str, str]:
    if approval is None:
        return {}
    return {
        "cut_time": approval.cut.strftime("%Y-%m-%d %H:%M:%S"),
        "operator": approval.operator,
        "at": approval.at.isoformat(timespec="seconds"),
        "stands": "true" if approval_stands(found, approval) else "false",
    }


def _caller(other: Extracted, found: Extraction) -> dict[str, str]:
    same = (other.cut, other.content) == (_printed(found), content_of(found.rows_in))
    return {
        "client": other.client,
        "at": other.at.isoformat(timespec="seconds"),
        "cut_time": other.cut,
        "rows_in": str(other.rows_in),
        "total_in": other.total_in,
        "difference": _money(found.total_in - Decimal(other.total_in)),
        "same": "true" if same else "false",
    }


def _fees(found: Extraction, rows: Sequence[Row], within: str) -> list[dict[str, str]]:
    return [_fee(row) | {"within": within, "uploaded": _uploaded(row, found)} for row in rows]


def _uploaded(row: Row, found: Extraction) -> str:
    return "true" if text(row, "feedetl_sn") in found.uploaded else "false"


def _fee(row: Row) -> dict[str, str]:
    return {name: text(row, name) for name in ROW}


def _remarks(stay: Stay, found: Extraction | None) -> tuple[str, ...]:
    if found is None:
        return ()
    if found.visit is None:
        return ("院内没有上报转入本次住院的急诊就诊及费用（EmergencyFees）",)
    approved = stay.approval is not None and stay.approval.cut == found.cut
    if approved and not approval_stands(found, stay.approval):
        return ("急诊费用在审核之后有变化，请重新审核",)
    return ()


def _extracted(found: Extraction, client: str, operator: str, desk: StayDesk) -> Extracted:
    return Extracted(
        client=client,
        operator=operator,
        cut=_printed(found),
        rows_in=len(found.rows_in),
        total_in=_money(found.total_in),
        content=content_of(found.rows_in),
        at=desk.clock(),
    )


def _same(before: Extracted, now: Extracted) -> bool:
    return (before.client, before.cut, before.content) == (now.client, now.cut, now.content)


def _printed(found: Extraction) -> str:
    return found.cut.strftime("%Y-%m-%d %H:%M:%S")


def _money(amount: Decimal) -> str:
    return format(amount, "f")
