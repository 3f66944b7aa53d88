"""What follows for a settlement list from what the platform answered to the settlement, and from the list's own rows.

The short form (4101A) leaves out what the insurer knows; the full one (4101) wants it said again: who the person is, what
the person paid, how old, how many. Where an answer can be read in two ways the field stays empty, for the hospital to tell.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from gateway.rules.list_view import age_at
from gateway.rules.message import Row, text
from gateway.rules.stay import Settled

_AS_SETTLED: Final = {
    "psn_name": "psn_name",
    "certno": "certno",
    "gend": "gend",
    "brdy": "brdy",
    "acct_pay": "acct_pay",
    "psn_cashpay": "psn_cash_pay",
}
"""Field of the list -> of the answer to 2304."""
_PAPERS: Final = {
    "01": "01", "02": "04", "04": "06", "05": "06", "06": "07", "08": "03", "16": "03", "99": "99",
}  # fmt: skip
"""人员证件类型 -> 患者证件类别, where one is the other; the rest only the hospital can tell."""
_COVERS: Final = frozenset({"310", "340", "350", "360", "380", "390", "391"})
"""险种类型 that are 医疗保障类型 too, under the same code."""
IN_WARD, DAY_SURGERY = "1", "2"
_BLOOD: Final = ("bld_cat", "bld_amt", "bld_unt")


def of_settlement(settled: Settled) -> dict[str, Any]:
    """Person and payments (2304 ``setlinfo``)."""
    figures = settled.figures
    found: dict[str, Any] = {name: figures.get(of) for name, of in _AS_SETTLED.items()}
    found["patn_cert_type"] = _PAPERS.get(text(figures, "psn_cert_type"))
    cover = text(figures, "insutype")
    found["hi_type"] = cover if cover in _COVERS else None
    found["naty"] = text(figures, "naty").lstrip("0")  # platforms answer 01 where the list of codes has 1
    return found | _own_money(figures)


def _own_money(figures: Row) -> dict[str, str]:
    """个人自费, 个人自付: only where nothing was paid above a price limit, which regions count to the one or to the other."""
    part, full, over = (_amount(figures, name) for name in ("psn_part_amt", "fulamt_ownpay_amt", "overlmt_selfpay"))
    if part is None or full is None or over != 0 or full > part:
        return {}
    return {"psn_ownpay": f"{full:.2f}", "psn_selfpay": f"{part - full:.2f}"}


def _amount(figures: Row, name: str) -> Decimal | None:
    try:
        return Decimal(text(figures, name))
    except InvalidOperation:
        return None


def of_stay(settled: Settled, left: str, med_type: str, day_surgery: Collection[str]) -> dict[str, Any]:
    """住院医疗类型, 年龄, 实际住院天数.

    Args:
        left: 出院时间, empty where the list is of an interim settlement.
        med_type: 医疗类别 of the stay.
        day_surgery: 医疗类别 that are 日间手术.
    """
    found: dict[str, Any] = {}
    if med_type:
        found["ipt_med_type"] = DAY_SURGERY if med_type in day_surgery else IN_WARD
    if settled.t_set is None:
        return found
    admitted = settled.t_set.text
    if age := age_at(text(settled.figures, "brdy"), admitted):
        years, days = age
        found |= {"age": str(years)} if years else {"nwb_age": str(days)}
    if left:
        stayed = (date.fromisoformat(left[:10]) - date.fromisoformat(admitted[:10])).days
        found["act_ipt_days"] = str(max(1, stayed))  # the same day is one day (entry-time rules)
    return found


def of_rows(rows: Mapping[str, Sequence[Row]]) -> dict[str, Any]:
    """What a form without nodes of its own says of them in ``setlinfo``: counts, and blood where there is one kind."""
    counts = {"diag_code_cnt": len(rows["diseinfo"]), "oprn_oprt_code_cnt": len(rows["oprninfo"])}
    blood = rows["bldinfo"][0] if len(rows["bldinfo"]) == 1 else {}
    return {name: str(count) for name, count in counts.items() if count} | {name: blood.get(name) for name in _BLOOD}
