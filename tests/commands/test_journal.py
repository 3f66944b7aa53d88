"""The journal commands against a store that its own journal has filled, open for writing beside them."""

from __future__ import annotations

import csv
import json
import stat
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.clock import SHANGHAI
from gateway.commands import journal_rows
from gateway.commands.journal_rows import moment, pages, share_done
from gateway.commands.terminal import Misused
from gateway.exchange.fakes import MemoryJournal
from gateway.exchange.ports import Exchange, Query, State
from gateway.store import Store, open_store
from tests.commands.helpers import Ran, administration, write_config, yibao
from tests.servers import in_process
from tests.sqlite import new_sqlite
from tests.store.samples import NOW, intent, outcome, refusal

CERTNO = "440102198001010013"
_numbers = count(1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Open for writing all the time, as a gateway that serves would hold it."""
    opened = open_store(new_sqlite(tmp_path / "yibao.db"), node="node-1")
    opened.upgrade()
    yield opened
    opened.close()


@pytest.fixture
def config(tmp_path: Path, store: Store) -> Iterator[Path]:
    """Of a gateway whose administration side answers for its store."""
    with in_process(administration(store)) as port:
        yield write_config(tmp_path, port=port)


def confirmed(store: Store, **changes: Any) -> Exchange:
    entry = store.journal.intend(intent(**changes))
    return store.journal.finish(entry.id, outcome())


def found(ran: Ran) -> list[int]:
    assert ran.code == 0, ran.err
    return [row["id"] for row in json.loads(ran.out)]


@pytest.mark.parametrize(
    ("option", "value", "changes"),
    [
        ("--psn-no", "P9", {"keys": (("psn_no", "P9"),)}),
        ("--mdtrt-id", "M9", {"keys": (("mdtrt_id", "M9"),)}),
        ("--setl-id", "S9", {"keys": (("setl_id", "S9"),)}),
        ("--ipt-no", "Z9", {"keys": (("ipt_no", "Z9"),)}),
        ("--ipt-otp-no", "Z9", {"keys": (("ipt_otp_no", "Z9"),)}),
        ("--certno", CERTNO, {"keys": (("certno", CERTNO),)}),
        ("--card", "K9", {"keys": (("card", "K9"),)}),
        ("--name", "张三丰", {"keys": (("psn_name", "张三丰"),)}),
        ("--msgid", "H44080300018202611210830159999", {"msgid": "H44080300018202611210830159999"}),
        ("--request-id", "R-9", {"request_id": "R-9"}),
        ("--infno", "2401", {"infno": "2401"}),
        ("--client", "lis", {"client": "lis"}),
        ("--since", "2026-11-22", {"received_at": NOW + timedelta(days=1)}),
        ("--until", "2026-11-20", {"received_at": NOW - timedelta(days=1)}),
    ],
)
def test_each_condition_finds_its_exchange_and_no_other(
    store: Store, config: Path, option: str, value: str, changes: dict[str, Any]
) -> None:
    confirmed(store)
    wanted = confirmed(store, **changes)
    assert found(yibao("journal", "search", option, value, "--config", config, "--json")) == [wanted.id]


def test_states_and_codes(store: Store, config: Path) -> None:
    confirmed(store)
    refused = store.journal.record(intent(msgid=None, platform_request=None), refusal())
    doubt = store.journal.finish(store.journal.intend(intent()).id, outcome(State.IN_DOUBT, code="GW-4101"))
    search = ("journal", "search", "--config", config, "--json")
    assert found(yibao(*search, "--state", "in-doubt", "--state", "REFUSED")) == [doubt.id, refused.id]
    assert found(yibao(*search, "--code", "gw-4101")) == [doubt.id]


def test_what_is_shown_is_masked_until_asked_otherwise(store: Store, config: Path) -> None:
    row = store.journal.record(
        intent(keys=(("certno", CERTNO), ("mdtrt_id", "M1")), msgid=None, platform_request=None),
        refusal(err_msg=f"证件号码 {CERTNO} 与姓名不符"),
    )
    for command in (["search"], ["show", str(row.id), "--bodies"]):
        masked = yibao("journal", *command, "--config", config)
        assert masked.code == 0
        assert CERTNO not in masked.out
        assert "440102********0013" in masked.out
        assert "M1" in masked.out
        assert CERTNO in yibao("journal", *command, "--config", config, "--unmasked").out


def test_show_gives_the_bodies_in_their_charset(store: Store, config: Path) -> None:
    request = "<request><psn_name>张三丰</psn_name></request>".encode("gb18030")
    row = confirmed(store, caller_request=request)
    ran = yibao("journal", "show", row.id, "--bodies", "--unmasked", "--json", "--config", config)
    assert json.loads(ran.out)["bodies"] == {
        "院内请求": "<request><psn_name>张三丰</psn_name></request>",
        "发往平台的报文": '{"infno":"2304"}',
        "平台的答复": '{"infcode":0}',
    }
    masked = yibao("journal", "show", row.id, "--bodies", "--config", config).out
    assert "<psn_name>张**</psn_name>" in masked


def test_show_of_a_body_that_is_no_text(store: Store, config: Path) -> None:
    row = confirmed(store, caller_request=b"\xff\xfe<", caller_charset="utf-8")
    ran = yibao("journal", "show", row.id, "--bodies", "--unmasked", "--config", config)
    assert (ran.code, "\\xff\\xfe<" in ran.out) == (0, True)


def test_show_of_nothing(store: Store, config: Path) -> None:
    ran = yibao("journal", "show", 77, "--config", config)
    assert (ran.code, ran.out, ran.err) == (1, "", "日志中没有编号为 77 的交易\n")


def test_search_says_when_there_is_more(store: Store, config: Path) -> None:
    for _ in range(3):
        confirmed(store)
    assert "只显示前 2 笔" in yibao("journal", "search", "--limit", 2, "--config", config).err
    ran = yibao("journal", "search", "--config", config)
    assert ran.err == "共 3 笔。\n"
    assert ran.out.count("CONFIRMED") == 3


@pytest.mark.parametrize("value", ["yesterday", "2026-13-01", "21/11/2026"])
def test_a_time_that_is_none(config: Path, value: str) -> None:
    ran = yibao("journal", "search", "--since", value, "--config", config)
    assert ran.code == 2
    assert value in ran.err


def test_a_state_that_is_none(config: Path) -> None:
    ran = yibao("journal", "search", "--state", "DONE", "--config", config)
    assert (ran.code, "IN_DOUBT" in ran.err) == (2, True)


def test_no_store_yet(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    ran = yibao("journal", "search", "--config", config)
    assert (ran.code, "不存在" in ran.err) == (1, True)


def test_a_store_without_tables_says_so(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    open_store(f"sqlite:///{tmp_path}/yibao.db", node="n").close()
    ran = yibao("journal", "search", "--config", config)
    assert ran.code == 1
    assert ran.err.startswith("交易日志无法读写：")
    assert "Traceback" not in ran.err


# -------------------------------------------------------------------- export


def test_export_to_json_lines_holds_every_row(
    store: Store, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_rows, "PAGE_ROWS", 2)
    rows = [confirmed(store, keys=(("certno", CERTNO),)) for _ in range(5)]
    file = tmp_path / "out.jsonl"
    assert yibao("journal", "export", file, "--config", config, "--bodies").out == f"已导出 5 笔到 {file}。\n"
    written = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert [row["id"] for row in written] == [row.id for row in reversed(rows)]
    assert written[0]["received_at"] == "2026-11-21T08:30:15.123+08:00"
    assert written[0]["keys"] == [{"kind": "certno", "value": "440102********0013"}]
    assert written[0]["bodies"]["平台的答复"] == '{"infcode":0}'
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.glob(".*.part")] == []


def test_export_to_csv_is_for_a_spreadsheet(store: Store, config: Path, tmp_path: Path) -> None:
    store.journal.record(
        intent(msgid=None, platform_request=None), refusal(err_msg='=HYPERLINK("http://x")，含,逗号\n与换行')
    )
    file = tmp_path / "out.csv"
    assert yibao("journal", "export", file, "--config", config).code == 0
    assert file.read_bytes().startswith(b"\xef\xbb\xbf")
    with file.open(encoding="utf-8-sig", newline="") as read:
        (row,) = csv.DictReader(read)
    assert row["err_msg"] == '\'=HYPERLINK("http://x")，含,逗号\n与换行'
    assert (row["infcode"], row["keys"]) == ("-1", "mdtrt_id=M1 psn_no=P1")


@pytest.mark.parametrize(
    ("name", "options", "code", "said"),
    [
        ("out.xlsx", [], 2, ".jsonl"),
        ("out.csv", ["--bodies"], 2, "--bodies"),
        ("missing/out.csv", [], 1, "文件或目录不存在"),
    ],
)
def test_export_that_cannot_be(
    store: Store, config: Path, tmp_path: Path, name: str, options: list[str], code: int, said: str
) -> None:
    ran = yibao("journal", "export", tmp_path / name, *options, "--config", config)
    assert (ran.code, ran.out) == (code, "")
    assert said in ran.err


def test_an_export_that_fails_half_way_leaves_the_old_file(
    store: Store, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    confirmed(store)
    file = tmp_path / "out.jsonl"
    file.write_text("old", encoding="utf-8")

    def full(*_: object, **__: object) -> dict[str, Any]:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(journal_rows, "shown", full)
    ran = yibao("journal", "export", file, "--config", config)
    assert (ran.code, ran.err) == (1, f"无法写入 {file}：磁盘已满\n")
    assert file.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.glob(".*.part")) == []


# --------------------------------------------------------------------- parts


@given(rows=st.integers(0, 25), size=st.integers(1, 7), most=st.none() | st.integers(1, 30))
def test_pages_give_each_row_once(rows: int, size: int, most: int | None) -> None:
    journal = MemoryJournal()
    ids = [journal.intend(intent()).id for _ in range(rows)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal_rows, "PAGE_ROWS", size)
        given_pages = list(pages(journal, Query(), most=most))
    assert all(given_pages)
    assert [row.id for page in given_pages for row in page] == ids[::-1][:most]


@pytest.mark.parametrize(
    ("text", "end_of_day", "expected"),
    [
        ("2026-11-21", False, datetime(2026, 11, 21, tzinfo=SHANGHAI)),
        ("2026-11-21", True, datetime(2026, 11, 22, tzinfo=SHANGHAI)),
        ("20261121", True, datetime(2026, 11, 22, tzinfo=SHANGHAI)),
        ("2026-11-21T08:30", True, datetime(2026, 11, 21, 8, 30, tzinfo=SHANGHAI)),
        ("2026-11-21 08:30:05", False, datetime(2026, 11, 21, 8, 30, 5, tzinfo=SHANGHAI)),
        ("2026-11-21T00:30Z", False, datetime(2026, 11, 21, 8, 30, tzinfo=SHANGHAI)),
    ],
)
def test_times_are_those_of_shanghai(text: str, end_of_day: bool, expected: datetime) -> None:
    assert moment(text, end_of_day=end_of_day) == expected


def test_a_time_that_is_none_is_misuse() -> None:
    with pytest.raises(Misused):
        moment("soon")


def test_the_share_of_the_way_goes_by_time_when_its_end_is_known() -> None:
    journal = MemoryJournal()
    old = journal.intend(intent(received_at=NOW - timedelta(hours=1)))
    new = journal.intend(intent(received_at=NOW))
    assert share_done(new, old, NOW - timedelta(hours=2)) == 0.5
    assert share_done(new, old, None) == 0.5
    assert share_done(new, new, NOW) == 1.0
