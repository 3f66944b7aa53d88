"""Connections to a HIS by vendor: few, read-only, and given up after a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import structlog
from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.exc import NoSuchModuleError
from sqlalchemy.pool import QueuePool

from gateway.stays.hospital import HisMisconfigured

log = structlog.get_logger(__name__)

CONNECT_S_MAX: Final = 5
APPLICATION: Final = "yibao his"


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a HIS may be used.

    Args:
        pool_size: connections at most, for this process.
        wait_s_max: seconds to wait for one of them.
        statement_s_max: seconds after which a statement is given up.
        oracle_client: folder of Oracle's client libraries; None is the thin mode.
    """

    pool_size: int = 2
    wait_s_max: float = 5
    statement_s_max: float = 20
    oracle_client: Path | None = None


Begin = Callable[[Connection], None]


def _nothing(_: Connection) -> None:
    """Where the connection as a whole is read-only already."""


@dataclass(frozen=True, slots=True)
class Vendor:
    """What differs between databases.

    Args:
        driver: SQLAlchemy's name of dialect and driver.
        extra: optional part of this program that brings the driver; empty where it is always there.
        begin: run first in every transaction.
        guard: how a write is kept out, for the report.
        takes_with: whether a derived table may begin with WITH.
    """

    driver: str
    arguments: Callable[[Limits], dict[str, Any]]
    guard: str
    extra: str = ""
    begin: Begin = _nothing
    prepare: Callable[[Any, Limits], None] = lambda _connection, _limits: None
    takes_with: bool = True


def open_engine(url: URL, limits: Limits) -> tuple[Engine, Vendor]:
    """An engine that connects when it is first used.

    Raises:
        HisMisconfigured: another database, a driver that is not installed, an Oracle client that cannot be loaded.
    """
    vendor = VENDORS.get(url.get_backend_name())
    if vendor is None:
        raise HisMisconfigured(f"不支持的 HIS 数据库 {url.get_backend_name()}，请用 {'、'.join(VENDORS)}")
    if "+" in url.drivername and url.drivername != vendor.driver:
        log.warning("his_driver_replaced", given=url.drivername, used=vendor.driver)
    if vendor is VENDORS["oracle"] and limits.oracle_client:
        _load_oracle_client(limits.oracle_client)
    if vendor is VENDORS["sqlite"]:
        url = _sqlite_read_only(url)
    try:
        engine = create_engine(
            url.set(drivername=vendor.driver),
            poolclass=QueuePool,
            pool_size=limits.pool_size,
            max_overflow=0,
            pool_timeout=limits.wait_s_max,
            # what lay idle may have been cut by a firewall; an hour is below most of their limits
            pool_pre_ping=True,
            pool_recycle=1800,
            hide_parameters=True,
            connect_args=vendor.arguments(limits),
        )
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        raise HisMisconfigured(f"连接该数据库需要驱动，请安装：pip install 'yibao-gateway[{vendor.extra}]'") from error

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        vendor.prepare(connection, limits)

    return engine, vendor


# ------------------------------------------------------------------ SQLite


def _sqlite_read_only(url: URL) -> URL:
    if not url.database or url.database == ":memory:" or url.query:
        raise HisMisconfigured("SQLite 地址应指明文件，不带参数，例如 sqlite:////data/his.db")
    if not Path(url.database).is_file():
        raise HisMisconfigured(f"HIS 数据库文件不存在：{url.database}")
    return url.set(database=f"file:{quote(str(Path(url.database).absolute()))}", query={"mode": "ro", "uri": "true"})


def _sqlite_prepare(connection: Any, _: Limits) -> None:
    connection.execute("PRAGMA query_only = ON")


def sqlite_deadline(connection: Connection, statement_s_max: float) -> None:
    """SQLite knows no time limit of its own; it asks now and then whether to go on."""
    raw: Any = connection.connection.driver_connection
    until = time.monotonic() + statement_s_max
    raw.set_progress_handler(lambda: time.monotonic() > until, 10_000)


# -------------------------------------------------------------- PostgreSQL


def _postgres_arguments(limits: Limits) -> dict[str, Any]:
    ms = int(limits.statement_s_max * 1000)
    session = ("default_transaction_read_only=on", f"statement_timeout={ms}", "lock_timeout=2000",
               f"idle_in_transaction_session_timeout={ms * 2}")  # fmt: skip
    return {
        "options": " ".join(f"-c {setting}" for setting in session),
        "connect_timeout": CONNECT_S_MAX,
        "application_name": APPLICATION,
        "tcp_user_timeout": ms + CONNECT_S_MAX * 1000,
    }


