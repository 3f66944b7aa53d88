"""报文: both sides as they really were, for every way in; what the HIS was told; the bytes to take away."""

from __future__ import annotations

import re
from typing import Any

import pytest

from gateway.exchange.ports import Exchange, JournalUnavailable, Proof, ProofKind, State
from tests.console.kit import Bench, tree
from tests.stays.ways import REGISTERED, WARD_IN, WAYS, Stay


def body(bench: Bench, role: str, row: Exchange, more: str = "") -> Any:
    return tree(bench.signed_in(role).page(f"/exchanges/{row.id}/body{more}"))


def line(page: Any, name: str) -> list[str]:
    """The cells of a national field in a table of both sides."""
    (row,) = page.xpath(f"//table[contains(@class, 'sides')]//tr[*[4]='{name}']")
    return [" ".join(cell.text_content().split()) for cell in row]


@pytest.mark.parametrize("way", WAYS)
def test_an_entry_time_that_the_gateway_amended_stands_beside_what_the_his_sent(shared: Bench, way: str) -> None:
    stay = Stay(shared.house, way).admit()
    stay.aligned()
    assert WARD_IN in stay.done("2403", stay.change(REGISTERED, adm_bed="0777")).warning
    page = body(shared, "insurance", stay.newest("2403"))
    his, his_text, _, name, text, mark = line(page, "begntime")
    assert (his_text, name, text) == (REGISTERED, "begntime", WARD_IN)
    assert his.endswith("begntime")
    assert mark.startswith("网关改 ET")
    bed = line(page, "adm_bed")
    assert (bed[1], bed[4], bed[5]) == ("0777", "0777", "")
    assert "版本已变" not in page.text_content()
    assert line(page, "msgid")[4:] == [stay.newest("2403").msgid, "网关补"], "the common envelope too"
    (told,) = page.xpath("//h4[.='答复']/following-sibling::dl[1]")
    assert re.match(r"\s*infcode\s*0", told.text_content())


def test_a_dialect_is_told_in_its_own_words_both_ways(shared: Bench) -> None:
    stay = Stay(shared.house, "callfun").admit()
    row = stay.newest("2401")
    page = body(shared, "insurance", row)
    his = {line(page, name)[0] for name in ("psn_no", "ipt_no")}
    assert his, "the HIS's names"
    assert stay.mdtrt_id in page.xpath("string(//pre[contains(., 'CallFunResponse')])"), (
        "the reply in the dialect's form"
    )
    masked = body(shared, "cashier", row)
    assert not masked.xpath("//pre")
    assert stay.psn_no not in masked.text_content()


@pytest.mark.parametrize("way", WAYS)
def test_what_is_taken_away_are_the_bytes_of_the_journal(shared: Bench, way: str) -> None:
    stay = Stay(shared.house, way).admit()
    row = stay.newest("2401")
    kept, browser = shared.house.bodies(row), shared.signed_in("insurance")
    for part, content in (("caller_request", kept.caller_request), ("platform_answer", kept.platform_answer)):
        answer = browser.get(f"/exchanges/{row.id}/body/{part}")
        assert answer.content == content
        assert re.fullmatch(rf'attachment; filename="exchange-{row.id}-[a-z-]+-utf-8\.txt"', answer.headers["content-disposition"])  # fmt: skip
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert shared.log()[-1] == ("某insurance（insurance）", "console.body_file", f"exchange {row.id}")
        title = {"caller_request": "院内报文", "platform_answer": "平台的答复"}[part]
        told = shared.parts.store.operator_log.entries(limit=1)[0].detail
        assert told == f"{row.infno} {title} {len(content or b'')} 字节"


