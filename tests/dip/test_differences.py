"""The file of a DIP system: what it may look like, and what is found in it (ET-09, vector 40)."""

from __future__ import annotations

import pytest

from gateway.dip.differences import DipRow, FileWrong, differences, read_rows
from gateway.store.stay_feed import Episode

HEAD = "结算ID,就诊ID,住院号,入院时间,出院时间\n"


def settled(number: int, t_set: str = "2026-03-01 10:05:00", t_dsc: str = "2026-03-05 09:00:00") -> Episode:
    return Episode(
        f"Z{number}", f"M{number}", f"P{number}", "discharged", "aligned", "settled", setl_id=f"S{number}",
        t_set=t_set, t_dsc=t_dsc,
    )  # fmt: skip


def kinds(text: str, *ours: Episode, since: str = "", before: str = "") -> list[tuple[str, str]]:
    found = differences(ours or (settled(1),), read_rows((HEAD + text).encode()), since, before)
    return [(one.kind, one.text.partition("：")[0]) for one in found]


@pytest.mark.parametrize(
    "adm", ["2026-03-01 10:05:59", "2026-03-01 10:05", "2026-03-01T02:05:00Z", "2026-03-01", "2026/3/1", "20260301", "2026年3月1日"]
)  # fmt: skip
def test_the_same_moment_or_day_is_no_difference(adm: str) -> None:
    assert kinds(f"S1,M1,Z1,{adm},2026-03-05\n") == []


@pytest.mark.parametrize("adm", ["2026-03-01 10:06:00", "2026-03-02", "20260228", "", "昨天", "2026-02-30"])
def test_another_one_is(adm: str) -> None:
    assert kinds(f"S1,M1,Z1,{adm},2026-03-05\n") == [("不一致", "入院时间")]


def test_each_kind_is_named() -> None:
    text = "S1,M1,Z1,2026-03-01,2026-03-06\nS9,M9,Z9,2026-03-01,2026-03-05\n"
    found = kinds(text, settled(1), settled(2))
    assert [kind for kind, _ in found] == ["不一致", "多余", "缺失"]


def test_a_settlement_made_anew_is_not_missing_but_another() -> None:
    assert kinds("S0,M1,Z1,2026-03-01,2026-03-05\n") == [("不一致", "结算ID")]


def test_the_same_case_twice_is_one_too_many() -> None:
    line = "S1,M1,Z1,2026-03-01,2026-03-05\n"
    assert kinds(line + line) == [("多余", "与第 2 行是同一次结算")]


def test_only_a_period_must_be_in_the_file() -> None:
    march, april = settled(1), settled(2, t_dsc="2026-04-01 08:00:00")
    assert [kind for kind, _ in kinds("", march, april, since="2026-04-01")] == ["缺失"]
    assert [kind for kind, _ in kinds("", march, april, before="2026-04-01")] == ["缺失"]
    assert kinds("S2,M2,Z2,2026-03-01,2026-04-01\n", march, april, since="2026-04-01") == []


def test_other_separators_and_names() -> None:
    rows = read_rows(b"ipt_no\tadm_time\nZ1\t2026-03-01 10:05\n\n")
    assert rows == [DipRow(2, ipt_no="Z1", adm_time="2026-03-01 10:05")]
    assert differences([settled(1)], rows) == []


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"", "第一行应为列名"),
        (b"\xff\xff\xff", "既不是 UTF-8"),
        ("姓名,入院日期\n".encode(), "至少要有一列"),
        ("住院号,出院日期\n".encode(), "缺少列 入院日期"),
        ("住院号,入院日期,入院时间\n".encode(), "只能有一列"),
        ("住院号,入院日期\nZ1\n".encode(), "第 2 行有 1 列"),
        ("住院号,入院日期\n,2026-03-01\n".encode(), "第 2 行没有"),
        ('住院号,入院日期\n"Z1,2026-03-01\n'.encode(), "不是 CSV"),
    ],
)
def test_a_file_that_is_wrong_is_named(raw: bytes, told: str) -> None:
    with pytest.raises(FileWrong, match=told):
        read_rows(raw)
