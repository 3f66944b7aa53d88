"""住院: the list, a stay whole, and what people do about it, at a real gateway and simulator."""

from __future__ import annotations

import csv
import io
from typing import Any
from urllib.parse import quote

import pytest

from gateway import clock
from gateway.console.stays.waiting import box_of
from gateway.exchange.ports import JournalUnavailable
from gateway.stays.history import Record
from gateway.store.stay_feed import Episode, EpisodeQuery
from tests.console.kit import Bench, tree
from tests.console.lively import LEAVING, OPERATIONS
from tests.console.test_pages import HOSTILE
from tests.stays.ways import REGISTERED, WARD_IN, Stay


@pytest.fixture
def stay(shared: Bench) -> Stay:
    return Stay(shared.house, "json").admit()


def listed(shared: Bench) -> None:
    shared.house.gateway.episodes.catch_up()


def at(stay: Stay, path: str = "/stays/one") -> str:
    return f"{path}?mdtrt_id={stay.mdtrt_id}"


def numbers(stay: Stay) -> dict[str, str]:
    return {"ipt_no": stay.ipt_no, "mdtrt_id": stay.mdtrt_id}


def told(answer: Any) -> str:
    """What a page says aloud."""
    return " ".join(
        " ".join(one.itertext()) for one in tree(answer.text).xpath("//*[@role='alert' or contains(@class, 'flash')]")
    )


def test_the_list_shows_who_differs(shared: Bench, stay: Stay) -> None:
    stay.ward_in()
    listed(shared)
    browser = shared.signed_in("ward")
    page = browser.page(f"/stays?q={stay.ipt_no}")
    for word in (stay.ipt_no, stay.mdtrt_id, "A03", "在科", REGISTERED[:16], WARD_IN[:16], "≠ 入科", "未结算"):
        assert word in page, word
    assert stay.ipt_no in browser.page(f"/stays?q={stay.mdtrt_id}")
    assert stay.ipt_no in browser.page(
        "/stays?alignment=differs&presence=in_ward&ward=A03&since=2026-02-20&until=2026-02-20"
    )
    assert stay.mdtrt_id not in browser.page(f"/stays?q={stay.ipt_no}&alignment=aligned")
    assert stay.mdtrt_id not in browser.page(f"/stays?q={stay.ipt_no}&since=2026-02-21")
    assert "无法识别" in browser.page("/stays?since=gestern")
    assert "没有符合条件" in browser.page("/stays?q=nobody")


def test_before_the_ward_in_the_list_says_so(shared: Bench, stay: Stay) -> None:
    listed(shared)
    assert "未入科" in shared.signed_in("ward").page(f"/stays?q={stay.ipt_no}")


@pytest.fixture
def crowd(own: Bench) -> Bench:
    """5,000 patients."""
    rows = [
        Episode(
            f"ZY{number:05d}", f"M{number:05d}", f"P{number:05d}", "in_ward", "differs" if number % 7 else "aligned", "none",
            ward_code=f"N{number % 40:02d}", ward_name="内科", t_reg="2026-11-01 08:00:00",
            t_ward=f"2026-11-{number % 28 + 1:02d} {number % 24:02d}:{number % 60:02d}:00", t_ins="2026-11-01 08:00:00",
        )
        for number in range(5000)
    ]  # fmt: skip
    own.parts.store.stay_feed.begin("episode_time", 0, "m", rows)
    return own


def test_five_thousand_are_one_query_a_page_and_sorted_by_the_store(crowd: Bench, statements: list[str]) -> None:
    browser = crowd.signed_in("insurance")
    browser.page("/stays")
    for path in ("/stays", "/stays?page=60", "/stays?sort=t_ward&alignment=differs"):
        statements.clear()
        page = browser.page(path)
        assert sum("episode_time" in one for one in statements) == 1
        assert len(tree(page).xpath("//tbody/tr")) == 50
    times = [row[5].text_content().strip() for row in tree(page).xpath("//tbody/tr")]
    assert times == sorted(times)
    assert tree(page).xpath("//th[@aria-sort='ascending']")[0].text_content().startswith("入科时间")
    assert "这一页没有了" in browser.page("/stays?page=101")
    rows = list(csv.reader(io.StringIO(browser.get("/stays/export.csv?alignment=aligned").text.lstrip("\ufeff"))))
    assert len(rows) == 1 + len([number for number in range(5000) if number % 7 == 0])
    assert crowd.log()[-1] == ("某insurance（insurance）", "console.export", "stays")


