"""The messages every client tells the same way: an admission with two diagnoses and 500 fee rows.

Written from transactions/2401.yaml and 2301.yaml; the clients in other languages hold their own copy of it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from xml.sax.saxutils import escape
from zoneinfo import ZoneInfo

from tests.clients.running import Running

ROWS = 500
HEAD = {"opter": "0001", "opter_name": "张三", "opter_type": "1"}
DAY = (datetime.now(ZoneInfo("Asia/Shanghai")) - timedelta(days=1)).date().isoformat()
DIAGNOSES = {"K35.800": "急性阑尾炎", "I10.x00": "高血压病（２级）"}
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Patient:
    psn_no: str
    certno: str
    psn_name: str
    insutype: str
    ipt_no: str

    @property
    def arguments(self) -> list[str]:
        """As the client programs take them."""
        return [self.psn_no, self.certno, self.insutype, self.ipt_no]


def identity_number(serial: int) -> str:
    """A resident identity number with its check digit (GB 11643)."""
    digits = f"440803{1950 + serial % 50}0{1 + serial % 9}{10 + serial % 18}{serial % 1000:03d}"
    weights = (2 ** (17 - at) % 11 for at in range(17))
    return digits + "10X98765432"[sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=True)) % 11]


def new_patient(running: Running) -> Patient:
    """Somebody the platform knows (asked by 1101) who was not admitted yet."""
    serial = next(_numbers)
    certno = identity_number(serial)
    found = running.json_call("1101", {"data": {"mdtrt_cert_type": "02", "mdtrt_cert_no": certno}})
    person = found["baseinfo"]
    return Patient(
        person["psn_no"], certno, person["psn_name"], found["insuinfo"][0]["insutype"], f"ZY{DAY[2:4]}{serial:06d}"
    )


def admission(patient: Patient) -> dict[str, Any]:
    """The input of 2401."""
    return {
        "mdtrtinfo": {
            "psn_no": patient.psn_no, "insutype": patient.insutype, "coner_name": "李四", "tel": "13800000000",
            "begntime": f"{DAY} 09:30:00", "mdtrt_cert_type": "02", "mdtrt_cert_no": patient.certno, "med_type": "21",
            "ipt_no": patient.ipt_no, "atddr_no": "D001", "chfpdr_name": "欧阳修远", "adm_diag_dscr": "急性阑尾炎",
            "adm_dept_codg": "A01", "adm_dept_name": "普通外科", "adm_bed": "12床", "dscg_maindiag_code": "K35.800",
            "dscg_maindiag_name": "急性阑尾炎",
        },
        "diseinfo": [_diagnosis(patient, number, *pair) for number, pair in enumerate(DIAGNOSES.items(), 1)],
    }  # fmt: skip


def _diagnosis(patient: Patient, number: int, code: str, name: str) -> dict[str, str]:
    return {
        "psn_no": patient.psn_no, "diag_type": "1", "maindiag_flag": "1" if number == 1 else "0",
        "diag_srt_no": str(number), "diag_code": code, "diag_name": name, "diag_dept": "A01", "dise_dor_no": "D001",
        "dise_dor_name": "欧阳修远", "diag_time": f"{DAY} 09:40:00",
    }  # fmt: skip


def fees(patient: Patient, mdtrt_id: str) -> list[dict[str, str]]:
    """The 500 rows of 2301."""
    return [_fee(patient, mdtrt_id, number) for number in range(1, ROWS + 1)]


def _fee(patient: Patient, mdtrt_id: str, i: int) -> dict[str, str]:
    count, price = _count_and_price(i)
    return {
        "feedetl_sn": f"{patient.ipt_no}-{i:03d}", "mdtrt_id": mdtrt_id, "psn_no": patient.psn_no, "med_type": "21",
        "fee_ocur_time": f"{DAY} 10:{i // 60:02d}:{i % 60:02d}", "med_list_codg": "XA02BCA001A001010101",
        "medins_list_codg": f"YP{i}", "det_item_fee_sumamt": f"{count * price:.2f}", "cnt": str(count),
        "pric": f"{price:.2f}", "bilg_dept_codg": "A01", "bilg_dept_name": "普通外科", "bilg_dr_codg": "D001",
        "bilg_dr_name": "欧阳修远", "memo": f"阿莫西林胶囊（０．２５ｇ×２４粒）第{i}行",
    }  # fmt: skip


def _count_and_price(i: int) -> tuple[int, Decimal]:
    return 1 + i % 4, Decimal(105 + 37 * i) / 100


def expected_sum() -> Decimal:
    """What the 500 rows come to."""
    return sum((count * price for count, price in map(_count_and_price, range(1, ROWS + 1))), Decimal("0.00"))


def to_xml(name: str, value: object) -> str:
    """Nested dicts as XML text without namespaces; a list repeats its element."""
    if isinstance(value, list):
        return "".join(to_xml(name, item) for item in value)
    if isinstance(value, Mapping):
        return f"<{name}>{''.join(_children(value))}</{name}>"
    return f"<{name}>{escape(str(value))}</{name}>"


def _children(value: Mapping[str, object]) -> Iterator[str]:
    return (to_xml(name, child) for name, child in value.items())


def request_text(message: Mapping[str, Any]) -> str:
    """``<request>`` of the string service."""
    return to_xml("request", {"head": HEAD, "input": message})


def check_ledger(running: Running, patient: Patient, mdtrt_id: str) -> None:
    """The platform holds this stay with its Chinese diagnoses and every fee, to the cent."""
    stay = running.stay(mdtrt_id)
    assert (stay["psn_no"], stay["ipt_no"], stay["begntime"]) == (patient.psn_no, patient.ipt_no, f"{DAY} 09:30:00")
    assert {row["diag_code"]: row["diag_name"] for row in stay["diagnoses"]} == DIAGNOSES
    assert stay["fees"]["count"] == ROWS
    assert Decimal(str(stay["fees"]["sumamt"])) == expected_sum()
