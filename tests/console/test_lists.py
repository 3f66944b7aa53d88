"""结算清单: settlements without a list and why, one list with its problems beside the fields, and what may be done."""

from __future__ import annotations

import pytest

from gateway.store.jobs import Ended, RunOutcome
from tests.console.kit import Bench, tree
from tests.console.test_jobs import kept
from tests.console.test_pages import HOSTILE
from tests.stays.listing import settled, tell
from tests.stays.ways import Stay


@pytest.fixture
def stay(shared: Bench) -> Stay:
    return Stay(shared.house, "json").admit()


def at(stay: Stay, setl_id: str = "") -> str:
    return f"/lists/one?mdtrt_id={stay.mdtrt_id}&setl_id={setl_id}"


def buttons(text: str) -> list[str]:
    return [one.text for one in tree(text).xpath("//main//button")]


def form(stay: Stay, setl_id: str) -> dict[str, str]:
    return {"ipt_no": stay.ipt_no, "mdtrt_id": stay.mdtrt_id, "setl_id": setl_id}


def test_a_settlement_waits_with_the_reason_until_the_hospital_has_told_its_part(shared: Bench, stay: Stay) -> None:
    setl_id = settled(stay)
    shared.house.gateway.episodes.catch_up()
    browser = shared.signed_in("insurance")
    listed = browser.page("/lists")
    assert setl_id in listed
    assert "林秀珍" in listed
    assert "林秀珍" not in shared.signed_in("operations").page("/lists")
    assert "不能上传" in listed
    page = browser.page(at(stay, setl_id))
    assert "院方尚未告知清单各项" in page
    assert "上传清单" not in buttons(page), "the button is there only where it is legal"
    beside = tree(page).xpath("//div[@id='bill_code']")[0].text_content()
    assert "不合接口" in beside
    assert "SL-017" in beside
    assert browser.post("/lists/upload", form(stay, setl_id)).status_code == 409
    tell(stay, curr_addr=HOSTILE, poscode="12")
    page = browser.page(at(stay, setl_id))
    assert buttons(page) == ["上传清单"]
    assert "SL-039 提示" in " ".join(tree(page).xpath("//div[@id='poscode']")[0].text_content().split())
    assert "<script>" not in page


def test_a_list_is_uploaded_returned_withdrawn_and_uploaded_anew(shared: Bench, stay: Stay) -> None:
    setl_id = settled(stay)
    tell(stay)
    browser = shared.signed_in("insurance")
    assert browser.post("/lists/upload", form(stay, setl_id)).status_code == 303
    page = browser.page(at(stay, setl_id))
    assert "清单已上传。现在是已提交。" in page
    assert buttons(page) == ["查询状态"]
    simulator = shared.house.simulator
    assert simulator is not None
    simulator.review({"setl_id": setl_id, "stas_type": "3", "chk_cont": "主诊断有误"})
    assert browser.post("/lists/ask", form(stay, setl_id)).status_code == 303
    page = browser.page(at(stay, setl_id))
    assert "审核不通过" in page
    assert buttons(page) == ["提交", "改回未提交", "查询状态"]
    assert browser.post("/lists/withdraw", form(stay, setl_id)).status_code == 303
    assert buttons(browser.page(at(stay, setl_id))) == ["重新上传", "提交", "查询状态"]
    assert browser.post("/lists/upload", form(stay, setl_id)).status_code == 303
    assert simulator.lists()[setl_id]["stas_type"] == "1"
    assert ("某insurance（insurance）", "list.upload", f"stay {stay.ipt_no}") in shared.log()
    assert setl_id in browser.page("/lists?tab=listed")


def test_who_may_not_see_messages_sees_no_person_and_no_button(shared: Bench, stay: Stay) -> None:
    setl_id = settled(stay)
    tell(stay, coner_name="张三丰", curr_addr="某市某路某号", coner_tel="13900001111")
    page = shared.signed_in("operations").page(at(stay, setl_id))
    for text in ("张三丰", "某路某号", "13900001111"):
        assert text not in page
    assert buttons(page) == []
    assert "13900001111" in shared.signed_in("insurance").page(at(stay, setl_id))


def test_a_look_at_a_list_is_one_line_of_the_log(shared: Bench, stay: Stay) -> None:
    setl_id, browser = settled(stay), shared.signed_in("insurance")
    shared.house.gateway.episodes.catch_up()
    before = len(shared.log())
    assert "林秀珍" in browser.page(at(stay, setl_id))
    assert shared.log()[before:] == [("某insurance（insurance）", "list.look", f"stay {stay.ipt_no}")]
    browser.page("/lists?tab=waiting")
    entry = shared.parts.store.operator_log.entries(limit=1)[0]
    assert (entry.act, entry.detail.partition("，")[0]) == ("console.names", "待上传")


def test_what_is_not_there_is_told_in_words(shared: Bench, stay: Stay) -> None:
    browser = shared.signed_in("insurance")
    assert browser.get("/lists/one?mdtrt_id=no-such").status_code == 404
    assert "没有有效的结算" in browser.get(at(stay)).text
    assert browser.post("/lists/burn", form(stay, "")).status_code == 404
    assert browser.page("/lists?tab=no-such&page=x")


def test_the_newest_difference_list_leads_to_its_stays_and_into_a_file(own: Bench) -> None:
    browser = own.signed_in("insurance")
    assert "还没有设置" in browser.page("/lists/dip")
    rows = [
        {"kind": "不一致", "setl_id": "S1", "mdtrt_id": "M1", "ipt_no": "Z1", "text": HOSTILE, "line": 2},
        {"kind": "多余", "setl_id": "S9", "mdtrt_id": "", "ipt_no": "=1+1", "text": "没有结算", "line": 3},
    ]
    told = {"written_at": "2026-03-10T05:00:00+08:00", "since": "2026-01-09", "before": "2026-03-10"}
    counts = {"文件病例": 9, "缺失": 0, "不一致": 1, "多余": 2, "待人工": 3}
    kept(own, "dip_differences", Ended(RunOutcome.PARTIAL, counts, detail={**told, "differences": rows}))
    page = browser.page("/lists/dip")
    assert [one.text for one in tree(page).xpath("//nav[@aria-label='类别']/a")] == [
        "全部 3",
        "缺失 0",
        "不一致 1",
        "多余 2",
    ]
    assert tree(page).xpath("//td/a/@href") == ["/stays/one?ipt_no=Z1&mdtrt_id=M1"]
    assert '另有 <span class="num">1</span> 处' in page
    assert "<script>" not in page
    assert "没有缺失的病例" in browser.page("/lists/dip?kind=缺失")
    kept(own, "dip_differences", Ended(RunOutcome.FAILED, error="文件没有更新"))
    page = browser.page("/lists/dip?kind=多余")
    assert "最近一次没有核对成：文件没有更新" in page
    assert "没有结算" in page, "the list before stays until there is a newer one"
    head, row, last = browser.page("/lists/dip.csv?kind=多余").lstrip("\ufeff").splitlines()
    assert (head, row) == ("类别,住院号,就诊 ID,结算 ID,说明,文件行", "多余,'=1+1,,S9,没有结算,3")
    assert "另有 1 处没有导出" in last
    assert "没有导出" not in browser.page("/lists/dip.csv?kind=不一致"), "of this kind there are no more"
    assert own.signed_in("ward").get("/lists/dip").status_code == 403
