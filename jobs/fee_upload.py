"""Fees of inpatients to the platform (2301), in batches, from the HIS's own records or from a list that a person gives.

What has been uploaded is known from acknowledged exchanges alone, so a run that broke off anywhere is gone on with by the next one, and no
row goes twice: not while its 2301 is in doubt, and not after a person has taken it back by its number.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import structlog

from gateway.contract.interface import Interface
from gateway.contract.jsontext import dumps
from gateway.episodes import Episodes
from gateway.exchange.call import Call, Client, Reply
from gateway.exchange.exchange import Exchange
from gateway.rules.stay import Stay
from gateway.stays.desk import StayDesk
from gateway.stays.hospital import IPT_NO, HospitalRecords
from gateway.stays.ports import StayRef
from gateway.store.fees import FeeWork, SqlFees
from gateway.store.stay_feed import EpisodeQuery
from jobs.fee_rows import NODE, UPLOAD, Left, Row, Wrong, not_now, row_left, row_unread, rows_named, sorted_out
from jobs.job import JobFailed, Result, Run, nothing_goes

log = structlog.get_logger(__name__)

CLIENT: Final = "fee_upload"
CHANNEL: Final = "jobs"
CHOSEN: Final = "chosen"
"""Given to a run that serves only the stays that a person has chosen (``SqlFees.choose``)."""
ROWS_PER_CALL: Final = 100
"""Where the province's file names no limit (``lines_per_call``)."""
BAD_ROWS_MAX: Final = 20
"""Of a stay in one run: where so many are refused, something else is wrong, and the rest waits for a person."""
TOLD_MAX: Final = 500
_QUEUE_AT_ONCE: Final = 50
_WAIT: Final = frozenset({"GW-1423", "GW-1425", "GW-4101", "GW-4102", "GW-4120"})
"""The stay has something open: what became of it must be known first."""
_IN_WARD: Final = EpisodeQuery(presence=("in_ward",), order="mdtrt_id", descending=False, limit=100_000)


@dataclass(slots=True)
class _Tally:
    """One run."""

    stays: int = 0
    uploaded: int = 0
    calls: int = 0
    left: list[Left] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Ways:
    """What every turn uses."""

    exchange: Exchange
    desk: StayDesk
    fees: SqlFees
    client: Client


