"""What happened yesterday, from the journal alone: counts, money, what is still open. Kept as the result of the run."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final

from gateway.contract.envelope import Garbage, read_answer
from gateway.contract.interface import Interface
from gateway.episodes import Episodes
from gateway.exchange.ports import Query, State
from gateway.store import Store
from gateway.store.figures import Figure
from gateway.store.stay_feed import EpisodeQuery
from jobs.job import Result, Run, day_given

AMOUNTS: Final = ("medfee_sumamt", "fund_pay_sumamt", "acct_pay", "psn_cash_pay")
"""As the platform answered them (``setlinfo``)."""
ROWS_AT_ONCE: Final = 500
OPEN_COUNTED_MAX: Final = 1000
STAYS_MAX: Final = 100_000


@dataclass(frozen=True, slots=True)
class DailyReport:
    """Makes the report of a day."""

    store: Store
    episodes: Episodes
    interface: Callable[[], Interface]
    clock: Callable[[], datetime]

    def work(self, run: Run) -> Result:
        """The job ``daily_report``: of yesterday, or of ``{"day": "2026-11-21"}`` as given by a person.

        Raises:
            JobFailed: the day that was given is none.
        """
        today = self.clock().date()
        day = day_given(run.given, today) or today - timedelta(days=1)
        begin = datetime.combine(day, time.min, self.clock().tzinfo)
        tally: dict[str, Counter[str]] = defaultdict(Counter)
        money = _Money(self.store, self.interface())
        for count, figure in enumerate(self._figures(begin, begin + timedelta(days=1)), 1):
            tally[figure.infno or "-"][figure.state.value] += 1
            if figure.state is State.CONFIRMED:
                money.add(figure)
            if count % ROWS_AT_ONCE == 0:
                run.advance(count, 0)
        open_now = {state.value: self._count(state) for state in (State.IN_DOUBT, State.ESCALATED)}
        open_stays = EpisodeQuery(("in_ward",), ("differs",), registered=True, limit=STAYS_MAX)
        differs = len(self.episodes.stays(open_stays))
        detail: dict[str, Any] = {
            "day": day.isoformat(),
            "transactions": {infno: dict(sorted(states.items())) for infno, states in sorted(tally.items())},
            "money": money.told(),
            "open": open_now,
            "not_aligned": differs,
        }
        confirmed = sum(states[State.CONFIRMED.value] for states in tally.values())
        counts = {
            "交易": sum(states.total() for states in tally.values()),
            "成交": confirmed,
            "结算类成交": money.count,
            "结果未知": open_now[State.IN_DOUBT.value],
            "待人工核对": open_now[State.ESCALATED.value],
            "入院时间未一致": differs,
        }
        return Result(counts, detail=detail)

    def _figures(self, begin: datetime, end: datetime) -> Iterator[Figure]:
        """Rows received in between. Their numbers are nearly, not quite, in the order of their times."""
        first = self.store.figures.first_since(begin)
        last = (first or 1) - 1
        begin_ms, end_ms = int(begin.timestamp() * 1000), int(end.timestamp() * 1000)
        late_ms = end_ms + int(timedelta(hours=1).total_seconds() * 1000)
        while first is not None and (page := self.store.figures.after(last, ROWS_AT_ONCE)):
            yield from (one for one in page if begin_ms <= one.received_ms < end_ms)
            last = page[-1].id
            if page[0].received_ms >= late_ms:
                return

    def _count(self, state: State) -> int:
        return len(self.store.journal.search(Query(states=(state,), limit=OPEN_COUNTED_MAX)))


class _Money:
    """Sums what the platform answered, per transaction; what was undone since is summed apart."""

    def __init__(self, store: Store, interface: Interface) -> None:
        self._journal = store.journal
        self._success = interface.success_infcodes
        self._settling = {
            infno
            for infno, one in interface.contract.transactions.items()
            if one.safety == "money"
            and any(spec.name == AMOUNTS[0] for node in one.output.nodes for spec in node.fields)
        }
        self._sums: dict[str, dict[str, Decimal]] = {}
        self._counts: dict[str, Counter[str]] = defaultdict(Counter)

    @property
    def count(self) -> int:
        return sum(counts["count"] for counts in self._counts.values())

    def add(self, figure: Figure) -> None:
        """Count a confirmed exchange if it tells of money."""
        if figure.infno not in self._settling:
            return
        row, bodies = self._journal.get(figure.id), self._journal.bodies(figure.id)
        answer = (bodies and (bodies.proof_answer or bodies.platform_answer)) or b""
        counts = self._counts[figure.infno]
        counts["count"] += 1
        counts["undone"] += row is not None and row.undone_by is not None
        found = _amounts(answer, self._success)
        counts["without_amounts"] += not found
        sums = self._sums.setdefault(figure.infno, dict.fromkeys(AMOUNTS, Decimal(0)))
        for name, amount in found.items():
            sums[name] += amount

    def told(self) -> dict[str, dict[str, Any]]:
        """As JSON; amounts as text."""
        return {
            infno: {**counts, **{name: f"{amount:.2f}" for name, amount in self._sums[infno].items()}}
            for infno, counts in sorted(self._counts.items())
        }


def _amounts(answer: bytes, success: frozenset[str]) -> dict[str, Decimal]:
    """Amounts of an answer by name, wherever its node is; empty when it cannot be read."""
    try:
        output = read_answer(answer, success).output
    except Garbage:
        return {}
    nodes = [output, *output.values()] if isinstance(output, dict) else []
    for node in nodes:
        if isinstance(node, dict) and AMOUNTS[0] in node:
            return {name: Decimal(str(node[name])) for name in AMOUNTS if _is_number(node.get(name))}
    return {}


def _is_number(value: object) -> bool:
    try:
        return Decimal(str(value)).is_finite()
    except ArithmeticError:
        return False
