"""Fees of inpatients to the platform (2301), in batches, from the HIS's own records or from a list that a person gives.

What has been uploaded is known from acknowledged exchanges alone, so a run that broke off anywhere is gone on with by the next one, and no
row goes twice: not while its 2301 is in doubt, and not after a person has taken it back by its number.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

import structlog

from gateway.contract.interface import Interface
from gateway.contract.jsontext import dumps
from gateway.episodes import Episodes
from gateway.exchange.call import Call, Client, Reply
from gateway.exchange.exchange import Exchange
from gateway.exchange.ports import Registration
from gateway.faults import CONTENT_WRONG
from gateway.rules.stay import FeeRow, Stay
from gateway.rules.times import moment
from gateway.stays.desk import Judged, StayDesk
from gateway.stays.facts import ALL_FEES, base
from gateway.stays.hospital import IPT_NO, HospitalRecords
from gateway.stays.ports import StayRef
from gateway.store.stay_feed import EpisodeQuery
from jobs.job import JobFailed, Result, Run

log = structlog.get_logger(__name__)

UPLOAD: Final = "2301"
REMOVAL: Final = "2302"
NODE: Final = "feedetail"
CLIENT: Final = "fee_upload"
CHANNEL: Final = "jobs"
ROWS_PER_CALL: Final = 100
"""Where the province's file names no limit (``lines_per_call``)."""
BAD_ROWS_MAX: Final = 20
"""Of a stay in one run: where so many are refused, something else is wrong, and the rest waits for a person."""
TOLD_MAX: Final = 500
_WAIT: Final = frozenset({"GW-1423", "GW-1425", "GW-4101", "GW-4102", "GW-4120"})
"""The stay has something open: what became of it must be known first."""
_UNSENT: Final = ("GW-40", "GW-5")
"""Nothing was sent, for reasons that are not in the rows."""

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Left:
    """A row that was not uploaded, and why; ``feedetl_sn`` is empty where it is the whole stay."""

    ipt_no: str
    mdtrt_id: str
    feedetl_sn: str
    code: str
    reason: str


@dataclass(slots=True)
class _Tally:
    uploaded: int = 0
    calls: int = 0
    left: list[Left] = field(default_factory=list)


