"""Only one single SELECT is a statement, whatever it is wrapped in."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Dialect, text
from sqlalchemy.dialects import mssql, mysql, oracle, postgresql, sqlite

from adapters.his.database import changed_query, source_of, stay_query
from adapters.his.statements import Statement, parse, read_statements, strange_files
from adapters.his.ways import default_folder
from gateway.stays.hospital import SUBJECTS, HisMisconfigured, Mark

FILE = Path("fees.sql")


def oracle_11g() -> Dialect:
    """As SQLAlchemy sets its dialect once a server below 12 has answered: no FETCH FIRST."""
    dialect = oracle.dialect()
    dialect._supports_offset_fetch = False
    return dialect


DIALECTS: dict[str, tuple[Dialect, str]] = {
    "oracle": (oracle.dialect(), "FETCH FIRST"),
    "oracle 11g": (oracle_11g(), "ROWNUM <="),
    "mssql": (mssql.dialect(), "SELECT TOP"),
    "mysql": (mysql.dialect(), "LIMIT"),
    "postgresql": (postgresql.dialect(), "LIMIT"),
    "sqlite": (sqlite.dialect(), "LIMIT"),
}
"""Each with the words in which it says that some rows are enough."""


def read(sql: str) -> Statement:
    return parse("fees", FILE, sql)


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("", "是空的"),
        ("-- 只有注释", "是空的"),
        ("DELETE FROM zy_fymx", "SELECT 开头"),
        ("SELECT 1; DROP TABLE a", "分号之后"),
        ("SELECT 1;;SELECT 2", "分号之后"),
        ("SELECT * INTO copy FROM a", "INTO"),
        ("SELECT * FROM a FOR UPDATE", "UPDATE"),
        ("WITH x AS (DELETE FROM a RETURNING *) SELECT * FROM x", "DELETE"),
        ("WITH x AS (SELECT 1) in/**/sert into a select * from x", "INTO"),
        ("SELECT pg_sleep(100)", "PG_SLEEP"),
        ("SELECT seq.NEXTVAL FROM dual", "NEXTVAL"),
        ("/* x */ BEGIN p END", "SELECT 开头"),
        ("SELECT * FROM a WHERE b = :ipt_no", ":changed_since"),
        ("SELECT 'a", "引号"),
        ("SELECT $$a$$", "\\$\\$"),
        ("EXEC sp_who", "SELECT 开头"),
    ],
)
def test_what_is_no_single_query_is_refused(sql: str, why: str) -> None:
    with pytest.raises(HisMisconfigured, match=why):
        read(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "select 1",
        "SELECT 'DELETE; it''s' FROM a;",
        'SELECT "UPDATE", [INTO], `x` FROM a ; -- done',
        "SELECT /* DROP; */ 1 -- ; DELETE",
        "WITH x AS (SELECT 1 a) SELECT * FROM x",
        "SELECT q'[it's; DELETE]' FROM dual",
        "SELECT replace(a, 'x', 'y') FROM b",
        "SELECT updated_at, deleted FROM a",
        "SELECT a FROM b WHERE c >= :changed_since",
    ],
)
def test_a_query_is_taken(sql: str) -> None:
    assert read(sql).sql


@given(st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=40))
def test_text_in_quotes_reaches_the_database_as_it_stands(content: str) -> None:
    quoted = "'" + content.replace("'", "''") + "'"
    written = read(f"SELECT {quoted} FROM a").sql
    assert str(text(written).compile(dialect=sqlite.dialect())) == f"SELECT {quoted} FROM a"


def test_parameters_and_casts_are_told_apart_from_colons() -> None:
    statement = read("SELECT a::date, TO_CHAR(b, 'HH24:MI :x') FROM c WHERE d > :CHANGED_SINCE")
    assert statement.uses_since
    written = text(statement.sql).compile(dialect=postgresql.dialect())
    assert str(written) == "SELECT a::date, TO_CHAR(b, 'HH24:MI :x') FROM c WHERE d > %(changed_since)s"


def test_files_of_windows_editors_are_read(tmp_path: Path) -> None:
    (tmp_path / "fees.sql").write_bytes("﻿SELECT '费用' FROM a".encode())
    (tmp_path / "orders.sql").write_bytes("SELECT '医嘱' FROM a -- 注释".encode("gbk"))
    (tmp_path / "items.sql").write_text("UPDATE a", encoding="utf-8")
    (tmp_path / "item.sql").write_text("SELECT 1", encoding="utf-8")
    found, wrong = read_statements(tmp_path)
    assert "费用" in found["fees"].sql
    assert "医嘱" in found["orders"].sql
    assert list(wrong) == ["items"]
    assert strange_files(tmp_path) == ("item.sql",)


def test_a_folder_without_statements_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(HisMisconfigured, match="语句"):
            read_statements(folder)


@pytest.mark.parametrize(("dialect", "some_rows"), DIALECTS.values(), ids=list(DIALECTS))
def test_every_query_compiles_for_every_database(dialect: Dialect, some_rows: str) -> None:
    found, wrong = read_statements(default_folder())
    assert (set(found), wrong) == (set(SUBJECTS), {})
    for name, statement in found.items():
        columns = (*SUBJECTS[name].required,)
        source = source_of(statement, columns, "2026")
        queries = [
            changed_query(source, since=None, after=Mark("2026", 5)).limit(10),
            changed_query(source, since="1", after=None),
        ]
        if SUBJECTS[name].of_stay:
            queries += [stay_query(source, "ZY1").limit(5), stay_query(source, "ZY1", "1").limit(5)]
        written = [str(query.compile(dialect=dialect)) for query in queries]
        assert all("FROM (" in sql for sql in written)
        assert [some_rows in sql for sql in written] == [number != 1 for number in range(len(written))]
