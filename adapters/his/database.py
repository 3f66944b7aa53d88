"""A HIS asked through its database, by statements that a hospital engineer writes (``conf/his/*.sql``).

Only reading, over few connections of its own, each statement with a time limit: a slow HIS makes its own readers wait and
nobody else.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import (
    TIMESTAMP,
    URL,
    BigInteger,
    ColumnClause,
    ColumnElement,
    Connection,
    DateTime,
    Numeric,
    Select,
    String,
    TextClause,
    and_,
    bindparam,
    column,
    or_,
    select,
    text,
)
from sqlalchemy.exc import DBAPIError, ResourceClosedError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.sql.selectable import FromClause
from sqlalchemy.types import TypeEngine

from adapters.his._engines import Limits, open_engine, sqlite_deadline
from adapters.his.statements import CHANGED_SINCE, Statement, by_name
from gateway.stays.hospital import (
    CHANGED_AT,
    IPT_NO,
    ROW_ID,
    SUBJECTS,
    HisError,
    HisMisconfigured,
    HisUnavailable,
    Mark,
    Page,
    Point,
    SubjectName,
)
from gateway.stays.hospital_rows import page_of, page_of_stay

ROWS_OF_STAY_MAX: Final = 50_000
"""A stay of a year in intensive care has some 30,000; more means that a statement joins wrongly."""
LONG_AGO: Final = datetime(1900, 1, 1)  # noqa: DTZ001 - the HIS's own clock, which has no zone

Values = Mapping[str, Any]


class DatabaseRecords:
    """``HospitalRecords`` over a database. Shared by threads.

    Args:
        url: of the HIS.
        statements: by subject, as read by ``read_statements``.
        limits: how much of the HIS may be used.
        charset: of text that the database gives as bytes.

    Raises:
        HisMisconfigured: the database is not one we know, or its driver is missing.
    """

    def __init__(
        self,
        url: URL,
        statements: Mapping[SubjectName, Statement],
        limits: Limits | None = None,
        charset: str = "gb18030",
    ) -> None:
        self._limits = limits or Limits()
        self._statements = statements
        self.charset = charset
        self._engine, self.vendor = open_engine(url, self._limits)
        self._columns: dict[SubjectName, tuple[str, ...]] = {}
        self._lock = threading.Lock()
        self._version = ""

    @property
    def guard(self) -> str:
        """How a write is kept out, for the report."""
        return self.vendor.guard

    def file_of(self, subject: SubjectName) -> str:
        """Name of the file that holds the statement of a subject."""
        return SUBJECTS[subject].file

    def subjects(self) -> tuple[SubjectName, ...]:
        return tuple(self._statements)

    def changed(
        self, subject: SubjectName, *, since: Point | None = None, after: Mark | None = None, rows_max: int = 500
    ) -> Page:
        """A page in the order of change.

        Raises:
            HisMisconfigured: the statement cannot be run, or its ``changed_at`` is finer than can be asked for.
        """
        begin = after.changed_at if after else since
        with self._reading(subject, LONG_AGO if begin is None else begin) as (connection, source):
            given = _rows(connection, changed_query(source, since=since, after=after).limit(rows_max))
        if given and after and (given[-1][CHANGED_AT], given[-1][ROW_ID]) == (after.changed_at, after.row_id):
            raise HisMisconfigured(
                f"{SUBJECTS[subject].file} 的 changed_at 比驱动能表示的更精细，读不下去；请在语句中截到秒或毫秒"
            )
        return page_of(subject, given, charset=self.charset, last=len(given) < rows_max)

    def of_stay(self, subject: SubjectName, ipt_no: str, *, since: Point | None = None) -> Page:
        if not SUBJECTS[subject].of_stay:
            raise HisMisconfigured(f"{SUBJECTS[subject].label}不属于某次住院")
        with self._reading(subject, LONG_AGO if since is None else since) as (connection, source):
            given = _rows(connection, stay_query(source, ipt_no, since).limit(ROWS_OF_STAY_MAX + 1))
        if len(given) > ROWS_OF_STAY_MAX:
            raise HisMisconfigured(
                f"{SUBJECTS[subject].file} 对住院号 {ipt_no} 给出超过 {ROWS_OF_STAY_MAX} 行，请核对语句的关联条件"
            )
        return page_of_stay(subject, given, charset=self.charset, since=since)

    # ------------------------------------------------------- for the report

    def columns(self, subject: SubjectName) -> tuple[str, ...]:
        """Names of the columns that a statement delivers, small letters, as the database says."""
        statement = by_name(self._statements, subject)
        with self._connected() as connection:
            return self._described(connection, statement)

    def sample(self, subject: SubjectName, rows_max: int) -> list[dict[str, Any]]:
        """Some rows in no order, as the driver gives them."""
        with self._reading(subject) as (connection, source):
            return _rows(connection, select(source).limit(rows_max))

    def server(self) -> str:
        """Which database answers, with its version."""
        with self._connected() as connection:
            version = ".".join(str(part) for part in connection.dialect.server_version_info or ())
            return f"{connection.dialect.name} {version}"

    def close(self) -> None:
        self._engine.dispose()

    # -------------------------------------------------------------- reading

    @contextmanager
    def _reading(self, subject: SubjectName, since: Point = LONG_AGO) -> Iterator[tuple[Connection, FromClause]]:
        statement = by_name(self._statements, subject)
        with self._connected() as connection:
            names = self._described(connection, statement)
            _must_have(statement, names)
            yield connection, source_of(statement, names, since)

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        """A transaction that reads, and is always rolled back. Every failure is told as a :class:`HisError`."""
        try:
            with self._engine.connect() as connection:
                if connection.dialect.name == "sqlite":
                    sqlite_deadline(connection, self._limits.statement_s_max)
                self.vendor.begin(connection)
                try:
                    yield connection
                finally:
                    if not connection.invalidated:
                        connection.rollback()
        except PoolTimeout:
            raise HisUnavailable(
                f"HIS 的 {self._limits.pool_size} 个连接都在使用，{self._limits.wait_s_max:g} 秒内没有空出"
            ) from None
        except DBAPIError as error:
            raise failure(error) from error
        except (SQLAlchemyError, OSError, ValueError) as error:
            # values that a driver cannot turn into Python (0000-00-00, broken bytes) come as ValueError
            raise HisMisconfigured(f"HIS 的答复无法读取：{_line(error)}") from error

    def _described(self, connection: Connection, statement: Statement) -> tuple[str, ...]:
        """Names of the columns; asked once, with a query that delivers no row."""
        if statement.has_with and not self.vendor.takes_with:
            raise HisMisconfigured(f"{statement.file.name}：SQL Server 的语句不能以 WITH 开头，请改写为子查询或视图")
        with self._lock:
            if known := self._columns.get(statement.subject):
                return known
        query = _written(f"SELECT * FROM ({statement.sql}\n) his WHERE 1 = 0", statement, LONG_AGO)  # noqa: S608
        try:
            result = connection.execute(query)
            names = tuple(str(name).lower() for name in result.keys())  # noqa: SIM118 - a result is no mapping
        except ResourceClosedError as error:
            raise HisMisconfigured(f"{statement.file.name} 不是查询") from error
        with self._lock:
            self._columns[statement.subject] = names
        return names


def _must_have(statement: Statement, names: Sequence[str]) -> None:
    if missing := [name for name in SUBJECTS[statement.subject].required if name not in names]:
        raise HisMisconfigured(f"{statement.file.name} 缺少列 {'、'.join(missing)}")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise HisMisconfigured(f"{statement.file.name} 有重名的列 {'、'.join(twice)}")


def source_of(statement: Statement, names: Sequence[str], since: Point) -> FromClause:
    """The statement as a derived table with the documented ones of its columns.

    Args:
        names: columns that it delivers.
        since: value of ``:changed_since`` where it uses that.
    """
    subject = SUBJECTS[statement.subject]
    known = {*subject.required, *(each.name for each in subject.columns)}
    delivered: list[ColumnClause[Any]] = [column(name) for name in names if name in known]
    return _written(statement.sql + "\n", statement, since).columns(*delivered).subquery("his")


def _written(sql: str, statement: Statement, since: Point) -> TextClause:
    written = text(sql)
    return written.bindparams(bindparam(CHANGED_SINCE, since, _type_of(since))) if statement.uses_since else written


def changed_query(source: FromClause, *, since: Point | None, after: Mark | None) -> Select[Any]:
    """Rows in the order of change, from ``since`` on or behind ``after``; those never changed are left out."""
    changed_at, row_id = source.c[CHANGED_AT], source.c[ROW_ID]
    query = select(source).where(changed_at.is_not(None)).order_by(changed_at, row_id)
    if after is not None:
        at, number = _bound("mark_at", after.changed_at), _bound("mark_row", after.row_id)
        # said twice so that an index on changed_at is of use
        return query.where(changed_at >= at, or_(changed_at > at, and_(changed_at == at, row_id > number)))
    return query if since is None else query.where(changed_at >= _bound("mark_at", since))


def stay_query(source: FromClause, ipt_no: str, since: Point | None = None) -> Select[Any]:
    """All rows of a stay, or those changed since; one without a time of change may be new, so it always comes."""
    query = select(source).where(source.c[IPT_NO] == _bound("ipt_no", ipt_no))
    if since is None:
        return query
    changed_at = source.c[CHANGED_AT]
    return query.where(or_(changed_at.is_(None), changed_at >= _bound("mark_at", since)))


def _bound(name: str, value: Point) -> ColumnElement[Any]:
    return bindparam(name, value, _type_of(value))


def _type_of(value: Any) -> TypeEngine[Any]:
    """A type by which the driver sends the value exactly; Oracle would drop fractions from a DATE."""
    if isinstance(value, datetime):
        return TIMESTAMP(timezone=value.tzinfo is not None) if value.microsecond or value.tzinfo else DateTime()
    if isinstance(value, Decimal):
        return Numeric(38, 10)
    return BigInteger() if isinstance(value, int) else String()


def _rows(connection: Connection, query: Select[Any]) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(query).mappings()]


# ---------------------------------------------------------------- failures

_BUSY: Final = ("57014", "55P03", "40001", "25P02", "57P01", "57P03", "08", "53")
"""SQLSTATE of PostgreSQL: cancelled, waited for a lock, shut down, connection, resources."""
_BUSY_NUMBERS: Final = frozenset(
    {
        *(54, 1013, 1033, 1034, 1089, 1555, 3113, 3114, 3136, 12170, 12514, 12541, 12545),  # Oracle
        *(1205, 1222, 20003, 20006, 20009, 20047),  # SQL Server and its DB-Library
        *(1040, 1317, 1969, 2003, 2006, 2013, 3024),  # MySQL, MariaDB
    }
)
_BUSY_WORDS: Final = (
    "interrupted",
    "timeout",
    "timed out",
    "locked",
    "could not connect",
    "refused",
    "dpy-4024",
    "dpy-6005",
)
_OLD_ORACLE: Final = "DPY-3010"


def failure(error: DBAPIError) -> HisError:
    """What a driver's error means: later it may work, or somebody must change something."""
    original = error.orig
    line = _line(original or error)
    state = str(getattr(original, "sqlstate", "") or "")
    if _OLD_ORACLE in line:
        return HisMisconfigured(f"Oracle 11g 及更早版本须用 thick 方式，请设置 his.oracle_client：{line}")
    known = error.connection_invalidated or state.startswith(_BUSY) or _number(original) in _BUSY_NUMBERS
    if known or any(word in line.lower() for word in _BUSY_WORDS):
        return HisUnavailable(f"HIS 数据库没有按时答复：{line}")
    return HisMisconfigured(f"HIS 数据库拒绝了语句：{line}")


def _number(error: BaseException | None) -> int:
    first = error.args[0] if error is not None and error.args else None
    number = getattr(first, "code", first)
    return number if isinstance(number, int) else 0


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
