"""One exchange as a sequence from top to bottom: HIS, gateway, platform. Pure.

Only what the journal holds. The time of sending is that of the answer less the time it was waited for; a doubt that has
been settled since has lost both, and its rows then stand without a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, Literal

from gateway.console.shown import (
    PROOFS,
    SAFETY,
    STATES,
    channel_title,
    client_title,
    clock_time,
    duration,
    free_text,
    size,
)
from gateway.exchange.again import came_from_outside
from gateway.exchange.entries import BROKEN, WRITTEN
from gateway.exchange.ports import Exchange, Proof, ProofKind, State
from gateway.exchange.replies import TOLD
from gateway.faults import IN_DOUBT

Place = Literal["gateway", "his-in", "his-out", "platform-out", "platform-in"]
"""Where a step stands: in the gateway's column, or as an arrow between two columns."""
WAYS: Final[Mapping[str, str]] = {
    "gateway": "网关",
    "his-in": "院内 → 网关",
    "his-out": "网关 → 院内",
    "platform-out": "网关 → 平台",
    "platform-in": "平台 → 网关",
}
_ASKING: Final = (ProofKind.QUERY, ProofKind.REVERSE, ProofKind.REPEAT)
_DOUBTED: Final = (State.IN_DOUBT, State.ESCALATED, State.NOT_DONE, State.REVERSED)


@dataclass(frozen=True, slots=True)
class Step:
    """One row of the picture.

    Args:
        lines: texts below the title, masked already.
        kind: colour, as of a state; empty for none.
        broken: the arrow did not arrive.
        faint: nobody knows whether it arrived.
        link: number of another exchange that the step is about.
        since: time since the step before it that has one; empty where that is not known.
    """

    place: Place
    title: str
    at: datetime | None = None
    lines: tuple[str, ...] = ()
    kind: str = ""
    broken: bool = False
    faint: bool = False
    link: int | None = None
    since: str = ""

    @property
    def way(self) -> str:
        """Where it stands, in words: for those who do not see the columns."""
        return WAYS[self.place]


@dataclass(frozen=True, slots=True)
class Kept:
    """What the journal holds of one exchange.

    Args:
        sizes: bytes of each body by its name in ``Bodies``; None where there is none, or it is away.
        names: titles of transactions.
        plain: False masks what is personal.
        original: number of the exchange that it sends again.
        again: number of the exchange by which it was sent again.
    """

    row: Exchange
    proofs: Sequence[Proof]
    sizes: Mapping[str, int | None]
    names: Mapping[str, str] = field(default_factory=dict)
    plain: bool = False
    original: int | None = None
    again: int | None = None

    @property
    def before(self) -> list[Proof]:
        """Evidence of what was before anything was sent: what the rules found, who has it sent again."""
        notes = [proof for proof in self.proofs if proof.kind is ProofKind.OPERATOR][: self.original is not None]
        return [proof for proof in self.proofs if proof.kind is ProofKind.RULES or proof in notes]

    @property
    def after(self) -> list[Proof]:
        """Evidence about the doubt."""
        before = self.before
        return [proof for proof in self.proofs if proof not in before]

    @property
    def doubted(self) -> bool:
        """Whether the outcome has been unknown at any time."""
        return self.row.state in _DOUBTED or bool(self.after)

    @property
    def sent_at(self) -> datetime | None:
        """When the first byte left, as the time of the answer tells it."""
        row = self.row
        settled = self.doubted and (row.state is not State.IN_DOUBT or self.sizes.get("proof_answer") is not None)
        known = row.elapsed_ms > 0 or self.sizes.get("platform_answer") is not None
        if settled or not known or row.finished_at is None or row.state is State.NOT_SENT:
            return None
        return row.finished_at - timedelta(milliseconds=row.elapsed_ms)

    def text(self, words: str) -> str:
        """A text that others wrote, as this person may see it."""
        return free_text(words, plain=self.plain)


def picture(kept: Kept) -> list[Step]:
    """The steps of an exchange in their order, each with the time since the one before."""
    return _with_pauses([*_came(kept), *_went(kept), *_was_settled(kept), *_was_told(kept)])


def _with_pauses(steps: Sequence[Step]) -> list[Step]:
    told: list[Step] = []
    last: datetime | None = None
    for step in steps:
        pause = step.at - last if step.at is not None and last is not None else None
        # a clock that was set back in between tells nothing
        since = f"+{duration(pause / timedelta(milliseconds=1))}" if pause is not None and pause >= timedelta(0) else ""
        told.append(replace(step, since=since))
        last = step.at or last
    return told


