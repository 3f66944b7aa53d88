"""``yibao db retain``: beside a gateway or without one; what it archived is shown, or said to be away."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from gateway import clock
from gateway.store import Store, open_store
from tests.commands.helpers import administration, write_config, yibao
from tests.servers import in_process
from tests.sqlite import new_sqlite
from tests.store.samples import intent, outcome


def _config(folder: Path, port: int = 9) -> Path:
    path = write_config(folder, port=port)
    path.write_text(
        path.read_text(encoding="utf-8") + f'\n[retention]\narchive = "{folder}/archive"\n', encoding="utf-8"
    )
    return path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(new_sqlite(tmp_path / "yibao.db"), node="n1", archive=tmp_path / "archive")
    opened.upgrade()
    old = clock.now() - timedelta(days=400)
    row = opened.journal.intend(intent(received_at=old))
    opened.journal.finish(row.id, outcome(finished_at=old))
    yield opened
    opened.close()


def test_without_a_gateway(store: Store, tmp_path: Path) -> None:
    store.close()
    config = _config(tmp_path)
    planned = yibao("db", "retain", "--dry-run", "--config", config, "--json")
    assert (planned.code, json.loads(planned.out)["archived"]) == (0, 1)
    assert not (tmp_path / "archive").exists()
    ran = yibao("db", "retain", "--operator", "张三", "--config", config, "--json")
    assert (ran.code, json.loads(ran.out)["archived"]) == (0, 1), ran.err
    shown = yibao("journal", "show", "1", "--bodies", "--config", config, "--json")
    assert '{"infcode":0}' in json.loads(shown.out)["bodies"].values()
    (file,) = (tmp_path / "archive").glob("*.zip")
    file.unlink()
    away = yibao("journal", "show", "1", "--bodies", "--config", config)
    assert away.code == 1
    assert file.name in away.err
    assert yibao("journal", "show", "1", "--config", config).code == 0
    assert yibao("audit", "verify", "--config", config).code == 0


def test_beside_a_gateway(store: Store, tmp_path: Path) -> None:
    with in_process(administration(store)) as port:
        config = _config(tmp_path, port)
        planned = yibao("db", "retain", "--dry-run", "--config", config, "--json")
        assert json.loads(planned.out)["archived"] == 1
        ran = yibao("db", "retain", "--operator", "张三", "--config", config, "--json")
    assert (ran.code, json.loads(ran.out)["archived"]) == (0, 1), ran.err
    assert {one.operator for one in store.operator_log.entries()} == {"张三"}
    assert store.journal.bodies(1) is not None
