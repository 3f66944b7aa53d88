"""The look at the HIS when the gateway starts: told whole, waited for by nobody."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url
from structlog.testing import capture_logs

from adapters.his import report
from adapters.his.check import Finding
from adapters.his.report import Report, StartReport
from adapters.his.sample import Sizes, write_sample
from gateway import clock
from gateway.settings import His
from tests.running import house

WITHIN_S = 30.0
LOOK_EVERY_S = 0.02


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(LOOK_EVERY_S)


def awaited(begun: StartReport, wanted: Callable[[Report], bool] = lambda _: True) -> Report:
    until(lambda: begun.last is not None and wanted(begun.last))
    assert begun.last is not None
    return begun.last


@pytest.fixture
def logged() -> Iterator[list[Any]]:
    with capture_logs() as found:
        yield found


def test_every_finding_is_a_line_and_kept(tmp_path: Path, logged: list[Any]) -> None:
    url = f"sqlite:///{tmp_path}/his.db"
    write_sample(make_url(url), Sizes(stays=2, fees=(3, 4)), 7)
    for name, sql in {
        "items": "SELECT id row_id, xgsj changed_at, xmbm medins_list_codg, xmmc medins_list_name FROM xm_zd",
        "fees": "SELECT * FROM nowhere",
        "orders": "DELETE FROM a",
    }.items():
        (tmp_path / f"{name}.sql").write_text(sql, encoding="utf-8")
    begun = StartReport(His(url=url, statements=tmp_path), clock.now)
    assert begun.told("王")["at"] is None
    begun.start()
    found = awaited(begun)
    assert [one.what for one in found.wrong] == ["fees.sql", "orders.sql"]
    lines = {one["what"]: one["log_level"] for one in logged if one["event"] == "his_checked"}
    assert (lines["HIS"], lines["items.sql"], lines["fees.sql"], lines["orders.sql"]) == (
        "info", "info", "error", "error",
    )  # fmt: skip
    told = begun.told("王")
    assert (told["good"], [one["what"] for one in told["wrong"]]) == (2, ["fees.sql", "orders.sql"])
    assert "nowhere" in told["wrong"][0]["text"]
    begun.close()


def test_a_his_that_was_not_there_is_looked_for_again_and_told_once(tmp_path: Path, logged: list[Any]) -> None:
    file = tmp_path / "his.db"
    begun = StartReport(His(url=f"sqlite:///{file}"), clock.now, again_s=0.02)
    begun.start()
    first = awaited(begun)
    assert (first.findings[0].what, first.findings[0].ok) == ("HIS", False)
    until(lambda: begun.last is not first)
    assert len([one for one in logged if one["event"] == "his_checked"]) == 1, "the same is not said again"
    write_sample(make_url(f"sqlite:///{tmp_path}/made.db"), Sizes(stays=2, fees=(3, 4)), 7)
    (tmp_path / "made.db").replace(file)
    assert not awaited(begun, lambda one: one.findings[0].ok is True).wrong
    begun.close()


def test_values_of_rows_are_neither_logged_nor_shown(monkeypatch: pytest.MonkeyPatch, logged: list[Any]) -> None:
    row = Finding(
        "fees.sql",
        False,
        "1 行不能用",
        ("row_id 7：gend 的值 张三 不可用", "row_id 有空值"),
        columns=("row_id 有空值",),
    )
    monkeypatch.setattr(report, "check", lambda _: iter([Finding("HIS", True, "已连接"), row]))
    begun = StartReport(His(url="sqlite:///a.db"), clock.now)
    begun.start()
    awaited(begun)
    assert len(logged) == 2
    assert "张三" not in str(logged) + str(begun.told("王"))
    assert begun.told("王")["wrong"] == [{"what": "fees.sql", "text": "1 行不能用；row_id 有空值"}]
    begun.close()


def test_whatever_breaks_is_told_and_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    breaks = [RuntimeError("driver")]

    def check(_: His) -> Iterator[Finding]:
        if breaks:
            raise breaks.pop()
        yield Finding("HIS", True, "已连接")

    monkeypatch.setattr(report, "check", check)
    begun = StartReport(His(url="sqlite:///a.db"), clock.now, again_s=0.02)
    begun.start()
    assert awaited(begun, lambda one: one.findings[0].ok is True).wrong == []
    begun.close()


def test_a_his_that_hangs_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, answered = threading.Event(), threading.Event()

    def check(_: His) -> Iterator[Finding]:
        asked.set()
        assert answered.wait(WITHIN_S)
        yield Finding("HIS", True, "已连接")

    monkeypatch.setattr(report, "check", check)
    monkeypatch.setattr(report, "CLOSE_S_MAX", 0.01)
    begun = StartReport(His(url="sqlite:///a.db"), clock.now)
    begun.start()
    assert asked.wait(WITHIN_S)
    begun.close()
    assert begun.last is None
    answered.set()
    begun._thread.join(WITHIN_S)
    assert begun.last is None, "what comes after the end is nobody's"


def test_without_a_his_nothing_is_looked_at() -> None:
    begun = StartReport(His(), clock.now)
    begun.start()
    begun.close()
    assert begun.last is None


def test_a_gateway_starts_whatever_the_his_does_and_tells_the_console(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("YIBAO_HIS__URL", "sqlite:////nowhere/his.db")
    with house(tmp_path) as running:
        awaited(running.gateway.his_report)
        told = running.gateway.console.do("his_report", {"operator": "王"})
    (wrong,) = told["wrong"]
    assert (told["good"], wrong["what"], "不存在" in wrong["text"]) == (0, "HIS", True)
