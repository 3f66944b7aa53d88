"""The job brings catalogs up to date one after the other; one that fails does not hold up the others and raises the alert."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway import clock
from gateway.settings import CatalogTimes
from gateway.store.jobs import RunOutcome
from jobs.runner import Unknown
from jobs.standing import standings
from tests.running import House, house

CHOSEN = ["1301", "1306", "1312"]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path) as found:
        yield found


def ran(served: House, **given: Any) -> Any:
    runner = served.gateway.runner
    number = runner.start("catalogs", "张三", given)
    assert number is not None
    assert runner.idle(60)
    return served.gateway.store.jobs.get(number)


def test_it_downloads_tells_and_raises_the_alert(served: House) -> None:
    simulator, gateway = served.simulator, served.gateway
    assert simulator is not None
    run = ran(served, catalogs=CHOSEN)
    assert (run.outcome, run.error) == (RunOutcome.DONE, "")
    assert run.counts == {"目录": 3, "有更新": 3, "新增": 36, "变更": 0, "撤销": 0}
    assert run.done == run.total
    simulator.command_catalogs({"infno": "1306", "act": "publish"})
    simulator.command_catalogs({"infno": "1312", "act": "publish"})
    simulator.command_catalogs({"infno": "1306", "act": "break", "how": "cut-zip"})
    simulator.add_fault({"infno": "1301", "kind": "refuse", "times": 1})
    run = ran(served, catalogs=CHOSEN)
    assert run.outcome is RunOutcome.FAILED
    assert "3 个目录中有 2 个没有更新" in run.error
    assert "1306：目录文件没有取回（9102）" in run.error
    assert "1301：" in run.error
    held = {one.infno: one for one in gateway.store.catalogs.held()}
    assert {infno: one.version.ver for infno, one in held.items() if one.version} == {
        "1301": "F001_20260105_A",
        "1306": "F001_20260105_A",
        "1312": "2026-02-04",
    }
    times = {"catalogs": CatalogTimes(enabled=True)}
    (standing,) = standings(times, gateway.store.jobs, clock.now())
    assert (standing.alert, gateway.settings.jobs.catalogs.enabled) == ("failed", False)
    run = ran(served, catalogs=["1306"], whole=True)
    assert (run.outcome, run.detail["catalogs"][0]["withdrawn"]) == (RunOutcome.DONE, 1)


def test_what_a_person_gives_wrongly_is_told_and_without_a_choice_there_is_one(served: House) -> None:
    wrong: list[dict[str, Any]] = [{"catalogs": "1301"}, {"catalogs": [1]}, {"whole": "yes"}]
    for given in wrong:
        run = ran(served, **given)
        assert run.outcome is RunOutcome.FAILED
        assert "应为" in run.error
    with pytest.raises(Unknown, match="可以给 catalogs、whole"):
        ran(served, other=1)
    assert served.gateway.chosen_catalogs()[:3] == ["1301", "1302", "1303"]
