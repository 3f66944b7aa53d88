"""Fee lines, trial computation, settlement and its undoing: the same for stays, visits and purchases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from gateway.simulator import arithmetic
from gateway.simulator.arithmetic import POLICIES, ZERO, Figures
from gateway.simulator.ledger import Declined, Episode, FeeLine, Settlement
from gateway.simulator.registry import Turn
from gateway.simulator.tables import number
from gateway.simulator.wire import CENT

ALL_LINES = "0000"
_CLEARING = {"stay": "21", "visit": "11", "purchase": "41"}
_FUND_TYPES = {"310": ("310100", "城镇职工基本医疗保险统筹基金"), "390": ("390100", "城乡居民基本医疗保险统筹基金")}


def amount(value: Any) -> Decimal:
    """A number that the table check has let through; an absent one is 0."""
    return number(value) or Decimal(0)


# -------------------------------------------------------------- fee lines


def read_lines(episode: Episode, rows: Iterable[Mapping[str, Any]], *, refunds: bool) -> list[FeeLine]:
    """The lines of one upload for one episode, checked; an identical line already there is simply known.

    Args:
        episode: whose lines they are.
        rows: ``feedetail`` (2301, 2204) or ``drugdetail`` (2102).
        refunds: whether negative lines that name ``init_feedetl_sn`` are allowed.
    """
    known = dict(episode.lines)
    lines = []
    for row in rows:
        line = _line(row, known, refunds=refunds)
        before = known.get(line.sn)
        if before is not None and before.row != row:
            raise Declined(f"费用明细流水号 {line.sn} 已存在且内容不同")
        if before is None:
            known[line.sn] = line
        lines.append(known[line.sn])
    _check_refunds(known)
    return lines


def _line(row: Mapping[str, Any], known: Mapping[str, FeeLine], *, refunds: bool) -> FeeLine:
    total, sn = amount(row["det_item_fee_sumamt"]), row["feedetl_sn"]
    product = (amount(row["cnt"]) * amount(row["pric"])).quantize(CENT, ROUND_HALF_UP)
    if abs(product - total) > CENT:
        raise Declined(f"费用明细 {sn} 金额不符：数量×单价={product}，明细项目费用总额={total}")
    code, approval, origin = row["med_list_codg"], row.get("hosp_appr_flag") or "", ""
    if total < 0:
        origin = row.get("init_feedetl_sn") or ""
        if not refunds or origin not in known or known[origin].refund_of:
            raise Declined(f"费用明细 {sn} 为负数，须以 init_feedetl_sn 指明已上传的原费用流水号")
        code, approval = known[origin].row["med_list_codg"], known[origin].row.get("hosp_appr_flag") or ""
    return FeeLine(sn, row.get("chrg_bchno") or "", arithmetic.split(total, code, approval), row, refund_of=origin)


def _check_refunds(lines: Mapping[str, FeeLine]) -> None:
    """No line is refunded beyond its amount, and none is gone while its refund is still there."""
    left = {sn: line.split.amount for sn, line in lines.items() if not line.refund_of}
    for line in lines.values():
        if line.refund_of:
            if line.refund_of not in left:
                raise Declined(f"费用明细 {line.refund_of} 尚有退费明细 {line.sn}，不能单独撤销")
            left[line.refund_of] += line.split.amount
    over = [sn for sn, rest in left.items() if rest < 0]
    if over:
        raise Declined(f"退费超过原费用：{over[0]}")


def without(episode: Episode, doomed: Iterable[FeeLine]) -> dict[str, FeeLine]:
    """The lines that are left when ``doomed`` go; declines when one is settled or a refund would stay behind."""
    sns = set()
    for line in doomed:
        if line.setl_id:
            raise Declined(f"费用明细 {line.sn} 已结算，不能撤销")
        sns.add(line.sn)
    rest = {sn: line for sn, line in episode.lines.items() if sn not in sns}
    _check_refunds(rest)
    return rest


def split_row(line: FeeLine) -> dict[str, Any]:
    """A line as the answer of an upload prints it (明细分割结果)."""
    part = line.split
    return {
        "feedetl_sn": line.sn,
        "det_item_fee_sumamt": part.amount,
        "cnt": amount(line.row["cnt"]),
        "pric": amount(line.row["pric"]),
        "pric_uplmt_amt": amount(line.row["pric"]),
        "selfpay_prop": part.ratio,
        "fulamt_ownpay_amt": part.full_self_pay,
        "overlmt_amt": ZERO,
        "preselfpay_amt": part.first_self_pay,
        "inscp_scp_amt": part.in_scope,
        "chrgitm_lv": part.level,
        "med_chrgitm_type": "09" if line.row["med_list_codg"][:1].upper() in "XZ" else "05",
        "lmt_used_flag": "0",
    }


# -------------------------------------------------------------- settlement


def trial(turn: Turn, episode: Episode, lines: list[FeeLine], request: Mapping[str, Any]) -> Figures:
    """The figures of these lines; pre-settlement and settlement both come from here, so they agree.

    Raises:
        Declined: no lines, or ``medfee_sumamt`` is not their sum to the cent.
    """
    if not lines:
        raise Declined("没有未结算的费用明细，请先上传费用")
    figures = arithmetic.settle(
        (line.split for line in lines),
        POLICIES[episode.kind],
        deductible_used=sum((one.figures.deductible for one in episode.settled), ZERO),
        balance=turn.ledger.person(episode.psn_no).balance,
        use_account=request.get("acct_used_flag") == "1",
    )
    claimed = amount(request["medfee_sumamt"])
    if claimed != figures.total:
        raise Declined(f"医疗费总额不符：上送 {claimed}，已上传未结算明细合计 {figures.total}")
    return figures


def settle(
    turn: Turn, episode: Episode, lines: list[FeeLine], request: Mapping[str, Any], *, final: bool
) -> Settlement:
    """Settle these lines for good and give 2601 a way back."""
    figures = trial(turn, episode, lines, request)
    settlement = Settlement(
        setl_id=turn.ledger.next_id("2"),
        episode=episode,
        figures=figures,
        infno=turn.infno,
        msgid=turn.msgid,
        setl_time=turn.time,
        request=request,
        final=final,
    )
    turn.ledger.settlements[settlement.setl_id] = settlement
    episode.settlements.append(settlement)
    _pay(turn, settlement, lines)
    turn.undo.append(lambda: reverse(turn, settlement))
    return settlement


def reverse(turn: Turn, settlement: Settlement) -> None:
    """What 2601 does to a settlement; declines when it has been cancelled in the ordinary way."""
    if settlement.state != "settled":
        raise Declined(f"结算 {settlement.setl_id} 已撤销，不能冲正")
    _check_newest(settlement)
    _give_back(turn, settlement)
    settlement.state = "reversed"
    if settlement.episode.kind == "purchase":
        settlement.episode.state = "reversed"


def revoke(turn: Turn, settlement: Settlement) -> None:
    """What 2305, 2208 and 2103 do; gives 2601 a way back to the settlement."""
    if settlement.state != "settled":
        raise Declined(f"结算 {settlement.setl_id} 已撤销，不能重复撤销")
    _check_newest(settlement)
    episode = settlement.episode
    before = episode.state
    lines = [line for line in episode.lines.values() if line.setl_id == settlement.setl_id]
    _give_back(turn, settlement)
    settlement.state, settlement.revoked_by = "revoked", turn.ledger.next_id("2")
    settlement.revoked_at, settlement.revoking_msgid = turn.time, turn.msgid
    if episode.kind == "purchase":
        episode.state = "cancelled"
    after = episode.state

    def restore() -> None:
        moved = any(episode.lines.get(line.sn) is not line or line.setl_id for line in lines)
        poorer = turn.ledger.person(episode.psn_no).balance < settlement.figures.account
        if moved or poorer or episode.state != after:
            raise Declined(f"结算 {settlement.setl_id} 撤销后已有后续业务，不能冲正")
        _check_newest(settlement)
        settlement.state, settlement.revoked_by, episode.state = "settled", "", before
        _pay(turn, settlement, lines)

    turn.undo.append(restore)


def cancelled(turn: Turn, data: Mapping[str, Any], episode: Episode) -> Any:
    """The whole of 2305, 2208 and 2103: revoke, and answer with the cancelling's own id and negative amounts."""
    found = turn.ledger.settlement(data["setl_id"], episode.mdtrt_id, episode.psn_no)
    revoke(turn, found)
    answer = figures_shown(turn, episode, found.figures, found.request, sign=-1)
    answer["setlinfo"] |= {
        "setl_id": found.revoked_by,
        "balc": turn.ledger.person(episode.psn_no).balance,
    }
    return turn.shaped_root(answer)


