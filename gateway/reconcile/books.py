"""Our side of the books, from the journal alone: confirmed money exchanges as lines of a day."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any, Final

import structlog

from gateway.contract.codec import as_text
from gateway.contract.envelope import Garbage, read_answer
from gateway.contract.interface import Interface
from gateway.contract.jsontext import loads
from gateway.exchange.effects import REVERSAL
from gateway.exchange.entries import SHANGHAI
from gateway.exchange.ports import Bodies, Exchange, Journal, Query, State
from gateway.exchange.states import UNRESOLVED
from gateway.faults import Unreadable
from gateway.reconcile.compare import UNKNOWN, ZERO, Amounts, Known, Line, yuan

log = structlog.get_logger(__name__)

Seen = Callable[[int], None]
"""Is told how many exchanges have been read."""

PAGE: Final = 500
AROUND: Final = timedelta(days=1)
"""The answer's own ``setl_time`` counts; a clock apart, and an answer after midnight, are within a day of it."""
SETTLEMENT: Final = "setlinfo"


@dataclass(frozen=True)
class Books:
    """Reads lines from a journal.

    Args:
        setl_optins: the clearing agency where an answer names none.
    """

    journal: Journal
    interface: Interface
    setl_optins: str

    @cached_property
    def settling(self) -> frozenset[str]:
        """Transactions that settle: money, undone by another one, and answered with ``setlinfo``."""
        found = self.interface.contract.transactions.values()
        return frozenset(
            one.infno
            for one in found
            if one.safety == "money" and one.undone_by and any(node.name == SETTLEMENT for node in one.output.nodes)
        )

    @cached_property
    def cancelling(self) -> frozenset[str]:
        """Transactions that undo those."""
        found = self.interface.contract.transactions
        return frozenset(undo for infno in self.settling if (undo := found[infno].undone_by))

    def lines(self, day: date, seen: Seen = lambda _: None) -> list[Line]:
        """Every line of a day, oldest first.

        Args:
            day: of ``setl_time``, in Shanghai.
            seen: progress.
        """
        start = datetime(day.year, day.month, day.day, tzinfo=SHANGHAI)
        found: list[Line] = []
        read = 0
        for infno in sorted(self.settling | self.cancelling):
            query = Query(infno=infno, states=(State.CONFIRMED,), since=start - AROUND, until=start + 2 * AROUND)
            for row in self._rows(query):
                read += 1
                seen(read)
                line = self._line(row)
                if line is not None and line.day == day.isoformat():
                    found.append(line)
        return sorted(found, key=lambda line: line.exchange_id)

    def known(self, msgids: Iterable[str]) -> dict[str, Known]:
        """What the journal knows of these messages; those it has never sent are missing."""
        found = {}
        for msgid in dict.fromkeys(filter(None, msgids)):
            rows = self.journal.search(Query(msgid=msgid, limit=1))
            if rows:
                row = rows[0]
                is_open = row.state in (*UNRESOLVED, State.INTENDED)
                found[msgid] = Known(row.id, row.infno, row.state.value, is_open, row.in_force)
        return found

    def _rows(self, query: Query) -> Iterator[Exchange]:
        before: int | None = None
        while True:
            page = self.journal.search(
                Query(infno=query.infno, states=query.states, since=query.since, until=query.until,
                      limit=PAGE, before_id=before)
            )  # fmt: skip
            yield from page
            if len(page) < PAGE:
                return
            before = page[-1].id

    def _line(self, row: Exchange) -> Line | None:
        """The line of an exchange; None for what 2601 has reversed."""
        if row.undone_by is not None:
            undone = self.journal.get(row.undone_by)
            if undone is not None and undone.infno == REVERSAL:
                return None
        asked, info = self._told(row)
        return self._refund(row, asked, info) if row.infno in self.cancelling else self._settled(row, asked, info)

    def _settled(self, row: Exchange, asked: Mapping[str, Any], info: Mapping[str, Any]) -> Line:
        return Line(
            exchange_id=row.id,
            infno=row.infno,
            msgid=row.msgid or "",
            setl_id=_text(info, "setl_id"),
            mdtrt_id=_text(info, "mdtrt_id") or _text(asked, "mdtrt_id"),
            psn_no=_text(info, "psn_no") or _text(asked, "psn_no"),
            day=_day(row, info),
            setl_optins=_text(info, "clr_optins") or self.setl_optins,
            insutype=_text(info, "insutype") or _text(asked, "insutype") or UNKNOWN,
            clr_type=_text(info, "clr_type") or UNKNOWN,
            amounts=Amounts(*(_amount(row, info, name) for name in Amounts._fields)),
            cash=_amount(row, info, "psn_cash_pay"),
        )

    def _refund(self, row: Exchange, asked: Mapping[str, Any], info: Mapping[str, Any]) -> Line:
        """The settlement that it cancels with the sign turned; one made elsewhere as the answer tells it."""
        setl_id = _text(asked, "setl_id")
        original = self._original(setl_id) or self._settled(row, asked, info)
        return Line(
            exchange_id=row.id,
            infno=row.infno,
            msgid=row.msgid or "",
            setl_id=setl_id,
            mdtrt_id=_text(asked, "mdtrt_id") or original.mdtrt_id,
            psn_no=_text(asked, "psn_no") or original.psn_no,
            day=_day(row, info),
            setl_optins=original.setl_optins,
            insutype=original.insutype,
            clr_type=original.clr_type,
            amounts=Amounts(*(-abs(amount) for amount in original.amounts)),
            cash=-abs(original.cash),
            refund=True,
        )

    def _original(self, setl_id: str) -> Line | None:
        if not setl_id:
            return None
        for row in self.journal.search(Query(keys=[("setl_id", setl_id)], states=(State.CONFIRMED,), limit=PAGE)):
            if row.infno in self.settling:
                line = self._settled(row, *self._told(row))
                if line.setl_id == setl_id:
                    return line
        return None

    def _told(self, row: Exchange) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """The node of the request that names the visit (``data``, ``druginfo``), and ``setlinfo`` of the answer."""
        bodies = self.journal.bodies(row.id)
        if bodies is None:
            return {}, {}
        return _asked(bodies), self._info(bodies)

    def _info(self, bodies: Bodies) -> Mapping[str, Any]:
        try:
            body = bodies.proof_answer or bodies.platform_answer or b""
            output = read_answer(body, self.interface.success_infcodes).output
        except Garbage:
            return {}
        node = output.get(SETTLEMENT) if isinstance(output, dict) else None
        node = node[0] if isinstance(node, list) and node else node
        return node if isinstance(node, dict) else {}


def _asked(bodies: Bodies) -> Mapping[str, Any]:
    try:
        message = loads(bodies.platform_request or b"{}").get("input")
    except (Unreadable, AttributeError):
        return {}
    nodes = message.values() if isinstance(message, dict) else ()
    return next((node for node in nodes if isinstance(node, dict)), {})


def _text(node: Mapping[str, Any], name: str) -> str:
    return as_text(node.get(name)).strip()


def _amount(row: Exchange, node: Mapping[str, Any], name: str) -> Decimal:
    try:
        return yuan(_text(node, name))
    except ValueError:
        log.warning("amount_unreadable", exchange=row.id, field=name)
        return ZERO


def _day(row: Exchange, info: Mapping[str, Any]) -> str:
    told = _text(info, "setl_time")[:10]
    try:
        return date.fromisoformat(told).isoformat()
    except ValueError:
        return (row.finished_at or row.received_at).astimezone(SHANGHAI).date().isoformat()