def test_a_stay_tells_its_whole_course(shared: Bench, stay: Stay) -> None:
    refused = stay.refused("2402", stay.discharge(), "ET02-02")
    stay.ward_in()
    stay.done("2403", stay.change(WARD_IN))
    page = shared.signed_in("insurance").page(at(stay))
    assert refused.text.split("：")[0] in page
    for word in (
        "入院登记时间",
        "医保入院时间",
        "院内入科",
        "护士",
        "ET02-02",
        "入院时间一致",
        "出科 − 入科",
        "（在科）",
    ):
        assert word in page, word
    drawn = [one.text_content() for one in tree(page).xpath("//svg//g[circle]")]
    for word in ("2401", "入科", "2403", "2402"):
        assert sum(word in one for one in drawn) >= 1, word
    plain = shared.signed_in("ward").page(at(stay))
    assert "出院办理</a>" not in plain
    assert shared.signed_in("ward").get("/stays/one?mdtrt_id=nobody").status_code == 404
    assert shared.signed_in("ward").get("/stays/one").status_code == 404


def test_alignment_is_offered_only_where_it_is_legal_and_goes_through_the_exchange(shared: Bench, stay: Stay) -> None:
    browser = shared.signed_in("cashier")
    before = browser.page(at(stay, "/stays/alignment"))
    assert "ET01-02" in before
    assert "变更入院时间</button>" not in before
    stay.ward_in()
    assert "变更入院时间</button>" in browser.page(at(stay, "/stays/alignment"))
    answer = browser.post("/stays/alignment", numbers(stay))
    assert (answer.status_code, "mdtrt_id=" in answer.headers["location"]) == (303, True)
    assert stay.ledger()["begntime"] == WARD_IN
    assert shared.log()[-1] == ("某cashier（cashier）", "alignment.one", f"stay {stay.ipt_no}")
    assert "不需要变更" in browser.page(at(stay, "/stays/alignment"))


def test_an_alignment_that_is_refused_says_why(shared: Bench, stay: Stay) -> None:
    stay.ward_in("2026-02-20 08:00:00")
    browser = shared.signed_in("insurance")
    assert "ET01-07" in browser.page(at(stay, "/stays/alignment"))
    answer = browser.post("/stays/alignment", numbers(stay))
    assert answer.status_code == 409
    assert "ET01-07" in told(answer)
    assert stay.ledger()["begntime"] == REGISTERED


def test_many_are_aligned_one_after_the_other(shared: Bench) -> None:
    good, bad = Stay(shared.house, "json").admit(), Stay(shared.house, "json").admit()
    good.ward_in()
    bad.ward_in("2026-02-20 08:00:00")
    listed(shared)
    browser = shared.signed_in("insurance")
    assert good.ipt_no in browser.page("/alignment")
    boxes = {box_of(row(shared, one)): "1" for one in (good, bad)}
    assert all(quote(one.ipt_no) in box for one, box in zip((good, bad), boxes, strict=True))
    assert browser.post("/alignment", boxes).status_code == 303
    thread = shared.house.gateway.acts._thread
    assert thread is not None
    thread.join(30)
    told_ = browser.page("/alignment/progress")
    assert "2 / 2" in told_
    assert "已结束" in told_
    assert "ET01-07" in told_
    assert (good.ledger()["begntime"], bad.ledger()["begntime"]) == (WARD_IN, REGISTERED)
    page = browser.page("/alignment")
    assert good.mdtrt_id not in page
    assert "试过 1 次" in page
    assert "没有选择病人" in told(browser.get(browser.post("/alignment", {}).headers["location"]))


def row(shared: Bench, stay: Stay) -> Episode:
    return shared.parts.store.stay_feed.episodes(EpisodeQuery(ipt_no=stay.ipt_no))[0]


# ------------------------------------------------------------------ discharge


def test_discharge_shows_operations_and_the_gate_and_sends_nothing(shared: Bench, stay: Stay) -> None:
    shared.house.gateway.store.journal.stays.keep(stay.ipt_no, Record("operations", 3, clock.now(), OPERATIONS), "his")
    stay.ward_in()
    sent = shared.house.sent()
    page = shared.signed_in("cashier").page(at(stay, "/stays/discharge"))
    assert shared.house.sent() == sent
    cells = [
        [cell.text_content().strip() for cell in one] for one in tree(page).xpath("//section[h2='手术']//tbody/tr")
    ]
    assert [one[:4] for one in cells] == [
        ["1", "主手术", "51.2300", "腹腔镜胆囊切除术"],
        ["2", "其他手术", "47.0100", "腹腔镜阑尾切除术"],
    ]
    for word in ("ET02-01", REGISTERED[:16], WARD_IN[:16], "去入院信息变更", "护士", "版本 3", "不能办理"):
        assert word in page, word
    assert "办理出院</button>" not in page


