"""A HIS that is slow, busy, far, or asked to change something."""

from __future__ import annotations

import sqlite3
import threading
import time
from pathlib import Path

import oracledb
import pytest
from sqlalchemy import event, make_url

from adapters.his import _engines
from adapters.his._engines import Limits
from adapters.his.check import check
from adapters.his.database import DatabaseRecords
from adapters.his.sample import Sizes, write_sample
from adapters.his.statements import parse, read_statements
from adapters.his.ways import default_folder, open_records
from gateway.settings import His
from gateway.stays.hospital import SUBJECTS, HisMisconfigured, HisUnavailable
from tests.servers import free_ports

ENDLESS = """
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)
SELECT 1 AS row_id, '2026' AS changed_at, i AS medins_list_codg, 'x' AS medins_list_name FROM n WHERE i < 0
"""
SLEEPING = """
SELECT 1 AS row_id, '2026' AS changed_at, 'A' AS medins_list_codg, slow_name() AS medins_list_name
"""


def items(url: str, sql: str, limits: Limits) -> DatabaseRecords:
    return DatabaseRecords(make_url(url), {"items": parse("items", Path("items.sql"), sql)}, limits)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('his')}/his.db"
    write_sample(make_url(url), Sizes(stays=12, fees=(30, 40)), 7)
    return url


@pytest.fixture
def empty(tmp_path: Path) -> str:
    sqlite3.connect(tmp_path / "his.db").execute("CREATE TABLE a (b)").connection.close()
    return f"sqlite:///{tmp_path}/his.db"


def test_a_statement_that_does_not_end_is_given_up_on_sqlite(empty: str) -> None:
    his = items(empty, ENDLESS, Limits(statement_s_max=0.2))
    begun = time.monotonic()
    with pytest.raises(HisUnavailable):
        his.changed("items")
    assert time.monotonic() - begun < 10
    his.close()


def slow_postgres(url: str) -> None:
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "CREATE FUNCTION slow_name() RETURNS text LANGUAGE sql AS $$ SELECT pg_sleep(3)::text || 'x' $$;"
            "CREATE TABLE told (a int);"
            "CREATE FUNCTION sly() RETURNS text LANGUAGE plpgsql AS $$ BEGIN INSERT INTO told VALUES (1); RETURN 'x'; END $$"
        )


def test_a_statement_that_takes_too_long_is_given_up_on_postgresql(pg_url: str) -> None:
    slow_postgres(pg_url)
    his = items(pg_url, SLEEPING, Limits(statement_s_max=0.3))
    with pytest.raises(HisUnavailable, match="没有按时"):
        his.changed("items")
    his.close()


def test_who_finds_every_connection_in_use_is_told_soon(pg_url: str) -> None:
    slow_postgres(pg_url)
    his = items(pg_url, SLEEPING, Limits(pool_size=1, wait_s_max=0.2, statement_s_max=2))
    his.columns("items")
    taken = threading.Event()
    event.listen(his._engine, "checkout", lambda *_: taken.set())
    failures: list[Exception] = []

    def slow() -> None:
        try:
            his.changed("items")
        except HisUnavailable as error:
            failures.append(error)

    thread = threading.Thread(target=slow)
    thread.start()
    assert taken.wait(10)
    with pytest.raises(HisUnavailable, match="1 个连接都在使用"):
        his.changed("items")
    thread.join(10)
    assert len(failures) == 1
    his.close()


def test_a_function_that_writes_is_stopped_by_the_database(pg_url: str) -> None:
    import psycopg

    slow_postgres(pg_url)
    his = items(pg_url, SLEEPING.replace("slow_name", "sly"), Limits())
    with pytest.raises(HisMisconfigured, match="read-only"):
        his.changed("items")
    his.close()
    with psycopg.connect(pg_url) as connection:
        assert connection.execute("SELECT count(*) FROM told").fetchone() == (0,)


def test_sqlite_is_opened_for_reading_only(sample: str) -> None:
    his, _ = open_records(His(url=sample))
    with his._engine.connect() as connection, pytest.raises(Exception, match="readonly"):
        connection.exec_driver_sql("DELETE FROM xm_zd")
    his.close()


@pytest.mark.parametrize("driver", ["postgresql", "oracle", "oracle+cx_oracle", "mssql", "mysql"])
def test_a_his_that_is_not_there_is_told_in_words(driver: str) -> None:
    (port,) = free_ports(1)
    path = "/?service_name=his" if driver.startswith("oracle") else "/his"
    his = items(f"{driver}://reader:secret@127.0.0.1:{port}{path}", "SELECT 1 AS row_id FROM a", Limits())
    with pytest.raises(HisUnavailable) as caught:
        his.columns("items")
    assert "secret" not in str(caught.value)
    his.close()


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        (His(), "his.url"),
        (His(url="informix://a/b"), "informix"),
        (His(url="no url"), "格式错误"),
        (His(url="sqlite:////nowhere/his.db"), "不存在"),
        (His(url="sqlite:///a.db", statements=Path("/nowhere")), "/nowhere"),
        (His(url="oracle://a@b/c", oracle_client=Path("/nowhere")), "Oracle 客户端"),
    ],
)
def test_what_cannot_be_used_is_told_at_once(settings: His, why: str) -> None:
    (finding,) = check(settings)
    assert finding.ok is False
    assert why in finding.text


