"""A connection on which the statements of the hot path cost what the driver costs.

SQLAlchemy Core spends some 100 to 300 us of CPU on a statement whose text it knows already, the drivers 5 to 50. What
``statements.py`` and ``stay_statements.py`` build once is therefore rendered once for a dialect and then handed to the driver
as text.
Everything else, and whatever needs a conversion of values on the way, is executed by SQLAlchemy as before.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import sqlalchemy
from sqlalchemy import CursorResult, Dialect, Executable, Insert, LargeBinary, Row, SelectBase
from sqlalchemy.engine.result import IteratorResult, SimpleResultMetaData
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.compiler import SQLCompiler

from gateway.store import feed_statements, statements, stay_statements

Values = Mapping[str, Any]
ROWS_AT_ONCE_MAX: Final = 8
"""More are given one by one: a text for every number of rows would not stay prepared."""
CONSTANT: Final = statements.CONSTANT | stay_statements.CONSTANT | feed_statements.CONSTANT


class Connection(sqlalchemy.Connection):
    """``sqlalchemy.Connection`` with the statements that are built once rendered once."""

    def execute(self, statement: Any, parameters: Any = None, *, execution_options: Any = None) -> CursorResult[Any]:
        """As ``sqlalchemy.Connection.execute``; raises the same ``DBAPIError``, never with the values in its text."""
        if execution_options or statement not in CONSTANT:
            return super().execute(statement, parameters, execution_options=execution_options)
        rendered = _rendered(self.dialect, statement, parameters)
        if rendered is None:
            return super().execute(statement, parameters)
        # what callers use of a result is the same on both; the driver's cursor is not kept open as SQLAlchemy's would be
        return cast("CursorResult[Any]", self._run(rendered, parameters))

    def _run(self, rendered: _Rendered, parameters: Any) -> Fetched | Done:
        many, text = isinstance(parameters, list), rendered.text
        values = [rendered.values(given) for given in parameters] if many else rendered.values(parameters or {})
        if many and rendered.row and len(values) <= ROWS_AT_ONCE_MAX:
            many, text = False, text + rendered.row * (len(values) - 1)
            values = [value for row in values for value in row]
        cursor = self.connection.cursor()
        if self._has_events or self.engine._has_events:
            for told in self.dispatch.before_cursor_execute:
                told(self, cursor, text, values, None, many)
        try:
            (cursor.executemany if many else cursor.execute)(text, values)
            return rendered.result(cursor)
        except Exception as error:
            raise self._named(error, cursor) from error
        finally:
            cursor.close()

    def _named(self, error: Exception, cursor: Any) -> BaseException:
        """``error`` of the driver as SQLAlchemy names it; a connection that is gone leaves the pool."""
        dialect = self.dialect
        driver: Any = dialect.loaded_dbapi
        if not isinstance(error, driver.Error):
            return error
        gone = dialect.is_disconnect(error, self.connection.driver_connection, cursor)
        if gone:
            self.invalidate(error)
        named: BaseException = DBAPIError.instance(
            None, None, error, driver.Error, hide_parameters=True, connection_invalidated=gone, dialect=dialect
        )
        return named


class Done:
    """What a statement did that gives no rows."""

    __slots__ = ("inserted_primary_key", "rowcount")

    def __init__(self, rowcount: int, row_id: int | None) -> None:
        self.rowcount = rowcount
        self.inserted_primary_key = (row_id,)


class Fetched(IteratorResult[Any]):
    """Rows that were fetched.

    What is asked for most often is answered without SQLAlchemy's way through its iterators; it gives the same rows.
    """

    def __init__(self, keys: SimpleResultMetaData, rows: Sequence[Any]) -> None:
        super().__init__(keys, iter(rows))
        self._rows = rows

    def all(self) -> Sequence[Row[Any]]:
        if not self._rows:
            return []
        keys = self._metadata
        return [Row(keys, None, keys._key_to_index, row) for row in self._rows]

    def first(self) -> Row[Any] | None:
        return self.all()[0] if self._rows else None

    def scalar(self) -> Any:
        return self._rows[0][0] if self._rows else None


@dataclass(frozen=True, slots=True)
class _Rendered:
    """A statement as text for one driver.

    Args:
        names: of the values in their order; None where the driver takes them by name.
        fixed: values that belong to the statement.
        lists: names of values that are lists; each item has a place of its own.
        keys: of the rows that come back; None when none do.
        returns_id: the one row that comes back is the number of the row inserted.
        row: what is added for each further row, so that a few rows are one step of the driver; empty where it cannot be.
    """

    text: str
    names: tuple[str, ...] | None
    fixed: Mapping[str, Any]
    lists: tuple[str, ...]
    keys: SimpleResultMetaData | None
    returns_id: bool
    row: str

    def values(self, given: Values) -> Any:
        """What the driver gets."""
        values = {**self.fixed, **given} if self.fixed else given
        if self.lists:
            values = {**values, **{f"{name}_{n}": item for name in self.lists for n, item in enumerate(given[name], 1)}}
            if self.names is None:  # the driver would take a list that no place asks for as one more value
                values = {name: value for name, value in values.items() if name not in self.lists}
        return values if self.names is None else [values[name] for name in self.names]

    def result(self, cursor: Any) -> Fetched | Done:
        """What came back, all of it."""
        if self.keys is not None:
            return Fetched(self.keys, cursor.fetchall())
        return Done(cursor.rowcount, cursor.fetchone()[0] if self.returns_id else getattr(cursor, "lastrowid", None))


_known: dict[tuple[Any, ...], _Rendered | None] = {}
_known_lock = threading.Lock()
_KNOWN_MAX: Final = 4096
"""Statements times lengths of their lists; beyond that (never seen) SQLAlchemy executes."""


def _rendered(dialect: Dialect, statement: Executable, parameters: Any) -> _Rendered | None:
    many = isinstance(parameters, list)
    given: Values = (parameters[0] if many else parameters) or {}
    shape = tuple(given) if isinstance(statement, Insert) else tuple(
        len(value) for value in given.values() if isinstance(value, list)
    )  # fmt: skip
    key = (statement, dialect.name, many, shape)
    try:
        return _known[key]
    except KeyError:
        if len(_known) >= _KNOWN_MAX:
            return None
        with _known_lock:
            return _known.setdefault(key, _render(dialect, statement, given, many=many))


def _render(dialect: Dialect, statement: Any, given: Values, *, many: bool) -> _Rendered | None:
    # what inserts the rows of a SELECT takes the values that stand in that
    names = list(given) if isinstance(statement, Insert) and statement.select is None else None
    compiled = statement.compile(dialect=dialect, column_keys=names, for_executemany=many)
    if _converts(dialect, compiled, statement):
        return None
    expanded = compiled.construct_expanded_state(dict(given))
    lists = tuple(name for name, value in given.items() if isinstance(value, list))
    passed = {*given, *(f"{name}_{n}" for name in lists for n in range(1, len(given[name]) + 1))}
    return _Rendered(
        text=expanded.statement,
        names=tuple(expanded.positiontup) if expanded.positiontup is not None else None,
        fixed={name: value for name, value in expanded.parameters.items() if name not in passed},
        lists=lists,
        keys=SimpleResultMetaData(list(statement.selected_columns.keys()))
        if isinstance(statement, SelectBase)
        else None,
        returns_id=bool(compiled.effective_returning),
        row=_row(dialect, expanded.statement, len(given)) if many and names is not None else "",
    )


def _row(dialect: Dialect, text: str, values: int) -> str:
    """One more row of an INSERT. SQLite's driver takes the rows one by one, and lets go of the interpreter for each."""
    places = f"({', '.join('?' * values)})"
    return f", {places}" if dialect.name == "sqlite" and text.endswith(f"VALUES {places}") else ""


def _converts(dialect: Dialect, compiled: SQLCompiler, statement: Any) -> bool:
    """Whether a value is converted between us and the driver. Bytes are bytes to every driver."""
    passed = [bound.type for bound in compiled.binds.values()]
    fetched = [column.type for column in statement.selected_columns] if isinstance(statement, SelectBase) else []
    return any(
        not isinstance(kind, LargeBinary) and kind.dialect_impl(dialect).bind_processor(dialect) for kind in passed
    ) or any(
        not isinstance(kind, LargeBinary) and kind.dialect_impl(dialect).result_processor(dialect, None)
        for kind in fetched
    )
