"""联调验收: the journal judges, nobody ticks; the items are data with a schema."""

from __future__ import annotations

import json
import re
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import clock
from gateway.console.conformance.items import Clause, Item, items_in_force, read_items
from gateway.console.conformance.judge import Evidence, Judged, accepted, judge
from gateway.contract.errors import MappingError
from gateway.exchange.fakes import MemoryJournal
from gateway.exchange.ports import Exchange, Journal, Proof, ProofKind, Query, State
from gateway.mappings import data_root
from tests.console.kit import Bench, tree
from tests.stays.ways import Stay
from tests.store.samples import intent, outcome, refusal


def done(journal: Journal, infno: str, state: State = State.CONFIRMED, **more: Any) -> Exchange:
    """One exchange of the client that came to ``state``."""
    given = {
        "infno": infno,
        "caller_charset": "utf-8",
        "safety": "money" if infno in ("2304", "2305") else "state",
    } | more
    ends = given.pop("ends", ())
    row = journal.intend(intent(**given))
    return row if state is State.INTENDED else journal.finish(row.id, outcome(state, ends=ends))


def refused(journal: Journal, infno: str, code: str) -> None:
    journal.record(intent(infno=infno, msgid=None, platform_request=None), refusal(code=code))


def found(journal: Journal) -> dict[str, Judged]:
    rows = sorted(journal.search(Query(limit=1000)), key=lambda row: row.id)
    return {one.item.id: one for one in judge(items_in_force(), Evidence(rows, journal.bodies, journal.proofs))}


def rows_sent(count: int) -> bytes:
    rows = [{"feedetl_sn": str(number)} for number in range(count)]
    return json.dumps({"infno": "2301", "input": {"feedetail": rows}}).encode()


def test_an_empty_journal_passes_nothing() -> None:
    assert {one.verdict for one in found(MemoryJournal()).values()} == {"open"}


def test_a_whole_run_is_accepted_and_each_item_names_what_proves_it(own: Bench) -> None:
    journal = own.parts.store.journal
    done(journal, "1101")
    first = done(journal, "2401", channel="string", caller_charset="GBK")
    done(journal, "2301", platform_request=rows_sent(300))
    assert found(journal)["fees-500"].told == "共 300 行，还差 200 行"
    done(journal, "2301", platform_request=rows_sent(200))
    done(journal, "2303")
    done(journal, "2402")
    settled = done(journal, "2304", request_id="r1")
    assert found(journal)["lost-reply"].verdict == "open", "an answer that came at once proves nothing of lost ones"
    journal.add_proof(settled.id, Proof(ProofKind.QUERY, clock.now(), "查询 5203：已结算", "5203"))
    journal.mark_replies([(settled.id, "written", clock.now())])
    for infno, code in (("2401", "GW-1101"), ("2304", "GW-1409"), ("2402", "ET02-02")):
        refused(journal, infno, code)
    done(journal, "2403")
    done(journal, "2405", State.DECLINED)
    judged = found(journal)
    assert judged["course"].verdict == "passed"
    assert [row.infno for row in judged["course"].rows] == ["2401", "2301", "2303", "2402", "2304"]
    assert {name for name, one in judged.items() if one.verdict != "passed"} == {"admit-typed", "reversal"}
    assert judged["gbk"].rows[0].id == first.id
    assert judged["lost-reply"].rows[0].id == settled.id
    assert not accepted(judged.values()), "the reversal is not optional"
    assert accepted([one for one in judged.values() if one.item.id != "reversal"])
    done(journal, "2305", ends=("2304",), request_id="r2")
    assert found(journal)["reversal"].verdict == "passed"


def test_a_lost_settlement_that_was_reversed_counts_once_it_was_asked_for_again() -> None:
    """The gateway reverses a settlement whose answer was lost; the vendor asks again by the same number, and it is done anew."""
    journal = MemoryJournal()
    lost = done(journal, "2304", State.IN_DOUBT, request_id="r1")
    assert found(journal)["lost-reply"].verdict == "open"
    evidence = [Proof(ProofKind.REVERSE, clock.now(), "冲正 2601：成功", "2601")]
    journal.resolve(lost.id, outcome(State.REVERSED), evidence)
    judged = found(journal)["lost-reply"]
    assert (judged.verdict, [row.id for row in judged.rows]) == ("open", [lost.id])
    assert "还没有以同一 request_id" in judged.told
    for number, request_id in (("other", "r2"), ("same", "r1")):
        again = done(journal, "2304", request_id=request_id)
        assert found(journal)["lost-reply"].verdict == "open", f"{number}: nobody has had the answer yet"
        journal.mark_replies([(again.id, "written", clock.now())])
        judged = found(journal)["lost-reply"]
        assert judged.verdict == ("passed" if number == "same" else "open")
    assert [row.id for row in judged.rows] == [lost.id, again.id]


