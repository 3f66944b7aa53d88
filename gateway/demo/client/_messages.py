"""The messages of the story, written from the fields of the WSDL. Times are Asia/Shanghai, amounts exact Decimals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from gateway.demo.client._people import Diagnosis, Item, Patient

CENT = Decimal("0.01")
IDENTITY_CARD = "02"
INPATIENT, OUTPATIENT = "21", "11"
Fields = dict[str, str]
Message = dict[str, Any]
TRIAL_AMOUNTS = ("fulamt_ownpay_amt", "overlmt_selfpay", "preselfpay_amt", "inscp_scp_amt")
"""What 2206 answers and 2207 must repeat."""


@dataclass(frozen=True)
class Insured:
    """What 1101 told of a patient."""

    patient: Patient
    psn_no: str
    insutype: str
    insuplc_admdvs: str


@dataclass(frozen=True)
class Times:
    """The hospital's own times of one stay."""

    registered: datetime
    ward_in: datetime
    discharged: datetime

    @classmethod
    def before(cls, now: datetime) -> Times:
        """A stay of three days that ended yesterday."""
        came, left = now - timedelta(days=4), now - timedelta(days=1)
        return cls(
            came.replace(hour=9, minute=12, second=0),
            came.replace(hour=10, minute=5, second=0),
            left.replace(hour=15, minute=30, second=0),
        )


def printed(moment: datetime) -> str:
    """As the interface prints a time."""
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def sign_in() -> Message:
    """9001"""
    return {"signIn": {"opter_no": "0001", "mac": "00-00-00-00-00-00", "ip": "127.0.0.1"}}


def person(patient: Patient) -> Message:
    """1101"""
    return {
        "data": {
            "mdtrt_cert_type": IDENTITY_CARD,
            "mdtrt_cert_no": patient.certno,
            "psn_cert_type": "01",
            "certno": patient.certno,
            "psn_name": patient.name,
        }
    }


# ------------------------------------------------------------------ the stay


def _particulars(who: Insured, begntime: datetime) -> Fields:
    """What 2401 and 2403 both carry."""
    patient = who.patient
    return {
        "psn_no": who.psn_no,
        "coner_name": "家属",
        "tel": "0759-0000000",
        "begntime": printed(begntime),
        "mdtrt_cert_type": IDENTITY_CARD,
        "med_type": INPATIENT,
        "atddr_no": patient.department.doctor_code,
        "chfpdr_name": patient.department.doctor,
        "adm_diag_dscr": patient.diagnoses[0].name,
        "adm_dept_codg": patient.department.code,
        "adm_dept_name": patient.department.name,
        "adm_bed": patient.bed,
        "dscg_maindiag_code": patient.diagnoses[0].code,
        "dscg_maindiag_name": patient.diagnoses[0].name,
        "main_cond_dscr": patient.complaint,
    }


def admission(who: Insured, ipt_no: str, times: Times) -> Message:
    """2401, with the time of registration: nobody lies in a ward yet."""
    info = _particulars(who, times.registered)
    info |= {"ipt_no": ipt_no, "insutype": who.insutype, "mdtrt_cert_no": who.patient.certno}
    return {"mdtrtinfo": info, "diseinfo": _diagnoses(who, times.registered)}


def change(who: Insured, mdtrt_id: str, ipt_no: str, times: Times) -> Message:
    """2403 after ward-in: ``begntime`` becomes the time of ward-in, everything else as it was."""
    info = _particulars(who, times.ward_in) | {"mdtrt_id": mdtrt_id, "ipt_otp_no": ipt_no}
    return {"adminfo": info, "diseinfo": _diagnoses(who, times.registered, mdtrt_id=mdtrt_id)}


def discharge(who: Insured, mdtrt_id: str, times: Times) -> Message:
    """2402"""
    info = {
        "mdtrt_id": mdtrt_id,
        "psn_no": who.psn_no,
        "insutype": who.insutype,
        "endtime": printed(times.discharged),
        "dscg_dept_codg": who.patient.department.code,
        "dscg_dept_name": who.patient.department.name,
        "dscg_bed": who.patient.bed,
        "dscg_way": "1",
    }
    return {"dscginfo": info, "diseinfo": _diagnoses(who, times.discharged, mdtrt_id=mdtrt_id)}


def _diagnoses(who: Insured, at: datetime, **more: str) -> list[Fields]:
    rows = []
    for number, found in enumerate(who.patient.diagnoses, 1):
        main = {"psn_no": who.psn_no, "maindiag_flag": "1" if number == 1 else "0"}
        rows.append(more | main | _diagnosis(who.patient, number, found, at))
    return rows


def _diagnosis(patient: Patient, number: int, found: Diagnosis, at: datetime) -> Fields:
    return {
        "diag_type": "1",
        "diag_srt_no": str(number),
        "diag_code": found.code,
        "diag_name": found.name,
        "diag_dept": patient.department.code,
        "dise_dor_no": patient.department.doctor_code,
        "dise_dor_name": patient.department.doctor,
        "diag_time": printed(at),
    }