def test_without_operations_it_says_so(shared: Bench, stay: Stay) -> None:
    assert "无手术操作" in shared.signed_in("cashier").page(at(stay, "/stays/discharge"))


def test_two_main_operations_are_both_shown_and_refused(shared: Bench, stay: Stay) -> None:
    stay.aligned()
    both = tuple(one | {"oprn_oprt_type": "1"} for one in OPERATIONS)
    shared.house.gateway.store.journal.stays.keep(stay.ipt_no, Record("operations", 1, clock.now(), both), "his")
    page = shared.signed_in("cashier").page(at(stay, "/stays/discharge"))
    assert "ET03-01" in page
    assert page.count("主手术</span>") == 2


def test_a_stay_is_discharged_and_revoked_from_the_console(shared: Bench, stay: Stay) -> None:
    stay.aligned()
    browser = shared.signed_in("cashier")
    page = browser.page(at(stay, "/stays/discharge"))
    assert "办理出院</button>" in page
    assert 'value="A03"' in page
    answer = browser.post("/stays/discharge", {**numbers(stay), **LEAVING})
    assert answer.status_code == 303, told(answer)
    assert stay.ledger()["state"] == "discharged"
    sent = stay.newest("2402")
    assert (sent.client, sent.channel, sent.opter) == ("console", "console", "cashier")
    assert shared.log()[-1] == ("某cashier（cashier）", "stay.2402", f"stay {stay.ipt_no}")
    assert "出院办理已完成" in told(browser.get(answer.headers["location"]))
    again = browser.post("/stays/discharge", {**numbers(stay), **LEAVING})
    assert again.status_code == 303
    assert "没有再发" in told(browser.get(again.headers["location"]))
    assert stay.executed("2402") == 1
    other = browser.post("/stays/discharge", {**numbers(stay), **LEAVING, "endtime": "2026-03-02 08:00"})
    assert (other.status_code, "ET07-06" in told(other)) == (409, True)
    assert browser.post("/stays/revoke", {**numbers(stay), "reason": "?"}).status_code == 422
    assert stay.ledger()["state"] == "discharged"
    assert browser.post("/stays/revoke", {**numbers(stay), "reason": "漏记一次手术"}).status_code == 303
    assert stay.ledger()["state"] == "in_hospital"
    assert "不需要撤销" in browser.page(at(stay, "/stays/revoke"))


def test_what_the_form_lacks_is_named(shared: Bench, stay: Stay) -> None:
    stay.aligned()
    answer = shared.signed_in("cashier").post(
        "/stays/discharge", {**numbers(stay), "endtime": "31.2.", "dscg_way": "77"}
    )
    assert answer.status_code == 409
    for word in ("GW-1101", "离院方式", "结束时间"):
        assert word in told(answer), word


def test_who_may_not_act_finds_no_button_and_no_way(shared: Bench, stay: Stay) -> None:
    stay.aligned()
    for role in ("ward", "it", "auditor", "operations"):
        browser = shared.signed_in(role)
        assert browser.post("/stays/discharge", {**numbers(stay), **LEAVING}).status_code == 403
    assert stay.executed("2402") == 0


# ------------------------------------------------------------------ strangers


def test_hostile_names_are_text(shared: Bench, stay: Stay) -> None:
    stay.ward_in(ward_name=HOSTILE[:100], reason=HOSTILE, ward=HOSTILE[:30])
    rows = (
        {"oprn_oprt_code": HOSTILE[:30], "oprn_oprt_name": HOSTILE, "oprn_oprt_type": "1", "oper_dr_name": HOSTILE},
    )
    shared.house.gateway.store.journal.stays.keep(stay.ipt_no, Record("operations", 1, clock.now(), rows), HOSTILE[:20])
    listed(shared)
    browser = shared.signed_in("insurance")
    paths = [
        at(stay, path)
        for path in ("/stays/one", "/stays/alignment", "/stays/discharge", "/stays/revoke", "/stays/category")
    ]
    query = quote(HOSTILE)
    paths += [at(stay, path) for path in ("/stays/vouchers", "/stays/emergency")]
    paths += [f"/review?q={stay.ipt_no}", "/alignment", "/alignment/progress", f"/stays?q={stay.ipt_no}"]
    paths += [f"/stays?{name}={query}" for name in ("q", "ward", "since", "until", "sort", "presence", "page")]
    for path in paths:
        harmless(browser.page(path))
    exported = browser.get(f"/stays/export.csv?q={stay.ipt_no}").text
    assert all(not cell.startswith(("=", "+", "@")) for line in csv.reader(io.StringIO(exported)) for cell in line)


