"""The messages of a simulated hospital: the least that the tables ask for, amounts small and exact."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any
from xml.sax.saxutils import escape

Message = dict[str, Any]
INPATIENT, OUTPATIENT = "21", "11"
CARD = {"mdtrt_cert_type": "02", "mdtrt_cert_no": "440899198507241014"}
DIAGNOSIS = {
    "diag_type": "1",
    "diag_srt_no": "1",
    "diag_code": "J18.900",
    "diag_name": "肺炎",
    "diag_dept": "A03",
    "dise_dor_no": "D440800000126",
    "dise_dor_name": "周文博",
    "diag_time": "2026-02-20 10:00:00",
}
PARTICULARS = {
    **CARD,
    "coner_name": "家属",
    "tel": "0759-0000000",
    "med_type": INPATIENT,
    "atddr_no": "D440800000126",
    "chfpdr_name": "周文博",
    "adm_diag_dscr": "肺炎",
    "adm_dept_codg": "A03",
    "adm_dept_name": "内科",
    "adm_bed": "0312",
    "dscg_maindiag_code": "J18.900",
    "dscg_maindiag_name": "肺炎",
    "main_cond_dscr": "咳嗽3天",
}


def person(certno: str) -> Message:
    """1101"""
    return {"data": {"mdtrt_cert_type": "02", "mdtrt_cert_no": certno, "psn_cert_type": "01", "certno": certno,
                     "psn_name": "林秀珍"}}  # fmt: skip


def admission(psn_no: str, ipt_no: str) -> Message:
    """2401"""
    info = PARTICULARS | {"psn_no": psn_no, "ipt_no": ipt_no, "insutype": "310", "begntime": "2026-02-20 09:12:00"}
    return {"mdtrtinfo": info, "diseinfo": [DIAGNOSIS | {"psn_no": psn_no, "maindiag_flag": "1"}]}


def change(psn_no: str, mdtrt_id: str, ipt_no: str, begntime: str) -> Message:
    """2403"""
    info = PARTICULARS | {"psn_no": psn_no, "mdtrt_id": mdtrt_id, "ipt_otp_no": ipt_no, "begntime": begntime}
    return {"adminfo": info,
            "diseinfo": [DIAGNOSIS | {"psn_no": psn_no, "mdtrt_id": mdtrt_id, "maindiag_flag": "1"}]}  # fmt: skip


def file(content: str) -> Message:
    """9101"""
    return {"fsUploadIn": {"in": content, "filename": "a.txt", "fixmedins_code": "H44080000001"}}


def ward_event(ipt_no: str, event_id: str, at: str = "") -> dict[str, str]:
    """``WardIn``, or without a time ``WardInVoid``"""
    told = {"ipt_no": ipt_no, "event_id": event_id, "operator": "护士"}
    return told | {"ward_code": "A03", "event_time": at} if at else told


def discharge(psn_no: str, mdtrt_id: str) -> Message:
    """2402"""
    info = {"mdtrt_id": mdtrt_id, "psn_no": psn_no, "insutype": "310", "endtime": "2026-03-01 15:30:00",
            "dscg_dept_codg": "A03", "dscg_dept_name": "内科", "dscg_bed": "0312", "dscg_way": "1"}  # fmt: skip
    return {"dscginfo": info,
            "diseinfo": [DIAGNOSIS | {"psn_no": psn_no, "mdtrt_id": mdtrt_id, "maindiag_flag": "1"}]}  # fmt: skip


def fee(psn_no: str, mdtrt_id: str, sn: str, cents: int, **more: str) -> dict[str, str]:
    """One row of 2301 or 2204."""
    price = str(Decimal(cents).scaleb(-2))
    return {
        "psn_no": psn_no,
        "mdtrt_id": mdtrt_id,
        "feedetl_sn": sn,
        "fee_ocur_time": "2026-02-21 08:00:00",
        "med_list_codg": "001204000060000-120400006",
        "medins_list_codg": "FW120406",
        "det_item_fee_sumamt": price,
        "cnt": "1",
        "pric": price,
        "bilg_dept_codg": "A03",
        "bilg_dept_name": "内科",
        "bilg_dr_codg": "D440800000126",
        "bilg_dr_name": "周文博",
        "hosp_appr_flag": "1",
        **more,
    }


def total(rows: Iterable[Mapping[str, str]]) -> Decimal:
    """What fee rows add up to."""
    return sum((Decimal(row["det_item_fee_sumamt"]) for row in rows), Decimal("0.00"))


def stay_settlement(psn_no: str, mdtrt_id: str, amount: Decimal, interim: str = "0") -> Message:
    """2303 and 2304"""
    return {"data": CARD | {"psn_no": psn_no, "medfee_sumamt": str(amount), "psn_setlway": "01", "mdtrt_id": mdtrt_id,
                            "insutype": "310", "acct_used_flag": "1", "mid_setl_flag": interim}}  # fmt: skip


def undo(psn_no: str, mdtrt_id: str, **more: str) -> Message:
    """2305, 2405, 2404, 2208, 2205, 2202"""
    return {"data": {"mdtrt_id": mdtrt_id, "psn_no": psn_no, **more}}


def remove_fees(psn_no: str, mdtrt_id: str, sns: Iterable[str]) -> Message:
    """2302"""
    return {"data": [{"feedetl_sn": sn, "mdtrt_id": mdtrt_id, "psn_no": psn_no} for sn in sns]}


def registration(psn_no: str, ipt_otp_no: str) -> Message:
    """2201"""
    return {"data": CARD | {"psn_no": psn_no, "insutype": "310", "begntime": "2026-03-01 09:00:00",
                            "ipt_otp_no": ipt_otp_no, "atddr_no": "D440800000087", "dr_name": "许静怡",
                            "dept_code": "A03", "dept_name": "内科门诊", "caty": "A03"}}  # fmt: skip


def visit(psn_no: str, mdtrt_id: str) -> Message:
    """2203"""
    info = {"mdtrt_id": mdtrt_id, "psn_no": psn_no, "med_type": OUTPATIENT, "begntime": "2026-03-01 09:00:00",
            "main_cond_dscr": "咽痛1天"}  # fmt: skip
    return {"mdtrtinfo": info, "diseinfo": [DIAGNOSIS | {"vali_flag": "1"}]}


def visit_settlement(psn_no: str, mdtrt_id: str, batch: str, amount: Decimal) -> Message:
    """2206, and 2207 before :func:`with_trial`"""
    return {"data": CARD | {"psn_no": psn_no, "med_type": OUTPATIENT, "medfee_sumamt": str(amount),
                            "psn_setlway": "01", "mdtrt_id": mdtrt_id, "chrg_bchno": batch, "acct_used_flag": "1",
                            "insutype": "310"}}  # fmt: skip


def with_trial(message: Message, setlinfo: Mapping[str, Any]) -> Message:
    """2207: what 2206 was asked, with the amounts that it answered."""
    names = ("fulamt_ownpay_amt", "overlmt_selfpay", "preselfpay_amt", "inscp_scp_amt")
    return {"data": message["data"] | {name: str(setlinfo[name]) for name in names}}


def reversal(psn_no: str, omsgid: str, oinfno: str) -> Message:
    """2601"""
    return {"data": {"psn_no": psn_no, "omsgid": omsgid, "oinfno": oinfno}}


def as_xml(head: Mapping[str, str], message: Message) -> str:
    """The ``<request>`` document a HIS writes for the string service."""
    return f"<request><head>{_inner(dict(head))}</head><input>{_inner(message)}</input></request>"


def _inner(value: Any) -> str:
    if isinstance(value, dict):
        return "".join(
            f"<{name}>{_inner(one)}</{name}>"
            for name, item in value.items()
            for one in (item if isinstance(item, list) else [item])
        )
    return escape(str(value))
