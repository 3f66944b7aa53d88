"""The demo as a user starts it: a real process with its children, twice in a row, kept, interrupted, bereaved."""

from __future__ import annotations

import json
import os
import re
import signal
import urllib.request
from pathlib import Path

import pytest

from tests.demo.running import Demo, demo

STORY = [
    *("9001", "1101", "2401", "2402", "WardIn", "Diagnoses", "2402", "2403", "2301", "2303", "2402"),
    *("FeeChangeAllowed", "2301", "2405", "Recall", "WardOut", "2402", "2304", "2304", *["Voucher"] * 4),
    *("1101", "2401", "2401", "WardIn", "Diagnoses", "2403", "2301", "2303", "2402", "2304"),
    *("2305", "2405", "2302", "2404"),
    *("1101", "2201", "2203", "2204", "2206", "2207", "2208"),
]
LINE = re.compile(
    r"^\d\d:\d\d:\d\d (\d{4}|[A-Z]\w+) (\S+) +(\S+) +✓ (成功|拒绝 [A-Z0-9-]+) +(H44080000001\d{18}|—) +[\d.]+ ms  (.*)$"
)

_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _children(running: Demo) -> list[int]:
    """The children, to see that they are gone."""
    return [running.number_of("模拟平台"), running.number_of("网关")]


def _alive(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_whole_story_then_again_kept_until_ctrl_c(tmp_path: Path) -> None:
    with demo(tmp_path) as first:
        assert first.ended() == 0, first.output
    told = [found.groups() for found in map(LINE.match, first.lines) if found]
    assert [line[0] for line in told] == STORY, first.output
    assert {line[2] for line in told} == {"—", "林秀珍", "陈志强", "黄丽娟"}
    assert told[18][4] == told[17][4], "the repeat has the number of the first"
    refused = [line[3].removeprefix("拒绝 ") for line in told if line[3] != "成功"]
    assert refused == ["ET02-02", "ET02-01", "ET07-02", "ET07-02", "GW-1101"]
    assert told[24][3:5] == ("拒绝 GW-1101", "—")
    assert "adm_bed" in told[24][5]
    ways = {line[5].partition("  ")[0] for line in told}
    assert ways == {"类型化", "字符串 XML", "字符串 JSON", "SOAP 1.2 GBK", "院内服务"}
    assert len({line[4] for line in told} - {"—"}) == 28
    assert re.search(r"✓ 44 次调用全部符合预期；比对 \d{4,} 项全部一致。", first.output)
    assert "✗" not in first.output
    assert first.ports_are_free()

    with demo(tmp_path, "--keep", "--no-day") as second:
        second.until("停止            Ctrl-C")
        assert "上次演示的数据已移到 var/demo/previous" in second.output
        _look_around(second)
        children = _children(second)
        second.process.send_signal(signal.SIGINT)
        assert second.ended() == 0, second.output
        assert second.ports_are_free()
        assert not any(map(_alive, children))


def _look_around(running: Demo) -> None:
    """The addresses that it prints are there."""
    addresses = set(re.findall(r"http://127\.0\.0\.1:\d+/\S*", running.output.partition("看哪里")[2]))
    assert len(addresses) >= 7
    for address in addresses:
        with _OPENER.open(address, timeout=30) as answer:
            assert answer.status == 200, address
    with _OPENER.open(f"http://127.0.0.1:{running.simulator_port}/_sim/ledger", timeout=30) as answer:
        ledger = json.loads(answer.read())
    assert sorted(one["state"] for one in ledger["settlements"]) == ["revoked", "revoked", "settled"]
    assert sorted(one["state"] for one in ledger["stays"]) == ["cancelled", "discharged"]


def test_a_child_that_dies_ends_it_and_is_named(tmp_path: Path) -> None:
    with demo(tmp_path, "--keep", "--no-day") as running:
        running.until("停止            Ctrl-C")
        simulator, gateway = _children(running)
        os.kill(simulator, signal.SIGKILL)
        assert running.ended() == 1
        assert "模拟平台意外结束" in running.output
        assert "Traceback" not in running.output
        assert not _alive(gateway)
        assert running.ports_are_free()


def test_interrupted_in_the_middle_it_leaves_nothing_behind(tmp_path: Path) -> None:
    with demo(tmp_path) as running:
        running.until("2401")
        children = _children(running)
        running.process.send_signal(signal.SIGTERM)
        assert running.ended() == 130
        assert "已中断" in running.output
        assert "Traceback" not in running.output
        assert not any(map(_alive, children))
        assert running.ports_are_free()


def test_a_step_that_goes_wrong_is_shown_and_fails_the_demo(tmp_path: Path) -> None:
    with demo(tmp_path) as running:
        running.until("交易过程")
        # the client takes longer to start than this, and 2207 is nearly its last call
        wish = json.dumps({"infno": "2207", "kind": "refuse"}).encode()
        with _OPENER.open(f"http://127.0.0.1:{running.simulator_port}/_sim/faults", wish, timeout=30) as answer:
            assert answer.status == 200
        assert running.ended() == 1
    assert re.search(r"2207 门诊结算 +黄丽娟 ✗ 拒绝 GW-3000", running.output), running.output
    assert "应为：成功，与预结算一致；实为：GW-3000" in running.output
    assert "43 次调用中 1 次不符合预期" in running.output
    assert "项中 0 项不一致" in running.output


def test_a_gateway_that_cannot_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "wrong.toml"
    config.write_text('production = false\n[platform]\nprovince = "nowhere"\n[[clients]]\nname = "demo"\nopen = true\n')
    with demo(tmp_path, "--config", str(config)) as running:
        assert running.ended() == 1
        assert "网关意外结束" in running.output
        assert "没有省份 nowhere" in running.output
        assert "Traceback" not in running.output