def harmless(page: str) -> None:
    found = tree(page)
    assert not found.xpath("//script[not(@src)] | //*[@onerror] | //img[@src='x']")
    assert "{{1931*1933}}" in page or str(1931 * 1933) not in page


# ------------------------------------------------------------------ 医保审核


def test_the_review_lists_operations_times_and_the_difference(shared: Bench, stay: Stay) -> None:
    shared.house.gateway.store.journal.stays.keep(stay.ipt_no, Record("operations", 1, clock.now(), OPERATIONS), "his")
    stay.aligned()
    stay.ask("WardOut", event_id="O1", ward_code="A03", event_time="2026-02-26 14:17:00")
    listed(shared)
    browser = shared.signed_in("insurance")
    page = browser.page(f"/review?q={stay.ipt_no}")
    for word in ("51.2300", "腹腔镜胆囊切除术", "47.0100", WARD_IN[:16], "2026-02-26 14:17", "6天4小时12分", "148.20"):
        assert word in page, word
    assert stay.ipt_no in browser.page("/review?hours_from=148.2&hours_to=148.2")
    assert stay.mdtrt_id not in browser.page(f"/review?q={stay.ipt_no}&hours_from=149")
    assert "应为小时数" in browser.page("/review?hours_from=NaN")
    rows = list(csv.reader(io.StringIO(browser.get(f"/review/export.csv?q={stay.ipt_no}").text.lstrip("\ufeff"))))
    told_ = dict(zip(rows[0], rows[1], strict=True))
    assert (told_["主手术代码"], told_["其他手术名称"]) == ("51.2300", "腹腔镜阑尾切除术")
    assert (told_["入科时间"], told_["出科时间"]) == (WARD_IN, "2026-02-26 14:17:00")
    assert (told_["差值"], told_["住院天数"]) == ("6天4小时12分", "6")


# ------------------------------------------------------------------ vouchers


def test_vouchers_are_looked_at_printed_and_printed_again(shared: Bench, stay: Stay) -> None:
    browser = shared.signed_in("cashier")
    empty = browser.page(at(stay, "/stays/vouchers"))
    assert "还没有打印过" in empty
    early = browser.get(at(stay, "/stays/vouchers/look") + "&kind=eligibility")
    assert (early.status_code, "ET12-01" in told(early)) == (409, True)
    stay.ward_in()
    look = browser.get(at(stay, "/stays/vouchers/look") + "&kind=eligibility")
    assert look.headers.get_list("content-security-policy") == [look.headers["content-security-policy"]]
    assert "style-src 'unsafe-inline'" in look.headers["content-security-policy"]
    assert look.headers["x-frame-options"] == "DENY"
    for word in ("预览", "住院资格确认单", WARD_IN[:16]):
        assert word in look.text, word
    assert "还没有打印过" in browser.page(at(stay, "/stays/vouchers"))
    form = {**numbers(stay), "kind": "eligibility"}
    first, again = browser.post("/stays/vouchers/print", form), browser.post("/stays/vouchers/print", form)
    assert "第 1 次打印" in first.text
    assert "某cashier（cashier）" in first.text
    assert ("重打" in first.text, "重打" in again.text, "第 2 次打印" in again.text) == (False, True, True)
    page = browser.page(at(stay, "/stays/vouchers"))
    number = tree(page).xpath("//input[@name='number']/@value")[0]
    drawn = browser.post("/stays/vouchers/reprint", {**numbers(stay), "number": number, "form": "pdf"})
    assert drawn.headers["content-type"] == "application/pdf"
    assert drawn.content.startswith(b"%PDF-")
    assert "3 次" in browser.page(at(stay, "/stays/vouchers"))
    acts = [(act, subject) for _, act, subject in shared.log()[-8:]]
    assert ("voucher.look", f"stay {stay.ipt_no}") in acts
    assert ("voucher.reprint", f"voucher {number}") in acts
    looked = {one.detail for one in shared.parts.store.operator_log.entries(acts=("voucher.look",), limit=5)}
    assert looked <= {"出院结算收据", "费用明细清单", "住院资格确认单"}, "the kind in words"
    stay.ward_in("2026-02-20 10:20:00")
    assert "作废" in browser.page(at(stay, "/stays/vouchers"))