def _came(kept: Kept) -> Iterator[Step]:
    row = kept.row
    number = f"请求号 {kept.text(row.request_id)}" if row.request_id else "没有请求号"
    lines = (f"{client_title(row.client)} · {channel_title(row.channel)}", number, _bytes(kept, "caller_request"))
    if came_from_outside(row):
        yield Step("his-in", "请求", row.received_at, _some(*lines))
    else:
        begun = "在控制台办理" if row.channel == "console" else "由网关自己发起"
        yield Step("gateway", begun, row.received_at, _some(*lines), "run")
    if kept.original is not None:
        yield Step("gateway", f"再次发送编号 {kept.original} 的请求", link=kept.original, kind="run")
    for proof in kept.before:
        refusing = row.state is State.REFUSED and proof.kind is ProofKind.RULES
        yield _box(kept, proof, "warn" if refusing else "run" if proof.kind is ProofKind.OPERATOR else "")


def _went(kept: Kept) -> Iterator[Step]:
    """From the intent to the platform's answer to it."""
    row = kept.row
    if row.msgid is None or row.state is State.REFUSED:
        return
    yield Step("gateway", _prepared(row), lines=_some(f"报文 ID {row.msgid}", _at_node(row)))
    fault = _some(row.code, kept.text(row.err_msg))
    if row.state is State.NOT_SENT:
        yield Step("platform-out", "没有发出", row.finished_at, fault, "warn", broken=True)
        return
    sizes = _bytes(kept, "platform_request"), _bytes(kept, "wire_request", "线路上 ")
    yield Step("platform-out", f"发出 {row.infno} {kept.names.get(row.infno, '')}".strip(), kept.sent_at, _some(*sizes))
    if row.state is not State.INTENDED:
        yield _answered(kept)


def _prepared(row: Exchange) -> str:
    if row.state is State.NOT_SENT:
        return "报文已备好"
    if row.safety == "read":
        return "查询报文已备好（查询不先落盘）"
    return f"意向已落盘，先于发送 · {SAFETY.get(row.safety, row.safety)}"


def _at_node(row: Exchange) -> str:
    return f"节点 {row.node}" if row.node else ""


def _answered(kept: Kept) -> Step:
    row = kept.row
    if kept.sizes.get("platform_answer") is None:
        if row.state in (State.CONFIRMED, State.DECLINED) and not kept.doubted:  # its bytes are away or removed
            return Step("platform-in", _platform_said(row), row.finished_at, _waited(kept), STATES[row.state][1])
        return Step("platform-in", "没有可信的答复", _doubt_at(kept), _waited(kept), "doubt", broken=True)
    lines = (*_waited(kept), *_some(_bytes(kept, "platform_answer"), _bytes(kept, "wire_answer", "线路上 ")))
    if kept.doubted:
        return Step("platform-in", "答复不能作数", _doubt_at(kept), lines, "doubt")
    reference = f"平台流水 {row.inf_refmsgid}" if row.inf_refmsgid else ""
    declined = kept.text(row.err_msg) if row.state is State.DECLINED else ""
    found = (*lines, *_some(reference, declined))
    return Step("platform-in", _platform_said(row), row.finished_at, found, STATES[row.state][1])


def _platform_said(row: Exchange) -> str:
    return f"答复 infcode {row.infcode}" if row.infcode else "答复"


def _waited(kept: Kept) -> tuple[str, ...]:
    return (f"耗时 {duration(kept.row.elapsed_ms)}",) if kept.row.elapsed_ms else ()


def _doubt_at(kept: Kept) -> datetime | None:
    """When the outcome became unknown; another time stands there once it is known."""
    return kept.row.finished_at if kept.row.state is State.IN_DOUBT else None


def _was_settled(kept: Kept) -> Iterator[Step]:
    """The outcome in the journal, and what it took to know it."""
    row = kept.row
    if row.state is State.INTENDED:
        yield Step("gateway", STATES[row.state][0], kind=STATES[row.state][1], lines=("平台还没有答复",))
        return
    if kept.doubted:
        title, colour = STATES[State.IN_DOUBT]
        yield Step("gateway", title, _doubt_at(kept), ("就诊被占住，直到核实出结果",), colour)
        if came_from_outside(row) and kept.original is None:
            said = f"infcode -1 · {IN_DOUBT.code} {IN_DOUBT.title}"
            yield Step("his-out", "答复：结果未知", lines=(said, "网关当时若已中断，院内没有得到答复"), faint=True)
        for before, proof in zip([None, *kept.after], kept.after, strict=False):
            yield from _evidence(kept, proof, before)
    if row.state is State.IN_DOUBT:
        if row.tries:
            yield Step("gateway", f"已核实 {row.tries} 次，仍在核实", kind="doubt")
        return
    title, colour = STATES[row.state]
    unsent = row.state is State.NOT_SENT  # told on the broken arrow already
    words = () if unsent else _some(row.code, kept.text(row.err_msg) if row.state is not State.DECLINED else "")
    warned = (f"提示：{kept.text(row.warn_msg)}",) if row.warn_msg else ()
    yield Step("gateway", f"结果：{title}", row.finished_at, (*words, *warned), colour)


