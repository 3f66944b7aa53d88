"""The store: tables, migrations, engines. The only place that writes SQL for the gateway's own data (design, store).

store = open_store("sqlite:////var/lib/yibao/journal.db", node="n1")
store.upgrade()
store.journal.intend(...)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path

from sqlalchemy import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError

from gateway import clock
from gateway.exchange.ports import JournalUnavailable
from gateway.protect import KeyringError, KeySource, Sealing, source_of
from gateway.settings import Settings
from gateway.store._backend import Backend, StoreError
from gateway.store._keys import GuardedBackend, Keys, StoreKey
from gateway.store._migrate import migrate, revision, shut_out
from gateway.store._mssql import mssql
from gateway.store._oracle import oracle
from gateway.store._postgres import postgres
from gateway.store._server import ServerBackend
from gateway.store._sqlite import SqliteBackend
from gateway.store._veil_past import veil_everything
from gateway.store.accounts import Accounts
from gateway.store.aftermath import AfterRestore, Compared, Listed, close_gap, compare, take_over
from gateway.store.alerts import SqlAlerts
from gateway.store.archive import Archive
from gateway.store.backup import Manifest, Told, write_backup
from gateway.store.callbacks import SqlCallbacks
from gateway.store.catalogs import SqlCatalogs
from gateway.store.fees import SqlFees
from gateway.store.figures import Figures
from gateway.store.his_marks import SqlHisMarks
from gateway.store.integrity import check
from gateway.store.jobs import SqlJobs
from gateway.store.journal import SqlJournal
from gateway.store.names import PatientNames
from gateway.store.nodes import SqlNodes
from gateway.store.operator_log import OperatorLog, begin_keyed
from gateway.store.recon import SqlRecon
from gateway.store.remarks import SqlRemarks
from gateway.store.resealing import Resealing
from gateway.store.restore import Gap, Restored, escalate_lost, read_gap, restore
from gateway.store.retention import Retention
from gateway.store.stay_feed import StayFeed
from gateway.store.vouchers import SqlVouchers

__all__ = ["Gap", "Manifest", "Restored", "Store", "StoreError", "open_configured", "open_store"]

POOL_SIZE = 8


class Store:
    """An open store. Its parts are shared by all threads of the process; not to be carried over a fork."""

    def __init__(
        self, backend: Backend, keys: KeySource | None = None, *, node: str = "", archive: Path | None = None
    ) -> None:
        self._backend = backend
        self._archive = archive
        self._keys = Keys(backend, keys, _begin)
        guarded = GuardedBackend(backend, self._keys) if keys else backend
        folder = Archive(archive) if archive else None
        self.journal = SqlJournal(guarded, folder)
        self.nodes = SqlNodes(backend)
        self.accounts = Accounts(backend)
        self.figures = Figures(backend)
        self.stay_feed = StayFeed(guarded)
        self.operator_log = OperatorLog(guarded, clock.now)
        self.names = PatientNames(guarded)
        self.vouchers = SqlVouchers(guarded)
        self.recon = SqlRecon(guarded)
        self.jobs = SqlJobs(guarded)
        self.fees = SqlFees(guarded)
        self.remarks = SqlRemarks(guarded)
        self.alerts = SqlAlerts(backend)
        self.callbacks = SqlCallbacks(backend)
        self.catalogs = SqlCatalogs(backend)
        self.his_marks = SqlHisMarks(guarded)
        self.after_restore = AfterRestore(backend, self.journal)
        self.resealing = Resealing(guarded, self._keys)
        self.retention = Retention(guarded, self.journal, self.operator_log, folder, node)
        self._keys.admit()

    def upgrade(self) -> None:
        """Bring the tables up to date, each step whole or not at all. Several nodes may call it at once.

        Raises:
            StoreError: the database cannot be reached, or its tables are newer than this program can serve.
        """
        try:
            self._backend.migrate(migrate)
            self._backend.write(self._keys.register)
            self._keys.admit()
        except JournalUnavailable as error:
            raise StoreError(f"无法升级数据库：{error}") from error

    def current(self) -> bool:
        """Whether this program may serve the tables as they are."""
        try:
            return not self._backend.read(lambda connection: shut_out(connection, revision(connection)))
        except JournalUnavailable:
            return False

    @property
    def keys(self) -> tuple[StoreKey, ...]:
        """Every version of a key that this store has seen. Raises ``JournalUnavailable``."""
        return self._keys.stored()

    def check(self, told: Told = lambda _done, _total: None) -> list[str]:
        """What is wrong with the store, in sentences for staff; empty when all is well."""
        try:
            return check(self._backend, told)
        except JournalUnavailable as error:
            return [f"数据库无法读取：{error}"]

    def backup(self, path: Path, now: datetime, told: Told = lambda _done, _total: None) -> Manifest:
        """Copy one moment of the store into a new file while others go on writing. See :func:`write_backup`."""
        return write_backup(self._backend, path, now, told, self._archive)

    def restore(
        self,
        path: Path,
        now: datetime,
        told: Told = lambda _done, _total: None,
        *,
        replace: bool = False,
        operator: str = "yibao",
    ) -> Restored:
        """Put a copy in the place of this store, whose operator log tells of it. See :func:`gateway.store.restore.restore`."""
        done = restore(self._backend, path, now, told, replace=replace)
        self._backend.write(self._keys.register)
        self._keys.admit()
        self.operator_log.append(operator, "db.restore", str(path), f"{done.gap} 的记录已丢失")
        self.escalate_lost(now)
        return done

    def escalate_lost(self, now: datetime) -> int:
        """Give what was open in a restored copy to a person. See :func:`gateway.store.restore.escalate_lost`."""
        gap = self.gap()
        return escalate_lost(self.journal, gap, now) if gap else 0

    def reconcile(self, listed: Iterable[Listed], since: datetime | None = None) -> Compared:
        """The platform's list beside a restored journal. See :func:`gateway.store.aftermath.compare`."""
        return compare(self._backend, self.journal, listed, since)

    def take_over(self, found: Compared, now: datetime, operator: str) -> list[int]:
        """Take what the list told into a restored journal. See :func:`gateway.store.aftermath.take_over`."""
        return take_over(self._backend, self.journal, found, now, operator)

    def close_gap(self) -> Gap:
        """Say that the lost time is accounted for. See :func:`gateway.store.aftermath.close_gap`."""
        return close_gap(self._backend)

    def gap(self) -> Gap | None:
        """The time that a restore has lost and nobody has accounted for. Raises ``JournalUnavailable``."""
        return self._backend.read(read_gap)

    def close(self) -> None:
        """Finish the writes that were accepted, then let the database go."""
        self._backend.close()


