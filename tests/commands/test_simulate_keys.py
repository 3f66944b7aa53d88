"""Test keys made on the spot: the settings that are told make the gateway speak to that simulator."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.commands import simulate_keys
from gateway.configured import build_line
from gateway.exchange.ports import PlatformRequest
from gateway.settings import read_settings
from gateway.simulator import Simulator, serve
from tests.commands.helpers import yibao
from tests.conformance.test_ways import GM, OPEN_TOKEN, Province, Way

MAPPINGS = Path(__file__).parents[2] / "mappings"
CONFIG = 'production = false\n[[clients]]\nname = "his"\naddresses = ["127.0.0.1/32"]\n'


def request(way: Way, folder: Path) -> PlatformRequest:
    province = Province(way, folder)
    try:
        return province.request()
    finally:
        province.close()


@pytest.mark.parametrize("kind", simulate_keys.KINDS)
def test_the_settings_it_tells_are_those_that_work(kind: str, tmp_path: Path) -> None:
    keys = simulate_keys.keys_of(tmp_path)
    assert simulate_keys.keys_of(tmp_path) == keys
    assert simulate_keys.keys_of(None) != keys
    simulator = Simulator(MAPPINGS, seed=1, **simulate_keys.simulated(kind, keys))
    with serve(simulator, port=0) as server:
        text = simulate_keys.settings_text(kind, keys, server.url, tmp_path)
        simulate_keys.keep(tmp_path, text, simulator.soap.wsdl(server.url).body if simulator.soap else None)
        for private in (simulate_keys.KEYS, simulate_keys.SETTINGS):
            assert (tmp_path / private).stat().st_mode & 0o077 == 0
        assert keys["platform_private_key"] not in text
        config = tmp_path / "gateway.toml"
        config.write_text(CONFIG + text, encoding="utf-8")
        line = build_line(read_settings(config))
        try:
            answer = json.loads(line.send(request(GM if kind == "gm" else OPEN_TOKEN, tmp_path)).body)
        finally:
            line.close()
    assert str(answer["infcode"]) == "0", answer


def test_a_kind_that_is_unknown_is_told_with_all_there_are() -> None:
    ran = yibao("simulate", "--signing", "nix")
    assert (ran.code, ran.out) == (2, "")
    assert "plain、tif、api-headers、api-key、oauth-sm、gm、soap" in ran.err


def test_keys_that_cannot_be_kept_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ran = yibao("simulate", "--port", 0, "--signing", "gm", "--keys-dir", tmp_path / "file")
    assert (ran.code, ran.out) == (1, "")
    assert "测试密钥不能读写" in ran.err
