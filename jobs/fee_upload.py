"""Fees of inpatients to the platform (2301), in batches, from the HIS's own records or from a list that a person gives.

What has been uploaded is known from acknowledged exchanges alone, so a run that broke off anywhere is gone on with by the next one, and no
row goes twice: not while its 2301 is in doubt, and not after a person has taken it back by its number. Of a stay on which nothing was left
only what the HIS has changed since is read (``jobs/fee_reading.py``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import structlog

from gateway.contract.interface import Interface
from gateway.contract.jsontext import dumps
from gateway.episodes import Episodes
from gateway.exchange.call import Call, Client, Reply
from gateway.exchange.exchange import Exchange
from gateway.rules.stay import Stay
from gateway.stays.desk import StayDesk
from gateway.stays.hospital import IPT_NO, HisError, HospitalRecords
from gateway.stays.ports import StayRef
from gateway.store.fees import FeeWork, SqlFees
from gateway.store.stay_feed import EpisodeQuery
from jobs.fee_reading import FeeReader, Reading
from jobs.fee_rows import (
    NODE,
    REFUND,
    UPLOAD,
    Left,
    Row,
    Wrong,
    gone,
    not_now,
    row_left,
    row_unread,
    rows_named,
    sorted_out,
    standing,
)
from jobs.items import ItemBook
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
UNREAD_MAX: Final = 3
"""Stays in a row that the HIS cannot be read of: where it is not one stay that is wrong, the run ends."""
_STAYS_AT_ONCE: Final = 200
_QUEUE_AT_ONCE: Final = 50
_WAIT: Final = frozenset({"GW-1423", "GW-1425", "GW-4101", "GW-4102", "GW-4120"})
"""The stay has something open: what became of it must be known first."""
_IN_WARD: Final = EpisodeQuery(presence=("in_ward",), order="mdtrt_id", descending=False, limit=100_000)


@dataclass(slots=True)
class _Tally:
    """One run.

    Args:
        left: the first of those that were left; ``left_count`` counts all.
        unread: stays in a row that could not be read.
        unread_why: what the HIS said last.
        read: stays that could.
    """

    stays: int = 0
    uploaded: int = 0
    calls: int = 0
    left: list[Left] = field(default_factory=list)
    left_count: int = 0
    unread: int = 0
    unread_why: HisError | None = None
    read: int = 0

    def leave(self, found: Sequence[Left]) -> None:
        self.left_count += len(found)
        self.left += found[: TOLD_MAX - len(self.left)]


@dataclass(frozen=True, slots=True)
class _Ways:
    """What every turn uses."""

    exchange: Exchange
    desk: StayDesk
    fees: SqlFees
    client: Client
    items: ItemBook


class FeeUpload:
    """Uploads what is not uploaded yet.

    Args:
        fees: keeps how each stay stands, and whom a person has chosen.
        records: the HIS's own records; None where there is no way to them.
        operator: workstation fields in whose name it is sent.
        clock: the gateway's clock, aware.
        overlap_s: seconds that reading of a stay begins before where it ended.
        whole_every: at least so often a stay is read whole.
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
        *,
        overlap_s: float = 3600,
        whole_every: timedelta = timedelta(hours=12),
    ) -> None:
        client = Client(CLIENT, transactions=(UPLOAD,), workstation=operator)
        self._ways = _Ways(exchange, desk, fees, client, ItemBook(records))
        self._reader = FeeReader(clock, overlap_s, whole_every)
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
        self._ways.items.begin()
        if given is not None:
            self._told(run, given, tally)
        else:
            if not run.given.get(CHOSEN):
                self._everybody(run, tally)
            self._chosen(run, tally)
        if tally.unread_why is not None and not tally.read:
            raise tally.unread_why
        log.info("fees_uploaded", rows=tally.uploaded, calls=tally.calls, left=tally.left_count)
        detail = {"left": [one.told() for one in tally.left]}
        return Result({"住院": tally.stays, "已上传行": tally.uploaded, "调用": tally.calls}, tally.left_count, detail)

    def _told(self, run: Run, given: Mapping[str, Sequence[Row]], tally: _Tally) -> None:
        for done, (ipt_no, rows) in enumerate(given.items()):
            run.advance(done, len(given))
            turn = _Turn(self._ways, run, tally, StayRef(ipt_no), told=True)
            turn.take(rows)
        run.advance(len(given), len(given))

    def _everybody(self, run: Run, tally: _Tally) -> None:
        stays = [one for one in self._episodes.stays(_IN_WARD) if one.ipt_no and one.mdtrt_id]
        known: Mapping[str, FeeWork] = {}
        for done, one in enumerate(stays):
            if done % _STAYS_AT_ONCE == 0:
                known = self._fees.of([stay.mdtrt_id for stay in stays[done : done + _STAYS_AT_ONCE]])
            run.advance(done, len(stays) + self._fees.queued())
            stands = standing(one.fees_count, one.fees_sum, one.t_ward)
            self._by_his(run, StayRef(one.ipt_no, one.mdtrt_id), tally, known.get(one.mdtrt_id), stands)

    def _chosen(self, run: Run, tally: _Tally) -> None:
        while chosen := self._fees.queue(_QUEUE_AT_ONCE):
            for work in chosen:
                run.advance(tally.stays, tally.stays + self._fees.queued())
                self._by_his(run, StayRef(work.ipt_no, work.mdtrt_id), tally, chosen=work)
        run.advance(tally.stays, tally.stays)

    def _by_his(
        self,
        run: Run,
        ref: StayRef,
        tally: _Tally,
        before: FeeWork | None = None,
        stands: str = "",
        *,
        chosen: FeeWork | None = None,
    ) -> None:
        turn = _Turn(self._ways, run, tally, ref, told=False, look=chosen is not None and chosen.wish == "look")
        served = chosen.wished_at if chosen else None
        reading = self._read(turn, tally, before, stands)
        if reading is None:
            empty = FeeWork(ref.mdtrt_id, ref.ipt_no)
            self._fees.keep(replace(before or chosen or empty, note=turn.note, place={}), self._clock(), served)
            return
        try:
            if reading.tells:
                turn.take(reading.rows, reading)
                stands = turn.stands
        except JobFailed as failed:
            self._keep(turn, str(failed), {}, None)
            raise
        self._keep(turn, turn.note, {} if turn.stirred else {**reading.place, "stands": stands}, served)

    def _read(self, turn: _Turn, tally: _Tally, before: FeeWork | None, stands: str) -> Reading | None:
        """None where this stay cannot be read. Raises ``HisError`` where it is not this one alone."""
        records = self._records()
        if records is None:
            raise JobFailed(
                "没有设置到 HIS 的途径（his.url 或 his.service）；可用 yibao jobs run fee_upload --with 文件 上传一份费用清单"
            )
        try:
            reading = self._reader.read(records, turn.ref.ipt_no, before, stands)
        except HisError as error:
            tally.unread, tally.unread_why = tally.unread + 1, error
            if tally.unread >= UNREAD_MAX:
                raise
            turn.stop(f"读不到这次住院的费用：{error}")
            return None
        tally.read, tally.unread = tally.read + 1, 0
        turn.leave([*reading.carried, *(row_unread(one, turn.ref.ipt_no) for one in reading.wrong)])
        return reading

    def _keep(self, turn: _Turn, note: str, place: Mapping[str, Any], served: datetime | None) -> None:
        named = [one for one in turn.left if one.feedetl_sn]
        left = [one.explained() for one in named[:TOLD_MAX]]
        ref = turn.ref
        found = FeeWork(
            ref.mdtrt_id, ref.ipt_no, waiting=turn.waiting, bad=len(named), left=left, note=note, place=place
        )
        self._fees.keep(found, self._clock(), served)


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
        self._went_rows = 0
        self._ward_in = ""
        self._count_there = 0
        self._sum_there = Decimal(0)
        tally.stays += 1

    @property
    def stands(self) -> str:
        """How the stay stands by now."""
        return standing(self._count_there, self._sum_there, self._ward_in)

    @property
    def stirred(self) -> bool:
        """Whether what went may let a row go that was left: a refund follows what it refunds."""
        return self._went_rows > 0 and any(wrong.rule == REFUND for one in self.left for wrong in one.wrong)

    def leave(self, left: Sequence[Left]) -> None:
        """Rows that stay behind."""
        self.left += left
        self._tally.leave(left)

    def stop(self, reason: str) -> None:
        """Why the stay goes no further, for the run and for the stay."""
        self.note = reason
        self.leave([Left(self.ref.ipt_no, self.ref.mdtrt_id, "", "", reason)])

    def take(self, rows: Sequence[Row], reading: Reading | None = None) -> None:
        """Send what fits. Raises ``JobFailed`` when nothing was sent and nothing else could be sent now.

        Args:
            reading: how the rows were read in the HIS; None where a person gave them.
        """
        judged = self._ways.desk.judged(self.ref)
        stay = judged.stay
        self._ward_in = stay.times.t_ward.text if stay.times.t_ward else ""
        self._count_there = len(stay.fees)
        self._sum_there = sum((fee.amount for fee in stay.fees), Decimal(0))
        if problem := not_now(stay, told=self._told):
            self.note = problem
            if rows:
                self.stop(problem)
            return
        fit, unfit = sorted_out(rows, judged, self._ways.items.code_of, told=self._told)
        self.leave(unfit)
        if reading is not None:
            numbers = {str(row["feedetl_sn"]) for row in rows}
            self.leave(gone(judged, numbers, reading.void, whole=reading.whole and not reading.wrong))
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
                self.stop(f"{self.note}；余下的（至多 {len(messages) - begin} 行）由下一次继续")
                return

    def _send(self, rows: Sequence[Row], stay: Stay) -> bool:
        """Whether to go on with this stay."""
        if not rows:
            return True
        self._run.go_on()
        reply = self._sent(rows)
        self._tally.calls += 1
        if reply.infcode == "0":
            self._went(rows)
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

    def _went(self, rows: Sequence[Row]) -> None:
        self._tally.uploaded += len(rows)
        self._went_rows += len(rows)
        self.waiting -= len(rows)
        self._count_there += len(rows)
        self._sum_there += sum((Decimal(str(row.get("det_item_fee_sumamt") or 0)) for row in rows), Decimal(0))
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