def _check_newest(settlement: Settlement) -> None:
    """A stay's settlements come off in the reverse order, since the deductible is taken once."""
    episode = settlement.episode
    later = episode.settlements[episode.settlements.index(settlement) + 1 :]
    if episode.kind == "stay" and any(one.state == "settled" for one in later):
        raise Declined(f"结算 {settlement.setl_id} 之后还有结算，请先撤销后一次结算")


def _pay(turn: Turn, settlement: Settlement, lines: Iterable[FeeLine]) -> None:
    for line in lines:
        line.setl_id = settlement.setl_id
    turn.ledger.person(settlement.episode.psn_no).balance -= settlement.figures.account


def _give_back(turn: Turn, settlement: Settlement) -> None:
    for line in settlement.episode.lines.values():
        if line.setl_id == settlement.setl_id:
            line.setl_id = ""
    turn.ledger.person(settlement.episode.psn_no).balance += settlement.figures.account


# -------------------------------------------------------------- answers


def figures_shown(turn: Turn, episode: Episode, figures: Figures, request: Mapping[str, Any], sign: int = 1) -> Any:
    """``setlinfo`` and ``setldetail`` of every settlement table; ``sign`` -1 prints what a cancelling gives back."""
    money = {name: sign * value for name, value in _money(figures).items()}
    insutype = request.get("insutype") or turn.ledger.person(episode.psn_no).insutype
    fund_type, fund_name = fund_of(insutype)
    setlinfo = {
        **person_fields(turn, episode),
        **money,
        "mdtrt_id": episode.mdtrt_id,
        "insutype": insutype,
        "mdtrt_cert_type": request.get("mdtrt_cert_type", ""),
        "med_type": request.get("med_type") or episode.info.get("med_type", ""),
        "setl_time": turn.time,
        "pool_prop_selfpay": figures.ratio,
        "balc": figures.balance,
        "medins_setl_id": turn.msgid,
        "clr_optins": turn.ledger.admdvs,
        "clr_way": "01",
        "clr_type": clearing_type(episode),
    }
    detail = {
        "fund_pay_type": fund_type,
        "fund_pay_type_name": fund_name,
        "inscp_scp_amt": money["inscp_scp_amt"],
        "crt_payb_lmt_amt": money["fund_pay_sumamt"],
        "fund_payamt": money["fund_pay_sumamt"],
    }
    return {"setlinfo": setlinfo, "setldetail": [detail]}