class FeeUpload:
    """Uploads what is not uploaded yet.

    Args:
        records: the HIS's own records; None where there is no way to them.
        operator: workstation fields in whose name it is sent.
    """

    def __init__(
        self,
        exchange: Exchange,
        desk: StayDesk,
        episodes: Episodes,
        records: Callable[[], HospitalRecords | None],
        operator: Mapping[str, str],
    ) -> None:
        self._exchange = exchange
        self._desk = desk
        self._episodes = episodes
        self._records = records
        self._client = Client(CLIENT, transactions=(UPLOAD,), workstation=operator)

    def work(self, run: Run) -> Result:
        """The job ``fee_upload``: of every inpatient by the HIS, or the rows in ``{"rows": [...]}`` (``ipt_no`` and 2301's fields).

        Raises:
            JobFailed: there is no way to the HIS, the list cannot be used, or nothing can be sent now.
            HisError: the HIS cannot be read.
        """
        tally, given = _Tally(), _given(run.given)
        stays = [StayRef(ipt_no) for ipt_no in given] if given is not None else self._in_ward()
        for done, ref in enumerate(stays):
            run.advance(done, len(stays))
            rows = given[ref.ipt_no] if given is not None else self._of_his(ref.ipt_no, tally)
            self._stay(run, ref, rows, tally, told=given is not None)
        run.advance(len(stays), len(stays))
        log.info("fees_uploaded", rows=tally.uploaded, calls=tally.calls, left=len(tally.left))
        detail = {"left": [_shown(one) for one in tally.left[:TOLD_MAX]]}
        return Result({"住院": len(stays), "已上传行": tally.uploaded, "调用": tally.calls}, len(tally.left), detail)

    def _in_ward(self) -> list[StayRef]:
        return [
            StayRef(one.ipt_no, one.mdtrt_id) for one in self._episodes.stays(_IN_WARD) if one.ipt_no and one.mdtrt_id
        ]

    def _of_his(self, ipt_no: str, tally: _Tally) -> Sequence[Row]:
        records = self._records()
        if records is None:
            raise JobFailed(
                "没有设置 HIS 数据库（his.url）；可用 yibao jobs run fee_upload --with 文件 上传一份费用清单"
            )
        page = records.of_stay("fees", ipt_no)
        tally.left += [Left(ipt_no, "", one.row_id, "", "；".join(one.problems)) for one in page.wrong]
        return page.rows

    # ----------------------------------------------------------------- one stay

    def _stay(self, run: Run, ref: StayRef, rows: Sequence[Row], tally: _Tally, *, told: bool) -> None:
        judged, ipt_no = self._desk.judged(ref), ref.ipt_no
        stay, interface = judged.stay, self._exchange.interface
        if problem := _not_now(stay, told=told):
            tally.left += [Left(ipt_no, stay.mdtrt_id, "", "", problem)] if rows else []
            return
        fit, unfit = _sorted_out(rows, judged)
        tally.left += [Left(ipt_no, stay.mdtrt_id, str(row["feedetl_sn"]), "", reason) for row, reason in unfit]
        messages = [_message_row(row, stay, interface) for row in fit]
        sending = _Sending(self._sent, run, tally, stay)
        size = _rows_per_call(interface)
        for begin in range(0, len(messages), size):
            if not sending.send(messages[begin : begin + size]):
                rest = len(messages) - begin
                reason = f"{sending.stopped_by}；余下的（至多 {rest} 行）由下一次继续"
                tally.left.append(Left(ipt_no, stay.mdtrt_id, "", "", reason))
                return

    def _sent(self, rows: Sequence[Row], under: Registration) -> Reply:
        message = {NODE: list(rows)}
        return self._exchange.handle(Call(self._client, UPLOAD, message, dumps(message), CHANNEL, under=under))


class _Sending:
    """Sends the rows of one stay; what the platform refuses is halved until the rows that it refuses stand alone."""

    def __init__(
        self, send: Callable[[Sequence[Row], Registration], Reply], run: Run, tally: _Tally, stay: Stay
    ) -> None:
        self._send = send
        self._run = run
        self._tally = tally
        self._stay = stay
        self._bad = 0
        self.stopped_by = ""

    def send(self, rows: Sequence[Row]) -> bool:
        """Whether to go on with this stay.

        Raises:
            JobFailed: nothing was sent, and nothing else could be sent now.
        """
        if not rows:
            return True
        self._run.go_on()
        reply = self._send(rows, self._run.registration)
        self._tally.calls += 1
        if reply.infcode == "0":
            self._tally.uploaded += len(rows)
            return True
        if reply.code in _WAIT:
            self.stopped_by = f"该次住院有交易未了结（{reply.code} {reply.err_msg[:100]}）"
            return False
        if reply.code.startswith(_UNSENT):
            raise JobFailed(
                f"现在发不出去（本次已上传 {self._tally.uploaded} 行），余下的由下一次继续：{reply.err_msg}"
            )
        return self._refused(rows, reply)

    def _refused(self, rows: Sequence[Row], reply: Reply) -> bool:
        named = _rows_named(reply, len(rows))
        if len(rows) == 1 or len(named) == len(rows):
            named = named or {0: reply.err_msg}
        for number, reason in sorted(named.items()):
            self._leave(rows[number], reply, reason)
        if self._bad >= BAD_ROWS_MAX:
            self.stopped_by = f"已有 {self._bad} 行被拒绝，最近一行：{reply.err_msg[:100]}"
            return False
        if named:
            return self.send([row for number, row in enumerate(rows) if number not in named])
        middle = len(rows) // 2
        return self.send(rows[:middle]) and self.send(rows[middle:])

    def _leave(self, row: Row, reply: Reply, reason: str) -> None:
        self._bad += 1
        self._tally.left.append(
            Left(self._stay.ipt_no, self._stay.mdtrt_id, str(row.get("feedetl_sn", "")), reply.code, reason[:300])
        )


