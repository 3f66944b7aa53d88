"""The journal on a database server: several processes and nodes write it, the database decides their races.

Every write is a transaction of its own. What differs by vendor (how to connect, what may be run again, how to see one
unchanging moment) stands in ``_postgres.py``, ``_oracle.py`` and ``_mssql.py``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from gateway.exchange.ports import JournalUnavailable
from gateway.store._backend import Job, StoreError, T
from gateway.store._writer import unavailable

ATTEMPTS_MAX = 5
WAIT_S_MAX = 30
CONNECT_S_MAX = 5
ALONE_S_MAX = 60.0
LOOK_EVERY_S = 0.2
PLACE_WIDTH_MAX = 200


def _nothing(_: Connection) -> None:
    """Where a vendor needs no preparation."""


def _always(_: Connection) -> bool:
    """Where a vendor has no lock that asks nothing of the database's owner."""
    return True


@dataclass(frozen=True, slots=True)
class Vendor:
    """What differs between database servers.

    Args:
        again: whether the database asks for the whole transaction once more (deadlock, serialization failure).
        waited_for_lock: whether a statement gave up waiting for a lock.
        snapshot: execution options of a connection that sees one unchanging moment.
        begin_snapshot: run first on such a connection.
        begin_long: lifts the time limits of a session that migrates, copies or restores.
        lock: takes, without waiting, the lock under which one at a time changes tables; ``lock_shared`` keeps such out.
        connection: class of the connections of ordinary work.
        others: names of other connections of gateways.
    """

    again: Callable[[DBAPIError], bool]
    waited_for_lock: Callable[[DBAPIError], bool] = lambda _: False
    snapshot: tuple[tuple[str, Any], ...] = ()
    begin_snapshot: Callable[[Connection], None] = _nothing
    begin_long: Callable[[Connection], None] = _nothing
    lock: Callable[[Connection], bool] = _always
    lock_shared: Callable[[Connection], bool] = _always
    unlock: Callable[[Connection], None] = _nothing
    others: Callable[[Connection], list[str]] = lambda _: []
    connection: type[Connection] = Connection


class ServerBackend:
    """A database server.

    Args:
        engine: its pool.
        vendor: what differs by vendor.
        read_only: refuse writes.
        alone_s_max: how long a migration or restore waits until it is alone, in seconds.
    """

    alone = False

    def __init__(self, engine: Engine, vendor: Vendor, *, read_only: bool, alone_s_max: float = ALONE_S_MAX) -> None:
        self._engine = engine
        self._vendor = vendor
        self._read_only = read_only
        self._alone_s_max = alone_s_max
        # a single SELECT needs no BEGIN and ROLLBACK around it
        self._reading = engine.execution_options(isolation_level="AUTOCOMMIT")

    def write(self, job: Job[T]) -> T:
        self._must_write()
        return self._repeating(lambda: self._transaction(job))

    def read(self, job: Job[T]) -> T:
        return self._repeating(lambda: self._select(job))

    def snapshot(self, job: Job[T]) -> T:
        engine = self._engine.execution_options(**dict(self._vendor.snapshot))
        with self._connected(engine) as connection, connection.begin():
            self._vendor.begin_snapshot(connection)
            if not self._vendor.lock_shared(connection):
                raise StoreError("数据库正在升级或恢复，稍后再备份")
            return job(connection)

    def migrate(self, job: Job[None]) -> None:
        """Run ``job`` outside a transaction, alone; what gave up waiting for a lock is run again."""
        self._must_write()
        with self._connected(self._engine) as connection, self._alone(connection):
            deadline = time.monotonic() + self._alone_s_max
            while True:
                try:
                    return job(connection)
                except DBAPIError as error:
                    if not self._vendor.waited_for_lock(error) or time.monotonic() > deadline:
                        raise
                    connection.rollback()
                # those who were kept waiting go first
                time.sleep(LOOK_EVERY_S)

    def rewrite(self, job: Job[T]) -> T:
        self._must_write()
        with self._connected(self._engine) as connection, self._alone(connection):
            if others := self._vendor.others(connection):
                raise StoreError(f"还有网关或命令连着这个数据库（{'、'.join(others)}），请先停掉")
            connection.rollback()
            with connection.begin():
                return job(connection)

    def room(self) -> bool:
        return True

    def check(self) -> list[str]:
        return []

    def close(self) -> None:
        self._engine.dispose()

    def _must_write(self) -> None:
        if self._read_only:
            raise JournalUnavailable("the journal is open for reading only")

    @contextmanager
    def _connected(self, engine: Engine) -> Iterator[Connection]:
        """A connection for long work. Raises StoreError where there is none, JournalUnavailable for what breaks later."""
        try:
            connection = engine.connect()
        except SQLAlchemyError as error:
            raise StoreError(f"连接不上数据库 {_place(engine)}：{unavailable(error)}") from None
        with connection:
            try:
                yield connection
            except SQLAlchemyError as error:
                raise unavailable(error) from None

    @contextmanager
    def _alone(self, connection: Connection) -> Iterator[None]:
        """One at a time changes the tables. Asks again and again: a session that waits inside the database holds others up."""
        self._vendor.begin_long(connection)
        deadline = time.monotonic() + self._alone_s_max
        while not self._vendor.lock(connection):
            connection.rollback()
            if time.monotonic() > deadline:
                raise StoreError("另一个节点正在升级、备份或恢复这个数据库，稍后再试")
            time.sleep(LOOK_EVERY_S)
        connection.rollback()
        try:
            yield
        finally:
            # a connection that is gone has let its lock go
            with suppress(SQLAlchemyError):
                connection.rollback()
                self._vendor.unlock(connection)
                connection.rollback()
            connection.invalidate()

    def _open(self, engine: Engine) -> Connection:
        try:
            return self._vendor.connection(engine)
        except DBAPIError as error:
            raise JournalUnavailable(f"连接不上数据库 {_place(engine)}：{unavailable(error)}") from None

    def _transaction(self, job: Job[T]) -> T:
        with self._open(self._engine) as connection:
            transaction = connection.begin()
            try:
                result = job(connection)
            except DBAPIError as error:
                raise self._again_or_not(error) from None
            # from here on nobody can tell whether it happened, so it is not run again
            transaction.commit()
            return result

    def _select(self, job: Job[T]) -> T:
        with self._open(self._reading) as connection:
            try:
                return job(connection)
            except DBAPIError as error:
                raise self._again_or_not(error) from None

    def _again_or_not(self, error: DBAPIError) -> Exception:
        """A lost race, a deadlock, or a pooled connection that a restart of the server has cut: once more."""
        again = isinstance(error, IntegrityError) or error.connection_invalidated or self._vendor.again(error)
        return _AgainError(error) if again else error

    def _repeating(self, once: Callable[[], T]) -> T:
        try:
            for _ in range(ATTEMPTS_MAX - 1):
                try:
                    return once()
                except _AgainError:
                    continue
            return once()
        except _AgainError as error:
            raise unavailable(error.cause) from None
        except SQLAlchemyError as error:
            raise unavailable(error) from None


class _AgainError(Exception):
    """The transaction took no effect and may end otherwise when run once more."""

    def __init__(self, cause: DBAPIError) -> None:
        self.cause = cause


def _place(engine: Engine) -> str:
    """Where the database is, without user and password."""
    url = engine.url
    where = f"{url.host or ''}{f':{url.port}' if url.port else ''}/{url.database or ''}"
    return f"{url.get_backend_name()} {where}"[:PLACE_WIDTH_MAX]