@pytest.mark.parametrize(
    ("charset", "label"), [("gbk", "gbk"), ("UTF-16", "utf-16"), ('x"\r\nset: 1/../é', "x-set-1"), ("", "utf-8")]
)
def test_the_file_says_its_charset_and_nothing_else_gets_into_its_name(shared: Bench, charset: str, label: str) -> None:
    raw = "<a>张三</a>".encode("gbk")
    row = shared.exchange(caller_request=raw, caller_charset=charset)
    answer = shared.signed_in("it").get(f"/exchanges/{row.id}/body/caller_request")
    assert answer.content == raw
    assert answer.headers["content-disposition"] == f'attachment; filename="exchange-{row.id}-his-request-{label}.txt"'
    assert answer.headers["content-type"] == f"text/plain; charset={label}"


def test_evidence_can_be_taken_away_too(shared: Bench) -> None:
    row = shared.exchange(State.ESCALATED, infno="2304", busy_keys=("evidence",))
    shared.journal.add_proof(
        row.id, Proof(ProofKind.QUERY, shared.clock(), "查询", "5203", "Q", b'{"q":1}', b'{"a":2}')
    )
    browser = shared.signed_in("it")
    number = len(shared.journal.proofs(row.id))
    assert browser.get(f"/exchanges/{row.id}/body/proof-{number}-asked").content == b'{"q":1}'
    assert browser.get(f"/exchanges/{row.id}/body/proof-{number}-told").content == b'{"a":2}'
    for wrong in (
        "proof-0-asked",
        f"proof-{number + 1}-asked",
        "proof-1-both",
        "caller_charset",
        "gone",
        "wire_answer",
    ):
        assert browser.get(f"/exchanges/{row.id}/body/{wrong}").status_code == 404, wrong


def test_what_cannot_be_logged_is_not_given(own: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    row, browser = own.exchange(caller_request=b"secret"), own.signed_in("insurance")

    def full(*_: object) -> int:
        raise JournalUnavailable("disk full")

    monkeypatch.setattr(type(own.parts.store.operator_log), "append", full)
    answer = browser.get(f"/exchanges/{row.id}/body/caller_request")
    assert (answer.status_code, b"secret" in answer.content) == (503, False)


def test_a_doubt_that_was_settled_was_told_twice(shared: Bench) -> None:
    row = shared.exchange(State.NOT_DONE, infno="2304", busy_keys=("twice",))
    page = body(shared, "insurance", row)
    assert page.xpath("//h4/text()")[:2] == ["当时的答复", "院内此后以原请求再问，得到"]
    text = page.text_content()
    assert "GW-4101" in text
    assert "GW-4110" in text
    assert "日志不存答复的原字节" in text


def test_what_the_gateway_asked_itself_has_no_his(shared: Bench) -> None:
    row = shared.exchange(channel="jobs", client="reconcile", caller_request=b'{"mdtrtinfo":{"psn_no":"P1"}}')
    page = body(shared, "insurance", row)
    assert "没有要答复的院内系统" in page.text_content()
    assert line(page, "psn_no")[:2] == ["psn_no", "P1"]


def test_long_fee_lists_are_paged(shared: Bench) -> None:
    stay = Stay(shared.house, "json").admit().aligned()
    fees = stay.fees(*["2026-02-21 08:00:00"] * 60)
    stay.done("2301", fees)
    row = stay.newest("2301")
    first, second = body(shared, "insurance", row), body(shared, "insurance", row, "?page=2")
    rows = [len(page.xpath("//table[thead//th[contains(., '费用明细流水号')]]")) for page in (first, second)]
    assert rows[0] >= 1
    assert first.xpath("//nav[@class='pager']//a/@hx-get")[0] == f"/exchanges/{row.id}/body?page=2"
    sent = [one["feedetl_sn"] for one in fees["feedetail"]]
    assert sent[0] in first.text_content()
    assert sent[-1] not in tree_of_tables(first)
    assert sent[-1] in tree_of_tables(second)
    assert body(shared, "insurance", row, "?page=x").xpath("//nav[@class='pager']")


def tree_of_tables(page: Any) -> str:
    return " ".join(table.text_content() for table in page.xpath("//table"))