def open_store(
    url: str,
    *,
    node: str,
    read_only: bool = False,
    pool_size: int = POOL_SIZE,
    keys: KeySource | None = None,
    archive: Path | None = None,
) -> Store:
    """Open the store at ``url``.

    Args:
        url: ``sqlite:///relative.db``, ``sqlite:////absolute.db``, ``postgresql://user:password@host/database``,
            ``oracle+oracledb://user:password@host:1521/?service_name=name`` or
            ``mssql+pymssql://user:password@host:1433/database``; ``?``, ``%`` and ``@`` inside a part are
            percent-encoded.
        node: name of this node.
        read_only: leave writing to another process.
        pool_size: connections at most (SQLite: those that read).
        keys: where the keys of a protected store come from; None only where nothing is protected.
        archive: folder of the bodies that have left the tables (``retention.py``).

    Raises:
        StoreError: the URL is not understood, the SQLite file is in use, missing or damaged, or the keys are missing
            or are not those of this store.
    """
    parsed = _parse(url)
    if parsed.get_backend_name() == "sqlite":
        opened: Backend = SqliteBackend(_file(parsed), node=node, pool_size=pool_size, read_only=read_only)
    else:
        connect = SERVERS[parsed.get_backend_name()]
        opened = connect(parsed, node=node, pool_size=pool_size, read_only=read_only)
    try:
        return Store(opened, keys, node=node, archive=archive)
    except StoreError:
        opened.close()
        raise


SERVERS: Mapping[str, Callable[..., ServerBackend]] = {"postgresql": postgres, "oracle": oracle, "mssql": mssql}


def _begin(connection: Connection, sealing: Sealing) -> None:
    """What must be under the first keys in the transaction that puts them to use."""
    connection.info["sealing"] = sealing
    veil_everything(connection, sealing)
    begin_keyed(connection, clock.now)


def open_configured(settings: Settings, *, read_only: bool = False) -> Store:
    """Open the store of a configuration with its keys. Raises :class:`StoreError`."""
    try:
        keys = source_of(settings.protect.keys)
    except KeyringError as error:
        raise StoreError(str(error)) from error
    folder = settings.retention.archive
    return open_store(settings.store.url, node=settings.node, read_only=read_only, keys=keys, archive=folder)


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        # the text of the URL may hold a password
        raise StoreError("数据库地址格式错误，应形如 sqlite:///yibao.db 或 postgresql://用户:密码@主机/库") from error
    if parsed.get_backend_name() not in ("sqlite", *SERVERS):
        raise StoreError(f"不支持的数据库 {parsed.get_backend_name()}，请用 sqlite、postgresql、oracle 或 mssql")
    if parsed.get_backend_name() == "sqlite" and "?" in url:
        # what follows would be dropped without a word, and another file opened
        raise StoreError("SQLite 地址不带参数；文件名中的问号写作 %3F，百分号写作 %25")
    return parsed


def _file(url: URL) -> Path:
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        raise StoreError("SQLite 地址应指明文件，例如 sqlite:///yibao.db")
    return Path(url.database)
