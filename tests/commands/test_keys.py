"""``yibao keys``: made once, never overwritten, rotated beside or without a gateway."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.background import Background
from gateway.exchange.ports import Query
from gateway.protect import KeyFile
from gateway.store import Store, open_store
from gateway.store.resealing import IDLE_S
from tests.commands.helpers import administration, write_config, yibao
from tests.servers import in_process
from tests.store.samples import intent, outcome


@pytest.fixture
def keys(tmp_path: Path) -> KeyFile:
    assert yibao("keys", "new", tmp_path / "keys.toml").code == 0
    return KeyFile(tmp_path / "keys.toml")


def _config(folder: Path, port: int = 9, cipher: str = "aes-gcm") -> Path:
    path = write_config(folder, port=port)
    text = f'\n[protect]\nkeys = "file:{folder}/keys.toml"\ncipher = "{cipher}"\n'
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")
    return path


@pytest.fixture
def store(tmp_path: Path, keys: KeyFile) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path}/yibao.db", node="node-1", keys=keys)
    opened.upgrade()
    for number in range(3):
        row = opened.journal.intend(intent(keys=(("certno", f"C{number}"),)))
        opened.journal.finish(row.id, outcome())
    yield opened
    opened.close()


@pytest.mark.parametrize("cipher", ["aes-gcm", "sm4-gcm"])
def test_new_keys_are_for_their_owner_and_are_not_overwritten(tmp_path: Path, cipher: str) -> None:
    file = tmp_path / "keys.toml"
    ran = yibao("keys", "new", file, "--cipher", cipher)
    assert ran.code == 0
    assert f'keys = "file:{file}"' in ran.out
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert {key.suite.value for key in KeyFile(file).read().data.values()} == {cipher}
    before = file.read_bytes()
    again = yibao("keys", "new", file)
    assert again.code == 1
    assert "没有改动" in again.err
    assert file.read_bytes() == before


def test_an_unknown_cipher_is_a_misuse(tmp_path: Path) -> None:
    ran = yibao("keys", "new", tmp_path / "k", "--cipher", "rot13")
    assert ran.code == 2
    assert "sm4-gcm" in ran.err


def test_rotation_without_a_gateway(store: Store, keys: KeyFile, tmp_path: Path) -> None:
    store.close()
    ran = yibao("keys", "rotate", "--operator", "张三", "--config", _config(tmp_path, cipher="sm4-gcm"), "--json")
    assert ran.code == 0, ran.err
    assert max(keys.read().data) == max(keys.read().hash) == 2
    status = yibao("keys", "status", "--config", tmp_path / "yibao.toml", "--json")
    told = json.loads(status.out)
    assert told["progress"]["finished"]
    assert {"purpose": "data", "version": 1, "state": "gone"} in told["keys"]
    again = open_store(f"sqlite:///{tmp_path}/yibao.db", node="n", keys=keys)
    assert len(again.journal.search(Query(keys=[("certno", "C1")]))) == 1
    assert [(one.operator, one.act) for one in again.operator_log.entries()] == [
        ("张三", "keys.rotate"),
        ("yibao", "keys.begin"),
    ]
    again.close()


def test_rotation_beside_a_gateway(store: Store, keys: KeyFile, tmp_path: Path) -> None:
    store.resealing.nobody_else_writes()
    loop = Background("resealing", store.resealing.turn, IDLE_S)
    loop.start()
    try:
        with in_process(administration(store, loop.wake)) as port:
            config = _config(tmp_path, port)
            assert yibao("keys", "add", "--hash", "--config", config).code == 0
            assert (max(keys.read().data), max(keys.read().hash)) == (1, 2)
            ran = yibao("keys", "rotate", "--hash", "--config", config)
            assert ran.code == 0, ran.err
            assert "全部数据已换成新密钥" in ran.out
            assert (max(keys.read().data), max(keys.read().hash)) == (1, 2)
            assert "在用" in yibao("keys", "status", "--config", config).out
    finally:
        loop.close()
    assert len(store.journal.search(Query(keys=[("certno", "C2")]))) == 1


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (lambda file: file.unlink(), "不存在"),
        (lambda file: file.chmod(0o644), "chmod 600"),
        (lambda file: file.write_text("nothing"), "yibao keys new"),
        (lambda file: (file.unlink(), yibao("keys", "new", file)), "不是加密此数据库的那一把"),
    ],
)
def test_a_missing_or_wrong_key_is_named(
    store: Store, keys: KeyFile, tmp_path: Path, break_it: object, said: str
) -> None:
    store.close()
    break_it(keys.path)  # type: ignore[operator]
    config = _config(tmp_path)
    ran = yibao("journal", "search", "--config", config)
    assert ran.code == 1
    assert said in ran.err
    assert "Traceback" not in ran.err


def test_config_check_names_the_keys(keys: KeyFile, tmp_path: Path) -> None:
    config = _config(tmp_path)
    assert yibao("config", "check", "--config", config).code == 0
    ran = yibao("config", "check", "--config", _config(tmp_path, cipher="sm4-gcm"))
    assert "yibao keys rotate" in ran.err
    keys.path.chmod(0o644)
    ran = yibao("config", "check", "--config", config)
    assert ran.code == 1
    assert "protect.keys" in ran.err


def test_production_without_keys_does_not_start_and_says_how(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    text = config.read_text(encoding="utf-8").replace("production = false", "production = true")
    config.write_text(text.replace('password = "口令-Passw0rd"', 'addresses = ["127.0.0.1/32"]'), encoding="utf-8")
    ran = yibao("config", "check", "--config", config)
    assert ran.code == 1
    assert "yibao keys new" in ran.err
