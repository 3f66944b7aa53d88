from __future__ import annotations

import hashlib
import json
import sqlite3
from contextlib import closing
from pathlib import Path

from gateway.store import open_store
from tests.commands.helpers import write_config, yibao
from tests.store.samples import intent, outcome


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
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
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


def _written(folder: Path) -> None:
    store = open_store(f"sqlite:///{folder}/yibao.db", node="n1")
    store.upgrade()
    store.journal.record(intent(), outcome())
    store.close()


def test_a_backup_is_restored_by_name_only(tmp_path: Path) -> None:
    config, copy = write_config(tmp_path), tmp_path / "copy"
    _written(tmp_path)
    ran = yibao("db", "backup", copy, "--operator", "张三", "--config", config, "--json")
    shown = json.loads(ran.out)
    assert (ran.code, shown["file"]) == (0, str(copy))
    assert shown["sha256"] == hashlib.sha256(copy.read_bytes()).hexdigest()
    again = yibao("db", "backup", copy, "--config", config)
    assert (again.code, "已存在" in again.err) == (1, True)
    for name, words in (("", "不是空的（已有 1 笔交易）"), ("other.db", "配置中的数据库是 yibao.db")):
        ran = yibao("db", "restore", copy, "--config", config, *(("--replace", name) if name else ()))
        assert (ran.code, words in ran.err) == (1, True)
    ran = yibao("db", "restore", copy, "--config", config, "--operator", "李四", "--replace", "yibao.db", "--json")
    assert (ran.code, json.loads(ran.out)["escalated"]) == (0, 0)
    assert _acts(tmp_path) == [("李四", "db.restore", str(copy)), ("张三", "db.backup", str(copy))]
    assert yibao("audit", "verify", "--config", config).code == 0
    ran = yibao("db", "check", "--config", config)
    assert (ran.code, "尚未核对" in ran.err) == (1, True)


def _acts(folder: Path) -> list[tuple[str, str, str]]:
    store = open_store(f"sqlite:///{folder}/yibao.db", node="n1", read_only=True)
    try:
        return [(one.operator, one.act, one.subject) for one in store.operator_log.entries()]
    finally:
        store.close()


def test_a_backup_is_taken_also_when_it_cannot_be_logged(tmp_path: Path) -> None:
    config, copy = write_config(tmp_path), tmp_path / "copy"
    _written(tmp_path)
    # a gateway that hangs: it holds the file and answers nobody
    holder = open_store(f"sqlite:///{tmp_path}/yibao.db", node="n1")
    ran = yibao("db", "backup", copy, "--config", config)
    holder.close()
    assert (ran.code, "没有记入操作日志" in ran.err) == (0, True)
    assert copy.exists()
    assert _acts(tmp_path) == []


def test_restore_of_what_is_no_backup(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    (tmp_path / "copy").write_bytes(b"no backup at all" * 100)
    ran = yibao("db", "restore", tmp_path / "copy", "--config", config)
    assert (ran.code, "不是备份文件" in ran.err) == (1, True)
    ran = yibao("db", "restore", tmp_path / "missing", "--config", config)
    assert (ran.code, "missing" in ran.err) == (1, True)
