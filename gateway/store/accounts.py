"""Users and sessions of the console. What a role may do is not here: that is a checked file (``conf/rights.yaml``)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from gateway.exchange.entries import from_ms, to_ms
from gateway.store import statements as sql
from gateway.store._backend import Backend


@dataclass(frozen=True, slots=True)
class User:
    """Who may sign in. ``name`` is typed at the sign-in, ``full_name`` stands under what the person does."""

    name: str
    full_name: str
    role: str
    password_hash: str
    changed_at: datetime
    """When the password was last set."""
    locked: bool = False
    must_change: bool = False
    """The password was given by another; nothing else is possible until it is changed."""
    failures: int = 0
    """Sign-ins that failed since the last good one."""
    refused_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in browser."""

    user: User
    opened_at: datetime
    seen_at: datetime


class Accounts:
    """The tables ``console_user`` and ``console_session``."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    # -------------------------------------------------------------- users

    def users(self) -> list[User]:
        """All, by name."""
        found = self._backend.read(lambda connection: connection.execute(sql.CONSOLE_USERS).all())
        return [_user(row) for row in found]

    def user(self, name: str) -> User | None:
        """The user of that name."""
        return self._backend.read(lambda connection: _find(connection, name))

    def add(self, user: User) -> None:
        """Write a new user. Raises ValueError when the name is taken."""
        values = {"name": user.name, **_columns(user)}

        def job(connection: Connection) -> None:
            if _find(connection, user.name) is not None:
                raise ValueError(f"user {user.name} exists")
            connection.execute(sql.INSERT_CONSOLE_USER, values)

        try:
            self._backend.write(job)
        except IntegrityError:
            raise ValueError(f"user {user.name} exists") from None

    def change(self, name: str, *, end_sessions: bool, **changes: Any) -> User:
        """Change fields of a user.

        Args:
            end_sessions: every browser that is signed in as this user must sign in anew.
            changes: fields of :class:`User`.

        Raises:
            KeyError: there is no such user.
        """

        def job(connection: Connection) -> User:
            changed = replace(_must_find(connection, name), **changes)
            _write(connection, changed)
            if end_sessions:
                connection.execute(sql.CLOSE_CONSOLE_SESSIONS, {"user_name": name})
            return changed

        return self._backend.write(job)

    # ----------------------------------------------------------- sign-in

    def attempt(self, name: str, now: datetime, attempts_max: int, refused_for: timedelta) -> datetime | None:
        """Count an attempt before its password is looked at, so that guesses sent at once are all counted.

        Args:
            attempts_max: after so many in a row the user is refused for a while.
            refused_for: how long.

        Returns:
            Until when the user is refused; None when the password may be looked at.
        """

        def job(connection: Connection) -> datetime | None:
            user = _find(connection, name, lock=True)
            if user is None:
                return None
            if user.refused_until is not None and now < user.refused_until:
                return user.refused_until
            failures = 1 if user.refused_until is not None else user.failures + 1
            until = now + refused_for if failures >= attempts_max else None
            _write(connection, replace(user, failures=failures, refused_until=until))
            return None

        return self._backend.write(job)

    def open_session(self, token_hash: str, name: str, now: datetime) -> None:
        """A good sign-in: forget the attempts, remember the browser. Raises KeyError without such a user."""

        def job(connection: Connection) -> None:
            user = _must_find(connection, name)
            _write(connection, replace(user, failures=0, refused_until=None))
            values = {"token_hash": token_hash, "user_name": name, "opened_at": to_ms(now), "seen_at": to_ms(now)}
            connection.execute(sql.INSERT_CONSOLE_SESSION, values)

        self._backend.write(job)

    def session(self, token_hash: str) -> Session | None:
        """The session of a browser, with its user as it is now."""
        which = {"token_hash": token_hash}
        row: Any = self._backend.read(lambda connection: connection.execute(sql.CONSOLE_SESSION, which).first())
        return None if row is None else Session(_user(row), from_ms(row.opened_at), from_ms(row.seen_at))

    def touch(self, token_hash: str, now: datetime) -> None:
        """The browser was here."""
        values = {"of_token": token_hash, "now_ms": to_ms(now)}
        self._backend.write(lambda connection: connection.execute(sql.TOUCH_CONSOLE_SESSION, values).rowcount)

    def close_session(self, token_hash: str) -> None:
        """Sign out."""
        which = {"token_hash": token_hash}
        self._backend.write(lambda connection: connection.execute(sql.CLOSE_CONSOLE_SESSION, which).rowcount)

    def drop_sessions(self, seen_before: datetime) -> int:
        """Remove what has expired; how many."""
        which = {"before_ms": to_ms(seen_before)}
        return self._backend.write(lambda connection: connection.execute(sql.DROP_CONSOLE_SESSIONS, which).rowcount)


def _find(connection: Connection, name: str, *, lock: bool = False) -> User | None:
    statement = sql.CONSOLE_USER_LOCK if lock else sql.CONSOLE_USER
    row = connection.execute(statement, {"user_name": name}).first()
    return None if row is None else _user(row)


def _must_find(connection: Connection, name: str) -> User:
    user = _find(connection, name, lock=True)
    if user is None:
        raise KeyError(name)
    return user


def _write(connection: Connection, user: User) -> None:
    changed = {f"new_{column}": value for column, value in _columns(user).items()}
    connection.execute(sql.UPDATE_CONSOLE_USER, {"user_name": user.name, **changed})


def _columns(user: User) -> dict[str, Any]:
    return {
        "full_name": user.full_name or None,
        "role": user.role,
        "password_hash": user.password_hash,
        "locked": int(user.locked),
        "must_change": int(user.must_change),
        "failures": user.failures,
        "refused_until": None if user.refused_until is None else to_ms(user.refused_until),
        "changed_at": to_ms(user.changed_at),
    }


def _user(row: Any) -> User:
    return User(
        name=row.name,
        full_name=row.full_name or row.name,
        role=row.role,
        password_hash=row.password_hash,
        changed_at=from_ms(row.changed_at),
        locked=bool(row.locked),
        must_change=bool(row.must_change),
        failures=row.failures,
        refused_until=None if row.refused_until is None else from_ms(row.refused_until),
    )
