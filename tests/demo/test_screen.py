"""What people read: a difference is shown with all its values, an agreement is not mistaken for one."""

from __future__ import annotations

import copy
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest

from gateway.demo.compare import compare
from gateway.demo.screen import Screen
from tests.demo.story import SETL, ledger, received, recorded

NOW = datetime(2026, 11, 21, 10, 2, 31, tzinfo=timezone(timedelta(hours=8)))
LINE = {
    "infno": "2304", "name": "住院结算", "patient": "林秀珍", "ok": True, "infcode": "0", "code": "", "msgid": "H1",
    "seconds": 0.0351, "via": "类型化", "expected": "成功", "problem": "",
}  # fmt: skip


def test_agreement_has_no_cross(capsys: pytest.CaptureFixture[str]) -> None:
    Screen().comparison(compare(received(), recorded(), ledger()))
    shown = capsys.readouterr().out
    assert "✗" not in shown
    assert "不一致之处" not in shown
    assert shown.count(SETL) == 1


def test_a_difference_is_shown_with_all_values(capsys: pytest.CaptureFixture[str]) -> None:
    altered = ledger()
    altered["settlements"][0]["psn_cash_pay"] = Decimal("10.01")
    Screen().comparison(compare(received(), recorded(), altered))
    table, _, differences = capsys.readouterr().out.partition("不一致之处")
    (row,) = [line for line in table.splitlines() if "✗" in line]
    assert row.split() == ["psn_cash_pay", "10.00", "✓", "✗", "10.01"]
    (row,) = [line for line in differences.splitlines() if "psn_cash_pay" in line]
    assert row.split()[-4:] == ["psn_cash_pay", "10.00", "10.00", "10.01"]


def test_a_difference_deep_in_a_message_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    told = copy.deepcopy(received())
    told[2].sent["feedetail"][1]["cnt"] = "1.6"
    Screen().comparison(compare(told, recorded(), ledger()))
    shown = capsys.readouterr().out
    (row,) = [line for line in shown.splitlines() if "feedetail[2].cnt" in line]
    assert row.split()[-3:] == ["1.6", "1.5", "—"]


def test_one_tidy_line_per_exchange(capsys: pytest.CaptureFixture[str]) -> None:
    Screen().exchange(NOW, LINE)
    Screen().exchange(NOW, LINE | {"name": "门诊费用明细信息上传", "patient": "—"})
    first, second = capsys.readouterr().out.splitlines()
    assert first.split() == ["10:02:31", "2304", "住院结算", "林秀珍", "✓", "成功", "H1", "35.1", "ms", "类型化"]
    # Chinese characters are two columns wide, so the columns meet although the texts differ in length
    assert len(first.encode("gbk", "replace")) == len(second.encode("gbk", "replace")) - 1


def test_an_unexpected_end_says_what_was_expected(capsys: pytest.CaptureFixture[str]) -> None:
    Screen().exchange(NOW, LINE | {"ok": False, "infcode": "", "msgid": "", "problem": "没有可读的应答：连接被重置"})
    first, second = capsys.readouterr().out.splitlines()
    assert "✗ 无应答" in first
    assert second.strip() == "应为：成功；实为：没有可读的应答：连接被重置"