# --------------------------------------------------------------- which rows

_IN_WARD: Final = EpisodeQuery(presence=("in_ward",), order="mdtrt_id", descending=False, limit=100_000)


def _not_now(stay: Stay, *, told: bool) -> str:
    """Why nothing of a stay is uploaded now; empty when it may be.

    Args:
        told: a person gave the rows.
    """
    if not stay.mdtrt_id or stay.presence == "cancelled":
        return "没有医保入院登记"
    if open_ones := [one for one in stay.unknown if base(one.infno) in (UPLOAD, REMOVAL)]:
        return f"{open_ones[0].infno} 结果未明（交易日志 {open_ones[0].exchange_id}），核实之前不上传"
    if stay.adopted and not told:
        return "启用网关之前的住院，此前上传过哪些费用网关不知道，请由人工上传（--with）"
    return ""


def _sorted_out(rows: Sequence[Row], judged: Judged) -> tuple[list[Row], list[tuple[Row, str]]]:
    """Rows to upload, a refund behind what it refunds; and those that are left, with the reason."""
    stay = judged.stay
    uploaded, taken_back = {fee.feedetl_sn: fee for fee in stay.fees}, _taken_back(judged)
    ward = stay.times.t_ward.minute if stay.times.t_ward else None
    numbers = {str(row["feedetl_sn"]) for row in rows}
    fit: dict[str, Row] = {}
    unfit: list[tuple[Row, str]] = []
    for row in sorted(rows, key=_order):
        number, original = str(row["feedetl_sn"]), str(row.get("init_feedetl_sn") or "")
        occurred = moment(str(row.get("fee_ocur_time", "")), "fee")
        reason = ""
        if number in uploaded:
            reason = _changed(row, uploaded[number])
            if not reason:
                continue
        elif number in fit:
            reason = "费用明细流水号重复"
        elif number in taken_back:
            reason = "已按流水号撤销（2302），不再自动上传"
        elif ward and occurred and occurred.minute < ward:
            reason = "费用发生时间早于入科时间，请人工核对后处理"
        elif original and original not in fit and original not in uploaded:
            reason = "所退的行没有上传" if original in numbers else "所退的行不在费用清单中，也没有上传"
        if reason:
            unfit.append((row, reason))
        else:
            fit[number] = row
    return list(fit.values()), unfit


def _order(row: Row) -> tuple[bool, str, str]:
    return bool(row.get("init_feedetl_sn")), str(row.get("fee_ocur_time", "")), str(row["feedetl_sn"])


def _changed(row: Row, uploaded: FeeRow) -> str:
    try:
        now = Decimal(str(row["cnt"])), Decimal(str(row["det_item_fee_sumamt"]))
    except (KeyError, ArithmeticError):
        return ""
    if now == (uploaded.cnt, uploaded.amount):
        return ""
    return f"HIS 中已改为数量 {now[0]:f}、金额 {now[1]:f}，平台上仍是 {uploaded.cnt:f}、{uploaded.amount:f}；请先撤销（2302）再上传"


def _taken_back(judged: Judged) -> set[str]:
    """Rows that a person has taken back by their numbers; ``0000`` means to begin anew, so it takes nothing back for good."""
    return {
        number
        for one in judged.history.exchanges
        if base(one.infno) == REMOVAL
        for number in one.facts.get("removed", ())
        if number != ALL_FEES
    }


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


def _rows_named(reply: Reply, count: int) -> dict[int, str]:
    """Rows that the gateway's own check names, from 0, with what is wrong; the platform names none."""
    if reply.code != CONTENT_WRONG.code:
        return {}
    found: dict[int, list[str]] = defaultdict(list)
    for problem in reply.problems:
        if problem.node == NODE and problem.row.isdigit() and 1 <= int(problem.row) <= count:
            found[int(problem.row) - 1].append(problem.text)
    return {number: "；".join(texts) for number, texts in found.items()}


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


def _shown(one: Left) -> dict[str, str]:
    return {name: value for name in Left.__slots__ if (value := getattr(one, name))}
