"""The proof: what the client received, what the journal holds and what the platform did, field by field. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from gateway.demo.books import Books, Done, Episode, Node, Settlement, keep_books, read_ledger

NOT_ASKED = None
"""This side does not hold the field."""
ABSENT = "（无）"
FAILURE = "-1"
"""What is told where the platform gave no `infcode`."""


@dataclass(frozen=True, slots=True)
class Check:
    """One field on up to three sides. ``detail`` is shown only when it differs."""

    subject: str
    field: str
    client: str | None
    journal: str | None
    platform: str | None
    detail: bool = False

    @property
    def equal(self) -> bool:
        """Whether all sides that hold the field hold the same; what only one side holds proves nothing."""
        held = [value for value in (self.client, self.journal, self.platform) if value is not NOT_ASKED]
        return len(held) > 1 and len(set(held)) == 1


@dataclass(frozen=True, slots=True)
class Received:
    """One exchange as the client told it."""

    step: int
    infno: str
    name: str
    patient: str
    request_id: str
    msgid: str
    infcode: str
    code: str
    sent: Node
    output: Node

    @classmethod
    def read(cls, line: Node) -> Received:
        """From the client's line. Raises KeyError when it is not one."""
        return cls(**{spec.name: line[spec.name] for spec in fields(cls)})

    @property
    def subject(self) -> str:
        return f"{self.step:02d} {self.infno} {self.name}"


@dataclass(frozen=True, slots=True)
class Recorded:
    """One row of the journal with its bodies read; ``sent_msgid`` is the one in the bytes that left."""

    infno: str
    state: str
    request_id: str
    msgid: str
    infcode: str
    code: str
    sent_msgid: str
    sent: Node
    output: Node


@dataclass(frozen=True, slots=True)
class Printed:
    """A voucher as the client got it; ``items`` are its values by name, among them ``mdtrt_id``."""

    step: int
    title: str
    admitted: str
    items: Mapping[str, str]

    @classmethod
    def read(cls, line: Node) -> Printed:
        """From the client's line. Raises KeyError when it is not one."""
        output = line["output"]
        items = {item["name"]: item.get("value", "") for item in output["item"]}
        return cls(line["step"], output["title"], output["admitted"], items)


def compare(
    received: Sequence[Received],
    recorded: Sequence[Recorded],
    ledger: Node,
    own: Collection[str] = (),
    printed: Sequence[Printed] = (),
) -> list[Check]:
    """Every check of one run.

    Args:
        received: in the order of the story.
        recorded: every journal row under the request ids of the story, oldest first.
        ledger: ``GET /_sim/ledger`` with numbers as Decimal.
        own: numbers of the queries that the gateway sent on its own.
        printed: the vouchers, whose times and sums are held against both books.
    """
    checks: list[Check] = []
    for one in received:
        checks += _exchange(one, recorded, ledger)
    checks += _nothing_more(received, recorded, ledger["requests"].keys() - set(own))
    client = keep_books(Done(one.infno, one.msgid, one.sent, one.output) for one in received if one.infcode == "0")
    journal = keep_books(
        Done(row.infno, row.msgid, row.sent, row.output) for row in recorded if row.state == "CONFIRMED"
    )
    platform = read_ledger(ledger)
    checks += compare_books(client, journal, platform)
    return checks + [check for one in printed for check in _voucher(one, journal, platform)]


# ------------------------------------------------------------------ exchanges


def _exchange(one: Received, recorded: Iterable[Recorded], ledger: Node) -> list[Check]:
    """One exchange: found in the journal under its own numbers, with the same content, seen once by the platform."""
    rows = [row for row in recorded if (row.request_id, row.msgid) == (one.request_id, one.msgid)]
    subject = one.subject
    checks = [_check(subject, "日志中的条数", "1", str(len(rows)))]
    if len(rows) != 1:
        return checks
    (row,) = rows
    seen = ledger["requests"].get(one.msgid, 0) if one.msgid else 0
    state = _state_told(one)
    checks += [
        _check(subject, "msgid", one.msgid or ABSENT, row.sent_msgid or ABSENT),
        _check(subject, "infcode", one.infcode, row.infcode or FAILURE),
        _check(subject, "code", one.code or ABSENT, row.code or ABSENT),
        _check(subject, "state", state, row.state),
    ]
    if {state, row.state} <= _TIMES_SEEN.keys():
        checks.append(_check(subject, "平台收到次数", _TIMES_SEEN[state], _TIMES_SEEN[row.state], str(seen)))
    if one.msgid in ledger["executed"]:
        checks.append(_check(subject, "平台办理", one.infno, row.infno, str(ledger["executed"][one.msgid])))
    if one.msgid:
        checks += _fields(subject, "请求", one.sent, row.sent)
        checks += _fields(subject, "应答", one.output, row.output)
    return checks


_TIMES_SEEN: Mapping[str, str] = {"CONFIRMED": "1", "DECLINED": "1", "NOT_SENT": "0", "REFUSED": "0"}
"""How often the platform must have seen the message; of one in doubt nobody knows."""


def _state_told(one: Received) -> str:
    """The state of the exchange as the client can tell from its answer."""
    if one.infcode == "0":
        return "CONFIRMED"
    if not one.msgid:
        return "REFUSED"
    return {"GW-3000": "DECLINED", "GW-4101": "IN_DOUBT"}.get(one.code, "NOT_SENT")


def _fields(subject: str, kind: str, client: Any, journal: Any) -> list[Check]:
    """Every leaf of a message on both sides; numbers are compared as numbers where the journal holds a number."""
    ours, theirs = dict(leaves(client)), dict(leaves(journal))
    checks = []
    for path in ours | theirs:
        left, right = ours.get(path), theirs.get(path)
        checks.append(_check(subject, f"{kind} {path}", _like(left, right), _like(right, left), detail=True))
    return checks


