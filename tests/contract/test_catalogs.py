"""Records by position: nothing shifts unseen, and times are read as platforms print them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.contract.catalogs import Catalog, RecordReader, RecordWrong, day_of, version_order
from tests.catalogs.kit import CATALOGS

FILES = [catalog for catalog in CATALOGS.values() if catalog.kind == "file"]


def line(catalog: Catalog, number: int = 7) -> list[str]:
    given = {
        "rid": f"R{number}",
        "vali_flag": "1",
        "ver": "F001_20260105_A",
        "begndate": "2025-01-01",
        "crte_time": "2025-01-01 10:00:00",
        "updt_time": "2025-01-01 10:00:00",
        catalog.codes[0]: f"C{number}",
    }
    return [
        given.get(column.name, f"值{at}" if column.type == "string" else "")
        for at, column in enumerate(catalog.columns)
    ]


@pytest.mark.parametrize("catalog", FILES, ids=lambda catalog: catalog.infno)
def test_a_record_is_read(catalog: Catalog) -> None:
    record = RecordReader(catalog).read(line(catalog))
    assert (record.key, record.code, record.valid, record.version) == ("R7", "C7", True, "F001_20260105_A")
    assert len(record.values) == len(catalog.columns)


@settings(max_examples=200)
@given(st.sampled_from(FILES), st.data())
def test_a_column_lost_or_added_before_the_last_anchor_is_noticed(catalog: Catalog, data: st.DataObject) -> None:
    """The flag of validity stands in every file; whatever moves it is refused."""
    columns = line(catalog)
    flag = [column.name for column in catalog.columns].index(catalog.valid)
    at = data.draw(st.integers(0, flag))
    if data.draw(st.booleans()):
        moved = [*columns[:at], *columns[at + 1 :], ""]
    else:
        moved = [*columns[:at], "多出的列", *columns[at:]]
    with pytest.raises(RecordWrong, match="可能错列"):
        RecordReader(catalog).read(moved)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"rid": ""}, "rid（唯一记录号）是键，不能为空"),
        ({"rid": "R" * 121}, "不能超过 120 个字符"),
        ({"med_list_codg": ""}, "不能为空"),
        ({"med_list_codg": "C" * 101}, "不能超过 100 个字符"),
        ({"vali_flag": "是"}, "应为 1 或 0，现为 '是'"),
        ({"ver": ""}, "不能为空"),
        ({"begndate": "长期"}, "应为日期，现为 '长期'"),
        ({"updt_time": "R000"}, "应为日期"),
    ],
)
def test_what_a_record_must_have(change: dict[str, str], why: str) -> None:
    catalog = CATALOGS["1301"]
    names = [column.name for column in catalog.columns]
    columns = [change.get(name, value) for name, value in zip(names, line(catalog), strict=True)]
    with pytest.raises(RecordWrong, match=why):
        RecordReader(catalog).read(columns)


def test_a_text_that_no_database_keeps_is_refused() -> None:
    catalog = CATALOGS["1301"]
    columns = line(catalog)
    columns[[column.name for column in catalog.columns].index("drug_prodname")] = "阿莫\0西林"
    with pytest.raises(RecordWrong, match="NUL"):
        RecordReader(catalog).read(columns)


def test_the_version_of_a_query_is_the_day_of_its_newest_change() -> None:
    catalog = CATALOGS["1312"]
    names = [column.name for column in catalog.columns]
    for printed in ("2026-01-05", "2026-01-05 10:00:00", "1767542400000"):
        given = {"rid": "R", "hilist_code": "C", "vali_flag": "1", "updt_time": printed}
        assert RecordReader(catalog).read([given.get(name, "") for name in names]).version == "2026-01-05"


def test_dates_on_certificates_are_only_counted() -> None:
    catalog = CATALOGS["1306"]
    columns = line(catalog)
    at = [column.name for column in catalog.columns].index("regcert_expy_endtime")
    columns[at] = "长期"
    reader = RecordReader(catalog)
    assert reader.read(columns).values[at] == "长期"
    assert reader.loose_hits == {at: 1}


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2026-01-05", "2026-01-05"),
        ("2026-01-05 23:59:59.0", "2026-01-05"),
        ("2026/1/5", "2026-01-05"),
        ("20260105", "2026-01-05"),
        ("20260105235959", "2026-01-05"),
        ("Thu Nov 30 00:00:00 CST 2006", "2006-11-30"),
        ("1164816000000", "2006-11-30"),  # 2006-11-30 00:00 in Shanghai
        ("2026-02-30", None),
        ("Thu Foo 30 00:00:00 CST 2006", None),
        ("长期", None),
        ("", None),
        ("1", None),
    ],
)
def test_times_as_platforms_print_them(text: str, day: str | None) -> None:
    assert day_of(text) == day


@given(st.text(max_size=30))
def test_any_text_is_a_day_or_none(text: str) -> None:
    found = day_of(text)
    assert found is None or len(found) == 10


def test_versions_are_compared_by_their_numbers() -> None:
    given = ["F010_20260105_A", "F009_20270105_A", "v0002", "v0010", "9", "10", "", "F009_20270105_B"]
    assert sorted(given, key=version_order) == [
        "", "F009_20270105_A", "F009_20270105_B", "F010_20260105_A", "v0002", "v0010", "9", "10",
    ]  # fmt: skip
