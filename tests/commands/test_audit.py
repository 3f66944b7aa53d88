"""Whoever looks at what is personal is in the operator log before seeing it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from gateway.store import Store, open_store
from tests.commands.helpers import administration, write_config, yibao
from tests.servers import in_process
from tests.sqlite import new_sqlite
from tests.store.samples import intent, outcome

CERTNO = "440102198001010013"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(new_sqlite(tmp_path / "yibao.db"), node="node-1")
    opened.upgrade()
    yield opened
    opened.close()


@pytest.fixture
def config(tmp_path: Path, store: Store) -> Iterator[Path]:
    with in_process(administration(store)) as port:
        yield write_config(tmp_path, port=port)


def _one(store: Store) -> int:
    row = store.journal.intend(intent(keys=(("certno", CERTNO),)))
    return store.journal.finish(row.id, outcome()).id


def test_looks_are_in_the_log_and_plain_lists_are_not(store: Store, config: Path, tmp_path: Path) -> None:
    row = _one(store)
    assert yibao("journal", "show", row, "--config", config).code == 0
    assert yibao("journal", "search", "--certno", CERTNO, "--config", config).code == 0
    assert yibao("doubts", "show", row, "--config", config).code == 0
    assert store.operator_log.entries() == []
    looks = [
        ["journal", "show", row, "--bodies", "--operator", "张三"],
        ["journal", "show", row, "--unmasked", "--operator", "张三"],
        ["journal", "search", "--certno", CERTNO, "--unmasked", "--operator", "李四"],
        ["journal", "export", tmp_path / "all.jsonl", "--bodies", "--operator", "李四"],
        ["doubts", "show", row, "--unmasked", "--operator", "王五"],
    ]
    for look in looks:
        ran = yibao(*look, "--config", config)
        assert ran.code == 0, ran.err
    found = [(one.operator, one.act, one.subject, one.detail) for one in store.operator_log.entries()][::-1]
    assert [one[:3] for one in found] == [
        ("张三", "journal.show", f"exchange {row}"),
        ("张三", "journal.show", f"exchange {row}"),
        ("李四", "journal.search", "unmasked"),
        ("李四", "journal.export", "all.jsonl"),
        ("王五", "doubts.show", f"exchange {row}"),
    ]
    assert CERTNO not in repr(found)
    assert "certno=440102" in found[2][3]
    listed = json.loads(yibao("audit", "list", "--operator", "李四", "--config", config, "--json").out)
    assert [one["act"] for one in listed] == ["journal.export", "journal.search"]
    assert "张三" in yibao("audit", "list", "--subject", f"exchange {row}", "--config", config).out


def test_without_a_gateway_the_store_is_opened_for_it(store: Store, tmp_path: Path) -> None:
    row = _one(store)
    store.close()
    config = write_config(tmp_path)
    assert yibao("journal", "show", row, "--bodies", "--config", config).code == 0
    assert json.loads(yibao("audit", "list", "--config", config, "--json").out)[0]["operator"].startswith("系统用户")


def test_what_cannot_be_noted_is_not_shown(store: Store, tmp_path: Path) -> None:
    row = _one(store)
    ran = yibao("journal", "show", row, "--bodies", "--config", write_config(tmp_path))
    assert ran.code == 1
    assert ran.out == ""
    assert "不予办理" in ran.err


def test_verify_says_what_is_wrong(store: Store, config: Path) -> None:
    for number in range(3):
        store.operator_log.append("张三", "journal.show", f"exchange {number}")
    ran = yibao("audit", "verify", "--config", config)
    assert ran.code == 0
    assert "共 3 条" in ran.out
    store._backend.write(lambda connection: connection.execute(text("DROP TRIGGER tr_operator_log_UPDATE")))
    store._backend.write(lambda connection: connection.execute(text("UPDATE operator_log SET act = 'x' WHERE seq = 2")))
    ran = yibao("audit", "verify", "--config", config, "--json")
    assert ran.code == 1
    assert json.loads(ran.out)["broken"]["seq"] == 2
    assert "第 2 条" in ran.err
