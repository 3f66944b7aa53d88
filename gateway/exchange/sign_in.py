"""The sign-in number (9001 ``sign_no``) that goes into every envelope."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from gateway.contract.envelope import Garbage, read_answer
from gateway.contract.interface import Interface
from gateway.contract.jsontext import loads
from gateway.exchange.ports import Exchange, Journal, JournalUnavailable, Query, State

log = structlog.get_logger(__name__)

SIGN_IN: Final = "9001"
SIGN_OUT: Final = "9002"
WAIT_S: Final = 0.05
LOOK_EVERY: Final = timedelta(seconds=5)
"""How long another node's sign-in may go unseen by calls that are not refused for it."""
LATE_MAX: Final = timedelta(minutes=10)
"""A sign-in stands under the time at which it began, by the clock of its node, and is seen when it is over."""
READ_MAX: Final = 1000
PLACE: Final = ("mac", "ip", "dev_no")


@dataclass(frozen=True, slots=True)
class _Newest:
    """The last that is known of an operator."""

    exchange_id: int
    at: datetime
    number: str
    """Empty: signed out."""


class SignIns:
    """Remembers the newest confirmed sign-in of each operator; what other nodes, and this one before it started, have
    carried is read from the journal.

    The newest is the one that was recorded last: clocks of nodes differ, and where a new 9001 ends the number before it,
    the earlier one is of no use.

    Args:
        journal: holds the confirmed 9001 exchanges.
        valid_for: a sign-in is per operator and day (transactions/9001.yaml).
    """

    def __init__(self, journal: Journal, valid_for: timedelta = timedelta(days=1)) -> None:
        self._journal = journal
        self._valid_for = valid_for
        self._newest: dict[str, _Newest] = {}
        self._looked_at: datetime | None = None
        self._lock = threading.Lock()
        self._looking = threading.Lock()

    def number(self, opter: str, now: datetime) -> str:
        """The operator's own sign-in number, else the newest of the institution, else empty."""
        if own := self.own(opter, now):
            return own[1]
        with self._lock:
            every = list(self._newest.values())
        fresh = [one for one in every if self._is_fresh(one, now)]
        return max(fresh, key=lambda one: one.exchange_id).number if fresh else ""

    def own(self, opter: str, now: datetime) -> tuple[datetime, str] | None:
        """When this operator last signed in, and the number; None when that is over."""
        self._look_now_and_then(now)
        with self._lock:
            found = self._newest.get(opter)
        return (found.at, found.number) if found and self._is_fresh(found, now) else None

    def learn(self, entry: Exchange, output: Any) -> None:
        """Take notice of a confirmed 9001 or 9002; any other transaction may hold a ``sign_no`` that is not ours."""
        if entry.infno not in (SIGN_IN, SIGN_OUT):
            return
        number = _find(output, "sign_no") if entry.infno == SIGN_IN else ""
        if number or entry.infno == SIGN_OUT:
            self._keep(entry, number)

    def look(self, now: datetime) -> None:
        """Read what others have signed in and out since. Raises ``JournalUnavailable``."""
        with self._looking:
            self._look(now)

    def _look_now_and_then(self, now: datetime) -> None:
        """Of many calls one reads, every few seconds; the others go on with what is known, except before the first time."""
        if not self._is_due(now) or not self._looking.acquire(blocking=self._looked_at is None):
            return
        try:
            if self._is_due(now):
                self._look(now)
        except JournalUnavailable:
            if self._looked_at is None:
                raise
            log.warning("sign_ins_unread")
            self._looked_at = now
        finally:
            self._looking.release()

    def _is_due(self, now: datetime) -> bool:
        """A clock that was set back counts as time gone by."""
        return self._looked_at is None or not timedelta(0) <= now - self._looked_at < LOOK_EVERY

    def _look(self, now: datetime) -> None:
        since = now - self._valid_for if self._looked_at is None else min(self._looked_at, now) - LATE_MAX
        found = [
            row
            for infno in (SIGN_IN, SIGN_OUT)
            for row in self._journal.search(Query(infno=infno, states=(State.CONFIRMED,), since=since, limit=READ_MAX))
        ]
        # newest first, so that of each operator only what may count has to be read
        for row in sorted(found, key=lambda row: row.id, reverse=True):
            if not self._is_known(row):
                self.learn(row, self._answered(row) if row.infno == SIGN_IN else None)
        self._looked_at = now

    def _answered(self, row: Exchange) -> Any:
        bodies = self._journal.bodies(row.id)
        try:
            return read_answer((bodies and bodies.platform_answer) or b"").output
        except Garbage:
            return None

    def _keep(self, entry: Exchange, number: str) -> None:
        with self._lock:
            known = self._newest.get(entry.opter)
            if known is None or known.exchange_id < entry.id:
                self._newest[entry.opter] = _Newest(entry.id, entry.received_at, number)

    def _is_known(self, row: Exchange) -> bool:
        with self._lock:
            known = self._newest.get(row.opter)
        return known is not None and known.exchange_id >= row.id

    def _is_fresh(self, one: _Newest, now: datetime) -> bool:
        return bool(one.number) and now - one.at < self._valid_for


