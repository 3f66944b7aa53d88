"""One stay whole: the three facts, the times with their origin, the course as a picture, decisions, money."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from starlette.responses import Response

from gateway.console.exchanges import reading
from gateway.console.exchanges.views import names
from gateway.console.stays.finding import found, not_found
from gateway.console.stays.people import name_shown
from gateway.console.stays.timeline import money, picture, steps
from gateway.console.visit import Visit
from gateway.exchange.ports import Exchange, Proof, ProofKind, Query, State
from gateway.rules.stay import Stay
from gateway.rules.times import moment
from gateway.stays.facts import base
from gateway.stays.ports import StayRef
from gateway.stays.view import TIMES, durations, status

ROWS_MAX: Final = 200
DECIDED_MAX: Final = 30
ORIGINS: Final[Mapping[str, str]] = {
    "ward_in": "院内入科",
    "ward_out": "院内出科",
    "transfer": "院内转科",
    "recall": "院内拉回",
    "query": "平台查询",
    "import": "导入",
}
_SAID: Final = ("2303", "2304", "2401", "2402", "2403", "2405")
_AMOUNTS: Final = (
    ("medfee_sumamt", "总费用"),
    ("fund_pay_sumamt", "基金支付"),
    ("acct_pay", "个人账户"),
    ("psn_cash_pay", "个人现金"),
)


@dataclass(frozen=True, slots=True)
class SettlementLine:
    """A settlement in force with its amounts as the platform told them, in yuan; empty where its bytes are gone."""

    setl_id: str
    at: str
    t_set: str
    interim: bool
    listed: str
    exchange_id: int
    amounts: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Decision:
    """What a rule compared for one exchange, or why it was refused."""

    row: Exchange
    texts: Sequence[str]


def one(visit: Visit) -> Response:
    """The page of a stay."""
    judged = found(visit, visit.query)
    if judged is None:
        return not_found(visit)
    stay, plain = judged.stay, visit.may("exchange.body")
    rows = journal_rows(visit, stay)
    happened = steps(judged.history, rows, names(visit), plain=plain)
    parts = visit.parts
    told = status(stay, parts.interface.contract.rules, parts.stays.policy, parts.clock())
    return visit.show(
        "stays/stay.html",
        stay=stay,
        name=name_shown(visit, stay),
        told=told,
        times=[_time(entry) for entry in told["time"]],
        lasted=durations(stay, parts.stays.policy, parts.clock()),
        drawing=picture(happened, stay, parts.clock()),
        happened=list(reversed(happened)),
        decisions=[*_decisions(visit, rows)],
        settlements=[_settlement(visit, settled) for settled in stay.settlements],
        fees_count=len(stay.fees),
        fees_total=money(sum((fee.amount for fee in stay.fees), Decimal(0))),
        remarked=_remarked(visit, stay),
        names=names(visit),
        labels=TIMES,
        plain=plain,
    )


def _remarked(visit: Visit, stay: Stay) -> int:
    """How many remarks of 医保审核 there are."""
    ref = StayRef(stay.ipt_no, stay.mdtrt_id)
    return len(visit.parts.store.remarks.of([ref]).get(ref, ())) if visit.may("review.see") else 0


def journal_rows(visit: Visit, stay: Stay) -> list[Exchange]:
    """Exchanges about a stay, newest first, whichever of its numbers they named."""
    numbers = {"mdtrt_id": stay.mdtrt_id, "ipt_no": stay.ipt_no, "ipt_otp_no": stay.ipt_no}
    found_: dict[int, Exchange] = {}
    for kind, value in numbers.items():
        if value:
            query = Query(keys=((kind, value),), limit=ROWS_MAX)
            found_ |= {row.id: row for row in visit.parts.store.journal.search(query)}
    return [found_[number] for number in sorted(found_, reverse=True)][:ROWS_MAX]


def _time(entry: Mapping[str, Any]) -> dict[str, str]:
    origin = str(entry["origin"])
    told_raw = str(entry["raw"])
    read = moment(told_raw, "")
    plainly = read is not None and told_raw[:16] == str(entry["value"])[:16]
    at = moment(str(entry["at"]), "")
    return {
        **{name: str(value) for name, value in entry.items()},
        "origin": ORIGINS.get(origin, origin),
        "raw": "" if plainly and told_raw.endswith((":00", str(entry["value"])[11:16])) else told_raw,
        "at": f"{at.instant:%Y-%m-%d %H:%M}" if at else "",
        "link": str(entry["ref"]) if origin.isdigit() and str(entry["ref"]).isdigit() else "",
    }


def _decisions(visit: Visit, rows: Sequence[Exchange]) -> Iterator[Decision]:
    """What the rules said: refusals with their reason, and what was compared where they passed."""
    judged = [row for row in rows if row.code.startswith("ET") or base(row.infno) in _SAID][:DECIDED_MAX]
    for row in judged:
        texts = [proof.detail for proof in visit.parts.store.journal.proofs(row.id) if _by_rules(proof)]
        if row.state is State.REFUSED and row.err_msg and not any(row.err_msg in text for text in texts):
            texts.insert(0, row.err_msg)
        if texts:
            yield Decision(row, list(dict.fromkeys(texts)))


def _by_rules(proof: Proof) -> bool:
    return proof.kind is ProofKind.RULES


def _settlement(visit: Visit, settled: Any) -> SettlementLine:
    bodies = visit.parts.store.journal.bodies(settled.exchange_id) if settled.exchange_id else None
    output = reading.output_of((bodies.proof_answer or bodies.platform_answer) if bodies else None)
    info = output.get("setlinfo") if isinstance(output, Mapping) else None
    info = info[0] if isinstance(info, list) and info else info
    told = info if isinstance(info, Mapping) else {}
    return SettlementLine(
        setl_id=settled.setl_id,
        at=f"{settled.at:%Y-%m-%d %H:%M}",
        t_set=settled.t_set.text[:16] if settled.t_set else "",
        interim=settled.interim,
        listed=settled.listed,
        exchange_id=settled.exchange_id,
        amounts=[(label, _yuan(told[name])) for name, label in _AMOUNTS if told.get(name) not in (None, "")],
    )


def _yuan(raw: object) -> str:
    try:
        return money(Decimal(str(raw)))
    except InvalidOperation:
        return str(raw)