def test_a_voucher_that_is_not_there_is_refused_in_words(shared: Bench, stay: Stay) -> None:
    stay.ward_in()
    browser = shared.signed_in("cashier")
    assert browser.post("/stays/vouchers/print", {**numbers(stay), "kind": "receipt"}).status_code == 409
    assert browser.post("/stays/vouchers/print", {**numbers(stay), "kind": "../etc"}).status_code == 409
    assert browser.post("/stays/vouchers/reprint", {**numbers(stay), "number": "99999999"}).status_code == 409
    assert browser.post("/stays/vouchers/reprint", {**numbers(stay), "number": "x"}).status_code == 404


# ------------------------------------------------------------------ emergency


def waits_for_approval(shared: Bench, stay: Stay) -> bool:
    """Whether the stay is on a page of the work list."""
    listed(shared)
    browser = shared.signed_in("insurance")
    for page in range(1, 20):
        rows = tree(browser.page(f"/emergency?page={page}")).xpath("//tbody/tr/td[1]/a/text()")
        if not rows or stay.ipt_no in rows:
            return bool(rows)
    raise AssertionError("the list has no end")


def test_emergency_fees_are_shown_and_approved_for_the_cut_that_was_seen(shared: Bench, stay: Stay) -> None:
    browser = shared.signed_in("insurance")
    assert "ET10-01" in browser.page(at(stay, "/stays/emergency"))
    stay.ward_in()
    assert "没有上报转入" in browser.page(at(stay, "/stays/emergency"))
    rows = stay.fees("2026-02-20 07:50:00", "2026-02-20 10:04:00", "2026-02-20 10:05:00", sn="ER")["feedetail"]
    visit = {"ipt_otp_no": f"ER{stay.ipt_no}", "begntime": "2026-02-20 07:30:00"}
    assert stay.ask("EmergencyFees", version=1, emergency_visit=visit, rows=rows)["infcode"] == 0
    stay.ask("EmergencyFeesExtract")
    page = browser.page(at(stay, "/stays/emergency"))
    for word in ("未审核", "2026-02-20 10:05", "20.00", "his", "一致", "审核通过</button>"):
        assert word in page, word
    assert page.count("不计入</span>") == 1

    def cuts() -> dict[str, str]:
        found = shared.parts.store.journal.stays.extractions(stay.ipt_no)
        return {one.client: one.cut for one in found}

    assert cuts() == {"his": WARD_IN}, "a look is no extraction"
    taken = browser.post("/stays/emergency", {**numbers(stay), "act": "extract"})
    assert taken.status_code == 303, told(taken)
    assert cuts() == {"his": WARD_IN, "console": WARD_IN}
    assert shared.log()[-1] == ("某insurance（insurance）", "emergency.extract", f"stay {stay.ipt_no}")
    assert waits_for_approval(shared, stay)
    wrong = browser.post("/stays/emergency", {**numbers(stay), "cut_time": "2026-02-20 09:00:00"})
    assert (wrong.status_code, "ET10-02" in told(wrong)) == (409, True)
    right = browser.post("/stays/emergency", {**numbers(stay), "cut_time": WARD_IN})
    assert right.status_code == 303, told(right)
    assert "已审核</span>" in browser.page(at(stay, "/stays/emergency"))
    assert not waits_for_approval(shared, stay)
    told_again = stay.ask("EmergencyFees", version=2, emergency_visit=visit, rows=rows[:2])
    assert told_again["infcode"] == 0, told_again
    assert waits_for_approval(shared, stay), "what was told after the approval was not seen by it"
    assert browser.post("/stays/emergency", {**numbers(stay), "cut_time": WARD_IN}).status_code == 303
    assert not waits_for_approval(shared, stay)
    stay.ward_in("2026-02-20 10:20:00")
    assert waits_for_approval(shared, stay), "the cut has moved"
    moved = browser.page(at(stay, "/stays/emergency"))
    assert "ET10-02" in moved
    assert "审核已失效" in moved
    assert cuts()["console"] == WARD_IN, "nor is a look at what has to be judged anew"
    again = browser.post("/stays/emergency", {**numbers(stay), "cut_time": "2026-02-20 10:20:00"})
    assert again.status_code == 303, told(again)
    assert cuts()["console"] == "2026-02-20 10:20:00", "what is approved is what the office was told"


