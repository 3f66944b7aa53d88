"""A settlement list that passes every rule, to be spoiled in one place; and the stay it is about."""

from __future__ import annotations

import copy
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any

from gateway.contract.model import Contract
from gateway.contract.quality import Level
from gateway.mappings import load
from gateway.rules.list_quality import Finding, Report, check
from gateway.rules.list_view import Terms, Told
from gateway.rules.stay import Told as ListTold
from gateway.rules.times import SHANGHAI
from tests.stays.kit import DAY, MDTRT, NEXT, PERSON, Life

DOCTOR = "D440800000001"
NURSE = "N440800000001"
FIGURES = {
    "medfee_sumamt": Decimal("100.00"),
    "fund_pay_sumamt": Decimal("70.00"),
    "psn_part_amt": Decimal("30.00"),
    "hosp_part_amt": Decimal("0.00"),
    "gend": "1",
    "brdy": "1980-05-01",
}


@cache
def contract() -> Contract:
    return load()


def settled(**figures: Any) -> Life:
    """Ward-in 10:05, fees of 100 yuan, discharged the next day, settled as S1."""
    life = Life().reg("08:10").ward("10:05").change("10:05")
    life.now = datetime(2026, 3, 5, tzinfo=SHANGHAI)
    rows = [{"feedetl_sn": f"f{n}", "fee_ocur_time": f"{DAY} 11:00:00", "cnt": Decimal(1),
             "det_item_fee_sumamt": Decimal("50.00"), "mdtrt_id": MDTRT, "psn_no": PERSON} for n in (1, 2)]  # fmt: skip
    life.exchange("2301", {"feedetail": rows}).leave(f"{NEXT} 16:00")
    info = {"mdtrt_id": MDTRT, "setl_id": "S1", **FIGURES, **figures}
    funds = [{"fund_pay_type": "310100", "fund_payamt": Decimal("70.00")}]
    message = {"data": {"mdtrt_id": MDTRT, "psn_no": PERSON, "mid_setl_flag": "0"}}
    return life.exchange("2304", message, {"setlinfo": info, "setldetail": funds})


def sound(infno: str = "4101A") -> dict[str, Any]:
    """A list with nothing wrong."""
    form = {
        "mdtrt_id": MDTRT, "psn_no": PERSON, "setl_id": "S1", "hi_no": "H1", "medcasno": "B1", "ntly": "CHN", "prfs": "17",
        "coner_name": "李四", "patn_rlts": "10", "coner_addr": "某路1号", "coner_tel": "13800000000", "curr_addr": "某路1号",
        "adm_time": f"{DAY} 10:05:00", "dscg_time": f"{NEXT} 16:00:00", "adm_caty": "A03", "dscg_caty": "A03",
        "trt_type": "10", "dscg_way": "1", "wm_dise_code": "J18.900", "otp_wm_dise": "肺炎", "bill_code": "44060122",
        "bill_no": "0001", "biz_sn": "Y1", "chfpdr_code": DOCTOR, "resp_nurs_code": NURSE, "setl_begn_date": DAY,
        "setl_end_date": NEXT, "medins_fill_dept": "病案科", "medins_fill_psn": "王五", "hi_paymtd": "3",
    }  # fmt: skip
    row = {"diag_type": "1", "diag_code": "J18.900", "diag_name": "肺炎", "adm_cond_type": "1", "maindiag_flag": "1"}
    other = row | {"diag_code": "I10.x00x002", "diag_name": "高血压", "maindiag_flag": "0"}
    message: dict[str, Any] = {"setlinfo": form, "diseinfo": [row, other], "oprninfo": [surgery()]}
    message["payinfo"] = [{"fund_pay_type": "310100", "fund_payamt": Decimal("70.00")}]
    if infno == "4101":
        form |= {"patn_cert_type": "01", "certno": "440899198005010018", "brdy": "1980-05-01", "gend": "1", "age": Decimal(45),
                 "act_ipt_days": 1, "psn_selfpay": Decimal("20.00"), "psn_ownpay": Decimal("10.00")}  # fmt: skip
        message["iteminfo"] = [item("06", "60.00"), item("09", "40.00")]
    return message


def surgery(**more: Any) -> dict[str, Any]:
    row = {"oprn_oprt_type": "1", "oprn_oprt_name": "肺叶切除术", "oprn_oprt_code": "32.4100", "oper_dr_code": DOCTOR,
           "oprn_oprt_begntime": f"{DAY} 14:00:00", "oprn_oprt_endtime": f"{DAY} 15:00:00"}  # fmt: skip
    return row | more


def item(kind: str, amount: str, **more: Any) -> dict[str, Any]:
    zero = dict.fromkeys(("clab_amt", "fulamt_ownpay_amt", "oth_amt"), Decimal("0.00"))
    return {"med_chrgitm": kind, "amt": Decimal(amount), "claa_sumfee": Decimal(amount), **zero, **more}


def spoiled(change: dict[str, Any], infno: str = "4101A") -> dict[str, Any]:
    """A sound list with values put into ``setlinfo``, ``node.row`` or a whole node; None takes a value out."""
    message = copy.deepcopy(sound(infno))
    for place, value in change.items():
        node, _, row = place.partition(".")
        if isinstance(value, list):
            message[node] = value
            continue
        target = message[node][int(row)] if row else message[node]
        for name, one in value.items():
            if one is None:
                target.pop(name, None)
            else:
                target[name] = one
    return message


def report(
    message: Any,
    infno: str = "4101A",
    life: Life | None = None,
    levels: dict[str, Level] | None = None,
    record: dict[str, Any] | None = None,
    terms: Terms | None = None,
) -> Report:
    """What the rules say.

    Args:
        record: what the hospital told of its medical record; None: nothing.
        terms: what catalogs say of codes.
    """
    life = life or settled()
    stay = life.stay
    if record is not None:
        stay = replace(stay, list_told=ListTold(1, ({"record": record},), life.now))
    about = next((one for one in stay.settlements if one.setl_id == message["setlinfo"].get("setl_id")), None)
    told = Told(infno, message, stay, about, life.now, terms or {})
    return check(told, contract().rules.quality, levels or {})


def of(found: Report, rule_id: str) -> Finding:
    """What came of one rule; of several rows the first."""
    return next(one for one in found.findings if one.rule_id == rule_id)


def problems(found: Report) -> set[str]:
    return {one.rule_id for one in found.findings if one.result == "problem"}