def _postgres_begin(connection: Connection) -> None:
    # the session's default could be lifted by a statement, this cannot once a query has run
    connection.execute(text("SET TRANSACTION READ ONLY"))


# ------------------------------------------------------------------ Oracle

ORACLE_CLIENT_MIN: Final = 18
"""The first whose calls can be given a time limit; 19 is the last that still connects to 11.2 (python-oracledb's guide)."""
_loaded: list[Path] = []


def _load_oracle_client(folder: Path) -> None:
    """Thick mode is for the whole process, and only once; the journal on Oracle then uses it too."""
    import oracledb

    if _loaded == [folder]:
        return
    try:
        oracledb.init_oracle_client(lib_dir=str(folder))
    except oracledb.Error as error:
        raise HisMisconfigured(f"Oracle 客户端无法从 {folder} 载入：{_first_line(error)}") from error
    if oracledb.clientversion()[0] < ORACLE_CLIENT_MIN:
        told = ".".join(str(part) for part in oracledb.clientversion())
        raise HisMisconfigured(
            f"Oracle 客户端 {told}（{folder}）不能给语句设时限，请用 Instant Client {ORACLE_CLIENT_MIN} 或 19"
        )
    _loaded[:] = [folder]


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]


def _oracle_prepare(connection: Any, limits: Limits) -> None:
    connection.call_timeout = int(limits.statement_s_max * 1000)
    connection.module = APPLICATION


def _oracle_begin(connection: Connection) -> None:
    connection.execute(text("SET TRANSACTION READ ONLY"))


# -------------------------------------------------------------- SQL Server


def _mssql_arguments(limits: Limits) -> dict[str, Any]:
    return {
        "login_timeout": CONNECT_S_MAX,
        "timeout": max(1, int(limits.statement_s_max)),
        "appname": APPLICATION,
        "read_only": True,
    }


def _mssql_prepare(connection: Any, _: Limits) -> None:
    cursor = connection.cursor()
    # should anybody be in each other's way, it is we who step aside
    cursor.execute("SET LOCK_TIMEOUT 2000; SET DEADLOCK_PRIORITY LOW; SET XACT_ABORT ON")
    cursor.close()


# ------------------------------------------------------------------- MySQL


def _mysql_arguments(limits: Limits) -> dict[str, Any]:
    return {
        "connect_timeout": CONNECT_S_MAX,
        "read_timeout": int(limits.statement_s_max) + CONNECT_S_MAX,
        "write_timeout": CONNECT_S_MAX,
        "charset": "utf8mb4",
        "program_name": APPLICATION,
        "init_command": "SET SESSION TRANSACTION READ ONLY",
    }


def _mysql_prepare(connection: Any, limits: Limits) -> None:
    with connection.cursor() as cursor:
        # the limit has another name and unit in MariaDB
        cursor.execute("SELECT VERSION()")
        mariadb = "mariadb" in str(cursor.fetchone()[0]).lower()
        if mariadb:
            cursor.execute(f"SET SESSION max_statement_time = {limits.statement_s_max:g}")
        else:
            cursor.execute(f"SET SESSION max_execution_time = {int(limits.statement_s_max * 1000)}")


VENDORS: Final[Mapping[str, Vendor]] = {
    "sqlite": Vendor(
        driver="sqlite+pysqlite",
        arguments=lambda _: {"check_same_thread": False, "timeout": 2.0},
        guard="以只读方式打开文件，query_only",
        prepare=_sqlite_prepare,
    ),
    "postgresql": Vendor(
        driver="postgresql+psycopg",
        arguments=_postgres_arguments,
        guard="SET TRANSACTION READ ONLY",
        begin=_postgres_begin,
    ),
    "oracle": Vendor(
        driver="oracle+oracledb",
        arguments=lambda _: {"tcp_connect_timeout": CONNECT_S_MAX, "expire_time": 1},
        guard="SET TRANSACTION READ ONLY",
        begin=_oracle_begin,
        prepare=_oracle_prepare,
    ),
    "mssql": Vendor(
        driver="mssql+pymssql",
        arguments=_mssql_arguments,
        guard="只查询，事务总是回滚；SQL Server 没有只读事务，请用只有 db_datareader 的用户",
        extra="mssql",
        prepare=_mssql_prepare,
        takes_with=False,
    ),
    "mysql": Vendor(
        driver="mysql+pymysql",
        arguments=_mysql_arguments,
        guard="SET SESSION TRANSACTION READ ONLY",
        extra="mysql",
        prepare=_mysql_prepare,
    ),
}
