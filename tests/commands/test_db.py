from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.commands.helpers import write_config, yibao


def test_upgrade_makes_the_tables_and_check_finds_them_well(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    assert yibao("db", "upgrade", "--config", config).code == 0
    assert yibao("db", "upgrade", "--config", config).out == "数据库结构已是本程序所需的版本。\n"
    ran = yibao("db", "check", "--config", config, "--json")
    assert (ran.code, json.loads(ran.out)) == (0, {"ok": True, "problems": []})


def test_check_names_tables_that_are_not_up_to_date(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    yibao("db", "upgrade", "--config", config)
    with closing(sqlite3.connect(tmp_path / "yibao.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'older'")
    ran = yibao("db", "check", "--config", config)
    assert (ran.code, ran.out) == (1, "")
    assert "yibao db upgrade" in ran.err
    assert len(json.loads(yibao("db", "check", "--config", config, "--json").out)["problems"]) == 1


def test_check_of_what_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "yibao.db").write_bytes(b"no database at all" * 100)
    ran = yibao("db", "check", "--config", write_config(tmp_path))
    assert ran.code == 1
    assert "无法打开数据库文件" in ran.err


def test_check_makes_no_file(tmp_path: Path) -> None:
    ran = yibao("db", "check", "--config", write_config(tmp_path))
    assert (ran.code, "不存在" in ran.err) == (1, True)
    assert not (tmp_path / "yibao.db").exists()