def clearing_type(episode: Episode) -> str:
    """``clr_type`` of its settlements."""
    return _CLEARING[episode.kind]


def fund_of(insutype: str) -> tuple[str, str]:
    """``fund_pay_type`` and its name for an insurance type."""
    return _FUND_TYPES.get(insutype, _FUND_TYPES["310"])


def person_fields(turn: Turn, episode: Episode) -> dict[str, Any]:
    """What settlement and visit answers repeat about the person."""
    person = turn.ledger.person(episode.psn_no)
    return {
        "psn_no": person.psn_no,
        "psn_name": person.psn_name,
        "psn_cert_type": person.psn_cert_type,
        "certno": person.certno,
        "gend": person.gend,
        "naty": "01",
        "brdy": person.brdy.isoformat(),
        "age": Decimal(person.age_on(turn.now.date())),
        "psn_type": person.psn_type,
        "cvlserv_flag": "0",
        "emp_name": person.emp_name,
    }


def _money(figures: Figures) -> dict[str, Decimal]:
    """Every spelling of the same amounts that the tables use (2103, 2208 and 5203 have their own)."""
    personal = figures.account + figures.cash
    return {
        "medfee_sumamt": figures.total,
        "fulamt_ownpay_amt": figures.full_self_pay,
        "overlmt_selfpay": ZERO,
        "preselfpay_amt": figures.first_self_pay,
        "inscp_scp_amt": figures.in_scope,
        "act_pay_dedc": figures.deductible,
        "hifp_pay": figures.fund,
        "fund_pay_sumamt": figures.fund,
        "hosp_part_amt": ZERO,
        "psn_part_amt": personal,
        "psn_pay": personal,
        "acct_pay": figures.account,
        "psn_cash_pay": figures.cash,
        "pdn_cash_pay": figures.cash,
        "cash_payamt": figures.cash,
    }
