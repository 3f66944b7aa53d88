"""A stay told step by step: every exchange goes through ``facts.extract`` as it does when it is confirmed."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

from gateway.contract.model import RuleTable
from gateway.contract.quality import QualityTable
from gateway.mappings import load
from gateway.rules.case import DayOperation, Verdict
from gateway.rules.judge import judge
from gateway.rules.policy import Policy
from gateway.rules.stay import Stay
from gateway.rules.times import SHANGHAI
from gateway.stays.derive import derive
from gateway.stays.facts import extract
from gateway.stays.history import Acknowledged, Adopted, Approved, EarlierEnd, History, Record, WardEvent, WardEventKind

DAY = "2026-03-02"
NEXT = "2026-03-03"
MDTRT = "M1"
PERSON = "P1"
IPT = "ZY1"
POLICY = Policy()
_ENDS = {
    "2401": ("2404",),
    "2402": ("2405",),
    "2403": ("2403",),
    "2405": ("2402",),
    "2301": ("2302",),
    "2302": ("2301",),
}
"""What a confirmed exchange ends, as the journal marks it (docs/inside/states.md); 2304 and 2305 go by ``setl_id``."""


@cache
def table() -> RuleTable:
    """Without the quality rules of the settlement list, which have tests of their own (``tests/rules/lists.py``)."""
    return replace(load().rules, quality=QualityTable())


def full(time: str) -> str:
    """``10:05`` -> a time of :data:`DAY`; anything longer stays as it is."""
    return f"{DAY} {time}" if len(time) in (5, 8) and ":" in time else time


def diagnoses(*codes: str, main: int = 0) -> list[dict[str, Any]]:
    return [
        {"diag_srt_no": row + 1, "diag_code": code, "diag_name": f"诊断{code}", "diag_type": "1",
         "maindiag_flag": "1" if row == main else "0", "mdtrt_id": MDTRT, "psn_no": PERSON}
        for row, code in enumerate(codes)
    ]  # fmt: skip


def operation(code: str, kind: str = "2", name: str = "") -> dict[str, Any]:
    return {"oprn_oprt_code": code, "oprn_oprt_name": name or f"手术{code}", "oprn_oprt_type": kind}


class Life:
    """One stay as it happens; ``now`` moves a second with every step unless set."""

    def __init__(self, policy: Policy = POLICY) -> None:
        self.policy = policy
        self.now = datetime(2026, 3, 20, 12, 0, tzinfo=SHANGHAI)
        self.events: list[WardEvent] = []
        self.exchanges: list[Acknowledged] = []
        self.records: list[Record] = []
        self.adoptions: list[Adopted] = []
        self.earlier: list[EarlierEnd] = []
        self.approvals: list[Approved] = []
        self._received = datetime(2026, 3, 2, 7, 0, tzinfo=SHANGHAI)

    def tick(self) -> datetime:
        self._received += timedelta(seconds=1)
        return self._received

    # ------------------------------------------------------------ what the hospital tells

    def tell(self, kind: WardEventKind, event_id: str, time: str = "", **more: Any) -> Life:
        event = WardEvent(event_id, kind, self.tick(), full(time), serial=len(self.events), operator="护士", **more)
        self.events.append(event)
        return self

    def ward(self, time: str, event_id: str = "e1", ward: str = "A", **more: Any) -> Life:
        return self.tell("ward_in", event_id, time, ward_code=ward, **more)

    def void(self, event_id: str = "e1") -> Life:
        return self.tell("ward_in_void", event_id)

    def record(self, kind: Any, *rows: dict[str, Any], version: int = 1, **visit: str) -> Life:
        self.records.append(Record(kind, version, self.tick(), rows, "病案", visit))
        return self

    # ------------------------------------------------------------ what the platform acknowledged

    def exchange(self, infno: str, message: Any, output: Any = None, state: str = "CONFIRMED") -> Life:
        number = len(self.exchanges) + 1
        facts = extract(infno, message, output).get(MDTRT, {}) if state == "CONFIRMED" else {}
        one = Acknowledged(number, infno, state, self.tick(), None, self.tick(), "0001", facts)
        if state == "CONFIRMED":
            self.exchanges = [self._ended(other, one) for other in self.exchanges]
        self.exchanges.append(one)
        return self

    def _ended(self, other: Acknowledged, by: Acknowledged) -> Acknowledged:
        same_setl = other.facts.get("setl_id") == by.facts.get("setl_id")
        revoked = (by.infno[:4], other.infno[:4]) == ("2305", "2304") and same_setl
        ends = revoked or other.infno in _ENDS.get(by.infno, ())
        return replace(other, undone_by=by.exchange_id) if ends and other.state == "CONFIRMED" else other

    def settle_doubt(self, state: str, facts: dict[str, Any] | None = None) -> Life:
        """The last exchange, in doubt until now, is settled."""
        last = self.exchanges.pop()
        self.exchanges.append(replace(last, state=state, finished_at=self.tick(), facts=facts or {}))
        return self

    def reg(self, time: str = "08:10") -> Life:
        return self.exchange("2401", admission(time), {"result": {"mdtrt_id": MDTRT}})

    def change(self, time: str, state: str = "CONFIRMED", **more: Any) -> Life:
        return self.exchange("2403", change(time, **more), state=state)

    def leave(self, time: str = f"{NEXT} 16:00", **more: Any) -> Life:
        return self.exchange("2402", leaving(time, **more))

    def back(self, state: str = "CONFIRMED") -> Life:
        return self.exchange("2405", undo(), state=state)

    def fees(self, *rows: tuple[str, str], infno: str = "2301") -> Life:
        return self.exchange(infno, fee_rows(*rows))

    def remove(self, *numbers: str) -> Life:
        return self.exchange(
            "2302", {"data": [{"feedetl_sn": sn, "mdtrt_id": MDTRT, "psn_no": PERSON} for sn in numbers]}
        )

    def settle(self, setl_id: str = "S1", mid: str = "0", infno: str = "2304") -> Life:
        return self.exchange(infno, settlement(mid), {"setlinfo": {"mdtrt_id": MDTRT, "setl_id": setl_id}})

    def revoke(self, setl_id: str = "S1") -> Life:
        return self.exchange("2305", {"data": {"mdtrt_id": MDTRT, "psn_no": PERSON, "setl_id": setl_id}})

    def settle_anew(self, mid: str) -> Life:
        return self.settle(f"S{len(self.exchanges)}", mid)

    def revoke_any(self, which: int) -> Life:
        """One of the settlements there were, if any."""
        made = [e.facts["setl_id"] for e in self.exchanges if e.infno == "2304"]
        return self.revoke(made[which % len(made)]) if made else self

    def listing(self, status: str = "", setl_id: str = "S1", adm_time: str = "10:05") -> Life:
        self.exchange("4101A", settlement_list(adm_time, setl_id=setl_id), {"data": {"setl_list_id": "L1"}})
        if status:
            facts = extract(
                "4102", {"data": {"stastinfo": [{"psn_no": PERSON, "setl_id": setl_id, "stas_type": status}]}}, None
            )
            number = len(self.exchanges) + 1
            self.exchanges.append(
                Acknowledged(number, "4102", "CONFIRMED", self.tick(), None, self.tick(), "", facts[""])
            )
        return self

    def query(self, time: str, state: str = "1", endtime: str = "") -> Life:
        row = {"mdtrt_id": MDTRT, "psn_no": PERSON, "begntime": full(time), "endtime": full(endtime), "inhosp_stas": state,
               "med_type": "21"}  # fmt: skip
        facts = extract("5201", {}, {"mdtrtinfo": [row]})[MDTRT]
        self.adoptions.append(Adopted("query", self.tick(), "5201", facts, after=len(self.exchanges)))
        return self

    def read_back(self, rows: list[dict[str, Any]], inout: str = "1") -> Life:
        shown = [{**row, "inout_diag_type": inout} for row in rows]
        facts = extract("5202", {}, {"diseinfo": shown})[MDTRT]
        self.adoptions.append(Adopted("query", self.tick(), "5202", facts, after=len(self.exchanges)))
        return self

    # ------------------------------------------------------------ what follows

    @property
    def history(self) -> History:
        return History(
            IPT, MDTRT, PERSON, tuple(self.events), tuple(self.exchanges), tuple(self.records), tuple(self.adoptions),
            tuple(self.earlier), tuple(self.approvals),
        )  # fmt: skip

    @property
    def stay(self) -> Stay:
        return derive(self.history, self.policy)

    def judged(self, infno: str, message: Any, day_surgery: dict[str, DayOperation] | None = None) -> Verdict:
        return judge(infno, message, self.stay, self.now, self.policy, table(), day_surgery=day_surgery)

    def code(self, infno: str, message: Any, **more: Any) -> str:
        """The code of the refusal, empty when it passes."""
        refusal = self.judged(infno, message, **more).refusal
        return refusal.fault.code if refusal else ""

    def discharged(self, time: str = f"{NEXT} 16:00", **more: Any) -> str:
        return self.code("2402", leaving(time, **more))

    def changed(self, time: str | None, **more: Any) -> str:
        return self.code("2403", change(time, **more))


# ------------------------------------------------------------------ messages


def admission(time: str, dise: list[dict[str, Any]] | None = None, **more: Any) -> dict[str, Any]:
    form = {"psn_no": PERSON, "ipt_no": IPT, "begntime": full(time), "med_type": "21", "adm_bed": "1床", "tel": "1"}
    return {"mdtrtinfo": form | more, "diseinfo": dise if dise is not None else diagnoses("I10.x00")}


def change(time: str | None, dise: list[dict[str, Any]] | None = None, **more: Any) -> dict[str, Any]:
    form: dict[str, Any] = {"mdtrt_id": MDTRT, "psn_no": PERSON, "med_type": "21", "ipt_otp_no": IPT, "adm_bed": "1床"}
    if time is not None:
        form["begntime"] = full(time)
    return {"adminfo": form | more, "diseinfo": dise if dise is not None else diagnoses("I10.x00")}


def leaving(time: str, dise: list[dict[str, Any]] | None = None, **more: Any) -> dict[str, Any]:
    form = {"mdtrt_id": MDTRT, "psn_no": PERSON, "endtime": full(time), "dscg_way": "1"}
    return {"dscginfo": form | more, "diseinfo": dise if dise is not None else diagnoses("I10.x00")}


def undo() -> dict[str, Any]:
    return {"data": {"mdtrt_id": MDTRT, "psn_no": PERSON}}


def fee_rows(*rows: tuple[str, str], mdtrt_id: str = MDTRT) -> dict[str, Any]:
    return {"feedetail": [fee(sn, time) | {"mdtrt_id": mdtrt_id, "psn_no": PERSON} for sn, time in rows]}


def fee(sn: str, time: str, init: str = "", amount: str = "10.00", cnt: str = "1") -> dict[str, Any]:
    row = {"feedetl_sn": sn, "fee_ocur_time": full(time), "cnt": Decimal(cnt), "det_item_fee_sumamt": Decimal(amount)}
    return row | ({"init_feedetl_sn": init} if init else {})


def settlement(mid: str = "0") -> dict[str, Any]:
    return {"data": {"mdtrt_id": MDTRT, "psn_no": PERSON, "mid_setl_flag": mid}}


def settlement_list(adm_time: str, *operations: dict[str, Any], setl_id: str = "S1", **more: Any) -> dict[str, Any]:
    form = {"mdtrt_id": MDTRT, "psn_no": PERSON, "setl_id": setl_id, "adm_time": full(adm_time)}
    return {"setlinfo": form | more, "diseinfo": diagnoses("I10.x00"), "oprninfo": list(operations)}
