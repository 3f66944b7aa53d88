"""A HIS that exposes services, served by spyne: what can go wrong with its answers, and with the files that describe it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.his.calls import read_call, read_calls
from adapters.his.check import check
from adapters.his.ways import HisRecords, open_records
from gateway.settings import His as Settings
from gateway.stays.hospital import HisMisconfigured, HisUnavailable
from tests.adapters.his.service import EVENTS, His, files, served
from tests.conformance.test_hospital_records import BASE, EVENT_ROWS, FEE_ROWS, event, read_all

AS_TEXT = (
    EVENTS.replace('"Event"', '"List/Row"')
    .replace("QueryEvents", "EventsAsText")
    .replace('user = "{user}", password = "{password}"', 'form = "FORM"')
    .replace('= "id"', '= "event_id"')
    .replace('from = "ydlx"', 'from = "kind"')
    .replace('"zyh"', '"ipt_no"')
)


@pytest.fixture
def his() -> His:
    return His({"ward_events": EVENT_ROWS, "fees": FEE_ROWS})


@pytest.fixture
def wsdl(his: His, tmp_path: Path) -> Iterator[Path]:
    with served(his, tmp_path) as file:
        yield file


def records(his: His, wsdl: Path, events: str = EVENTS, **more: Any) -> HisRecords:
    opened, wrong = open_records(settings(his, wsdl, events, **more))
    assert wrong == {}
    return opened


def settings(his: His, wsdl: Path, events: str = EVENTS, **more: Any) -> Settings:
    folder = files(wsdl.parent / "his", ward_events=events)
    return Settings(service=his.url, wsdl=wsdl, statements=folder, **more)


def test_account_and_point_reach_the_service_as_its_wsdl_says(his: His, wsdl: Path) -> None:
    opened = records(his, wsdl, user="yibao", password="口令&<")
    opened.changed("ward_events", since=BASE + timedelta(minutes=5))
    assert his.asked[-1] == {"since": BASE + timedelta(minutes=5), "user": "yibao", "password": "口令&<"}


def test_codes_of_the_service_become_those_of_the_documents(wsdl: Path, his: His) -> None:
    his.rows = {**his.rows, "ward_events": [event(1, 1, kind="1"), event(2, 2, kind="2"), event(3, 3, kind="9")]}
    page = records(his, wsdl).changed("ward_events")
    assert [row["kind"] for row in page.rows] == ["ward_in", "transfer"]
    assert "kind" in str(page.wrong[0])


@pytest.mark.parametrize("form", ["xml", "json"])
def test_rows_that_come_as_text_in_the_result(his: His, wsdl: Path, form: str) -> None:
    text = AS_TEXT.replace("FORM", form)
    if form == "json":
        text = f'payload = "json"\n{text}'.replace("List/Row", "data/rows")
        text += '\n[succeeded]\nfrom = "code"\n'
    else:
        text += '\n[succeeded]\nfrom = "Code"\nmessage = "Msg"\n'
    plain = records(his, wsdl).changed("ward_events")
    assert records(his, wsdl, text).changed("ward_events").rows == plain.rows


@pytest.mark.parametrize(("form", "words"), [("failed", "无权限"), ("dtd", "DTD|DOCTYPE")])
def test_an_answer_that_says_no_or_declares_things_is_not_used(his: His, wsdl: Path, form: str, words: str) -> None:
    text = AS_TEXT.replace("FORM", form) + '\n[succeeded]\nfrom = "Code"\nmessage = "Msg"\n'
    with pytest.raises(HisMisconfigured, match=words):
        records(his, wsdl, text).changed("ward_events")


def test_a_service_that_pages_is_read_to_its_end_or_says_why_not(his: His, wsdl: Path) -> None:
    his.at_once = 9
    opened = records(his, wsdl, f"rows_max = 9\n{EVENTS}")
    first = opened.changed("ward_events")
    assert not first.last
    assert set(read_all(opened, "ward_events", 500)) == {"E8", *(f"E{n}" for n in range(1, 8)), "!9", "!10", "E11"}
    his.at_once = 3  # seven rows have the same moment
    stuck = records(his, wsdl, f"rows_max = 3\n{EVENTS}")
    with pytest.raises(HisMisconfigured, match="after_row_id"):
        read_all(stuck, "ward_events", 500)


@pytest.mark.parametrize(("code", "wrong"), [("Client.Auth", HisMisconfigured), ("Server", HisUnavailable)])
def test_a_fault_says_whether_somebody_must_act(his: His, wsdl: Path, code: str, wrong: type[Exception]) -> None:
    his.fault = code
    with pytest.raises(wrong, match="查询失败"):
        records(his, wsdl).changed("ward_events")


def test_a_service_that_hangs_is_given_up_and_so_is_waiting_for_a_turn(his: His, wsdl: Path) -> None:
    his.hangs = threading.Event()
    opened = records(his, wsdl, statement_s_max=0.5, wait_s_max=0.1, pool_size=1)
    with pytest.raises(HisUnavailable, match="秒内没有给出完整答复"):
        opened.changed("ward_events")
    his.hangs.set()
    closed, _ = open_records(settings(his, wsdl))
    his_gone = His(his.rows, url="http://127.0.0.1:9/")
    assert closed.changed("fees").rows
    with pytest.raises(HisUnavailable, match="没有按时答复"):
        records(his_gone, wsdl).changed("fees")


def test_an_answer_above_the_limit_is_not_taken(his: His, wsdl: Path) -> None:
    with pytest.raises(HisUnavailable, match="上限 1024"):
        records(his, wsdl, answer_bytes_max=1024).changed("ward_events")


def test_an_answer_in_gbk_that_says_nothing_of_it_is_read_by_the_setting(his: His, tmp_path: Path) -> None:
    def in_gbk(app: Any) -> Any:
        def answer(environ: Any, start_response: Any) -> Any:
            def start(status: str, headers: Any, *more: Any) -> Any:
                kept = [
                    (name, value) for name, value in headers if name.lower() not in ("content-type", "content-length")
                ]
                return start_response(status, [*kept, ("Content-Type", "text/xml")], *more)

            body = b"".join(app(environ, start)).decode()
            return [body.partition("?>")[2].encode("gb18030")]

        return answer

    with served(his, tmp_path, in_gbk) as wsdl:
        row = records(his, wsdl, service_charset="gbk").changed("ward_events", rows_max=1).rows[0]
        assert row["ward_name"] == "心血管内科病区"


def test_a_wsdl_that_refers_to_the_network_is_not_used(his: His, wsdl: Path) -> None:
    text = wsdl.read_text(encoding="utf-8")
    at = text.index("<wsdl:types>")
    wsdl.write_text(
        f'{text[:at]}<wsdl:import namespace="urn:x" location="http://127.0.0.1:9/x.wsdl"/>{text[at:]}', encoding="utf-8"
    )
    _, wrong = open_records(settings(his, wsdl))
    assert set(wrong) == {"ward_events", "fees"}
    assert "http://127.0.0.1:9/x.wsdl" in wrong["fees"]


def test_the_check_treats_services_as_it_treats_a_database(his: His, wsdl: Path) -> None:
    given = settings(his, wsdl)
    (wsdl.parent / "his" / "ward_event.toml").write_text("", encoding="utf-8")
    found = {finding.what: finding for finding in check(given)}
    assert "SOAP 服务" in found["HIS"].text
    events = found["ward_events.toml"]
    assert (events.ok, events.facts["rows"], events.facts["wrong"]) == (False, 12, 2)
    assert any("changed_at 有 1 行为空" in problem for problem in events.problems)
    assert (found["orders.toml"].ok, found["ward_event.toml"].ok) == (None, None)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("{changed_since}", "{since}", "since"),
        ("QueryEvents", "QueryNothing", "QueryNothing"),
        ("since =", "sinze =", "sinze"),
        ('row_id = "row_id"', "", "row_id"),
        ('operator = "operator"', 'nurse = "operator"', "nurse"),
        ("{ipt_no}", "7", "ipt_no"),
        ('kind = { from = "ydlx"', 'kind = { constant = "1", from = "ydlx"', "from"),
        ("rows =", "rows = 7 #", "rows"),
        ("[changed]", "[changed", "TOML"),
        ('rows = "Event"', 'rows = "Event"\npoint = "never"', "point"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_before_anything_is_asked(
    his: His, wsdl: Path, old: str, new: str, words: str
) -> None:
    _, wrong = open_records(settings(his, wsdl, EVENTS.replace(old, new, 1)))
    assert words in wrong["ward_events"]
    assert his.asked == []


def test_folders_without_files_and_settings_that_contradict_are_refused(tmp_path: Path) -> None:
    with pytest.raises(HisMisconfigured, match="没有说明"):
        read_calls(tmp_path)
    with pytest.raises(HisMisconfigured, match="不存在"):
        read_calls(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="只能设置一个"):
        Settings(url="sqlite:///x", service="http://x")
    with pytest.raises(ValueError, match="user"):
        Settings(service="http://x", security="text")
    (tmp_path / "items.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(HisMisconfigured, match="UTF-8"):
        read_call("items", tmp_path / "items.toml")
