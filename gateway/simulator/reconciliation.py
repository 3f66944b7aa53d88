"""Total reconciliation (3201): the institution's sums against the ledger."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from gateway.simulator.arithmetic import ZERO
from gateway.simulator.ledger import Declined, Settlement
from gateway.simulator.registry import Turn, handles
from gateway.simulator.settlement import amount, clearing_type

_EVEN, _UNEVEN = "0", "1"


@handles("3201")
def totals(turn: Turn) -> Any:
    """Even when sums and count of settlements in force over the period agree; else the platform's own sums."""
    data = turn.message["data"]
    if data["stmt_begndate"] > data["stmt_enddate"]:
        raise Declined("对账开始日期晚于结束日期")
    mine = [one for one in turn.ledger.settlements.values() if _counts(turn, one, data)]
    held: tuple[Decimal | int, ...] = (
        sum((one.figures.total for one in mine), ZERO),
        sum((one.figures.fund for one in mine), ZERO),
        sum((one.figures.account for one in mine), ZERO),
        len(mine),
    )
    names = ("medfee_sumamt", "fund_pay_sumamt", "acct_pay", "fixmedins_setl_cnt")
    even = held == tuple(amount(data[name]) for name in names)
    said = "、".join(f"{label} {value}" for label, value in zip(("总额", "基金", "账户", "笔数"), held, strict=True))
    return turn.shaped(
        stmtinfo={
            "setl_optins": data["setl_optins"],
            "stmt_rslt": _EVEN if even else _UNEVEN,
            "stmt_rslt_dscr": "平" if even else f"不平，中心：{said}",
        }
    )


def _counts(turn: Turn, one: Settlement, data: dict[str, Any]) -> bool:
    insutype = one.request.get("insutype") or turn.ledger.person(one.episode.psn_no).insutype
    return (
        one.state == "settled"
        and one.episode.fixmedins_code == turn.institution
        and insutype == data["insutype"]
        and clearing_type(one.episode) == data["clr_type"]
        and data["stmt_begndate"] <= one.setl_time[:10] <= data["stmt_enddate"]
    )