def _evidence(kept: Kept, proof: Proof, before: Proof | None) -> Iterator[Step]:
    """A query, a reversal or a repetition is asked and answered; everything else is a note of the gateway's.

    Args:
        before: the line of evidence before it; a reversal or repetition is kept there before it leaves.
    """
    if proof.kind is ProofKind.LATE_ANSWER:
        lines = _some(_length(proof.answer), kept.text(proof.detail))
        yield Step("platform-in", PROOFS[proof.kind], proof.at, lines, "warn")
        return
    if proof.kind not in _ASKING:
        yield _box(kept, proof, "run" if proof.kind is ProofKind.OPERATOR else "doubt")
        return
    asked = f"{PROOFS[proof.kind]} {proof.infno} {kept.names.get(proof.infno, '')}".strip()
    announced = (
        before is not None and before.answer is None and (before.kind, before.msgid) == (proof.kind, proof.msgid)
    )
    if proof.request is not None or not announced:
        yield Step("platform-out", asked, lines=_some(proof.msgid and f"报文 ID {proof.msgid}", _length(proof.request)))
    if proof.answer is not None:
        yield Step("platform-in", "答复", proof.at, _some(_length(proof.answer), kept.text(proof.detail)))
    else:
        yield Step("gateway", PROOFS[proof.kind], proof.at, (kept.text(proof.detail),), "doubt")


def _box(kept: Kept, proof: Proof, colour: str) -> Step:
    return Step("gateway", PROOFS[proof.kind], proof.at, _some(kept.text(proof.detail)), colour)


def _was_told(kept: Kept) -> Iterator[Step]:
    row = kept.row
    if came_from_outside(row):
        yield from _reply(kept)
    if row.undone_by is not None:
        yield Step("gateway", f"此后由编号 {row.undone_by} 撤销或取代", kind="warn", link=row.undone_by)
    if kept.again is not None:
        yield Step("gateway", f"已再次发送：编号 {kept.again}", kind="run", link=kept.again)


def _reply(kept: Kept) -> Iterator[Step]:
    """What the HIS was told of the outcome, as far as the journal knows whether it was."""
    row, said = kept.row, _said(kept)
    if row.reply == WRITTEN:
        yield Step("his-out", "答复已写出", row.reply_at, said, "ok")
    elif row.reply == BROKEN:
        yield Step("his-out", "答复没有送到", row.reply_at, said, "bad", broken=True)
    elif kept.original is not None and row.state is not State.INTENDED:
        yield Step("his-out", "没有答复院内：院内以原请求再问时得到这个结果", lines=said, kind="warn", faint=True)
    elif kept.doubted:
        if row.state is not State.IN_DOUBT:
            yield Step("his-out", "院内以原请求再问时得到这个结果", lines=said, kind="warn", faint=True)
    elif row.state is State.CONFIRMED and row.safety == "money":
        yield Step("his-out", "答复未确认送达", lines=said, kind="warn", faint=True)
    elif row.finished_at is not None:
        yield Step("his-out", "已答复（这类答复不记是否送达）", lines=said, faint=True)


def _said(kept: Kept) -> tuple[str, ...]:
    """The head of the reply, by the state that the exchange is in."""
    row = kept.row
    fault = TOLD.get(row.state)
    # without a mark the journal knows no more of the time: it keeps the outcome first and then lets the reply go
    known = row.reply_at is not None or row.finished_at is None or kept.doubted
    since = "" if known else f"不早于 {clock_time(row.finished_at)}"
    if fault is not None:
        return _some(f"infcode -1 · {fault.code} {fault.title}", since)
    if row.state is State.CONFIRMED:
        return _some("infcode 0", since)
    code = f" · {row.code}" if row.code else ""
    return _some(f"infcode {row.infcode or '-1'}{code}", kept.text(row.err_msg), since)


def _bytes(kept: Kept, name: str, where: str = "") -> str:
    count = kept.sizes.get(name)
    return f"{where}{size(count)}" if count is not None else ""


def _length(body: bytes | None) -> str:
    return size(len(body)) if body is not None else ""


def _some(*lines: str) -> tuple[str, ...]:
    return tuple(line for line in lines if line)
