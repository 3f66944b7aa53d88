"""The sign-in number (9001 ``sign_no``) that goes into every envelope."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from gateway.contract.envelope import Garbage, read_answer
from gateway.contract.jsontext import loads
from gateway.exchange.ports import Journal, Query, State

SIGN_IN: Final = "9001"
SIGN_OUT: Final = "9002"
LOOK_EVERY_S: Final = 0.05


class SignIns:
    """Remembers the newest confirmed sign-in of each operator; after a restart it is read back from the journal.

    Args:
        journal: holds the confirmed 9001 exchanges.
        valid_for: a sign-in is per operator and day (transactions/9001.yaml).
    """

    def __init__(self, journal: Journal, valid_for: timedelta = timedelta(days=1)) -> None:
        self._journal = journal
        self._valid_for = valid_for
        self._numbers: dict[str, tuple[datetime, str]] = {}
        self._read_back = False
        self._lock = threading.Lock()

    def number(self, opter: str, now: datetime) -> str:
        """The operator's own sign-in number, else the newest of the institution, else empty."""
        with self._lock:
            if not self._read_back:
                self._restore(now)
                self._read_back = True
            fresh = {who: entry for who, entry in self._numbers.items() if now - entry[0] < self._valid_for}
        if opter in fresh:
            return fresh[opter][1]
        return max(fresh.values(), default=(now, ""))[1]

    def own(self, opter: str, now: datetime) -> tuple[datetime, str] | None:
        """When this operator last signed in, and the number; None when that is over."""
        self.number(opter, now)
        with self._lock:
            found = self._numbers.get(opter)
        return found if found and now - found[0] < self._valid_for else None

    def learn(self, infno: str, opter: str, at: datetime, output: Any) -> None:
        """Take notice of a confirmed 9001 or 9002; any other transaction may hold a ``sign_no`` that is not ours."""
        if infno == SIGN_OUT:
            with self._lock:
                self._numbers.pop(opter, None)
        elif infno == SIGN_IN and (number := _find(output, "sign_no")):
            with self._lock:
                self._numbers[opter] = (at, number)

    def _restore(self, now: datetime) -> None:
        for infno in (SIGN_IN, SIGN_OUT):
            query = Query(infno=infno, states=(State.CONFIRMED,), since=now - self._valid_for, limit=200)
            for exchange in reversed(self._journal.search(query)):
                self._restore_one(exchange.id, infno, exchange.opter, exchange.received_at)

    def _restore_one(self, exchange_id: int, infno: str, opter: str, at: datetime) -> None:
        bodies = self._journal.bodies(exchange_id)
        known = self._numbers.get(opter)
        if infno == SIGN_OUT:
            if known and known[0] < at:
                del self._numbers[opter]
            return
        try:
            output = read_answer((bodies and bodies.platform_answer) or b"").output
        except Garbage:
            return
        if number := _find(output, "sign_no"):
            self._numbers[opter] = (at, number)


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

    def renewed(self, head: Mapping[str, str], refused: str, now: datetime) -> bool:
        """Whether what this operator sends next carries another number than the one that was refused."""
        opter = head.get("opter", "")
        while not self._first(opter):
            self._wait(LOOK_EVERY_S)
        try:
            if self._sign_ins.number(opter, now) in ("", refused):
                self._sign_in(head)
            return self._sign_ins.number(opter, now) not in ("", refused)
        finally:
            with self._lock:
                self._at_it.discard(opter)

    def _first(self, opter: str) -> bool:
        with self._lock:
            free = opter not in self._at_it
            self._at_it.add(opter)
            return free


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