# ------------------------------------------------------------------ what the hospital tells the gateway


def ward_event(ipt_no: str, who: Insured, event_id: str, at: datetime) -> Message:
    """``WardIn`` and its like: who was received where, and when."""
    department = who.patient.department
    return {
        "ipt_no": ipt_no,
        "event_id": event_id,
        "ward_code": department.code,
        "ward_name": department.name,
        "event_time": printed(at),
        "operator": "病区护士",
    }


def recall(ipt_no: str, who: Insured, event_id: str, at: datetime) -> Message:
    """``Recall``"""
    told = ward_event(ipt_no, who, event_id, at) | {"reason": "补记费用后重新出院"}
    del told["ward_name"]
    return told


def record(ipt_no: str, who: Insured, at: datetime) -> Message:
    """``Diagnoses``: the hospital's own record, whole."""
    rows = [_diagnosis(who.patient, number, found, at) for number, found in enumerate(who.patient.diagnoses, 1)]
    for number, row in enumerate(rows, 1):
        row["maindiag_flag"] = "1" if number == 1 else "0"
        row["adm_cond"] = "1"
    return {"ipt_no": ipt_no, "version": "1", "operator": "编码员", "rows": rows}


def asked(ipt_no: str) -> Message:
    """``FeeChangeAllowed``"""
    return {"ipt_no": ipt_no, "operator": "收费员"}


def voucher(ipt_no: str, kind: str) -> Message:
    """``Voucher``"""
    return {"ipt_no": ipt_no, "kind": kind, "operator": "收费员"}


def operations(ipt_no: str, who: Insured, times: Times) -> Message:
    """``Operations``: one, on the day after the ward-in."""
    begun = times.ward_in + timedelta(days=1)
    row = {
        "oprn_oprt_type": "1",
        "oprn_oprt_name": "冠状动脉造影术",
        "oprn_oprt_code": "88.5500",
        "oper_dr_code": who.patient.department.doctor_code,
        "oprn_oprt_begntime": printed(begun),
        "oprn_oprt_endtime": printed(begun + timedelta(minutes=50)),
    }
    return {"ipt_no": ipt_no, "version": "1", "operator": "病案编码员", "rows": [row]}


def settlement_list(ipt_no: str, who: Insured, poscode: str) -> Message:
    """``SettlementList``: what only the hospital knows."""
    doctor, first = who.patient.department.doctor_code, who.patient.diagnoses[0]
    told = {
        "hi_no": "H1", "medcasno": "B1", "ntly": "CHN", "prfs": "17", "coner_name": "家属", "patn_rlts": "10",
        "coner_addr": "演示路1号", "coner_tel": "13800000000", "curr_addr": "演示路1号", "adm_caty": "A03",
        "dscg_caty": "A03", "trt_type": "10", "otp_wm_dise": first.name, "wm_dise_code": first.code,
        "bill_code": "44060122", "bill_no": "0001", "biz_sn": "Y1", "chfpdr_code": doctor, "resp_nurs_code": doctor.replace("D", "N"),
        "medins_fill_dept": "病案科", "medins_fill_psn": "病案编码员", "hi_paymtd": "3", "poscode": poscode,
    }  # fmt: skip
    return {"ipt_no": ipt_no, "version": "1", "operator": "病案编码员", "setlinfo": told}


# ------------------------------------------------------------------ fees


def stay_fees(
    who: Insured, mdtrt_id: str, prefix: str, times: Times, items: Sequence[Item], count: int
) -> list[Fields]:
    """The rows of 2301, evenly between ward-in and discharge."""
    apart = (times.discharged - times.ward_in) / (count + 1)
    return [
        _fee(who, items[at % len(items)], times.ward_in + apart * (at + 1))
        | {"feedetl_sn": f"{prefix}-{at + 1:03d}", "mdtrt_id": mdtrt_id, "med_type": INPATIENT}
        | {"memo": items[at % len(items)].name}
        for at in range(count)
    ]


def emergency_fees(ipt_no: str, who: Insured, times: Times, items: Sequence[Item]) -> Message:
    """``EmergencyFees``: what the emergency room charged before the ward received the patient; the last row came later."""
    begun = times.ward_in - timedelta(hours=2)
    apart = (times.ward_in - begun) / (len(items) - 1)
    rows = [
        _fee(who, item, begun + apart * at + timedelta(minutes=1)) | {"feedetl_sn": f"{ipt_no}-ER{at + 1}"}
        for at, item in enumerate(items)
    ]
    for row in rows:
        del row["psn_no"]
    visit = {"ipt_otp_no": f"ER{ipt_no}", "begntime": printed(begun)}
    return {"ipt_no": ipt_no, "version": "1", "operator": "急诊分诊台", "emergency_visit": visit, "rows": rows}