class Renewal:
    """Signs an operator in anew when the platform says that a sign-in has ended; of many who meet it at once, one does.

    Args:
        sign_ins: knows who is signed in.
        sign_in: carries a 9001 with this head; it takes no longer than a call may.
        wait: pauses for so many seconds.
    """

    def __init__(
        self, sign_ins: SignIns, sign_in: Callable[[Mapping[str, str]], object], wait: Callable[[float], None]
    ) -> None:
        self._sign_ins = sign_ins
        self._sign_in = sign_in
        self._wait = wait
        self._at_it: set[str] = set()
        self._lock = threading.Lock()

    def renewed(self, head: Mapping[str, str], refused: str, now: datetime, *, may_sign_in: bool = True) -> bool:
        """Whether what this operator sends next carries another number than the one that was refused.

        Args:
            may_sign_in: else only look whether another node has: of two that sign in at the same moment, the later 9001 may
                have ended the number of the earlier one.
        """
        opter = head.get("opter", "")
        while not self._first(opter):
            self._wait(WAIT_S)
        try:
            if self._is_over(opter, refused, now):
                self._sign_ins.look(now)  # another node may have been faster, and a 9001 of ours would end its number
            if may_sign_in and self._is_over(opter, refused, now):
                self._sign_in(head)
            return not self._is_over(opter, refused, now)
        finally:
            with self._lock:
                self._at_it.discard(opter)

    def _is_over(self, opter: str, refused: str, now: datetime) -> bool:
        return self._sign_ins.number(opter, now) in ("", refused)

    def _first(self, opter: str) -> bool:
        with self._lock:
            free = opter not in self._at_it
            self._at_it.add(opter)
            return free


def sign_in_ended(err_msg: str, interface: Interface) -> bool:
    """Whether a refusal says that the sign-in has ended (``sign_in_again`` of the proofs): then nothing was done."""
    return any(known in err_msg for known in interface.contract.proofs.sign_in_again)


def at_a_workstation(
    workstation: Mapping[str, str], head: Mapping[str, str], station_of: Callable[[str], Mapping[str, str]]
) -> dict[str, str]:
    """Head of a 9001: who called, at the caller's workstation; where that names no network card or address, at one of ours.

    Args:
        workstation: of the client.
        head: of the call.
        station_of: the workstation kept for an operator; of another operator only card and address are taken.
    """
    given = {name: text for name, text in (*workstation.items(), *head.items()) if text and name != "sign_no"}
    if given.get("mac") and given.get("ip"):
        return given
    station = {name: text for name, text in station_of(given.get("opter", "")).items() if text}
    if given.get("opter", station.get("opter")) != station.get("opter"):
        station = {name: text for name, text in station.items() if name in PLACE}
    # a card and an address belong together
    return {**given, **{name: text for name, text in station.items() if name in PLACE or name not in given}}


def number_in(request: bytes) -> str:
    """The sign-in number that a request carried, as kept in the journal; empty where it carried none."""
    return _find(loads(request), "sign_no")


def with_workstation(message: Any, head: Mapping[str, str]) -> Any:
    """A 9001 message whose operator, network card and address may be left to the head or the client's workstation."""
    node = message.get("signIn", {}) if isinstance(message, dict) else None
    if not isinstance(node, dict):
        return message
    known = {"opter_no": head.get("opter"), "mac": head.get("mac"), "ip": head.get("ip")}
    return {**message, "signIn": {**{name: text for name, text in known.items() if text}, **node}}


def _find(value: Any, name: str) -> str:
    """First text under ``name`` at any depth: the node around ``sign_no`` differs by province."""
    if isinstance(value, dict):
        if isinstance(value.get(name), str):
            return str(value[name])
        value = list(value.values())
    if isinstance(value, list):
        return next(filter(None, (_find(item, name) for item in value)), "")
    return ""
