"""What the demo's people do around the day: which settlements they pick, and that the simulator takes what it is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.demo.chores import BAD_MOMENTS, Chores, differences, settled
from gateway.demo.place import DemoError, find_place
from gateway.mappings import data_root
from gateway.simulator.platform import Simulator


def line(infno: str, infcode: str = "0", **setlinfo: str) -> dict[str, Any]:
    return {"infno": infno, "infcode": infcode, "output": {"setlinfo": setlinfo} if setlinfo else {}}


def test_only_what_was_settled_is_picked_in_its_order() -> None:
    told = [line("2207", setl_id="S1", psn_no="P1"), line("2304", "-1"), line("2207", setl_id="S2", psn_no="P2")]
    told += [line("2304", setl_id="S3"), line("2208", setl_id="S1")]
    assert [one["setl_id"] for one in settled(told, "2207")] == ["S1", "S2"]
    assert [one["setl_id"] for one in settled(told, "2304")] == ["S3"]


def test_differences_are_of_the_visit_and_of_its_own_day() -> None:
    simulator = Simulator(data_root() / "mappings", seed=1)
    dearer, extra = differences({"setl_id": "S2", "psn_no": "P2", "setl_time": "2026-11-21 23:59:59"})
    assert (dearer["setl_id"], extra["psn_no"], extra["day"]) == ("S2", "P2", "2026-11-21")
    assert simulator.plant(extra) == extra
    assert {one["kind"] for one in map(simulator.add_fault, BAD_MOMENTS)} == {"lose-reply"}


def test_a_simulator_that_is_gone_is_said_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with find_place(None) as found:
        chores = Chores(replace(found, simulator_url="http://127.0.0.1:1"), "")
        with pytest.raises(DemoError, match="这一天没有开始"):
            chores.before()
        chores.after([line("2304", setl_id="S3")])  # nobody can sign in: nothing to be done
