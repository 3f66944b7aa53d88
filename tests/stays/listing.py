"""A settled stay at a real gateway, and the settlement list its hospital would send."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from tests.stays.ways import WARD_IN, Stay

DISCHARGED = "2026-03-01 15:30:00"
DOCTOR, NURSE = "D440800000126", "N440800000126"
TOLD = {
    "hi_no": "H1", "medcasno": "B1", "ntly": "CHN", "prfs": "17", "coner_name": "家属", "patn_rlts": "10",
    "coner_addr": "某路1号", "coner_tel": "13800000000", "curr_addr": "某路1号", "adm_caty": "A03", "dscg_caty": "A03",
    "trt_type": "10", "otp_wm_dise": "肺炎", "wm_dise_code": "J18.900", "bill_code": "44060122", "bill_no": "0001",
    "biz_sn": "Y1", "chfpdr_code": DOCTOR, "resp_nurs_code": NURSE, "medins_fill_dept": "病案科",
    "medins_fill_psn": "王五", "hi_paymtd": "3",
}  # fmt: skip
"""What only the hospital knows."""
DIAGNOSIS = {"diag_type": "1", "diag_code": "J18.900", "diag_name": "肺炎", "adm_cond_type": "1", "maindiag_flag": "1"}
SURGERY = {"oprn_oprt_type": "1", "oprn_oprt_name": "阑尾切除术", "oprn_oprt_code": "47.0100", "oper_dr_code": DOCTOR,
           "oprn_oprt_begntime": "2026-02-21 09:00:00", "oprn_oprt_endtime": "2026-02-21 10:00:00"}  # fmt: skip


def settled(stay: Stay) -> str:
    """Ward-in, fees, discharge, settlement; its ``setl_id``."""
    stay.aligned().done("2301", stay.fees())
    stay.done("2402", stay.discharge())
    return str(stay.done("2304", stay.settlement()).output["setlinfo"]["setl_id"])


def own_list(stay: Stay, setl_id: str, *operations: dict[str, Any], **more: str) -> dict[str, Any]:
    """The 4101A of a HIS that fills its lists itself."""
    form = TOLD | {"psn_no": stay.psn_no, "mdtrt_id": stay.mdtrt_id, "setl_id": setl_id, "adm_time": WARD_IN,
                   "dscg_time": DISCHARGED, "dscg_way": "1", "setl_begn_date": WARD_IN[:10],
                   "setl_end_date": DISCHARGED[:10]}  # fmt: skip
    message: dict[str, Any] = {"setlinfo": {**form, **more}, "diseinfo": [dict(DIAGNOSIS)]}
    return message | ({"oprninfo": [copy.deepcopy(one) for one in operations]} if operations else {})


FULL: dict[str, Any] = {"insuplc": "440800", "hsorg": "演示市医疗保障中心", "hsorg_opter": "赵经办"}
"""What the full form (4101) wants of the hospital beside it."""


def charged(amount: str) -> dict[str, str]:
    """One row of 收费项目信息, all of it 甲类."""
    return {"med_chrgitm": "09", "amt": amount, "claa_sumfee": amount, "clab_amt": "0.00", "fulamt_ownpay_amt": "0.00",
            "oth_amt": "0.00"}  # fmt: skip


def tell(
    stay: Stay, record: dict[str, str] | None = None, nodes: Mapping[str, Sequence[Any]] | None = None, **more: Any
) -> None:
    """The hospital tells its part (``SettlementList``) and its diagnoses by the list's own names."""
    beside = {**({"record": record} if record else {}), **(nodes or {})}
    told = stay.ask("SettlementList", version=1, setlinfo={**TOLD, **more}, **beside)
    assert told["infcode"] == 0, told
    row = {**DIAGNOSIS, "diag_srt_no": "1", "adm_cond": "1", "diag_dept": "A03", "dise_dor_no": DOCTOR,
           "dise_dor_name": "周文博", "diag_time": "2026-02-20 10:00:00"}  # fmt: skip
    del row["adm_cond_type"]
    assert stay.ask("Diagnoses", version=1, rows=[row])["infcode"] == 0
