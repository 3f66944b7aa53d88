"""What to do next about a doubtful exchange: a function of what is known. No I/O, no clock."""

from __future__ import annotations

import enum
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.contract.envelope import Answer
from gateway.contract.model import ProofRule, Proofs
from gateway.exchange.evidence import Verdict


class Act(enum.StrEnum):
    """The next thing to do. The first three send something, after which is decided anew; the others end the step."""

    QUERY = "query"
    REVERSE = "reverse"
    REPEAT = "repeat"
    CONFIRM = "confirm"
    DECLINE = "decline"
    NOT_DONE = "not_done"
    REVERSED = "reversed"
    ESCALATE = "escalate"
    WAIT = "wait"


@dataclass(frozen=True, slots=True)
class Heard:
    """The platform's answer to something sent, with its bytes; ``answer`` None: none that can be trusted."""

    answer: Answer | None
    body: bytes | None = None
    sent: bool = True
    """False when nothing left this machine, or the platform turned it away unread because the sign-in has ended."""


@dataclass(frozen=True, slots=True)
class Facts:
    """All that is known of a doubtful exchange."""

    reversible: bool
    """The province reverses this transaction by 2601."""
    settled: bool
    """``settle_time_s`` has passed since anything about it was sent: what is not done now never will be."""
    fence_begun: bool = False
    """A 2601 for it has been sent before: it is repeated, never given up for something else."""
    late: Heard | None = None
    """Its own answer, come late."""
    unsent: bool = False
    """Its sender says that it never left, and nothing has been sent for it since."""
    verdict: Verdict | None = None
    """What the queries proved; None: not asked yet."""
    unanswered: bool = False
    """A query got no answer in this step."""
    reached: bool = True
    """False when a query could not even be sent."""
    output: Any = None
    """Rebuilt from the queries."""
    repeated: Heard | None = None
    reversal: Heard | None = None
    listed: Mapping[str, str] | None = None
    """The platform's own detail list (3202) names its msgid; what the line tells."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do, and why, in Chinese: the reason becomes evidence."""

    act: Act
    reason: str
    output: Any = None
    heard: Heard | None = None
    """The answer that settles it, where it was one to the very request."""


def decide(rule: ProofRule, proofs: Proofs, facts: Facts) -> Decision:
    """The next step about one doubt (design, "Safety classes").

    Args:
        rule: of the transaction.
        proofs: texts by which refusals are understood.
        facts: what is known by now.
    """
    if facts.late and facts.late.answer:
        return _answered(facts.late, "平台对原请求的迟到答复")
    if facts.unsent:
        return Decision(Act.NOT_DONE, "办理节点证实没有发出")
    if facts.reversal:
        return _after_reversal(facts.reversal, proofs)
    if facts.repeated:
        return _after_repeat(facts, (*proofs.done_before, *rule.done_before))
    if facts.fence_begun:
        return Decision(Act.REVERSE, "冲正已经开始，以原 msgid 继续")
    if facts.listed is not None and not rule.queries:
        return _listed(facts.listed, facts)
    if rule.queries and facts.verdict is None:
        if facts.unanswered:
            return Decision(Act.WAIT, "查询没有答复" if facts.reached else "平台无法连接，或签到已失效")
        return Decision(Act.QUERY, "查询平台是否已经办理")
    if facts.verdict == "done" and rule.done_waits and not facts.settled:
        return Decision(Act.WAIT, "状态已如所求，但迟到的请求还可能执行")
    if facts.verdict == "done":
        return Decision(Act.CONFIRM, "查询证明平台已经办理", facts.output)
    if not facts.settled and not (rule.at_once and not rule.queries):
        return Decision(Act.WAIT, "尚在平台可能还会执行的时间之内")
    return _not_done(rule, facts)


def _not_done(rule: ProofRule, facts: Facts) -> Decision:
    """It is proven not done, or nothing can be asked, or the answer told nothing; late execution is over."""
    if rule.then == "reverse":
        # a fence is right even where the query was unclear: after it the platform has nothing in force
        if facts.reversible:
            return Decision(Act.REVERSE, "以原 msgid 冲正，挡住尚在路上的请求")
        return Decision(Act.ESCALATE, "该交易在本省不能以 2601 冲正，无法证明其结果")
    if facts.verdict == "unclear":
        return Decision(Act.ESCALATE, _why("查询的答复既不能证明已办理，也不能证明未办理", rule))
    if rule.then == "repeat":
        return Decision(Act.REPEAT, "以原 msgid、原报文再发一次")
    return Decision(Act.ESCALATE, _why("没有可以证明其结果的查询", rule))


def _why(text: str, rule: ProofRule) -> str:
    return f"{text}：{rule.reason}" if rule.reason else text


def _listed(line: Mapping[str, str], facts: Facts) -> Decision:
    """It was executed, so nothing can come late any more: no settle time to wait for."""
    if line.get("setl_id"):
        return Decision(Act.CONFIRM, "平台的对明细账（3202）列有此 msgid", {"setlinfo": dict(line)})
    if facts.reversible:  # transactions/2601.yaml: also for a record that only the centre holds
        return Decision(Act.REVERSE, "平台的对明细账（3202）列有此 msgid，但没有结算编号，以原 msgid 冲正")
    return Decision(Act.ESCALATE, "平台的对明细账（3202）列有此 msgid：已办理，但本省不能以 2601 冲正")


def _answered(heard: Heard, what: str) -> Decision:
    assert heard.answer is not None
    if heard.answer.success:
        return Decision(Act.CONFIRM, f"{what}：成功", heard=heard)
    return Decision(Act.DECLINE, f"{what}：{heard.answer.err_msg}", heard=heard)


def _after_repeat(facts: Facts, done_before: Collection[str]) -> Decision:
    heard = facts.repeated
    assert heard is not None
    if heard.answer is None:
        return Decision(Act.WAIT, "原报文再发一次，没有答复" if heard.sent else "平台无法连接，或签到已失效")
    if not heard.answer.success and any(text in heard.answer.err_msg for text in done_before):
        return Decision(Act.CONFIRM, f"平台称原请求已经办理：{heard.answer.err_msg}", {})
    if not heard.answer.success and not facts.settled:
        return Decision(Act.WAIT, f"再发一次被拒绝，尚不能作数：{heard.answer.err_msg}")
    return _answered(heard, "原报文再发一次")


def _after_reversal(heard: Heard, proofs: Proofs) -> Decision:
    if heard.answer is None:
        return Decision(Act.WAIT, "冲正没有答复" if heard.sent else "平台无法连接，或签到已失效")
    text = heard.answer.err_msg
    if heard.answer.success or any(known in text for known in proofs.already_reversed):
        return Decision(Act.REVERSED, "已由 2601 冲正")
    if any(known in text for known in proofs.never_seen):
        return Decision(Act.NOT_DONE, f"平台没有办理：{text}")
    # the platform may only be out of sorts: the same omsgid may be asked as often as it takes
    return Decision(Act.WAIT, f"冲正被拒绝：{text}")