# -------------------------------------------------------------------- names

NAME = "林秀珍"


def looks(shared: Bench) -> int:
    return sum(act == "console.names" for _, act, _ in shared.log())


def test_names_are_in_full_for_who_may_see_bodies_one_line_a_page(shared: Bench, stay: Stay) -> None:
    listed(shared)
    browser, before = shared.signed_in("insurance"), looks(shared)
    assert NAME in browser.page("/stays")
    assert looks(shared) == before + 1
    assert NAME in browser.page(at(stay))
    assert shared.log()[-1] == ("某insurance（insurance）", "console.names", f"stay {stay.ipt_no}")
    rows = list(csv.reader(io.StringIO(browser.get(f"/stays/export.csv?q={stay.ipt_no}").text.lstrip("\ufeff"))))
    assert rows[1][rows[0].index("姓名")] == NAME


@pytest.mark.parametrize(
    "path", ["alignment", "discharge", "revoke", "category", "emergency", "vouchers", "fees"], ids=lambda path: path
)
def test_where_something_is_done_for_a_patient_the_name_stands_over_it(shared: Bench, stay: Stay, path: str) -> None:
    """Numbers alone do not tell anybody that it is the wrong patient."""
    asked = at(stay, "/fees/one" if path == "fees" else f"/stays/{path}")
    browser, before = shared.signed_in("insurance"), looks(shared)
    assert tree(browser.page(asked)).xpath("//dl//dt[.='姓名']/following-sibling::dd//text()") == [NAME]
    assert looks(shared) == before + 1
    if path not in ("category", "emergency"):
        page = shared.signed_in("cashier").page(asked)
        assert (NAME in page, "林**" in page) == (False, True)


@pytest.mark.parametrize("role", ["cashier", "ward", "operations", "auditor"])
def test_names_are_masked_for_everybody_else(shared: Bench, stay: Stay, role: str) -> None:
    listed(shared)
    browser, before = shared.signed_in(role), looks(shared)
    for path in ("/stays", f"/stays?q={stay.ipt_no}", at(stay)):
        page = browser.page(path)
        assert NAME not in page
        assert "林**" in page
    if role == "operations":
        exported = browser.get(f"/stays/export.csv?q={stay.ipt_no}").text
        assert NAME not in exported
        assert "林**" in exported
    assert looks(shared) == before


@pytest.mark.parametrize("role", ["insurance", "cashier", "operations", "it"])
def test_the_other_lists_have_names_too(own: Bench, role: str) -> None:
    own.exchange(infno="1101", keys=(("psn_no", "P1"), ("psn_name", NAME)))
    times = {"t_ins": "2026-02-20 08:00:00", "t_ward": WARD_IN}
    own.parts.store.stay_feed.begin(
        "episode_time", 0, "test", [Episode("Z1", "M1", "P1", "in_ward", "differs", "none", **times)]
    )
    own.parts.store.journal.stays.keep("Z1", Record("emergency_fees", 1, own.clock(), ({"feedetl_sn": "1"},)), "his")
    browser, seen = own.signed_in(role), 0
    for path, right in (
        ("/fees", "fee.see"),
        ("/alignment", "stay.see"),
        ("/review", "review.see"),
        ("/emergency", "emergency.act"),
    ):
        if not own.parts.roles[role].may(right):
            continue
        before, page = looks(own), browser.page(path)
        plain = own.parts.roles[role].may("exchange.body")
        assert (NAME in page, "林**" in page) == (plain, not plain), path
        assert looks(own) == before + plain, path
        seen += 1
    assert seen == {"insurance": 4, "cashier": 2}.get(role, 3)


def test_a_name_is_not_shown_when_the_look_cannot_be_kept(
    shared: Bench, stay: Stay, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed(shared)
    browser = shared.signed_in("insurance")

    def full(*_: object) -> int:
        raise JournalUnavailable("disk full")

    monkeypatch.setattr(type(shared.parts.store.operator_log), "append", full)
    for path in (f"/stays?q={stay.ipt_no}", at(stay)):
        page = browser.page(path)
        assert NAME not in page
        assert "林**" in page
