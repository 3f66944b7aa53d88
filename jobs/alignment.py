"""Automatic alignment: 2403 after the ward-in, so that staff find the work done (ET-01, issue "Entry-time rules" point 8).

A stay is aligned through the same ``Exchange`` as by a clerk, so every rule holds here too. What cannot be aligned is put
on a work list with the reason; what nobody knows the end of is never sent again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from gateway.contract.interface import Interface
from gateway.contract.jsontext import dumps
from gateway.contract.model import Transaction
from gateway.episodes import Episodes
from gateway.exchange.call import Call, Client, Reply
from gateway.exchange.exchange import Exchange
from gateway.exchange.ports import Registration
from gateway.rules.stay import Stay
from gateway.stays.desk import StayDesk
from gateway.stays.ports import StayRef
from gateway.store.stay_feed import Episode, EpisodeQuery, StayFeed, WorkEntry
from jobs.job import Result, Run

log = structlog.get_logger(__name__)

CHANGE: Final = "2403"
CLIENT: Final = "alignment"
CHANNEL: Final = "alignment"
PAUSE: Final = timedelta(minutes=4)
PAUSE_MAX: Final = timedelta(hours=6)
UNKNOWN_CODE: Final = "ET02-03"
"""What a discharge would be told of the same stay."""


@dataclass(frozen=True, slots=True)
class Done:
    """How a run went."""

    aligned: tuple[str, ...] = ()
    """``mdtrt_id`` of those whose 2403 was acknowledged."""
    left: tuple[WorkEntry, ...] = ()
    """Those on the work list now."""


class Alignment:
    """Sends 2403 for stays whose 医保入院时间 differs from their 入科时间.

    Args:
        episodes: where they are found.
        desk: knows each of them as it is at this moment.
        exchange: carries the 2403.
        feed: keeps the work list.
        operator: workstation fields in whose name it is sent (``opter, opter_name, opter_type`` ...).
        clock: the gateway's clock, aware.
    """

    def __init__(
        self,
        episodes: Episodes,
        desk: StayDesk,
        exchange: Exchange,
        feed: StayFeed,
        operator: Mapping[str, str],
        clock: Callable[[], datetime],
    ) -> None:
        self._episodes = episodes
        self._desk = desk
        self._exchange = exchange
        self._feed = feed
        self._client = Client(CLIENT, transactions=(CHANGE,), workstation=operator)
        self._clock = clock
        self._running = threading.Lock()

    def run(
        self, progress: Callable[[int, int], None] = lambda _done, _total: None, under: Registration | None = None
    ) -> Done:
        """Align every stay that can be aligned. Two runs at once do nothing twice: the second waits for the first.

        Args:
            progress: told after each stay; what it raises ends the run.
            under: registration of the run by schedule, which asks again for a stay that was refused after ever longer
                pauses, or when its times have changed; None where a person asks: all are tried.
        """
        with self._running:
            found = self._episodes.stays(_OPEN)
            still = {one.mdtrt_id for one in found}
            self._feed.end_work([one.mdtrt_id for one in self._feed.work() if one.mdtrt_id not in still])
            before = {one.mdtrt_id: one for one in self._feed.work()} if under else {}
            aligned, left = [], []
            progress(0, len(found))
            for done, one in enumerate(found, 1):
                tried = before.get(one.mdtrt_id)
                waits = tried is not None and _may_wait(tried, one, self._clock())
                entry = tried if waits else self._one(StayRef(one.ipt_no, one.mdtrt_id), under)
                aligned += [one.mdtrt_id] if entry is None else []
                left += [entry] if entry else []
                progress(done, len(found))
            log.info("alignment_run", aligned=len(aligned), left=len(left))
            return Done(tuple(aligned), tuple(left))

    def one(self, ref: StayRef) -> WorkEntry | None:
        """Align one stay, for the button of the console; what is left to do, None when it is aligned."""
        with self._running:
            return self._one(ref)

    def _one(self, ref: StayRef, under: Registration | None = None) -> WorkEntry | None:
        stay = self._desk.judged(ref).stay
        entry = self._aligned(stay, under)
        if entry is None:
            self._feed.end_work([stay.mdtrt_id])
        else:
            self._feed.set_work(entry)
        return entry

    def _aligned(self, stay: Stay, under: Registration | None) -> WorkEntry | None:
        if stay.alignment == "aligned":
            return None
        if stay.unknown:
            texts = "、".join(f"{one.infno}（交易日志 {one.exchange_id}）" for one in stay.unknown)
            return self._left(stay, UNKNOWN_CODE, f"结果未明：{texts}，核实之前不再发送")
        reply = self._exchange.handle(self._call(stay, under))
        return None if reply.infcode == "0" else self._refused(stay, reply)

    def _call(self, stay: Stay, under: Registration | None) -> Call:
        message = change_message(stay, self._exchange.interface)
        return Call(self._client, CHANGE, message, dumps(message), CHANNEL, under=under)

    def _refused(self, stay: Stay, reply: Reply) -> WorkEntry:
        code = reply.code or reply.infcode
        return replace(self._left(stay, code, reply.err_msg), msgid=reply.msgid, tries=1)

    def _left(self, stay: Stay, code: str, reason: str) -> WorkEntry:
        times = stay.times
        return WorkEntry(
            mdtrt_id=stay.mdtrt_id,
            ipt_no=stay.ipt_no,
            psn_no=stay.psn_no,
            t_ins=times.t_ins.text if times.t_ins else "",
            t_ward=times.t_ward.text if times.t_ward else "",
            code=code,
            reason=reason,
            msgid="",
            tries=0,
            tried_at=self._clock(),
        )


def _may_wait(tried: WorkEntry, now_known: Episode, now: datetime) -> bool:
    """Whether trying again would most probably get the same refusal."""
    if (tried.t_ins, tried.t_ward) != (now_known.t_ins, now_known.t_ward):
        return False
    pause: timedelta = min(PAUSE * 2 ** min(tried.tries, 20), PAUSE_MAX)
    return now - tried.tried_at < pause


def align(alignment: Alignment, run: Run) -> Result:
    """The job ``alignment``; what is left is on the work list (``yibao stays align --list``)."""
    done = alignment.run(run.advance, run.registration)
    return Result({"已办理": len(done.aligned)}, left=len(done.left))


_OPEN: Final = EpisodeQuery(
    ("in_ward",), ("differs",), registered=True, order="mdtrt_id", descending=False, limit=100_000
)


def change_message(stay: Stay, interface: Interface) -> dict[str, Any]:
    """The 2403 that changes 入院时间 to 入科时间 and nothing else: every other field is as last acknowledged.

    Diagnoses go as they were sent last; where the hospital's record says otherwise the rules refuse, and a clerk decides.
    """
    transaction: Transaction = interface.operation(CHANGE)
    known = {**stay.registration, "mdtrt_id": stay.mdtrt_id, "psn_no": stay.psn_no, "ipt_otp_no": stay.ipt_no}
    known |= {"begntime": stay.times.t_ward.text if stay.times.t_ward else ""}
    known.pop("endtime", None)
    message: dict[str, Any] = {}
    for node in transaction.input.nodes:
        names = {spec.name for spec in node.fields}
        if not node.repeat:
            message[node.name] = {name: value for name, value in known.items() if name in names and value != ""}
        elif node.name == "diseinfo" and stay.uploaded:
            message[node.name] = [_row(row, names, stay) for row in stay.uploaded.rows]
    return message


def _row(row: Mapping[str, Any], names: set[str], stay: Stay) -> dict[str, Any]:
    whole = {"mdtrt_id": stay.mdtrt_id, "psn_no": stay.psn_no, **row}
    return {name: value for name, value in whole.items() if name in names}


def waiting(feed: StayFeed, episodes: Episodes) -> tuple[list[Episode], list[WorkEntry]]:
    """What the console shows: stays that differ, and the work list."""
    return episodes.stays(_OPEN), feed.work()
