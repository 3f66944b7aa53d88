"""Settlement lists by themselves: filled, checked, uploaded (4101A), submitted (4102), and how they stand asked (4103).

What has been uploaded is known from acknowledged exchanges alone, so a run that broke off is gone on with by the next one.
A list that does not pass the quality rules is not sent: it is on the work list with the reason, and tried again when
somebody has told something else.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

import structlog

from gateway.contract.jsontext import dumps
from gateway.episodes import Episodes
from gateway.exchange.call import Call, Client, Reply
from gateway.exchange.exchange import Exchange
from gateway.exchange.ports import Registration
from gateway.faults import STAY_UNKNOWN, Refused
from gateway.rules.settlement_list import STATES
from gateway.rules.stay import Settled, Stay
from gateway.stays.desk import Judged, StayDesk
from gateway.stays.lists import (
    ListForm,
    Sheet,
    final_settlements,
    list_sheet,
    status_message,
    status_question,
)
from gateway.stays.ports import StayRef
from gateway.store.stay_feed import EpisodeQuery
from jobs.job import JobFailed, Result, Run, nothing_goes

log = structlog.get_logger(__name__)

UPLOADS: Final = ("4101", "4101A")
STATUS, QUESTION = "4102", "4103"
CLIENT: Final = "settlement_lists"
CHANNEL: Final = "jobs"
TOLD_MAX: Final = 500
_EDITABLE, _SUBMITTED, _RETURNED = "0", "1", "3"

Done = Literal["uploaded", "submitted", "asked", "nothing"]


@dataclass(frozen=True, slots=True)
class Left:
    """A list that waits for a person, and why."""

    ipt_no: str
    mdtrt_id: str
    setl_id: str
    code: str
    reason: str


class SettlementLists:
    """Knows the lists, and sends what is to be sent about them.

    Args:
        form: who uploads, and as which transaction.
        submit: whether a list that was uploaded is submitted at once (4102, 未提交 to 已提交).
        follow: for how long after the admission the state of a submitted list is asked for.
        operator: workstation fields in whose name it is sent by schedule.
    """

    def __init__(
        self,
        exchange: Exchange,
        desk: StayDesk,
        episodes: Episodes,
        form: ListForm,
        operator: Mapping[str, str],
        clock: Callable[[], datetime],
        *,
        submit: bool = True,
        follow: timedelta = timedelta(days=180),
    ) -> None:
        self._exchange = exchange
        self._desk = desk
        self._episodes = episodes
        self._form = form
        self._client = Client(CLIENT, transactions=(*UPLOADS, STATUS, QUESTION), workstation=operator)
        self._clock = clock
        self._submit = submit
        self._follow = follow
        self._running = threading.Lock()

    # ------------------------------------------------------------- one list

    def found(self, ref: StayRef, setl_id: str = "") -> tuple[Judged, Settled]:
        """A stay and one of its settlements: the one named, else the last. Raises ``Refused`` GW-1405."""
        judged = self._desk.judged(ref)
        every = judged.stay.settlements
        wanted = setl_id or ref.setl_id
        settled = next((one for one in reversed(every) if wanted in ("", one.setl_id)), None)
        if settled is None:
            raise Refused(STAY_UNKNOWN, f"{ref}{f'，结算 {wanted}' if wanted else ''}：没有有效的结算")
        return judged, settled

    def sheet(self, judged: Judged, settled: Settled) -> Sheet:
        """The list as it would be uploaded now."""
        desk, interface = self._desk, self._exchange.interface
        return list_sheet(judged, settled, interface, self._form, self._clock(), desk.policy, terms=desk.terms)

    def upload(
        self, judged: Judged, settled: Settled, head: Mapping[str, str] | None = None, under: Registration | None = None
    ) -> Reply:
        """Send the list through the exchange, whatever the rules will say; then submit it where that is wanted."""
        sheet = self.sheet(judged, settled)
        reply = self._sent(sheet.infno, sheet.message, head, under)
        if reply.infcode == "0" and self._submit:
            return self.move(judged.stay, settled.setl_id, _SUBMITTED, head, under)
        return reply

    def move(
        self,
        stay: Stay,
        setl_id: str,
        status: str,
        head: Mapping[str, str] | None = None,
        under: Registration | None = None,
    ) -> Reply:
        """4102: to ``0`` 未提交 or ``1`` 已提交."""
        return self._sent(STATUS, status_message(stay, setl_id, status), head, under)

    def ask(
        self, stay: Stay, setl_id: str, head: Mapping[str, str] | None = None, under: Registration | None = None
    ) -> Reply:
        """4103: how the list stands; kept with the stay."""
        return self._sent(QUESTION, status_question(stay, setl_id), head, under)

    def _sent(
        self, infno: str, message: Mapping[str, Any], head: Mapping[str, str] | None, under: Registration | None
    ) -> Reply:
        call = Call(self._client, infno, message, dumps(message), CHANNEL, head or {}, under=under)
        return self._exchange.handle(call)

    # ---------------------------------------------------------- the job

    def work(self, run: Run) -> Result:
        """The job ``settlement_lists``: every final settlement without a list, and those whose list is on its way.

        Raises:
            JobFailed: nothing can be sent now.
        """
        with self._running:
            stays = self._waiting()
            counts = {"uploaded": 0, "submitted": 0, "asked": 0, "nothing": 0}
            left: list[Left] = []
            for done, ref in enumerate(stays):
                run.advance(done, len(stays))
                judged = self._desk.judged(ref)
                for settled in final_settlements(judged.stay):
                    became = self._one(judged, settled, run.registration)
                    if isinstance(became, Left):
                        left.append(became)
                    else:
                        counts[became] += 1
            run.advance(len(stays), len(stays))
        log.info("settlement_lists_run", uploaded=counts["uploaded"], left=len(left))
        shown = [{name: getattr(one, name) for name in Left.__slots__} for one in left[:TOLD_MAX]]
        told = {"已上传": counts["uploaded"], "补提交": counts["submitted"], "已查询": counts["asked"]}
        return Result(told, left=len(left), detail={"left": shown})

    def _waiting(self) -> list[StayRef]:
        since = (self._clock() - self._follow).strftime("%Y-%m-%d %H:%M:%S")
        settled = self._episodes.stays(_query(("settled",)))
        listed = self._episodes.stays(_query(("listed",), since))
        return [StayRef(one.ipt_no, one.mdtrt_id) for one in (*settled, *listed) if one.mdtrt_id]

    def _one(self, judged: Judged, settled: Settled, under: Registration) -> Done | Left:
        stay = judged.stay
        if stay.unknown:
            open_ones = "、".join(f"{one.infno}（交易日志 {one.exchange_id}）" for one in stay.unknown)
            return self._left(stay, settled, "", f"结果未明：{open_ones}，核实之前不上传")
        if not settled.listed:
            return self._uploaded(judged, settled, under)
        status = settled.list_status or _EDITABLE
        if status == _EDITABLE and self._submit:
            return self._ended(stay, settled, "submitted", self.move(stay, settled.setl_id, _SUBMITTED, under=under))
        if status == _SUBMITTED:
            return self._asked(judged, settled, under)
        if status == _RETURNED:
            return self._left(stay, settled, "", "审核不通过，请修正后重新上传")
        return "nothing"

    def _uploaded(self, judged: Judged, settled: Settled, under: Registration) -> Done | Left:
        sheet = self.sheet(judged, settled)
        if not sheet.allowed:
            return self._left(judged.stay, settled, sheet.code, sheet.reason)
        return self._ended(judged.stay, settled, "uploaded", self.upload(judged, settled, under=under))

    def _asked(self, judged: Judged, settled: Settled, under: Registration) -> Done | Left:
        became = self._ended(judged.stay, settled, "asked", self.ask(judged.stay, settled.setl_id, under=under))
        if isinstance(became, Left):
            return became
        after = self._desk.judged(StayRef(judged.stay.ipt_no, judged.stay.mdtrt_id)).stay
        now = next((one.list_status for one in after.settlements if one.setl_id == settled.setl_id), "")
        return self._left(after, settled, "", "审核不通过，请修正后重新上传") if now == _RETURNED else became

    def _ended(self, stay: Stay, settled: Settled, done: Done, reply: Reply) -> Done | Left:
        if reply.infcode == "0":
            return done
        if nothing_goes(reply, self._exchange.interface):
            raise JobFailed(f"现在发不出去，余下的由下一次继续：{reply.err_msg}")
        return self._left(stay, settled, reply.code or reply.infcode, reply.err_msg)

    def _left(self, stay: Stay, settled: Settled, code: str, reason: str) -> Left:
        return Left(stay.ipt_no, stay.mdtrt_id, settled.setl_id, code, reason[:500])


def _query(settlement: Sequence[str], since: str = "") -> EpisodeQuery:
    return EpisodeQuery(settlement=settlement, set_from=since, order="mdtrt_id", descending=False, limit=100_000)


def state_text(settled: Settled) -> str:
    """How a list stands, for staff."""
    if not settled.listed:
        return "未上传"
    return STATES.get(settled.list_status or _EDITABLE, settled.list_status)
