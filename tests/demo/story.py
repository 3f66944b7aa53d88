"""A small story as three sides have it, written by hand: one stay with two fee lines, settled and asked for twice.

From transactions/2401, 2301, 2402, 2304; amounts of the ledger as `GET /_sim/ledger` prints them.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from gateway.demo.compare import Received, Recorded

STAY, SETL, PERSON = "44080010000000000100000001", "44080020000000000100000001", "44080012345678901234567890"
NUMBERS = {name: f"H4408000000120261121101500000{at}" for at, name in enumerate(("2401", "2301", "2402", "2304"))}

_DIAGNOSIS = {"diag_srt_no": "1", "diag_code": "J18.900", "diag_name": "肺炎"}
_SENT: dict[str, Any] = {
    "2401": {
        "mdtrtinfo": {"psn_no": PERSON, "ipt_no": "ZY1", "begntime": "2026-11-18 09:12:00"},
        "diseinfo": [_DIAGNOSIS],
    },
    "2301": {
        "feedetail": [
            {"mdtrt_id": STAY, "feedetl_sn": "ZY1-1", "cnt": "2", "det_item_fee_sumamt": "25.73"},
            {"mdtrt_id": STAY, "feedetl_sn": "ZY1-2", "cnt": "1.5", "det_item_fee_sumamt": "10.00"},
        ]
    },
    "2402": {"dscginfo": {"mdtrt_id": STAY, "endtime": "2026-11-21 15:30:00"}, "diseinfo": [_DIAGNOSIS]},
    "2304": {"data": {"mdtrt_id": STAY, "psn_no": PERSON, "medfee_sumamt": "35.73"}},
}
_SETTLED = {
    "setl_id": SETL,
    "mdtrt_id": STAY,
    "psn_no": PERSON,
    "medfee_sumamt": "35.73",
    "fund_pay_sumamt": "20.00",
    "acct_pay": "5.73",
    "psn_cash_pay": "10.00",
}
_OUTPUT: dict[str, Any] = {
    "2401": {"result": {"mdtrt_id": STAY}},
    "2301": {"result": [{"feedetl_sn": "ZY1-1", "pric": "12.865"}, {"feedetl_sn": "ZY1-2", "pric": "6.6667"}]},
    "2402": {},
    "2304": {"setlinfo": _SETTLED, "setldetail": {"fund_payamt": "20.00"}},
}
_NUMERIC = {"cnt", "pric", "det_item_fee_sumamt", "medfee_sumamt", "fund_pay_sumamt", "acct_pay", "psn_cash_pay",
            "fund_payamt", "diag_srt_no"}  # fmt: skip


def received() -> list[Received]:
    """The four exchanges, a refusal before the first, and the settlement once more."""
    told = [
        Received(
            0, infno, f"交易{infno}", "林秀珍", f"R-{infno}", NUMBERS[infno], "0", "", _SENT[infno], _OUTPUT[infno]
        )
        for infno in _SENT
    ]
    refused = Received(0, "2401", "入院办理", "林秀珍", "R-2401", "", "-1", "GW-1101", {"mdtrtinfo": {}}, {})
    return [replace(one, step=at) for at, one in enumerate([refused, *told, told[-1]], 1)]


def recorded() -> list[Recorded]:
    """What the journal holds of them: numbers as numbers, a repeated node always a list."""
    refused = Recorded("2401", "REFUSED", "R-2401", "", "-1", "GW-1101", "", {}, {})
    rows = [
        Recorded(
            infno, "CONFIRMED", f"R-{infno}", msgid, "0", "", msgid, _national(_SENT[infno]), _national(_OUTPUT[infno])
        )
        for infno, msgid in NUMBERS.items()
    ]
    return [refused, *rows]


def _national(value: Any, name: str = "") -> Any:
    """As the platform's JSON has it."""
    if isinstance(value, dict):
        found = {key: _national(item, key) for key, item in value.items()}
        return [found] if name == "setldetail" else found
    if isinstance(value, list):
        return [_national(item) for item in value]
    return Decimal(value + "0" if "." in value else value) if name in _NUMERIC else value


def ledger() -> dict[str, Any]:
    """What the platform has on its books."""
    diagnosed = [{**_DIAGNOSIS, "inout_diag_type": inout} for inout in "12"]
    lines = [
        {"feedetl_sn": "ZY1-1", "det_item_fee_sumamt": Decimal("25.73")},
        {"feedetl_sn": "ZY1-2", "det_item_fee_sumamt": Decimal("10.00")},
    ]
    stay = {
        "mdtrt_id": STAY, "ipt_no": "ZY1", "psn_no": PERSON, "begntime": "2026-11-18 09:12:00",
        "endtime": "2026-11-21 15:30:00", "state": "discharged", "diagnoses": diagnosed,
        "fees": {"count": 2, "sumamt": Decimal("35.73")}, "fee_lines": lines,
    }  # fmt: skip
    settled = {name: Decimal(text) if name in _NUMERIC else text for name, text in _SETTLED.items()}
    settlement = {**settled, "state": "settled", "revoke_setl_id": "", "msgid": NUMBERS["2304"], "infno": "2304"}
    return {
        "stays": [stay],
        "visits": [],
        "settlements": [settlement],
        "requests": dict.fromkeys(NUMBERS.values(), 1),
        "executed": {msgid: infno for infno, msgid in NUMBERS.items()},
    }