def test_a_password_does_not_stand_in_the_address() -> None:
    with pytest.raises(ValueError, match=r"his\.password"):
        His(url="postgresql://reader:secret@host/his")


def test_the_statements_of_the_sample_are_good(sample: str) -> None:
    found = {finding.what: finding for finding in check(His(url=sample))}
    assert {what: finding.ok for what, finding in found.items()} == {
        "HIS": True, **{subject.file: True for subject in SUBJECTS.values()}
    }  # fmt: skip
    assert found["fees.sql"].facts["rows"] == 50


def statement_found(sample: str, folder: Path, name: str, text: str) -> tuple[bool | None, str]:
    (folder / name).write_text(text, encoding="utf-8")
    finding = next(f for f in check(His(url=sample, statements=folder)) if f.what == name)
    return finding.ok, " ".join((finding.text, *finding.problems, *finding.notes))


@pytest.mark.parametrize(
    ("text", "ok", "why"),
    [
        ("SELECT id AS row_id, xgsj AS changed_at FROM xm_zd", False, "缺少列 medins_list_codg、medins_list_name"),
        ("SELECT * FROM none", False, "none"),
        ("SELECT id AS row_id, xgsj changed_at, xmbm medins_list_codg, xmmc medins_list_name, gg guige FROM xm_zd", True, "guige"),
        ("SELECT 1 AS row_id, xgsj changed_at, xmbm medins_list_codg, xmmc medins_list_name FROM xm_zd", False, "row_id 有重复"),
        ("SELECT id row_id, NULL changed_at, xmbm medins_list_codg, xmmc medins_list_name FROM xm_zd", False, "永远不会被读到"),
        ("SELECT id row_id, xgsj changed_at, xmbm medins_list_codg, '' medins_list_name FROM xm_zd", False, "为空"),
        ("SELECT id row_id, xgsj changed_at, xmbm medins_list_codg, xmmc medins_list_name, 0.5 pric FROM xm_zd", True, "浮点"),
        ("DELETE FROM xm_zd", False, "SELECT"),
    ],
)  # fmt: skip
def test_the_report_says_what_is_wrong(sample: str, tmp_path: Path, text: str, ok: bool, why: str) -> None:
    found, told = statement_found(sample, tmp_path, "items.sql", text)
    assert (found, why in told) == (ok, True), told


def test_the_since_of_a_statement_is_where_reading_begins(sample: str) -> None:
    sql = "SELECT id row_id, xgsj changed_at, zyh ipt_no, xm psn_name, rysj begntime FROM zy_brry WHERE xgsj >= :changed_since"
    his = DatabaseRecords(make_url(sample), {"inpatients": parse("inpatients", Path("inpatients.sql"), sql)})
    first = his.changed("inpatients", rows_max=5)
    second = his.changed("inpatients", after=first.mark, rows_max=50)
    assert (len(first.rows), len(second.rows), second.last) == (5, 7, True)
    assert len(his.of_stay("inpatients", first.rows[0]["ipt_no"]).rows) == 1
    his.close()


def test_sql_server_takes_no_with() -> None:
    his = items("mssql://reader@127.0.0.1:1/his", "WITH x AS (SELECT 1 a) SELECT a FROM x", Limits())
    assert not his.vendor.takes_with
    his.close()


def test_the_same_seed_is_the_same_hospital(sample: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/again.db"
    write_sample(make_url(url), Sizes(stays=12, fees=(30, 40)), 7)
    statements, _ = read_statements(default_folder())
    one, other = (DatabaseRecords(make_url(each), statements) for each in (sample, url))
    for name, subject in SUBJECTS.items():
        left = one.changed(name, rows_max=5000)
        assert left.rows, name
        assert not left.wrong
        assert left == other.changed(name, rows_max=5000), subject.label
    one.close()
    other.close()


def test_a_database_in_use_is_not_filled(sample: str) -> None:
    with pytest.raises(ValueError, match="zy_brry"):
        write_sample(make_url(sample), Sizes(stays=1), 1)


@pytest.mark.parametrize(("version", "taken"), [((12, 2, 0, 1, 0), False), ((18, 5, 0, 0, 0), True), ((19, 3), True)])
def test_an_oracle_client_without_time_limits_is_refused(
    version: tuple[int, ...], taken: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Client libraries are on no machine of ours; what the driver says of them is put in its place."""
    monkeypatch.setattr(oracledb, "init_oracle_client", lambda lib_dir: None)
    monkeypatch.setattr(oracledb, "clientversion", lambda: version)
    monkeypatch.setattr(_engines, "_loaded", [])
    limits = _engines.Limits(oracle_client=Path("/opt/oracle"))
    if taken:
        _engines.open_engine(make_url("oracle://a@b/c"), limits)[0].dispose()
    else:
        with pytest.raises(HisMisconfigured, match=r"12\.2\.0\.1\.0（/opt/oracle）.*18 或 19"):
            _engines.open_engine(make_url("oracle://a@b/c"), limits)
    assert _engines._loaded == ([limits.oracle_client] if taken else [])
