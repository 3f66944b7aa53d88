"""Alerts on 首页 and 运行, and in the command: who sees them, since when, and only ways out that one may go."""

from __future__ import annotations

import json
from pathlib import Path

from gateway import clock
from gateway.alerts.rules import RULES
from gateway.console.areas import RIGHTS
from gateway.exchange.ports import State
from gateway.store import open_store
from gateway.store.alerts import Found
from tests.commands.helpers import yibao
from tests.console.kit import Bench, tree

EVIL = "<script>alert(1)</script>"
CONFIG = """\
production = false
[store]
url = "{url}"
[[clients]]
name = "his"
open = true
"""


def test_an_open_alert_is_shown_with_since_when_and_the_way_out(own: Bench) -> None:
    store = own.parts.store.alerts
    found = [Found("escalated", "bad", "2 笔待人工核对"), Found("jobs", "warn", EVIL, subject="backup")]
    store.settle(found, {"escalated", "jobs"}, "n1", clock.now())
    since = f"{store.open()[0].raised_at:%m-%d %H:%M:%S}"
    for path in ("/", "/todo", "/running", "/running/status", "/running/alerts"):
        page = own.signed_in("it").page(path)
        assert "2 笔待人工核对" in page, path
        assert since in page, path
        assert tree(page).xpath("//a[@href='/doubts' and contains(., '了结')]"), path
        assert EVIL not in page
    operations = own.signed_in("operations").page("/")
    assert "2 笔待人工核对" in operations
    assert not tree(operations).xpath("//a[@href='/doubts' and contains(., '了结')]"), "they may not open it"
    assert "2 笔待人工核对" not in own.signed_in("ward").page("/")
    store.settle([], {"escalated", "jobs"}, "n1", clock.now())
    assert "现在没有告警" in own.signed_in("it").page("/running/alerts")
    assert "2 笔待人工核对" in own.signed_in("it").page("/running/alerts")


def test_every_way_out_is_a_page_of_a_right_that_is_there() -> None:
    assert {rule.right for rule in RULES.values()} <= set(RIGHTS)


def test_a_gateway_finds_by_itself_what_is_to_be_looked_at(shared: Bench) -> None:
    shared.exchange(State.ESCALATED, infno="2304", busy_keys=("alerted",))
    watch = shared.house.gateway.alerts
    assert watch._take_turn() > 0
    assert "escalated" in {one.rule for one in shared.house.gateway.store.alerts.open()}


def test_the_command_lists_what_is_open_and_what_was(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'yibao.db'}"
    config = tmp_path / "gateway.toml"
    config.write_text(CONFIG.format(url=url), encoding="utf-8")
    store = open_store(url, node="n1")
    store.upgrade()
    store.alerts.settle([Found("untold", "warn", "1 笔没有告知")], {"untold"}, "n1", clock.now())
    store.close()
    told = yibao("alerts", "list", "--config", str(config), "--json")
    assert (told.code, [one["rule"] for one in json.loads(told.out)]) == (0, ["untold"])
    shown = yibao("alerts", "list", "--config", str(config))
    assert "1 笔没有告知" in shown.out.replace("\n", "")
