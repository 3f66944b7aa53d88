"""The store: tables, migrations, engines. The only place that writes SQL for the gateway's own data (design, store).

store = open_store("sqlite:////var/lib/yibao/journal.db", node="n1")
store.upgrade()
store.journal.intend(...)
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError

from gateway import clock
from gateway.exchange.ports import JournalUnavailable
from gateway.protect import KeyringError, KeySource, source_of
from gateway.settings import Settings
from gateway.store import statements as sql
from gateway.store._backend import Backend, StoreError
from gateway.store._keys import GuardedBackend, Keys, StoreKey
from gateway.store._migrate import head, migrate, revision
from gateway.store._postgres import PostgresBackend
from gateway.store._sqlite import SqliteBackend
from gateway.store.journal import SqlJournal
from gateway.store.nodes import SqlNodes
from gateway.store.operator_log import OperatorLog
from gateway.store.resealing import Resealing

__all__ = ["Store", "StoreError", "open_configured", "open_store"]

POOL_SIZE = 8


class Store:
    """An open store. Its parts are shared by all threads of the process; not to be carried over a fork."""

    def __init__(self, backend: Backend, keys: KeySource | None = None) -> None:
        self._backend = backend
        self._keys = Keys(backend, keys)
        guarded = GuardedBackend(backend, self._keys) if keys else backend
        self.journal = SqlJournal(guarded)
        self.nodes = SqlNodes(backend)
        self.operator_log = OperatorLog(guarded, clock.now)
        self.resealing = Resealing(guarded, self._keys)
        self._keys.admit()

    def upgrade(self) -> None:
        """Bring the tables up to date, all steps or none. Raises :class:`StoreError`; several nodes may call it at once."""
        try:
            self._backend.write(self._migrate)
            self._keys.admit()
        except JournalUnavailable as error:
            raise StoreError(f"无法升级数据库：{error}") from error

    def _migrate(self, connection: Connection) -> None:
        migrate(connection)
        self._keys.register(connection)

    @property
    def keys(self) -> tuple[StoreKey, ...]:
        """Every version of a key that this store has seen. Raises ``JournalUnavailable``."""
        return self._keys.stored()

    def check(self) -> list[str]:
        """What is wrong with the store, in sentences for staff; empty when all is well."""
        try:
            return self._backend.check() + self._backend.read(_check_tables)
        except JournalUnavailable as error:
            return [f"数据库无法读取：{error}"]

    def close(self) -> None:
        """Finish the writes that were accepted, then let the database go."""
        self._backend.close()


def open_store(
    url: str, *, node: str, read_only: bool = False, pool_size: int = POOL_SIZE, keys: KeySource | None = None
) -> Store:
    """Open the store at ``url``.

    Args:
        url: ``sqlite:///relative.db``, ``sqlite:////absolute.db`` or ``postgresql://user:password@host/database``;
            ``?``, ``%`` and ``@`` inside a part are percent-encoded.
        node: name of this node.
        read_only: leave writing to another process.
        pool_size: connections at most (SQLite: those that read).
        keys: where the keys of a protected store come from; None only where nothing is protected.

    Raises:
        StoreError: the URL is not understood, the SQLite file is in use, missing or damaged, or the keys are missing
            or are not those of this store.
    """
    parsed = _parse(url)
    if parsed.get_backend_name() == "sqlite":
        return _store(SqliteBackend(_file(parsed), node=node, pool_size=pool_size, read_only=read_only), keys)
    return _store(PostgresBackend(parsed, node=node, pool_size=pool_size, read_only=read_only), keys)


def open_configured(settings: Settings, *, read_only: bool = False) -> Store:
    """Open the store of a configuration with its keys. Raises :class:`StoreError`."""
    try:
        keys = source_of(settings.protect.keys)
    except KeyringError as error:
        raise StoreError(str(error)) from error
    return open_store(settings.store.url, node=settings.node, read_only=read_only, keys=keys)


def _store(backend: Backend, keys: KeySource | None) -> Store:
    try:
        return Store(backend, keys)
    except StoreError:
        backend.close()
        raise


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        # the text of the URL may hold a password
        raise StoreError("数据库地址格式错误，应形如 sqlite:///yibao.db 或 postgresql://用户:密码@主机/库") from error
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise StoreError(f"不支持的数据库 {parsed.get_backend_name()}，请用 sqlite 或 postgresql")
    if parsed.get_backend_name() == "sqlite" and "?" in url:
        # what follows would be dropped without a word, and another file opened
        raise StoreError("SQLite 地址不带参数；文件名中的问号写作 %3F，百分号写作 %25")
    return parsed


def _file(url: URL) -> Path:
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        raise StoreError("SQLite 地址应指明文件，例如 sqlite:///yibao.db")
    return Path(url.database)


def _check_tables(connection: Connection) -> list[str]:
    present = revision(connection)
    if present != head():
        return [f"数据库结构版本为 {present or '空'}，程序需要 {head()}：请运行 yibao db upgrade"]
    lost = connection.execute(sql.SENT_WITHOUT_BYTES).scalar()
    return [f"有 {lost} 笔已发送的交易缺少请求原文"] if lost else []
