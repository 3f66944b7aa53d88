"""One day of reconciliation: totals, details where there is something to compare, cases, and doubts that the list settles."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, Final

import structlog

from gateway.contract.interface import Interface
from gateway.contract.jsontext import dumps
from gateway.exchange.call import Call, Client, Reply
from gateway.exchange.exchange import Exchange
from gateway.exchange.filed import DOWNLOAD, DOWNLOAD_NODE, UPLOAD, UPLOAD_NODE
from gateway.exchange.listed import listed, listed_line
from gateway.exchange.ports import Journal, State
from gateway.exchange.resolver import Resolver
from gateway.files.layout import packed, rows
from gateway.files.shelf import Shelf
from gateway.files.unpack import FileWrong
from gateway.reconcile.books import Books
from gateway.reconcile.cases import Detail, asked_again, insutypes_of, over, shown, unexplained, untyped
from gateway.reconcile.compare import (
    RESULT_WIDTHS,
    UNKNOWN,
    Difference,
    Kind,
    Known,
    Line,
    Told,
    differences,
    read_told,
    totals,
)
from gateway.store.recon import ALL_TYPES, Case, Compared, NewCase, Part, PartKind, PartState, SqlRecon

log = structlog.get_logger(__name__)

TOTAL: Final = "3201"
DETAIL: Final = "3202"
OURSELVES: Final = Client("reconcile", call_s_max=3600)
"""Stands in the journal for what reconciliation asks."""
CASES_MAX: Final = 10_000

Progress = Callable[[str, int, int], None]
"""Is told what is being done, and how much of it: ``(text, done, total)``; total 0 where it is not known."""


class CannotCompare(Exception):
    """A part of the day could not be compared; the text (Chinese) says why. The next run tries again."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What is compared even on a day on which the journal has none of it: the platform may have.

    Args:
        institution: ``fixmedins_code``.
        setl_optins: the clearing agency.
        insutypes, clr_types: as the institution deals with them.
    """

    institution: str
    setl_optins: str
    insutypes: Sequence[str]
    clr_types: Sequence[str]


@dataclass(frozen=True, slots=True)
class DayResult:
    """How a day came out."""

    day: str
    parts: Sequence[Part]
    cases: Sequence[Case]
    """All of the day, closed ones too."""

    @property
    def open_cases(self) -> list[Case]:
        return [case for case in self.cases if case.state == "open"]

    @property
    def whole(self) -> bool:
        """Whether every part could be compared."""
        return all(part.state != "failed" for part in self.parts)


class Reconciliation:
    """Compares days with the platform, through the same exchange as everything else.

    Args:
        exchange: carries 3201, 3202, 9101 and 9102.
        resolver: is handed what the list tells of doubtful exchanges.
        records: parts and cases.
        shelf: where the result file lies after 9102.
        head: who stands in the head of what is asked.
        clock: aware, Asia/Shanghai.
    """

    def __init__(
        self,
        *,
        exchange: Exchange,
        journal: Journal,
        interface: Callable[[], Interface],
        resolver: Resolver,
        records: SqlRecon,
        shelf: Shelf,
        scope: Scope,
        head: Mapping[str, str],
        clock: Callable[[], datetime],
    ) -> None:
        self._exchange = exchange
        self._journal = journal
        self._interface = interface
        self._resolver = resolver
        self._records = records
        self._shelf = shelf
        self._scope = scope
        self._head = dict(head)
        self._clock = clock

    def run_day(self, day: date, told: Progress = lambda _, __, ___: None) -> DayResult:
        """Compare one day. May be run as often as one likes: what is repaired closes, what is new opens.

        Raises:
            JournalUnavailable: the store cannot be read or written; nothing was kept.
        """
        books = Books(self._journal, self._interface(), self._scope.setl_optins)
        lines = books.lines(day, lambda read: told("读取日志", read, 0))
        parts: list[Part] = []
        before = self._records.cases(day.isoformat(), day.isoformat(), limit=CASES_MAX)
        wanted = self._pairs(lines, before)
        for place, (setl_optins, insutype, clr_type) in enumerate(wanted):
            told("对总账 3201", place, len(wanted))
            mine = [one for one in lines if (one.setl_optins, one.insutype, one.clr_type) == wanted[place]]
            parts.append(self._total(day, setl_optins, insutype, clr_type, mine))
        details = self._details(day, books, lines, parts, told)
        found = Compared(
            day=day.isoformat(),
            parts=[*parts, *(one.part for one in details)],
            cases=[*unexplained(parts, details), *untyped(lines), *(case for one in details for case in one.cases)],
            over=over(parts, details),
        )
        cases = self._records.keep(found, self._clock())
        told("完成", 1, 1)
        result = DayResult(found.day, found.parts, cases)
        log.info("reconciled", day=found.day, lines=len(lines), open=len(result.open_cases), whole=result.whole)
        return result

    def recheck(self, told: Progress = lambda _, __, ___: None) -> list[DayResult]:
        """Compare again every day that has open cases or could not be compared whole."""
        days = self._records.unsettled_days()
        results = []
        for place, day in enumerate(days):
            told(f"复核 {day}", place, len(days))
            results.append(self.run_day(date.fromisoformat(day)))
        return results

    def month(self, year: int, month: int, told: Progress = lambda _, __, ___: None) -> list[DayResult]:
        """Compare every day of a month that is over."""
        first = date(year, month, 1)
        days = [first + timedelta(days=number) for number in range(31)]
        past = [day for day in days if day.month == month and day < self._clock().date()]
        results = []
        for place, day in enumerate(past):
            told(day.isoformat(), place, len(past))
            results.append(self.run_day(day))
        return results

    # ------------------------------------------------------------ totals

    def _pairs(self, lines: Sequence[Line], before: Sequence[Case]) -> list[tuple[str, str, str]]:
        scope = self._scope
        always = {
            (scope.setl_optins, insutype, clr_type) for insutype in scope.insutypes for clr_type in scope.clr_types
        }
        return sorted(
            always | asked_again(before) | {(line.setl_optins, line.insutype, line.clr_type) for line in lines}
        )

    def _total(self, day: date, setl_optins: str, insutype: str, clr_type: str, lines: Sequence[Line]) -> Part:
        make = partial(self._part, day, "total", setl_optins, insutype, clr_type, lines)
        if UNKNOWN in (insutype, clr_type):
            msgids = "、".join(line.msgid for line in lines[:10])
            return make("uneven", f"成交而没有险种或清算类别，不能对账：msgid {msgids}", None)
        sums, _, count = totals(lines)
        data = {
            "insutype": insutype,
            "clr_type": clr_type,
            "setl_optins": setl_optins,
            "stmt_begndate": day.isoformat(),
            "stmt_enddate": day.isoformat(),
            **{name: f"{amount:.2f}" for name, amount in sums._asdict().items()},
            "fixmedins_setl_cnt": str(count),
            **self._refunds_too(TOTAL),
        }
        reply = self._ask(TOTAL, {"data": data})
        if reply.code:
            return make("failed", reply.err_msg, reply.exchange_id)
        info = _node(reply.output, "stmtinfo")
        if not info.get("stmt_rslt"):
            return make("failed", "平台没有给出对账结果", reply.exchange_id)
        even = not str(info["stmt_rslt"]).strip("0")
        return make("even" if even else "uneven", str(info.get("stmt_rslt_dscr") or ""), reply.exchange_id)

    # ----------------------------------------------------------- details

    def _details(
        self, day: date, books: Books, lines: Sequence[Line], parts: Sequence[Part], told: Progress
    ) -> list[Detail]:
        """Where there are lines here, or where the sums say that there are some there."""
        wanted = {(line.setl_optins, line.clr_type) for line in lines}
        wanted |= {(part.setl_optins, part.clr_type) for part in parts if part.state != "even"}
        wanted = {group for group in wanted if UNKNOWN not in group}
        found = []
        for place, (setl_optins, clr_type) in enumerate(sorted(wanted)):
            told("对明细账 3202", place, len(wanted))
            mine = [one for one in lines if (one.setl_optins, one.clr_type) == (setl_optins, clr_type)]
            found.append(self._detail(day, books, setl_optins, clr_type, mine))
        return found

    def _detail(self, day: date, books: Books, setl_optins: str, clr_type: str, lines: Sequence[Line]) -> Detail:
        make = partial(self._part, day, "detail", setl_optins, ALL_TYPES, clr_type, lines)
        exchange_id: int | None = None
        try:
            number = self._upload(day, clr_type, lines)
            reply = self._compare(day, setl_optins, clr_type, number, lines)
            exchange_id = reply.exchange_id
            told = self._result(_node(reply.output, "fileinfo"))
        except (CannotCompare, FileWrong) as error:
            return Detail(make("failed", str(error), exchange_id))
        known = books.known(one.msgid for one in told)
        self._settle_doubts(told, known, setl_optins, clr_type)
        known = books.known(one.msgid for one in told)
        found = differences(lines, told, known)
        text = f"{len(told)} 行，差异 {len(found)} 笔"
        cases = [_case(one, setl_optins, clr_type) for one in found]
        part = make("uneven" if found else "even", text, exchange_id)
        return Detail(part, cases, insutypes_of(found, lines))

    def _upload(self, day: date, clr_type: str, lines: Sequence[Line]) -> str:
        name = f"{self._scope.institution}_{day:%Y%m%d}_{clr_type}.txt"
        content = packed(name, (line.columns for line in lines))
        node = {
            "in": base64.b64encode(content).decode(),
            "filename": f"{name}.zip",
            "fixmedins_code": self._scope.institution,
        }
        reply = self._ask(UPLOAD, {UPLOAD_NODE: node})
        number = str(reply.output.get("file_qury_no") or "") if isinstance(reply.output, dict) else ""
        if reply.code or not number:
            raise CannotCompare(f"明细文件没有上传（9101）：{reply.err_msg or '平台没有给出文件查询号'}")
        return number

    def _compare(self, day: date, setl_optins: str, clr_type: str, number: str, lines: Sequence[Line]) -> Reply:
        sums, cash, count = totals(lines)
        data = {
            "setl_optins": setl_optins,
            "file_qury_no": number,
            "stmt_begndate": day.isoformat(),
            "stmt_enddate": day.isoformat(),
            "medfee_sumamt": f"{sums.medfee_sumamt:.2f}",
            "fund_pay_sumamt": f"{sums.fund_pay_sumamt:.2f}",
            "cash_payamt": f"{cash:.2f}",
            "fixmedins_setl_cnt": str(count),
            "clr_type": clr_type,
            **self._refunds_too(DETAIL),
        }
        reply = self._ask(DETAIL, {"data": data})
        if reply.code:
            raise CannotCompare(f"对明细账（3202）没有办成：{reply.err_msg}")
        return reply

    def _result(self, info: Mapping[str, Any]) -> list[Told]:
        """The lines of the result file. Raises ``CannotCompare``, ``FileWrong``."""
        number, name = str(info.get("file_qury_no") or ""), str(info.get("filename") or "")
        if not number or not name:
            raise CannotCompare("平台没有给出对账结果文件")
        node = {"file_qury_no": number, "filename": name, "fixmedins_code": self._scope.institution}
        reply = self._ask(DOWNLOAD, {"fsDownloadIn": node})
        place = self._shelf.find(str(_node(reply.output, DOWNLOAD_NODE).get("sha256") or ""))
        if reply.code or place is None:
            raise CannotCompare(f"对账结果文件没有取回（9102）：{reply.err_msg or '没有文件'}")
        try:
            return [read_told(columns) for columns in rows(place, RESULT_WIDTHS)]
        except ValueError as error:
            raise CannotCompare(f"对账结果文件：{error}") from error

    def _settle_doubts(self, told: Sequence[Told], known: Mapping[str, Known], setl_optins: str, clr_type: str) -> None:
        """What the platform lists it has executed: evidence, and a step of the resolver, which alone decides."""
        for one in told:
            mine = known.get(one.msgid)
            if mine is None or mine.state not in (State.IN_DOUBT, State.ESCALATED):
                continue
            if listed_line(self._journal.proofs(mine.exchange_id)) is None:
                names = {
                    "clr_optins": setl_optins,
                    "clr_type": clr_type,
                    "setl_id": one.setl_id,
                    "mdtrt_id": one.mdtrt_id,
                    "psn_no": one.psn_no,
                }
                amounts = one.amounts._asdict() if one.amounts else {}
                line = names | {name: f"{amount:.2f}" for name, amount in amounts.items()}
                self._journal.add_proof(mine.exchange_id, listed(one.msgid, line, self._clock()))
            self._resolver.step(mine.exchange_id)

    # ------------------------------------------------------------- asking

    def _ask(self, infno: str, message: Mapping[str, Any]) -> Reply:
        return self._exchange.handle(Call(OURSELVES, infno, message, dumps(message), OURSELVES.name, self._head))

    def _refunds_too(self, infno: str) -> dict[str, str]:
        """Flags that tell that refunds are among the lines, where this province's table has them."""
        (node,) = self._interface().contract.transactions[infno].input.nodes
        names = {spec.name for spec in node.fields}
        return dict.fromkeys(sorted(names & {"refd_setl_flag", "fixmedins_refd_setl_flag"}), "1")

    def _part(
        self,
        day: date,
        kind: PartKind,
        setl_optins: str,
        insutype: str,
        clr_type: str,
        lines: Sequence[Line],
        state: PartState,
        told: str,
        exchange_id: int | None,
    ) -> Part:
        sums, cash, count = totals(lines)
        return Part(
            day=day.isoformat(),
            kind=kind,
            setl_optins=setl_optins,
            insutype=insutype,
            clr_type=clr_type,
            state=state,
            line_count=count,
            medfee_cents=_cents(sums.medfee_sumamt),
            fund_cents=_cents(sums.fund_pay_sumamt),
            acct_cents=_cents(sums.acct_pay),
            cash_cents=_cents(cash),
            told=told,
            exchange_id=exchange_id,
            checked_at=self._clock(),
        )


def _case(one: Difference, setl_optins: str, clr_type: str) -> NewCase:
    content = {
        "cause": one.cause,
        "setl_id": one.setl_id,
        "psn_no": one.psn_no,
        "mdtrt_id": one.mdtrt_id,
        "refund": one.refund,
        "ours": shown(one.ours),
        "theirs": shown(one.theirs),
    }
    key = "|".join((one.key[0], "refund" if one.refund else ""))
    return NewCase(Kind(one.kind).value, setl_optins, clr_type, one.msgid, one.exchange_id, key, content)


def _node(output: Any, name: str) -> Mapping[str, Any]:
    node = output.get(name) if isinstance(output, dict) else None
    node = node[0] if isinstance(node, list) and node else node
    return node if isinstance(node, dict) else {}


def _cents(amount: Decimal) -> int:
    return int(amount * 100)