def _fee(who: Insured, item: Item, at: datetime) -> Fields:
    department = who.patient.department
    return {
        "psn_no": who.psn_no,
        "fee_ocur_time": printed(at.replace(second=0)),
        "med_list_codg": item.codg,
        "medins_list_codg": item.own,
        "det_item_fee_sumamt": str((item.count * item.price).quantize(CENT, ROUND_HALF_UP)),
        "cnt": str(item.count),
        "pric": str(item.price),
        "bilg_dept_codg": department.code,
        "bilg_dept_name": department.name,
        "bilg_dr_codg": department.doctor_code,
        "bilg_dr_name": department.doctor,
        "hosp_appr_flag": item.approval,
    }


def total(rows: Sequence[Mapping[str, str]]) -> Decimal:
    """What fee rows add up to, to the cent."""
    return sum((Decimal(row["det_item_fee_sumamt"]) for row in rows), Decimal("0.00"))


def stay_settlement(who: Insured, mdtrt_id: str, amount: Decimal) -> Message:
    """2303 and 2304: the same fields, so that the second settles what the first reckoned."""
    return {
        "data": {
            "psn_no": who.psn_no,
            "mdtrt_cert_type": IDENTITY_CARD,
            "mdtrt_cert_no": who.patient.certno,
            "medfee_sumamt": str(amount),
            "psn_setlway": "01",
            "mdtrt_id": mdtrt_id,
            "insutype": who.insutype,
            "acct_used_flag": "1",
            "mid_setl_flag": "0",
        }
    }


def undo(who: Insured, mdtrt_id: str, **more: str) -> Message:
    """2305, 2405, 2404, 2208: which stay or visit, and for a settlement which one."""
    return {"data": {"mdtrt_id": mdtrt_id, "psn_no": who.psn_no, **more}}


def remove_fees(who: Insured, mdtrt_id: str) -> Message:
    """2302 for every unsettled line of the stay."""
    return {"data": [{"feedetl_sn": "0000", "mdtrt_id": mdtrt_id, "psn_no": who.psn_no}]}


# ------------------------------------------------------------------ the filing


def filing(who: Insured, at: datetime) -> Message:
    """2503: a chronic disease, as this hospital's doctor has found it."""
    department, day = who.patient.department, f"{at:%Y-%m-%d}"
    return {
        "data": {
            "psn_no": who.psn_no,
            "insutype": who.insutype,
            "opsp_dise_code": "M03900",
            "opsp_dise_name": "高血压病",
            "insu_optins": who.insuplc_admdvs,
            "ide_fixmedins_no": "H44080000001",
            "ide_fixmedins_name": "演示医院",
            "hosp_ide_date": day,
            "diag_dr_codg": department.doctor_code,
            "diag_dr_name": department.doctor,
            "begndate": day,
        }
    }


# ------------------------------------------------------------------ the visit


def registration(who: Insured, ipt_otp_no: str, at: datetime) -> Message:
    """2201"""
    department = who.patient.department
    return {
        "data": {
            "psn_no": who.psn_no,
            "insutype": who.insutype,
            "begntime": printed(at),
            "mdtrt_cert_type": IDENTITY_CARD,
            "mdtrt_cert_no": who.patient.certno,
            "ipt_otp_no": ipt_otp_no,
            "atddr_no": department.doctor_code,
            "dr_name": department.doctor,
            "dept_code": department.code,
            "dept_name": department.name,
            "caty": department.code,
        }
    }


def visit(who: Insured, mdtrt_id: str, at: datetime) -> Message:
    """2203"""
    info = {
        "mdtrt_id": mdtrt_id,
        "psn_no": who.psn_no,
        "med_type": OUTPATIENT,
        "begntime": printed(at),
        "main_cond_dscr": who.patient.complaint,
    }
    found = [
        _diagnosis(who.patient, number, diagnosis, at) | {"vali_flag": "1"}
        for number, diagnosis in enumerate(who.patient.diagnoses, 1)
    ]
    return {"mdtrtinfo": info, "diseinfo": found}


def visit_fees(who: Insured, mdtrt_id: str, batch: str, at: datetime, items: Sequence[Item]) -> list[Fields]:
    """The rows of 2204, one prescription."""
    return [
        _fee(who, item, at)
        | {"feedetl_sn": f"{batch}-{number:03d}", "mdtrt_id": mdtrt_id, "chrg_bchno": batch}
        | {"rxno": f"CF{batch}", "rx_circ_flag": "0"}
        for number, item in enumerate(items, 1)
    ]


def visit_settlement(who: Insured, mdtrt_id: str, batch: str, amount: Decimal, **more: str) -> Message:
    """2206, and 2207 with the four amounts that 2206 answered."""
    return {
        "data": {
            "psn_no": who.psn_no,
            "mdtrt_cert_type": IDENTITY_CARD,
            "mdtrt_cert_no": who.patient.certno,
            "med_type": OUTPATIENT,
            "medfee_sumamt": str(amount),
            "psn_setlway": "01",
            "mdtrt_id": mdtrt_id,
            "chrg_bchno": batch,
            "acct_used_flag": "1",
            "insutype": who.insutype,
            **more,
        }
    }
