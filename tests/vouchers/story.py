"""A stay carried through a whole gateway and the simulator, over JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from gateway import clock
from gateway.demo.client import _messages as messages
from gateway.demo.client._messages import Insured, Times
from gateway.demo.client._people import LIN, WARD_ITEMS
from tests.running import House

ROWS = 40


@dataclass
class Stay:
    """One stay: what it is called, and the steps it can take."""

    house: House
    ipt_no: str
    times: Times
    who: Insured
    mdtrt_id: str = ""
    setl_id: str = ""
    rows: int = 0

    def call(self, infno: str, message: dict[str, Any]) -> dict[str, Any]:
        return exchanged(self.house, infno, message)

    def ask(self, operation: str, **arguments: Any) -> dict[str, Any]:
        return asked(self.house, operation, {"ipt_no": self.ipt_no, **arguments})

    def voucher(self, kind: str, **more: Any) -> dict[str, Any]:
        return self.ask("Voucher", kind=kind, operator="收费员甲", **more)

    def register(self) -> Stay:
        answer = self.call("2401", messages.admission(self.who, self.ipt_no, self.times))
        self.mdtrt_id = answer["output"]["result"]["mdtrt_id"]
        return self

    def ward_in(self, at: datetime | None = None, event_id: str = "W1") -> dict[str, Any]:
        arrived = f"{at or self.times.ward_in:%Y-%m-%d %H:%M:%S}"
        place = {"ward_code": "N03", "ward_name": "内三病区"}
        return self.ask("WardIn", event_id=event_id, event_time=arrived, operator="护士乙", **place)

    def align(self) -> Stay:
        self.call("2403", messages.change(self.who, self.mdtrt_id, self.ipt_no, self.times))
        return self

    def charge(self, count: int = ROWS) -> Stay:
        self.rows = count
        self.fees = messages.stay_fees(self.who, self.mdtrt_id, self.ipt_no, self.times, WARD_ITEMS, count)
        self.call("2301", {"feedetail": self.fees})
        return self

    def leave(self) -> Stay:
        self.call("2402", messages.discharge(self.who, self.mdtrt_id, self.times))
        return self

    def settle(self) -> Stay:
        total = messages.total(self.fees)
        answer = self.call("2304", messages.stay_settlement(self.who, self.mdtrt_id, total))
        self.setl_id = answer["output"]["setlinfo"]["setl_id"]
        return self

    def revoke(self) -> Stay:
        self.call("2305", messages.undo(self.who, self.mdtrt_id, setl_id=self.setl_id))
        return self

    def unleave(self) -> Stay:
        self.call("2405", messages.undo(self.who, self.mdtrt_id))
        return self

    def at(self, ward_in: datetime) -> Stay:
        """The same stay with another time of ward-in from here on."""
        self.times = replace(self.times, ward_in=ward_in)
        return self


def begin(house: House, ipt_no: str) -> Stay:
    """A stay of somebody new, not yet registered."""
    answer = exchanged(house, "1101", messages.person(LIN))
    output = answer["output"]
    insured = output["insuinfo"][0]
    who = Insured(LIN, output["baseinfo"]["psn_no"], insured["insutype"], insured["insuplc_admdvs"])
    times = Times.before(clock.now() - timedelta(days=10 * (1 + int(ipt_no[1:]) % 300)))
    return Stay(house, ipt_no, times, who)


def settled(house: House, ipt_no: str) -> Stay:
    """A stay from registration to settlement."""
    stay = begin(house, ipt_no).register()
    stay.ward_in()
    return stay.align().charge().leave().settle()


def exchanged(house: House, infno: str, message: dict[str, Any]) -> dict[str, Any]:
    """One exchange; fails when it was refused."""
    body = json.dumps({"input": message}).encode()
    answer: dict[str, Any] = json.loads(house.http(f"/api/v1/transactions/{infno}", body, "application/json").body)
    assert str(answer["infcode"]) == "0", (infno, answer)
    return answer


def asked(house: House, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """One operation of the hospital service."""
    body = json.dumps(arguments).encode()
    answer = house.http(f"/api/v1/hospital/{operation}", body, "application/json")
    assert answer.status == 200, answer.body
    told: dict[str, Any] = json.loads(answer.body)
    return told
