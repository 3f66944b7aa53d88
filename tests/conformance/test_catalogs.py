"""Catalogs by version, over every store: an import shows whole or not at all, and every version can be looked at."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

import pytest

from gateway.contract.catalogs import Record
from gateway.exchange.entries import SHANGHAI
from gateway.store import Store
from gateway.store.catalogs import ImportTaken, NewVersion, SqlCatalogs, Version

NOW = datetime(2026, 11, 22, 1, 0, tzinfo=SHANGHAI)
COLUMNS = (("rid", "唯一记录号"), ("code", "编码"), ("name", "名称"), ("vali_flag", "有效标志"))
BOTH = pytest.mark.parametrize("opened", ["sqlite", "postgresql"], indirect=True)


def record(number: int, name: str = "", *, valid: bool = True, begins: str = "", ends: str = "") -> Record:
    name = name or f"名称{number}"
    values = (f"R{number}", f"C{number:04d}", name, "1" if valid else "0")
    return Record(values[0], values[1], name, f"MC{number}", begins, ends, valid, "V1", values)


def begun(held: SqlCatalogs, ver: str, lines: int, *, infno: str = "1301", whole: bool = False) -> Version:
    new = NewVersion(infno, "0", ver, whole, f"sha-{ver}", None, lines, COLUMNS)
    return held.begin(new, "西药中成药", NOW)


def imported(held: SqlCatalogs, ver: str, records: Sequence[Record], **more: bool | str) -> Version:
    version = begun(held, ver, len(records), **more)  # type: ignore[arg-type]
    held.add(version, records, lines_before=0, lines_after=len(records))
    return held.put_in_force(version, ("一条说明",), NOW)


@BOTH
def test_nobody_sees_an_import_before_it_is_whole(opened: Store) -> None:
    held = opened.catalogs
    first = imported(held, "V1", [record(n) for n in range(1200)])
    assert (first.added, first.total, first.notes) == (1200, 1200, ("一条说明",))
    next_ = begun(held, "V2", 3)
    held.add(next_, [record(1, "新名"), record(2, valid=False), record(5000)], lines_before=0, lines_after=3)
    assert [one.name for one in held.by_code("1301", "C0001")] == ["名称1"]
    assert held.by_code("1301", "C5000") == []
    assert held.by_code("1301", "C0002", date(2026, 1, 1)) != []
    assert [one.id for one in held.unfinished()] == [next_.id]
    second = held.put_in_force(next_, (), NOW)
    assert (second.added, second.changed, second.withdrawn, second.same, second.total) == (1, 1, 1, 0, 1201)
    assert [one.name for one in held.by_code("1301", "C0001")] == ["新名"]
    assert held.by_code("1301", "C0002", date(2026, 1, 1)) == []
    assert [one.valid for one in held.by_code("1301", "C0002")] == [False]
    assert [one.name for one in held.by_code("1301", "C0001", version=first)] == ["名称1"]
    assert held.unfinished() == []
    assert held.counted(first) == (1200, 1200)
    assert held.counted(second) == (1201, 1200)


@BOTH
def test_what_is_taken_back_never_was(opened: Store) -> None:
    held = opened.catalogs
    first = imported(held, "V1", [record(n) for n in range(700)])
    other = imported(held, "V1", [record(1)], infno="1302")
    version = begun(held, "V2", 702)
    held.add(version, [record(n, "新") for n in range(700)], lines_before=0, lines_after=700)
    held.add(version, [record(9001), record(9002)], lines_before=700, lines_after=702)
    held.take_back(version)
    assert held.unfinished() == []
    assert held.counted(first) == (700, 700)
    assert {one.name for one in held.search("1301", "名称1", limit=999)} >= {"名称1", "名称10"}
    assert held.counted(other) == (1, 1)
    assert [one.ver for one in held.versions("1301")] == ["V1"]


@BOTH
def test_of_two_who_go_on_with_an_import_one_gives_up(opened: Store) -> None:
    held = opened.catalogs
    version = begun(held, "V1", 4)
    held.add(version, [record(1), record(2)], lines_before=0, lines_after=2)
    with pytest.raises(ImportTaken):
        held.add(version, [record(1), record(2)], lines_before=0, lines_after=2)
    held.add(version, [record(3), record(4)], lines_before=2, lines_after=4)
    done = held.put_in_force(version, (), NOW)
    assert (done.added, done.total) == (4, 4)
    with pytest.raises(ImportTaken):
        held.put_in_force(version, (), NOW)


@BOTH
def test_a_record_named_twice_counts_once_and_the_later_holds(opened: Store) -> None:
    held = opened.catalogs
    imported(held, "V1", [record(1), record(2)])
    version = begun(held, "V2", 5)
    held.add(version, [record(1, "甲"), record(1, "乙"), record(3)], lines_before=0, lines_after=3)
    held.add(version, [record(1, "丙", valid=False), record(3, "丁")], lines_before=3, lines_after=5)
    done = held.put_in_force(version, (), NOW)
    assert (done.added, done.changed, done.withdrawn, done.same, done.total) == (1, 0, 1, 3, 3)
    assert [(one.name, one.valid) for one in held.by_code("1301", "C0001")] == [("丙", False)]
    assert [(now.change, was.name if was else "") for now, was in held.changes(done)] == [
        ("withdrawn", "名称1"),
        ("added", ""),
    ]


@BOTH
def test_a_whole_import_withdraws_what_it_does_not_name(opened: Store) -> None:
    held = opened.catalogs
    imported(held, "V1", [record(n) for n in range(6)])
    version = begun(held, "V2", 4, whole=True)
    held.add(version, [record(n) for n in range(4)], lines_before=0, lines_after=4)
    named = {f"R{n}" for n in range(4)}.__contains__
    assert held.missing(version, named) == (2, 6)
    seen: list[int] = []
    assert held.withdraw_missing(version, named, seen.append) == 2
    assert held.withdraw_missing(version, named, seen.append) == 0, "as often as one likes"
    done = held.put_in_force(version, (), NOW)
    assert (done.added, done.withdrawn, done.same, done.total) == (0, 2, 4, 6)
    gone = held.by_code("1301", "C0005")
    assert [(one.valid, one.name, one.values["code"]) for one in gone] == [(False, "名称5", "C0005")]


@BOTH
def test_looking_up_by_the_beginning_of_code_name_and_pinyin(opened: Store) -> None:
    held = opened.catalogs
    named = [
        record(1, "阿莫西林胶囊"),
        record(2, "阿莫西林片"),
        record(3, "布洛芬"),
        record(4, "阿莫\U0010ffff"),
        record(5, "%_"),
    ]
    imported(held, "V1", named)
    imported(held, "V1", [record(1, "阿莫他")], infno="1302")
    assert {one.name for one in held.search("1301", "阿莫")} == {"阿莫西林胶囊", "阿莫西林片", "阿莫\U0010ffff"}
    assert [one.name for one in held.search("1301", "mc3")] == ["布洛芬"]
    assert [one.code for one in held.search("1301", "C000", limit=2)] == ["C0001", "C0002"]
    assert [one.name for one in held.search("1301", "%")] == ["%_"], "no pattern"
    assert held.search("1301", "阿莫西林胶囊们") == []
    assert held.search("1399", "阿莫") == []


@BOTH
def test_in_force_on_a_day(opened: Store) -> None:
    held = opened.catalogs
    imported(held, "V1", [record(1, begins="2026-01-01", ends="2026-06-30"), record(2), record(3, valid=False)])
    usable = {day: [one.key for one in held.search("1301", "", date.fromisoformat(day))] for day in (
        "2025-12-31", "2026-01-01", "2026-06-30", "2026-07-01",
    )}  # fmt: skip
    assert usable == {
        "2025-12-31": ["R2"],
        "2026-01-01": ["R1", "R2"],
        "2026-06-30": ["R1", "R2"],
        "2026-07-01": ["R2"],
    }


@BOTH
def test_old_versions_go_and_the_newer_stay_as_they_were(opened: Store) -> None:
    held = opened.catalogs
    versions = [imported(held, f"V{n}", [record(1, f"名{n}"), record(n + 10)]) for n in range(1, 5)]
    assert held.prune("1301", 5) == 0
    assert held.prune("1301", 2) == 2
    assert [one.pruned for one in held.versions("1301")] == [False, False, True, True]
    for version in versions[2:]:
        assert [one.name for one in held.by_code("1301", "C0001", version=version)] == [f"名{version.ver[1:]}"]
    assert held.prune("1301", 2) == 0
    assert len(held.changes(versions[3])) == 2


@BOTH
def test_how_the_last_question_went_is_kept(opened: Store) -> None:
    held = opened.catalogs
    held.tell("1301", "西药中成药", "平台没有答复", NOW, failed=True)
    one = held.one("1301")
    assert one is not None
    assert (one.version, one.told, one.failed, one.checked_at) == (None, "平台没有答复", True, NOW)
    imported(held, "V1", [record(1)])
    held.tell("1301", "西药中成药", "没有更新", NOW, failed=False)
    one = held.one("1301")
    assert one is not None
    assert one.version is not None
    assert (one.version.ver, one.told, one.failed) == ("V1", "没有更新", False)
