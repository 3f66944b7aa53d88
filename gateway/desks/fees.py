"""What people do about the upload of fees from the console: choose stays, go on where it broke off, give up what is left."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, get_args

from gateway.desks.jobs import JobsDesk
from gateway.stays.ports import StayRef
from gateway.store.fees import SqlFees, Wish
from gateway.store.operator_log import OperatorLog
from jobs.fee_upload import CHOSEN

Answer = dict[str, Any]
JOB: Final = "fee_upload"
_CHOSEN_MAX: Final = 5000
_TITLES: Final[Mapping[str, str]] = {"look": "核对", "upload": "上传"}


class FeesDesk:
    """The operations ``fees_*`` of the console's desk.

    Args:
        jobs: begins the job that serves whom a person has chosen.
        clock: the gateway's clock, aware.
    """

    def __init__(self, fees: SqlFees, jobs: JobsDesk, log: OperatorLog, clock: Callable[[], datetime]) -> None:
        self._fees = fees
        self._jobs = jobs
        self._log = log
        self._clock = clock
        self.operations: Mapping[str, Callable[..., Answer]] = {
            "fees_choose": self._choose,
            "fees_go_on": self._go_on,
            "fees_forget": self._forget,
        }

    def _choose(self, operator: str, stays: Sequence[Sequence[str]], wish: Wish) -> Answer:
        """Choose stays, ``[ipt_no, mdtrt_id]`` each, and begin; where a run goes on, it serves them too."""
        if wish not in get_args(Wish):
            return {"ok": False, "error": "只能核对或上传"}
        refs = [StayRef(str(ipt_no), str(mdtrt_id)) for ipt_no, mdtrt_id in stays if ipt_no and mdtrt_id][:_CHOSEN_MAX]
        if not refs:
            return {"ok": False, "error": "没有选择病人"}
        self._log.append(operator, f"fees.{wish}", f"{len(refs)} stays", "、".join(map(str, refs))[:2000])
        chosen = self._fees.choose(refs, wish, self._clock())
        return {**self._begun(operator), "chosen": chosen, "title": _TITLES[wish]}

    def _go_on(self, operator: str) -> Answer:
        if not self._fees.queued():
            return {"ok": False, "error": "没有等待的病人"}
        return self._begun(operator)

    def _forget(self, operator: str) -> Answer:
        self._log.append(operator, "fees.forget", "queue")
        return {"ok": True, "forgotten": self._fees.forget()}

    def _begun(self, operator: str) -> Answer:
        told = self._jobs.run(operator, JOB, {CHOSEN: True})
        # another run of the job takes up the queue before it ends
        return {"ok": True, "run": told.get("run", 0)}