def leaves(value: Any, path: str = "") -> Iterable[tuple[str, Any]]:
    """``("feedetail[3].cnt", "2")`` of every leaf that is not empty; a single element counts as a list of one."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            inner = f"{path}.{name}" if path else name
            if isinstance(item, Mapping | list):
                for at, each in enumerate(item if isinstance(item, list) else [item], 1):
                    yield from leaves(each, f"{inner}[{at}]")
            else:
                yield from leaves(item, inner)
    elif value not in (None, ""):
        yield path, value


def _like(value: Any, other: Any) -> str:
    """``value`` as text; when either side is a number, without the zeros that say nothing."""
    if value is None:
        return ABSENT
    if isinstance(value, Decimal | int) or isinstance(other, Decimal | int):
        try:
            return format(Decimal(str(value)).normalize(), "f")
        except InvalidOperation:
            return str(value)
    return str(value)


def _nothing_more(received: Sequence[Received], recorded: Sequence[Recorded], seen: Collection[str]) -> list[Check]:
    """Neither the journal nor the platform knows of anything that the client did not do."""
    told = {(one.request_id, one.msgid) for one in received}
    msgids = {one.msgid for one in received if one.msgid}
    rows = {(row.request_id, row.msgid) for row in recorded}
    return [
        _check("全部交易", "笔数", str(len(told)), str(len(rows))),
        _check("全部交易", "报文数（msgid）", str(len(msgids)), str(len(msgids & {row.msgid for row in recorded})),
               str(len(seen))),
    ]  # fmt: skip


# ------------------------------------------------------------------ books


def compare_books(client: Books, journal: Books, platform: Books) -> list[Check]:
    """Every stay, visit and settlement that any side has, field by field."""
    checks: list[Check] = []
    for mdtrt_id in client.episodes | journal.episodes | platform.episodes:
        checks += _episode(mdtrt_id, *(side.episodes.get(mdtrt_id) for side in (client, journal, platform)))
    for setl_id in client.settlements | journal.settlements | platform.settlements:
        checks += _settlement(setl_id, *(side.settlements.get(setl_id) for side in (client, journal, platform)))
    return checks


def _voucher(one: Printed, *books: Books) -> list[Check]:
    """Times to the minute, sums to the cent: what the paper says is what was settled (ET-08)."""
    subject = f"{one.title} {one.step:02d}"
    stays = [side.episodes.get(one.items.get("mdtrt_id", "")) for side in books]
    settled = [side.settlements.get(one.items.get("setl_id", "")) for side in books]
    checks = [
        _check(subject, "入院时间", one.admitted, *(stay.begntime[:_MINUTE] if stay else ABSENT for stay in stays)),
        _check(
            subject, "出院时间", one.items.get("discharged", ABSENT),
            *(stay.endtime[:_MINUTE] if stay else ABSENT for stay in stays),
        ),
    ]  # fmt: skip
    if "medfee_sumamt" in one.items:
        sums = (f"{side.medfee_sumamt:.2f}" if side else ABSENT for side in settled)
        checks.append(_check(subject, "医疗费总额", one.items["medfee_sumamt"].replace(",", ""), *sums))
    return checks


_MINUTE: Final = len("2026-03-02 10:05")


def _episode(mdtrt_id: str, *sides: Episode | None) -> list[Check]:
    subject = f"就诊 {mdtrt_id}"
    shown = [_shown_episode(mdtrt_id, side) for side in sides]
    checks = [_check(subject, name, *(side.get(name, ABSENT) for side in shown)) for name in _any(shown)]
    lines = [{} if side is None else side.lines for side in sides]
    for sn in _any(lines):
        amounts = [f"{side[sn]:.2f}" if sn in side else ABSENT for side in lines]
        checks.append(_check(subject, f"费用明细 {sn}", *amounts, detail=True))
    return checks


def _shown_episode(mdtrt_id: str, side: Episode | None) -> dict[str, str]:
    if side is None:
        return {}
    return {
        "mdtrt_id": mdtrt_id,
        "ipt_no/ipt_otp_no": side.number,
        "psn_no": side.psn_no,
        "begntime": side.begntime,
        "endtime": side.endtime or ABSENT,
        "state": side.state,
        "诊断": "\n".join(sorted(side.diagnoses.values())) or ABSENT,
        "费用条数": str(side.fee_count),
        "费用合计": f"{side.fee_sumamt:.2f}",
    }


def _settlement(setl_id: str, *sides: Settlement | None) -> list[Check]:
    shown = [_shown_settlement(setl_id, side) for side in sides]
    return [_check(f"结算 {setl_id}", name, *(side.get(name, ABSENT) for side in shown)) for name in _any(shown)]


def _shown_settlement(setl_id: str, side: Settlement | None) -> dict[str, str]:
    if side is None:
        return {}
    values = {spec.name: getattr(side, spec.name) for spec in fields(side)}
    return {"setl_id": setl_id} | {
        name: f"{value:.2f}" if isinstance(value, Decimal) else value or ABSENT for name, value in values.items()
    }


def _any(sides: Iterable[Mapping[str, Any]]) -> list[str]:
    """The keys of all sides, in the order they are met."""
    return list(dict.fromkeys(key for side in sides for key in side))


def _check(
    subject: str,
    name: str,
    client: str | None,
    journal: str | None,
    platform: str | None = NOT_ASKED,
    *,
    detail: bool = False,
) -> Check:
    return Check(subject, name, client, journal, platform, detail)
