"""The keys of an open store: checked against what the store remembers of them, taken up anew when it names others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog
from sqlalchemy import Connection, inspect

from gateway.exchange.ports import JournalUnavailable
from gateway.protect import Guard, InUse, KeyringError, KeysMissing, KeySource, Plain, Sealing
from gateway.protect.guard import SealBroken
from gateway.protect.keyring import Keyring
from gateway.store import statements as sql
from gateway.store._backend import Backend, Job, StoreError, T

log = structlog.get_logger(__name__)

LOOK_S: Final = 5.0
"""How often a process looks which version is to be written; reading never depends on it."""
WRITTEN, READ, KNOWN, GONE = "written", "read", "known", "gone"
"""States of a version: rows get it; rows may have it; no row has it yet; no row has it any more."""
PLAIN_VERSION: Final = 0
_PLAIN: Final = Plain()
_SETTING: Final = "请在配置 [protect] keys 中指明密钥（file:/路径 或 env:变量名）"


class KeysChanged(Exception):
    """The store names versions that this process has not taken up yet: once more with those."""


@dataclass(frozen=True, slots=True)
class StoreKey:
    """What the store remembers of one version of a key."""

    purpose: str
    version: int
    fingerprint: str
    state: str


def sealing_of(connection: Connection) -> Sealing:
    """The keys with which the job on this connection works."""
    found: Sealing = connection.info.get("sealing", _PLAIN)
    return found


def must_know_every_version(connection: Connection, sealing: Sealing, versions: Sequence[int] | None = None) -> None:
    """Call after a search by hashes: were there rows of a version that was not searched for?

    A version is named by the store before the first row has it, so looking afterwards, or in the same statement, finds it.

    Args:
        versions: named by the store, where the statement of the search has told them.

    Raises:
        KeysChanged: the search must be made again with newer keys.
    """
    named = connection.execute(sql.HASH_VERSIONS).scalars().all() if versions is None else versions
    if not sealing.knows(named):
        raise KeysChanged


def must_be_protected_too(sealing: Sealing, versions: Sequence[int]) -> None:
    """Refuse to write beside others in another form: fences in two forms would let two settlements pass each other.

    Args:
        versions: of hashes, that the store names.

    Raises:
        JournalUnavailable: this process has no keys.
    """
    if sealing.hash_version is None and versions:
        raise JournalUnavailable(f"数据库已启用加密，而本进程没有密钥：{_SETTING}")


class Keys:
    """Which keys a store works with.

    Args:
        source: None where nothing is protected.
        begin: brings under the first keys what cannot be kept in two forms, in the transaction that puts them to use.
        look_s: see :data:`LOOK_S`.
    """

    def __init__(
        self,
        backend: Backend,
        source: KeySource | None,
        begin: Callable[[Connection, Sealing], object],
        look_s: float = LOOK_S,
    ) -> None:
        self._begin = begin
        self._backend = backend
        self.source = source
        self._look_s = look_s
        self._lock = threading.Lock()
        self._rows: tuple[StoreKey, ...] = ()
        self._current: Sealing = _PLAIN
        self._look_at = float("-inf")

    def admit(self) -> None:
        """Check the keys against a store that is being opened. Raises :class:`StoreError`."""
        try:
            rows = self._backend.read(_stored_if_any)
            if rows or self.source is not None:
                self._take_up(rows, self._keyring(rows))
        except (KeysMissing, KeyringError) as error:
            raise StoreError(str(error)) from error
        except JournalUnavailable as error:
            raise StoreError(f"数据库无法读取：{error}") from error

    def register(self, connection: Connection) -> None:
        """Tell the store of versions it does not know; with the first keys begins protection. Raises :class:`StoreError`."""
        rows = _stored(connection)
        try:
            keyring = self._keyring(rows)
        except (KeysMissing, KeyringError) as error:
            raise StoreError(str(error)) from error
        new = _new(connection, keyring, rows) if keyring else []
        for row in new:
            values = {name: getattr(row, name) for name in StoreKey.__slots__}
            connection.execute(sql.INSERT_STORE_KEY, {**values, "fingerprint": row.fingerprint or None})
        if keyring is not None and not rows:
            self._begin(connection, Guard(keyring, _in_use(new)))

    def current(self) -> Sealing:
        """The keys to work with now."""
        if self.source is not None and time.monotonic() > self._look_at:
            try:
                self.refresh()
            except (JournalUnavailable, KeysMissing, KeyringError) as error:
                # those taken up before still read and write; what needs others will say so
                log.warning("keys_not_refreshed", reason=str(error))
        return self._current

    def refresh(self) -> Sealing:
        """Take up what the store names now. Raises ``KeysMissing``, ``KeyringError``, ``JournalUnavailable``."""
        with self._lock:
            self._look_at = time.monotonic() + self._look_s
            rows = self._backend.read(_stored_if_any)
            if rows != self._rows:
                self._take_up(rows, self._keyring(rows))
            return self._current

    def look_again(self) -> None:
        """Take the keys up anew at the next occasion, whatever the store names."""
        self._look_at, self._rows = float("-inf"), ()

    def stored(self) -> tuple[StoreKey, ...]:
        """What the store remembers."""
        return self._backend.read(_stored_if_any)

    @staticmethod
    def read(connection: Connection) -> tuple[StoreKey, ...]:
        """What the store remembers, inside a transaction."""
        return _stored(connection)

    def _take_up(self, rows: tuple[StoreKey, ...], keyring: Keyring | None) -> None:
        if keyring is not None and rows:
            self._current = Guard(keyring, _in_use(rows))
        self._rows = rows

    def _keyring(self, rows: Sequence[StoreKey]) -> Keyring | None:
        """The keys, when they are those of the store."""
        if self.source is None:
            if rows:
                raise KeyringError(f"数据库已加密，而配置里没有密钥：{_SETTING}")
            return None
        keyring = self.source.read()
        held = keyring.fingerprints()
        for row in rows:
            if row.version == PLAIN_VERSION or row.state == GONE:
                continue
            found = held.get((row.purpose, row.version))
            if found is None:
                raise KeysMissing(f"{row.purpose} 版本 {row.version}；请把含有它的密钥文件放到本节点")
            if found != row.fingerprint:
                raise KeyringError(
                    f"密钥 {row.purpose} 版本 {row.version} 不是加密此数据库的那一把（密钥指纹 {found}，"
                    f"数据库记录 {row.fingerprint}）：请换回原来的密钥文件，或核对 store.url"
                )
        return keyring


class GuardedBackend:
    """A backend whose jobs work with the keys of the store; a job that needs newer ones is run once more with those."""

    def __init__(self, backend: Backend, keys: Keys) -> None:
        self._backend = backend
        self._keys = keys

    def __getattr__(self, name: str) -> Any:
        # whatever else a backend can do needs no keys
        return getattr(self._backend, name)

    def write(self, job: Job[T]) -> T:
        return self._twice(lambda sealing: self._backend.write(_with(job, sealing)))

    def read(self, job: Job[T]) -> T:
        return self._twice(lambda sealing: self._backend.read(_with(job, sealing)))

    def _twice(self, once: Callable[[Sealing], T]) -> T:
        try:
            try:
                return once(self._keys.current())
            except (KeysChanged, KeysMissing):
                return once(self._keys.refresh())
        except (KeysMissing, KeyringError, SealBroken) as error:
            raise JournalUnavailable(str(error)) from error
        except KeysChanged as error:
            raise JournalUnavailable("密钥版本正在更换") from error


def _with(job: Job[T], sealing: Sealing) -> Job[T]:
    def run(connection: Connection) -> T:
        connection.info["sealing"] = sealing
        return job(connection)

    return run


def _stored_if_any(connection: Connection) -> tuple[StoreKey, ...]:
    return _stored(connection) if inspect(connection).has_table("store_key") else ()


def _stored(connection: Connection) -> tuple[StoreKey, ...]:
    found = connection.execute(sql.STORE_KEYS).all()
    return tuple(StoreKey(row.purpose, row.version, row.fingerprint or "", row.state) for row in found)


def _new(connection: Connection, keyring: Keyring, rows: Sequence[StoreKey]) -> list[StoreKey]:
    stored = {(row.purpose, row.version) for row in rows}
    unknown = {key: print_ for key, print_ in keyring.fingerprints().items() if key not in stored}
    if rows:
        return [StoreKey(*key, print_, KNOWN) for key, print_ in unknown.items()]
    newest = {("data", max(keyring.data)), ("hash", max(keyring.hash)), ("fence", 1), ("audit", 1)}
    first = [StoreKey(*key, print_, WRITTEN if key in newest else KNOWN) for key, print_ in unknown.items()]
    left = READ if connection.execute(sql.ANY_EXCHANGE).first() is not None else GONE
    return [*first, StoreKey("hash", PLAIN_VERSION, "", left)]


def _in_use(rows: Sequence[StoreKey]) -> InUse:
    written = {row.purpose: row.version for row in rows if row.state == WRITTEN}
    read = [row.version for row in rows if row.purpose == "hash" and row.state == READ]
    return InUse(written["data"], written["hash"], (written["hash"], *sorted(read)))