class FeeUpload:
    """Uploads what is not uploaded yet.

    Args:
        fees: keeps how each stay stands, and whom a person has chosen.
        records: the HIS's own records; None where there is no way to them.
        operator: workstation fields in whose name it is sent.
        clock: the gateway's clock, aware.
    """

    def __init__(
        self,
        exchange: Exchange,
        desk: StayDesk,
        episodes: Episodes,
        fees: SqlFees,
        records: Callable[[], HospitalRecords | None],
        operator: Mapping[str, str],
        clock: Callable[[], datetime],
    ) -> None:
        self._ways = _Ways(exchange, desk, fees, Client(CLIENT, transactions=(UPLOAD,), workstation=operator))
        self._episodes = episodes
        self._fees = fees
        self._records = records
        self._clock = clock

    def work(self, run: Run) -> Result:
        """The job ``fee_upload``: of every inpatient by the HIS and of whom a person has chosen (``{"chosen": true}``:
        of these alone), or the rows in ``{"rows": [...]}`` (``ipt_no`` and 2301's fields).

        Raises:
            JobFailed: there is no way to the HIS, the list cannot be used, or nothing can be sent now.
            HisError: the HIS cannot be read.
        """
        tally, given = _Tally(), _given(run.given)
        if given is not None:
            self._told(run, given, tally)
        else:
            if not run.given.get(CHOSEN):
                self._everybody(run, tally)
            self._chosen(run, tally)
        log.info("fees_uploaded", rows=tally.uploaded, calls=tally.calls, left=len(tally.left))
        detail = {"left": [one.told() for one in tally.left[:TOLD_MAX]]}
        return Result({"住院": tally.stays, "已上传行": tally.uploaded, "调用": tally.calls}, len(tally.left), detail)

    def _told(self, run: Run, given: Mapping[str, Sequence[Row]], tally: _Tally) -> None:
        for done, (ipt_no, rows) in enumerate(given.items()):
            run.advance(done, len(given))
            turn = _Turn(self._ways, run, tally, StayRef(ipt_no), told=True)
            turn.take(rows)
        run.advance(len(given), len(given))

    def _everybody(self, run: Run, tally: _Tally) -> None:
        stays = [
            StayRef(one.ipt_no, one.mdtrt_id) for one in self._episodes.stays(_IN_WARD) if one.ipt_no and one.mdtrt_id
        ]
        for done, ref in enumerate(stays):
            run.advance(done, len(stays) + self._fees.queued())
            self._by_his(run, ref, tally)

    def _chosen(self, run: Run, tally: _Tally) -> None:
        while chosen := self._fees.queue(_QUEUE_AT_ONCE):
            for work in chosen:
                run.advance(tally.stays, tally.stays + self._fees.queued())
                self._by_his(run, StayRef(work.ipt_no, work.mdtrt_id), tally, work)
        run.advance(tally.stays, tally.stays)

    def _by_his(self, run: Run, ref: StayRef, tally: _Tally, work: FeeWork | None = None) -> None:
        turn = _Turn(self._ways, run, tally, ref, told=False, look=work is not None and work.wish == "look")
        try:
            turn.take(self._of_his(ref.ipt_no, turn))
        except JobFailed as failed:
            self._keep(turn, str(failed), None)
            raise
        self._keep(turn, turn.note, work.wished_at if work else None)

    def _keep(self, turn: _Turn, note: str, served: datetime | None) -> None:
        left = [one.explained() for one in turn.left if one.feedetl_sn]
        found = FeeWork(
            turn.ref.mdtrt_id, turn.ref.ipt_no, waiting=turn.waiting, bad=len(left), left=left[:TOLD_MAX], note=note
        )
        self._fees.keep(found, self._clock(), served)

    def _of_his(self, ipt_no: str, turn: _Turn) -> Sequence[Row]:
        records = self._records()
        if records is None:
            raise JobFailed(
                "没有设置到 HIS 的途径（his.url 或 his.service）；可用 yibao jobs run fee_upload --with 文件 上传一份费用清单"
            )
        page = records.of_stay("fees", ipt_no)
        turn.leave(row_unread(one, ipt_no) for one in page.wrong)
        return page.rows


