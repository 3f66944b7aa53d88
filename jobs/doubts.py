"""How the settling of doubts stands, and an alarm when nobody is at it any more.

Doubts are settled by a thread of every node, second by second (``exchange/resolver_turn.py``), and by no job: a job has one
runner and a timetable, and a doubt must wait for neither. What a job has and a thread has not is a history, and an alert
when it fails or falls silent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from gateway.exchange.ports import Exchange, Journal, Query, State
from gateway.exchange.states import UNRESOLVED
from gateway.store.jobs import GOOD, SqlJobs
from jobs.job import JobFailed, Result, Run

JOB: Final = "doubts"
SILENT_S_MAX: Final = 600.0
"""A step asks the platform a few times and is over within minutes; the thread shows itself before each."""
LATE: Final = timedelta(minutes=5)
COUNTED_MAX: Final = 1000
TOLD_MAX: Final = 500


class Doubts:
    """Looks at what is doubtful, and at the resolver of this node.

    Args:
        silent_s: seconds since the resolver's thread last showed itself.
        clock: the gateway's clock, aware.
    """

    def __init__(
        self, journal: Journal, jobs: SqlJobs, silent_s: Callable[[], float], clock: Callable[[], datetime]
    ) -> None:
        self._journal = journal
        self._jobs = jobs
        self._silent_s = silent_s
        self._clock = clock

    def work(self, run: Run) -> Result:
        """The job ``doubts``; what is left are exchanges that wait for a person.

        Raises:
            JobFailed: the resolver of this node stands still. Others may be at it; the text says whether anything waits.
        """
        run.go_on()
        now = self._clock()
        doubts, escalated = self._of(State.IN_DOUBT), self._of(State.ESCALATED)
        due = [one for one in doubts if _due_at(one) <= now]
        late = [one for one in due if now - _due_at(one) > LATE]
        silent_s = self._silent_s()
        if silent_s > SILENT_S_MAX:
            waiting = f"{len(late)} 笔结果未知的交易无人核实" if late else "现在没有逾期未核实的交易"
            raise JobFailed(f"本节点的核实已停顿 {silent_s / 60:.0f} 分钟，{waiting}；请查看日志后重启网关")
        counts = {
            "结果未知": len(doubts),
            "到期待核实": len(due),
            "逾期": len(late),
            "上次以来了结": self._settled(),
        }
        told = {"open": _ids([*doubts, *escalated]), "late": _ids(late)}
        return Result(counts, left=len(escalated), detail=told)

    def _of(self, state: State) -> list[Exchange]:
        return self._journal.search(Query(states=(state,), limit=COUNTED_MAX))

    def _settled(self) -> int:
        """Of those that were open when the last run looked."""
        before = self._jobs.newest(JOB, GOOD)
        entries = [self._journal.get(number) for number in (before.detail.get("open", ()) if before else ())]
        return sum(one is not None and one.state not in UNRESOLVED for one in entries)


def _due_at(entry: Exchange) -> datetime:
    """When the resolver should look next: at once where it has not looked yet."""
    return entry.next_try_at or entry.finished_at or entry.received_at


def _ids(entries: Sequence[Exchange]) -> list[int]:
    return [one.id for one in entries[:TOLD_MAX]]