def test_what_must_not_be_there_fails_it() -> None:
    journal = MemoryJournal()
    done(journal, "2304", request_id="r1")
    assert found(journal)["request-id"].verdict == "passed"
    bad = done(journal, "2304")
    judged = found(journal)["request-id"]
    assert (judged.verdict, [row.id for row in judged.rows], judged.told) == ("failed", [bad.id], "有 1 笔不符")
    done(journal, "2401", State.INTENDED)
    assert found(journal)["nothing-open"].verdict == "failed"


def test_a_run_counts_from_its_beginning_and_is_printed(shared: Bench) -> None:
    browser = shared.signed_in("it")
    before = shared.clock().replace(tzinfo=None).isoformat()
    Stay(shared.house, "json").admit()
    shared.clock.ahead += timedelta(seconds=2)
    page = browser.post("/conformance", {"client": "his"}).headers["location"]
    shared.clock.ahead -= timedelta(seconds=2)
    assert "通过 0 /" in re.sub(r"\s+", " ", tree(browser.page(page)).text_content())
    assert ("conformance.begin", "his") in [one[1:] for one in shared.log()]
    earlier = page.partition("since=")[0] + f"since={before}"
    text = tree(browser.page(earlier)).text_content()
    assert "共 0 行，还差 500 行" in text
    assert "办到第 1 步" in text, "the visit is known from the answer of the 2401"
    part = browser.page(earlier.replace("/conformance?", "/conformance/items?"))
    assert "进行中" in part
    assert "<nav" not in part
    assert "进行中" not in browser.page(earlier.replace("/conformance?", "/conformance/report?")), "no word for paper"
    paper = browser.page(earlier.replace("/conformance?", "/conformance/report?"))
    assert "未通过" in paper
    assert "H44080000001" in paper
    assert "所连平台" in paper
    assert browser.get("/conformance/report").status_code == 404
    assert browser.get("/conformance?client=nobody&since=x").status_code == 200
    assert "没有这个客户端" in (browser.post("/conformance", {"client": "nobody"}) and browser.page("/conformance"))


def test_a_run_is_found_again_however_much_was_done_since(own: Bench) -> None:
    browser = own.signed_in("it")
    address = browser.post("/conformance", {"client": "his"}).headers["location"]
    for number in range(1100):
        own.parts.store.operator_log.append("王工（wang）", "console.body", f"exchange {number}")
    (link,) = tree(browser.page("/conformance")).xpath("//ul[@class='lines']//a/@href")
    assert parse_qs(urlsplit(link).query) == parse_qs(urlsplit(address).query)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("id: query", "id: Query!", "items.yaml"),
        ("id: gbk", "id: query", "写了两次"),
        ("state: [DECLINED]", "state: [TICKED]", "items.yaml"),
        ("- course:", "- ticked:", "ticked"),
    ],
)
def test_a_wrong_file_is_told_with_its_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    for name in ("conformance", "schema"):
        shutil.copytree(data_root() / "mappings" / name, tmp_path / "mappings" / name)
    file = tmp_path / "mappings/conformance/items.yaml"
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(MappingError, match=said) as raised:
        read_items(tmp_path)
    assert re.search(r"items\.yaml:\d+", str(raised.value))


@settings(max_examples=30)
@given(st.lists(st.sampled_from(["2401", "2301", "2303", "2402"]), max_size=8))
def test_a_course_is_in_order_or_open(sent: list[str]) -> None:
    wanted, journal = ["2401", "2301", "2402"], MemoryJournal()
    made = [done(journal, infno) for infno in sent]
    item = Item("c", "c", "c", (Clause("course", wanted),))
    (one,) = judge([item], Evidence(made, journal.bodies, journal.proofs))
    left = iter(sent)
    assert (one.verdict == "passed") == all(infno in left for infno in wanted)