class _Turn:
    """One stay in one run; what the platform refuses is halved until the rows that it refuses stand alone.

    Args:
        told: a person gave the rows.
        look: compare only.
    """

    def __init__(self, ways: _Ways, run: Run, tally: _Tally, ref: StayRef, *, told: bool, look: bool = False) -> None:
        self.ref = ref
        self.note = ""
        """Why it went no further."""
        self.waiting = 0
        self.left: list[Left] = []
        self._ways = ways
        self._run = run
        self._tally = tally
        self._told = told
        self._look = look
        self._refused_rows = 0
        tally.stays += 1

    def leave(self, left: Iterable[Left]) -> None:
        """Rows that stay behind."""
        found = list(left)
        self.left += found
        self._tally.left += found

    def take(self, rows: Sequence[Row]) -> None:
        """Send what fits. Raises ``JobFailed`` when nothing was sent and nothing else could be sent now."""
        judged = self._ways.desk.judged(self.ref)
        stay = judged.stay
        if problem := not_now(stay, told=self._told):
            self._stop(problem, stay, told=bool(rows))
            return
        fit, unfit = sorted_out(rows, judged)
        self.leave(unfit)
        self.waiting = len(fit)
        self._count()
        if not self._look:
            self._send_all(fit, stay)

    def _send_all(self, fit: Sequence[Row], stay: Stay) -> None:
        interface = self._ways.exchange.interface
        messages = [_message_row(row, stay, interface) for row in fit]
        size = _rows_per_call(interface)
        for begin in range(0, len(messages), size):
            if not self._send(messages[begin : begin + size], stay):
                reason = f"{self.note}；余下的（至多 {len(messages) - begin} 行）由下一次继续"
                self._stop(reason, stay, told=True)
                return

    def _stop(self, reason: str, stay: Stay, *, told: bool) -> None:
        self.note = reason
        if told:
            self.leave([Left(self.ref.ipt_no, stay.mdtrt_id, "", "", reason)])

    def _send(self, rows: Sequence[Row], stay: Stay) -> bool:
        """Whether to go on with this stay."""
        if not rows:
            return True
        self._run.go_on()
        reply = self._sent(rows)
        self._tally.calls += 1
        if reply.infcode == "0":
            self._went(len(rows))
            return True
        if reply.code in _WAIT:
            self.note = f"该次住院有交易未了结（{reply.code} {reply.err_msg[:100]}）"
            return False
        if nothing_goes(reply, self._ways.exchange.interface):
            raise JobFailed(
                f"现在发不出去（本次已上传 {self._tally.uploaded} 行），余下的由下一次继续：{reply.err_msg}"
            )
        return self._refused(rows, reply, stay)

    def _sent(self, rows: Sequence[Row]) -> Reply:
        message, under = {NODE: list(rows)}, self._run.registration
        call = Call(self._ways.client, UPLOAD, message, dumps(message), CHANNEL, under=under)
        return self._ways.exchange.handle(call)

    def _went(self, count: int) -> None:
        self._tally.uploaded += count
        self.waiting -= count
        self._count()

    def _count(self) -> None:
        if not self._told:
            self._ways.fees.count(self.ref, self.waiting, len(self.left))

    def _refused(self, rows: Sequence[Row], reply: Reply, stay: Stay) -> bool:
        named = rows_named(reply, len(rows))
        if len(rows) == 1:
            named = named or {0: [Wrong("platform", reply.err_msg)]}
        for number, wrong in sorted(named.items()):
            self.leave([row_left(rows[number], stay, reply.code, wrong)])
        self._refused_rows += len(named)
        self.waiting -= len(named)
        self._count()
        if self._refused_rows >= BAD_ROWS_MAX:
            self.note = f"已有 {self._refused_rows} 行被拒绝，最近一行：{reply.err_msg[:100]}"
            return False
        if named:
            return self._send([row for number, row in enumerate(rows) if number not in named], stay)
        middle = len(rows) // 2
        return self._send(rows[:middle], stay) and self._send(rows[middle:], stay)


# ------------------------------------------------------------- what is sent


def _message_row(row: Row, stay: Stay, interface: Interface) -> dict[str, Any]:
    (node,) = [one for one in interface.operation(UPLOAD).input.nodes if one.name == NODE]
    names = {spec.name for spec in node.fields}
    known = {"mdtrt_id": stay.mdtrt_id, "psn_no": stay.psn_no, "med_type": stay.med_type}
    found = {name: value for name, value in {**known, **row}.items() if name in names and value not in (None, "")}
    return {**found, "mdtrt_id": stay.mdtrt_id, "psn_no": stay.psn_no}


def _rows_per_call(interface: Interface) -> int:
    limits = interface.contract.settings.get("lines_per_call")
    found = limits.get(UPLOAD) if isinstance(limits, Mapping) else None
    return found if isinstance(found, int) and found > 0 else ROWS_PER_CALL


# ------------------------------------------------------------- a person's list


def _given(given: Mapping[str, Any]) -> dict[str, list[Row]] | None:
    """Rows by ``ipt_no``; None when no list was given. Raises ``JobFailed`` with the first thing that is wrong."""
    if "rows" not in given:
        return None
    rows = given["rows"]
    if not isinstance(rows, list) or not rows:
        raise JobFailed("rows 应为费用行的数组，每行有 ipt_no 与 2301 的各字段")
    found: dict[str, list[Row]] = defaultdict(list)
    for number, row in enumerate(rows, 1):
        for name in (IPT_NO, "feedetl_sn"):
            if not isinstance(row, dict) or not isinstance(row.get(name), str) or not row[name].strip():
                raise JobFailed(f"第 {number} 行缺少 {name}")
        found[row[IPT_NO].strip()].append({**row, "feedetl_sn": row["feedetl_sn"].strip()})
    return dict(found)
