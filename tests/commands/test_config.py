from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.commands.config import on_network
from gateway.protect import Cipher, new_file
from gateway.settings.shown import leaves, origin_of
from tests.commands.helpers import write_config, yibao


def test_a_good_configuration(tmp_path: Path) -> None:
    ran = yibao("config", "check", "--config", write_config(tmp_path))
    assert (ran.code, ran.out, ran.err) == (0, "配置可用。\n", "")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"platform_more": 'province = "nowhere"'}, "没有省份 nowhere"),
        ({"platform_more": 'ca_file = "/nowhere/ca.pem"'}, "platform.ca_file：文件不存在"),
        ({"platform_more": 'client_certificate = "/nowhere/c.pem"'}, "须同时设置"),
        ({"listen_more": 'tls = { certificate = "/nowhere/c.pem", key = "/nowhere/k.pem" }'}, "/nowhere/c.pem"),
        (
            {"listen_more": '[console.listen.tls]\ncertificate = "/nowhere/desk.pem"\nkey = "/nowhere/k.pem"'},
            "/nowhere/desk.pem",
        ),
        ({"listen_more": '[vouchers]\nfonts = ["/nowhere/rare.ttf"]'}, "vouchers.fonts：字体 /nowhere/rare.ttf"),
        ({"platform": "ftp://x"}, "http:// 或 https://"),
    ],
)
def test_what_a_start_would_stumble_over(tmp_path: Path, more: dict[str, Any], said: str) -> None:
    ran = yibao("config", "check", "--config", write_config(tmp_path, **more))
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("配置错误")
    assert said in ran.err


PRODUCTION = """
production = true
[protect]
keys = "file:{keys}"
[listen.exchange]
address = "{exchange}"
{admin}
[console.listen]
address = "{console}"
[[clients]]
name = "his"
addresses = ["10.0.0.0/8"]
"""
OPEN, ADMIN, CLOSED = "0.0.0.0", '[listen.admin]\naddress = "127.0.0.1:9082"', "127.0.0.1"


@pytest.mark.parametrize(
    ("exchange", "admin", "console", "public_url", "named"),
    [
        (CLOSED, "", CLOSED, "", []),
        (OPEN, ADMIN, OPEN, "https://yibao.hospital/console", []),
        (OPEN, "", CLOSED, "", ["listen.admin"]),
        (OPEN, ADMIN, OPEN, "http://yibao.hospital/console", ["console.listen"]),
        (OPEN, "", OPEN, "", ["listen.admin", "console.listen"]),
    ],
)
def test_what_production_seldom_means(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    exchange: str,
    admin: str,
    console: str,
    public_url: str,
    named: list[str],
) -> None:
    new_file(tmp_path / "keys.toml", Cipher.AES)
    monkeypatch.setenv("YIBAO_CONSOLE__PUBLIC_URL", public_url)
    config = tmp_path / "gateway.toml"
    places = {"keys": tmp_path / "keys.toml", "exchange": f"{exchange}:9080", "console": f"{console}:9081"}
    config.write_text(PRODUCTION.format(admin=admin, **places), encoding="utf-8")
    said = yibao("config", "check", "--config", str(config))
    assert (said.code, said.err) == (0, "")
    first, *more = said.out.splitlines()
    assert first == "配置可用。"
    assert [line.removeprefix("提示：").split(maxsplit=1)[0] for line in more] == named
    told = json.loads(yibao("config", "check", "--config", str(config), "--json").out)
    assert (told["ok"], [f"提示：{hint}" for hint in told["hints"]]) == (True, more)


@pytest.mark.parametrize(("url", "said"), [("nonsense", "格式错误"), ("mysql://h/d", "不支持的数据库 mysql")])
def test_a_store_that_cannot_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, said: str) -> None:
    monkeypatch.setenv("YIBAO_STORE__URL", url)
    ran = yibao("config", "check", "--config", write_config(tmp_path), "--json")
    assert ran.code == 1
    (problem,) = json.loads(ran.out)["problems"]
    assert said in problem


def test_secrets_are_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    more = 'signing = "tif"\ntif_paasid = "acc"\ntif_secret = "s3cret-tif"'
    monkeypatch.setenv("YIBAO_STORE__URL", "postgresql://u:s3cret-db@h/d")
    config = write_config(tmp_path, password="s3cret-pw", platform_more=more)
    for options in ([], ["--why"], ["--json"], ["--why", "--json"]):
        ran = yibao("config", "show", "--config", config, *options)
        assert ran.code == 0
        assert "s3cret" not in ran.out
        assert "***" in ran.out


def test_why_tells_file_environment_and_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YIBAO_LOG__LEVEL", "debug")
    config = write_config(tmp_path)
    found = json.loads(yibao("config", "show", "--why", "--json", "--config", config).out)
    assert found["platform.read_timeout_s"] == {"value": 10.0, "from": str(config)}
    assert found["log.level"] == {"value": "debug", "from": "环境变量 YIBAO_LOG__LEVEL"}
    assert found["listen.threads"] == {"value": 64, "from": "缺省值"}
    assert found["clients[0].name"] == {"value": "his", "from": str(config)}
    assert found["clients[0].password"]["value"] == "***"


def test_what_is_set_in_the_environment_alone_needs_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("YIBAO_CONFIG", raising=False)
    ran = yibao("config", "check")
    assert ran.code == 1
    assert "没有配置任何客户端" in ran.err


@pytest.mark.parametrize(
    ("name", "origin", "expected"),
    [
        ("a.b", {"a.b": "f"}, "f"),
        ("a.b[1].c", {"a.b": "f"}, "f"),
        ("a.b.c", {"a": "f"}, "f"),
        ("a.bc", {"a.b": "f"}, "缺省值"),
        ("a", {}, "缺省值"),
    ],
)
def test_the_origin_of_a_part_is_that_of_the_whole(name: str, origin: dict[str, str], expected: str) -> None:
    assert origin_of(name, origin) == expected


def test_leaves_name_every_place() -> None:
    value = {"a": {"b": 1, "empty": {}}, "rows": ({"n": 1}, {"n": 2}), "plain": ("x",)}
    assert dict(leaves(value)) == {"a.b": 1, "a.empty": {}, "rows[0].n": 1, "rows[1].n": 2, "plain": ["x"]}


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/data/x.db", True), ("/data/local/x.db", False), ("/x.db", False), ("//server/share/x.db", True)],
)
def test_network_paths_are_seen(tmp_path: Path, path: str, expected: bool) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text("/dev/sda / ext4 rw 0 0\nsrv:/e /data nfs4 rw 0 0\n/dev/sdb /data/local xfs rw 0 0\n\n")
    assert on_network(Path(path), mounts) is expected


def test_without_a_mount_table_nothing_is_claimed(tmp_path: Path) -> None:
    assert on_network(Path("/data/x.db"), tmp_path / "none") is False
