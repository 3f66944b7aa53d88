"""One exchange as a sequence: every way it may end, only what the journal holds."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.console.exchanges.picture import Kept, Step, picture
from gateway.exchange.entries import SHANGHAI
from gateway.exchange.ports import Exchange, Proof, ProofKind, State

AT = datetime(2026, 11, 21, 8, 30, tzinfo=SHANGHAI)
SENT = {"caller_request": 900, "platform_request": 512, "platform_answer": 64}
ROW = Exchange(
    1, "2304", State.CONFIRMED, "money", "his", "typed", "H1", "gd", "H1-77", "R-9", "c", "op", "v", AT,
    AT + timedelta(milliseconds=140), "0", "REF-5", "", "", "", 85, node="n1",
)  # fmt: skip
CARD = "440899198507241019"


def after(milliseconds: int) -> datetime:
    return AT + timedelta(milliseconds=milliseconds)


def titles(steps: list[Step]) -> list[tuple[str, str]]:
    return [(step.place, step.title) for step in steps]


def test_a_settlement_from_top_to_bottom() -> None:
    rules = Proof(ProofKind.RULES, after(20), "endtime 改为 2026-11-20")
    steps = picture(Kept(ROW, [rules], SENT, {"2304": "住院结算"}, plain=True))
    assert titles(steps) == [
        ("his-in", "请求"), ("gateway", "规则"), ("gateway", "意向已落盘，先于发送 · 结算类"), ("platform-out", "发出 2304 住院结算"),
        ("platform-in", "答复 infcode 0"), ("gateway", "结果：成功"), ("his-out", "答复未确认送达"),
    ]  # fmt: skip
    assert [step.at for step in steps] == [AT, after(20), None, after(55), after(140), after(140), None]
    assert [step.since for step in steps] == ["", "+20 ms", "", "+35 ms", "+85 ms", "+0 ms", ""]
    assert steps[0].lines == ("his · 类型化服务", "请求号 R-9", "900 字节")
    assert steps[4].lines == ("耗时 85 ms", "64 字节", "平台流水 REF-5")


@pytest.mark.parametrize(
    ("reply", "told", "broken"), [("written", "答复已写出", False), ("broken", "答复没有送到", True)]
)
def test_how_the_reply_went(reply: str, told: str, broken: bool) -> None:
    last = picture(Kept(replace(ROW, reply=reply, reply_at=after(190)), [], SENT))[-1]
    assert (last.title, last.broken, last.at, last.since) == (told, broken, after(190), "+50 ms")
    unknown = picture(Kept(replace(ROW, reply=reply), [], SENT))[-1]
    assert (unknown.at, unknown.lines[-1]) == (None, "不早于 08:30:00.140"), "of a version that did not keep it"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, ("infcode 0",)),
        ({"state": State.DECLINED, "infcode": "-1", "code": "GW-3001", "err_msg": "待遇冻结"}, ("infcode -1 · GW-3001", "待遇冻结")),
        ({"state": State.REFUSED, "msgid": None, "infcode": "-1", "code": "ET02-02", "err_msg": "尚未入科"}, ("infcode -1 · ET02-02", "尚未入科")),
        ({"state": State.NOT_SENT, "infcode": "-1", "code": "GW-4001", "err_msg": ""}, ("infcode -1 · GW-4001",)),
    ],
)  # fmt: skip
def test_what_the_his_was_told_is_the_last_arrow(change: dict[str, Any], said: tuple[str, ...]) -> None:
    last = picture(Kept(replace(ROW, **change), [], SENT, plain=True))[-1]
    assert (last.place, last.lines) == ("his-out", (*said, "不早于 08:30:00.140"))


def test_a_doubt_that_goes_on_was_told_as_one() -> None:
    row = replace(ROW, state=State.IN_DOUBT, code="GW-4101", err_msg="结果未知：超时")
    steps = picture(Kept(row, [], {"caller_request": 9, "platform_request": 5}))
    (told,) = [step for step in steps if step.place == "his-out"]
    assert told.lines[0].startswith("infcode -1 · GW-4101")
    assert told.faint, "nobody knows whether the gateway was still there to say so"


@pytest.mark.parametrize("channel", ["jobs", "alignment", "gateway", "console"])
def test_what_the_gateway_began_itself_has_no_his(channel: str) -> None:
    steps = picture(Kept(replace(ROW, channel=channel), [], SENT))
    assert not [step for step in steps if step.place.startswith("his")]
    assert steps[0].title == ("在控制台办理" if channel == "console" else "由网关自己发起")


def test_a_refusal_never_reaches_the_platform() -> None:
    row = replace(ROW, state=State.REFUSED, msgid=None, code="ET02-02", err_msg="尚未入科", elapsed_ms=0)
    steps = picture(Kept(row, [Proof(ProofKind.RULES, after(5), "没有入科")], {"caller_request": 900}, plain=True))
    assert not [step for step in steps if step.place.startswith("platform")]
    assert steps[1].kind == "warn"
    assert steps[-2].lines == ("ET02-02", "尚未入科")


def test_what_was_not_sent_stops_on_the_way() -> None:
    row = replace(ROW, state=State.NOT_SENT, code="GW-4001", err_msg="连接被拒绝", elapsed_ms=0)
    steps = picture(Kept(row, [], {"caller_request": 9, "platform_request": 5}, plain=True))
    (way,) = [step for step in steps if step.place == "platform-out"]
    assert way.broken
    assert way.lines == ("GW-4001", "连接被拒绝")
    assert "意向已落盘" not in "".join(
        step.title for step in steps
    )  # a sealed envelope that failed was never an intent


def test_a_doubt_is_told_with_all_its_evidence() -> None:
    proofs = [
        Proof(ProofKind.QUERY, after(5000), "查询 5203：没有可用的答复", "5203", "Q1", b"{}"),
        Proof(ProofKind.REVERSE, after(6000), "以原 msgid 冲正", "2601", "V1", b"{}" * 50),
        Proof(ProofKind.REVERSE, after(7000), "已冲正", "2601", "V1", None, b"{}" * 20),
        Proof(ProofKind.DECISION, after(7001), "REVERSED：已由 2601 冲正", "2304"),
    ]
    row = replace(ROW, state=State.REVERSED, finished_at=after(7001), tries=2)
    steps = picture(Kept(row, proofs, {"caller_request": 9, "platform_request": 5}, plain=True))
    assert titles(steps)[3:] == [
        ("platform-in", "没有可信的答复"), ("gateway", "结果未知"), ("his-out", "答复：结果未知"),
        ("platform-out", "查询 5203"), ("gateway", "查询"),
        ("platform-out", "冲正 2601"), ("gateway", "冲正"), ("platform-in", "答复"), ("gateway", "结论"),
        ("gateway", "结果：已冲正"), ("his-out", "院内以原请求再问时得到这个结果"),
    ]  # fmt: skip
    assert next(step for step in steps if step.place == "platform-out").at is None  # lost when the doubt was settled
    assert steps[3].broken


def test_who_sends_again_is_told_before_the_doubt_that_came_of_it() -> None:
    proofs = [
        Proof(ProofKind.OPERATOR, after(1), "李主任：线路已恢复"),
        Proof(ProofKind.OPERATOR, after(9000), "CONFIRMED：经办机构电话确认"),
    ]
    steps = picture(Kept(replace(ROW, safety="state"), proofs, SENT, plain=True, original=7, again=9))
    assert (steps[1].title, steps[1].link) == ("再次发送编号 7 的请求", 7)
    assert [step.lines for step in steps if step.title == "人工"] == [(p.detail,) for p in proofs]
    assert [step.title for step in steps].index("结果未知") > 2
    assert steps[-1].link == 9
    assert "没有答复院内" in steps[-2].title


def test_a_running_exchange_promises_nothing() -> None:
    row = replace(ROW, state=State.INTENDED, finished_at=None, elapsed_ms=0)
    steps = picture(Kept(row, [], {"caller_request": 9, "platform_request": 5}))
    assert steps[-1].lines == ("平台还没有答复",)
    assert not [step for step in steps if step.place in ("platform-in", "his-out")]


def test_personal_data_is_masked_for_who_may_not_see_it() -> None:
    row = replace(ROW, state=State.DECLINED, err_msg=f"证件 {CARD} 有误", warn_msg=CARD, request_id=CARD)
    proofs = [Proof(ProofKind.RULES, after(1), f"比对 {CARD}"), Proof(ProofKind.QUERY, after(2), CARD, "5203", "Q1")]
    for kept in (row, replace(row, state=State.ESCALATED), replace(row, state=State.NOT_SENT)):
        assert CARD not in str(picture(Kept(kept, proofs, SENT)))
    assert CARD in str(picture(Kept(row, proofs, SENT, plain=True)))


PROOFS = st.builds(
    Proof, st.sampled_from(ProofKind), st.integers(0, 9000).map(after), st.just("所见"), st.sampled_from(["", "5203"]),
    st.sampled_from(["", "M"]), st.sampled_from([None, b"{}"]), st.sampled_from([None, b"{}"]),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    state=st.sampled_from(State),
    proofs=st.lists(PROOFS, max_size=5),
    sizes=st.sampled_from([SENT, {}, {"platform_request": 5}]),
    msgid=st.sampled_from([None, "M"]),
    finished=st.sampled_from([None, after(-50), after(90)]),
    safety=st.sampled_from(["read", "money", "state", "repeatable", "?"]),
)
def test_every_row_can_be_drawn_and_every_evidence_is_in_it(
    state: State,
    proofs: list[Proof],
    sizes: dict[str, int],
    msgid: str | None,
    finished: datetime | None,
    safety: str,
) -> None:
    row = replace(ROW, state=state, msgid=msgid, finished_at=finished, safety=safety)
    steps = picture(Kept(row, proofs, sizes))
    assert sum("所见" in step.lines for step in steps) == len(proofs) or state is State.INTENDED
    assert not [step for step in steps if step.since.startswith("+-")]
    assert steps[0].at == AT
