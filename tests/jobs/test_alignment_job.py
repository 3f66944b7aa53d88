"""The job ``alignment`` at a real gateway and simulator, by the command that asks for it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.exchange.ports import Query, Registration
from gateway.store.jobs import RunOutcome
from jobs.alignment import PAUSE
from tests.commands.helpers import yibao
from tests.running import House, house
from tests.servers import free_ports, in_process
from tests.stays.ways import Stay


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("job")) as found:
        yield found


@pytest.fixture
def config(running: House, tmp_path: Path) -> Iterator[Path]:
    """A configuration of the same store whose administration address is served by this process."""
    with in_process(running.gateway.admin) as port:
        path = tmp_path / "command.toml"
        url = running.gateway.settings.store.url
        path.write_text(
            f'production = false\n[listen.exchange]\naddress = "127.0.0.1:{free_ports(1)[0]}"\n'
            f'[listen.admin]\naddress = "127.0.0.1:{port}"\n[store]\nurl = "{url}"\n[[clients]]\nname = "his"\nopen = true\n',
            encoding="utf-8",
        )
        yield path


def changes(running: House) -> int:
    """How many 2403 the platform has carried out; queries of earlier stays may still be on their way."""
    assert running.simulator is not None
    return [*running.simulator.ledger()["executed"].values()].count("2403")


def test_the_command_runs_it_and_shows_how_it_went(running: House, config: Path) -> None:
    stay = Stay(running, "json").admit()
    stay.ward_in()
    ran = yibao("jobs", "run", "alignment", "--operator", "王医保", "--json", "--config", config)
    assert ran.code == 0, ran.err
    # this process is the gateway too, and logs
    told = json.loads(ran.out[ran.out.index("{\n") :])
    assert (told["outcome"], told["counts"], told["operator"]) == ("done", {"已办理": 1}, "王医保")
    (sent,) = running.gateway.store.journal.search(Query(infno="2403", keys=[("mdtrt_id", stay.mdtrt_id)]))
    assert sent.client == "alignment"
    log = running.gateway.store.operator_log.entries(limit=1)[0]
    assert (log.operator, log.act, log.subject) == ("王医保", "jobs.run", "alignment")
    history = json.loads(yibao("jobs", "history", "alignment", "--json", "--config", config).out)
    assert history[0] == told
    listed = yibao("jobs", "list", "--config", config)
    assert "alignment" in listed.out
    assert "现在没有节点在按时运行" in listed.err, "this gateway takes no part"
    assert "完成" in yibao("jobs", "history", "--config", config).out


def test_what_is_left_is_exit_code_1_and_tried_again_after_longer_and_longer_pauses(
    running: House, config: Path
) -> None:
    stay = Stay(running, "json").admit()
    stay.ward_in()
    assert running.simulator is not None
    running.simulator.add_fault({"infno": "2403", "kind": "refuse", "times": 2})
    ran = yibao("jobs", "run", "alignment", "--config", config)
    assert (ran.code, "遗留" in ran.err) == (1, True)
    gateway = running.gateway
    tries = {one.mdtrt_id: one.tries for one in gateway.store.stay_feed.work()}[stay.mdtrt_id]
    assert tries == 1
    gateway.runner.run_scheduled("alignment")
    (entry,) = [one for one in gateway.store.stay_feed.work() if one.mdtrt_id == stay.mdtrt_id]
    assert entry.tries == 1, "it was tried a moment ago"
    ago = entry.tried_at - 3 * PAUSE
    gateway.store.stay_feed.set_work(replace(entry, tried_at=ago, tries=0))
    gateway.runner.run_scheduled("alignment")
    assert {one.mdtrt_id: one.tries for one in gateway.store.stay_feed.work()}[stay.mdtrt_id] == 2
    stay.ward_in("2026-02-20 12:00:00")
    gateway.runner.run_scheduled("alignment")
    assert stay.mdtrt_id not in {one.mdtrt_id for one in gateway.store.stay_feed.work()}, "a new time is a new try"


def test_nothing_leaves_under_a_registration_that_is_no_longer_in_force(running: House) -> None:
    stay = Stay(running, "json").admit()
    stay.ward_in()
    gateway, before = running.gateway, changes(running)
    done = gateway.alignment.run(under=Registration("another-life", 7))
    assert done.aligned == ()
    assert changes(running) == before
    assert {one.code for one in done.left} == {"GW-4007"}


def test_wrong_wishes_are_answered_in_words(running: House, config: Path) -> None:
    assert yibao("jobs", "run", "no-such", "--config", config).code == 2
    assert yibao("jobs", "history", "no-such", "--config", config).code == 2
    desk = running.gateway.jobs
    for act, body in (("run", b"{}"), ("show", b'{"run": "x"}'), ("nothing", b"{}"), ("run", b"\xff"), ("run", b"[]")):
        assert set(desk.do(act, body)) == {"error"}, (act, body)
    assert "没有编号" in desk.do("show", b'{"run": 999999}')["error"]
    assert "没有名为" in desk.do("run", '{"operator": "甲", "job": "不存在"}'.encode())["error"]
    (config.parent / "given.json").write_text("[]", encoding="utf-8")
    ran = yibao("jobs", "run", "alignment", "--with", config.parent / "given.json", "--config", config)
    assert (ran.code, "JSON 对象" in ran.err) == (2, True)
    lost = [run for run in running.gateway.store.jobs.history() if run.outcome is RunOutcome.LOST]
    assert lost == []
