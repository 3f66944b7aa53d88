"""Persons, institutions, eligibility (1101, 1201, 2001)."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from gateway.simulator.ledger import Declined
from gateway.simulator.persons import certno_behind
from gateway.simulator.registry import Turn, handles
from gateway.simulator.settlement import fund_of

_IDENTITY_NUMBER = "02"


@handles("1101")
def person_info(turn: Turn) -> Any:
    """The person behind a credential, invented on first sight."""
    data = turn.message["data"]
    if data["mdtrt_cert_type"] == "03" and not data.get("card_sn"):
        raise Declined("就诊凭证类型为 03（社会保障卡）时 card_sn(卡识别码)必填")
    today = turn.now.date()
    identity = data.get("certno") or data["mdtrt_cert_no"]
    if not data.get("certno") and data["mdtrt_cert_type"] != _IDENTITY_NUMBER and identity not in turn.ledger.persons:
        identity = certno_behind(identity)
    person = turn.ledger.find_or_invent(identity, data.get("psn_name") or "", today)
    return turn.shaped(
        baseinfo={
            "psn_no": person.psn_no,
            "psn_cert_type": person.psn_cert_type,
            "certno": person.certno,
            "psn_name": person.psn_name,
            "gend": person.gend,
            "naty": "01",
            "brdy": person.brdy.isoformat(),
            "age": Decimal(person.age_on(today)),
        },
        insuinfo=[
            {
                "balc": person.balance,
                "insutype": person.insutype,
                "psn_type": person.psn_type,
                "psn_insu_stas": "1",
                "psn_insu_date": max(date(today.year - 5, 1, 1), person.brdy).isoformat(),
                "cvlserv_flag": "0",
                "insuplc_admdvs": person.insuplc_admdvs,
                "emp_name": person.emp_name,
            }
        ],
        idetinfo=[],
    )


@handles("1201")
def institution_info(turn: Turn) -> Any:
    """The calling institution, when it is the one asked for."""
    wanted = turn.message["medinsinfo"]
    if not (wanted.get("fixmedins_code") or wanted.get("fixmedins_name")):
        raise Declined("fixmedins_name、fixmedins_code 至少填一项")
    code, name = turn.institution, turn.envelope["fixmedins_name"]
    asked = wanted.get("fixmedins_code") in (None, "", code) and (wanted.get("fixmedins_name") or "") in name
    row = {
        "fixmedins_code": code,
        "fixmedins_name": name,
        "uscc": f"12{code}0000"[:18],
        "fixmedins_type": wanted["fixmedins_type"],
        "hosp_lv": "2",
    }
    return turn.shaped(medinsinfo=[row] if asked else [])


@handles("2001")
def eligibility(turn: Turn) -> Any:
    """Every known person enjoys the basic fund."""
    data = turn.message["data"]
    row = {
        "psn_no": data["psn_no"],
        "trt_chk_type": "01",
        "fund_pay_type": fund_of(data["insutype"])[0],
        "trt_enjymnt_flag": "1",
        "begndate": f"{turn.now.year}-01-01",
        "enddate": f"{turn.now.year}-12-31",
        "trt_chk_rslt": "可享受",
    }
    return turn.shaped(trtinfo=[row])
