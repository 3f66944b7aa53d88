"""What the console asks of the process that owns the store: every write of it, and every act of a person.

The console reads the store itself and writes nothing (decision 0016). It reaches this desk on the administration
address of the same machine, with a token that ``serve`` makes anew at each start.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from gateway.contract.jsontext import loads_strict
from gateway.desks.doubts import DoubtsDesk
from gateway.exchange.ports import JournalUnavailable
from gateway.faults import GatewayFault, Unreadable
from gateway.store import Store
from gateway.store.accounts import User

TOKEN_HEADER: Final = "X-Yibao-Console"  # noqa: S105 - the name of a header, not a token
Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class SignInPolicy:
    """How patient the sign-in is (``settings.console``)."""

    attempts_max: int
    refused_for: timedelta
    session_max: timedelta


class ConsoleDesk:
    """Does one operation by name; arguments and answer are plain JSON values.

    Args:
        store: open for writing.
        doubts: settles doubts; None where no exchange runs (the command, on a store that nobody serves).
        clock: the time now, aware.
        acts: operations of other parts of the gateway, by name (``desks/stay_acts.py``); each gets ``operator``.
    """

    def __init__(
        self,
        store: Store,
        clock: Callable[[], datetime],
        policy: SignInPolicy,
        doubts: DoubtsDesk | None = None,
        acts: Mapping[str, Callable[..., Answer]] = MappingProxyType({}),
    ) -> None:
        self._store = store
        self._clock = clock
        self._policy = policy
        self._doubts = doubts
        self._operations: Mapping[str, Callable[..., Answer]] = {
            "attempt": self._attempt,
            "sign_in": self._sign_in,
            "sign_out": self._sign_out,
            "seen": self._seen,
            "note": self._note,
            "add_user": self._add_user,
            "set_password": self._set_password,
            "set_role": self._set_role,
            "set_locked": self._set_locked,
            "resolve": self._resolve,
            **acts,
        }

    def do(self, operation: str, arguments: Mapping[str, Any]) -> Answer:
        """``{"ok": true, ...}``, or ``{"ok": false, "error"}`` in a sentence for staff."""
        found = self._operations.get(operation)
        if found is None:
            return refused(f"没有操作 {operation[:40]!r}")
        try:
            return found(**arguments)
        except TypeError:
            return refused(f"操作 {operation} 的参数不对")
        except GatewayFault as fault:
            return {**refused(fault.text), "code": fault.fault.code, "action": fault.fault.action}
        except JournalUnavailable:
            return refused("网关存储不可用，没有改动")

    # ----------------------------------------------------------- sign-in

    def _attempt(self, name: str) -> Answer:
        policy = self._policy
        until = self._store.accounts.attempt(name, self._clock(), policy.attempts_max, policy.refused_for)
        if until is None:
            return {"ok": True}
        self._log(self._who(name), "console.sign_in_refused", name, f"连续输错密码，{until:%H:%M} 之前不能登录")
        return refused(f"连续输错密码，请在 {until:%H:%M} 之后再试，或请信息科解锁")

    def _sign_in(self, name: str, token_hash: str, address: str) -> Answer:
        now = self._clock()
        self._store.accounts.drop_sessions(now - self._policy.session_max)
        try:
            self._store.accounts.open_session(token_hash, name, now)
        except KeyError:
            return refused("没有这个用户")
        self._log(self._who(name), "console.sign_in", name, f"来自 {address}")
        return {"ok": True}

    def _sign_out(self, name: str, token_hash: str) -> Answer:
        self._store.accounts.close_session(token_hash)
        self._log(self._who(name), "console.sign_out", name)
        return {"ok": True}

    def _seen(self, token_hash: str) -> Answer:
        self._store.accounts.touch(token_hash, self._clock())
        return {"ok": True}

    # -------------------------------------------------------------- acts

    def _note(self, operator: str, act: str, subject: str, detail: str = "") -> Answer:
        self._log(operator, act, subject, detail)
        return {"ok": True}

    def _resolve(self, operator: str, exchange_id: int, wish: Mapping[str, Any]) -> Answer:
        if self._doubts is None:
            return refused("网关没有运行")
        answer = self._doubts.decide(str(exchange_id), {**wish, "operator": operator})
        if not answer["resolved"]:
            return refused(str(answer["error"]))
        return {"ok": True, "state": answer["state"]}

    # ------------------------------------------------------------- users

    def _add_user(self, operator: str, name: str, full_name: str, role: str, password_hash: str) -> Answer:
        user = User(name, full_name, role, password_hash, self._clock(), must_change=True)
        try:
            self._store.accounts.add(user)
        except ValueError:
            return refused(f"用户 {name} 已存在")
        self._log(operator, "users.add", name, f"{full_name}，角色 {role}")
        return {"ok": True}

    def _set_password(self, operator: str, name: str, password_hash: str) -> Answer:
        """By another than the user: it must then be changed at the next sign-in."""
        changes = {"password_hash": password_hash, "must_change": operator != name, "changed_at": self._clock()}
        if operator != name:
            changes |= {"failures": 0, "refused_until": None}
        return self._change(operator, "users.password", name, "", changes)

    def _set_role(self, operator: str, name: str, role: str) -> Answer:
        return self._change(operator, "users.role", name, f"角色 {role}", {"role": role})

    def _set_locked(self, operator: str, name: str, locked: bool) -> Answer:
        changes = {"locked": locked, "failures": 0, "refused_until": None}
        return self._change(operator, "users.lock" if locked else "users.unlock", name, "", changes)

    def _change(self, operator: str, act: str, name: str, detail: str, changes: Mapping[str, Any]) -> Answer:
        try:
            self._store.accounts.change(name, end_sessions=True, **changes)
        except KeyError:
            return refused(f"没有用户 {name}")
        self._log(operator, act, name, detail)
        return {"ok": True}

    def _who(self, name: str) -> str:
        """As the person's other acts are signed: ``李主任（li）``."""
        user = self._store.accounts.user(name)
        return f"{user.full_name}（{name}）" if user is not None else name

    def _log(self, operator: str, act: str, subject: str, detail: str = "") -> None:
        self._store.operator_log.append(operator, act, subject, detail)


def refused(text: str) -> Answer:
    """The answer to what was not done."""
    return {"ok": False, "error": text}


def answer_posted(desk: ConsoleDesk, token: str, given: str, operation: str, body: bytes) -> Answer | None:
    """One POST to the desk; None when it does not carry the token.

    Args:
        token: of this start.
        given: of the request.
        body: arguments as a JSON object.
    """
    if not token or not hmac.compare_digest(given.encode("latin-1", "replace"), token.encode("ascii")):
        return None
    try:
        arguments = loads_strict(body.decode("utf-8"))
    except (Unreadable, UnicodeDecodeError):
        return refused("参数不是 JSON")
    return desk.do(operation, arguments) if isinstance(arguments, dict) else refused("参数应为 JSON 对象")
