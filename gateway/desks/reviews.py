"""What people do about 医保审核 from the console: remark on a case, have a month looked through."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from gateway.desks.jobs import JobsDesk
from gateway.stays.desk import StayDesk, is_known
from gateway.stays.ports import StayRef
from gateway.store.operator_log import OperatorLog
from gateway.store.remarks import TEXT_CHARS_MAX, SqlRemarks
from jobs.review_month import BY, NAME, month_of

Answer = dict[str, Any]
REMARK_ACT: Final = "review.remark"
MONTH_ACT: Final = "review.month"
"""What the acts are called in the operator log."""


class ReviewsDesk:
    """The operations ``review_*`` of the console's desk.

    Args:
        jobs: begins the look through a month.
        clock: the gateway's clock, aware.
    """

    def __init__(
        self, remarks: SqlRemarks, desk: StayDesk, jobs: JobsDesk, log: OperatorLog, clock: Callable[[], datetime]
    ) -> None:
        self._remarks = remarks
        self._desk = desk
        self._jobs = jobs
        self._log = log
        self._clock = clock
        self.operations: Mapping[str, Callable[..., Answer]] = {
            "review_remark": self._remark,
            "review_month": self._month,
        }

    def _remark(self, operator: str, ipt_no: str, mdtrt_id: str, text: str) -> Answer:
        """Keep a remark. The operator log names the stay and the length: what was written may name a patient."""
        ref, said = StayRef(str(ipt_no), str(mdtrt_id)), str(text).strip()
        if not said or len(said) > TEXT_CHARS_MAX:
            return {"ok": False, "error": f"备注应有 1 到 {TEXT_CHARS_MAX} 字，现在 {len(said)} 字"}
        if not str(ref) or not is_known(self._desk.judged(ref).history):
            return {"ok": False, "error": "网关没有这次住院的记录"}
        newest = next(iter(self._remarks.of([ref]).get(ref, ())), None)
        if newest is not None and (newest.text, newest.operator) == (said, operator):
            return {"ok": True, "remark": newest.id, "repeated": True}
        self._log.append(operator, REMARK_ACT, f"stay {ref.ipt_no or ref.mdtrt_id}", f"备注 {len(said)} 字")
        return {"ok": True, "remark": self._remarks.add(ref, said, operator, self._clock())}

    def _month(self, operator: str, month: str, by: str) -> Answer:
        if month_of(str(month)) is None or by not in BY:
            return {"ok": False, "error": "月份应如 2026-11"}
        self._log.append(operator, MONTH_ACT, month, f"按{BY[by]}")
        told = self._jobs.run(operator, NAME, {"month": month, "by": by})
        return {"ok": "error" not in told, **told}
