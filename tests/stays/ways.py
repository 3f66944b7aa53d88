"""One stay at a real gateway before the real simulator, carried by whichever way a hospital calls."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from gateway.exchange.ports import Exchange, Query
from tests.running import House
from tests.simulation import messages

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
NAMESPACE = "urn:yibao:gateway:v1"
GROUPS = {"1101": "person", "2601": "reversal"}
WAYS = ("typed", "string", "json", "callfun")
_numbers = count(1)

REGISTERED = "2026-02-20 09:12:00"
WARD_IN = "2026-02-20 10:05:00"


@dataclass(frozen=True)
class Told:
    """An answer in national terms, whatever way it came."""

    code: str
    text: str
    warning: str = ""
    output: Mapping[str, Any] = field(default_factory=dict)

    @property
    def done(self) -> bool:
        return self.code == ""


def _soap(house: House, path: str, body: str) -> ET.Element:
    envelope = f'<s:Envelope xmlns:s="{SOAP}"><s:Body>{body}</s:Body></s:Envelope>'
    answer = house.http(path, envelope.encode())
    assert answer.status == 200, answer.body
    return ET.fromstring(answer.body)[0][0]


def _tree(element: ET.Element) -> Any:
    if not len(element):
        return element.text or ""
    found: dict[str, Any] = {}
    for child in element:
        found.setdefault(child.tag.rpartition("}")[2], []).append(_tree(child))
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def _told(parts: Mapping[str, Any]) -> Told:
    code = "" if str(parts["infcode"]) == "0" else str(parts["code"])
    return Told(code, str(parts.get("err_msg") or ""), str(parts.get("warn_msg") or ""), parts.get("output") or {})


def typed(house: House, infno: str, message: Mapping[str, Any]) -> Told:
    inner = messages._inner(dict(message))
    group = GROUPS.get(infno) or ("settlement-list" if infno.startswith("4") else "inpatient")
    return _told(_tree(_soap(house, f"/soap/{group}", f'<Txn{infno} xmlns="{NAMESPACE}">{inner}</Txn{infno}>')))


def string(house: House, infno: str, message: Mapping[str, Any]) -> Told:
    text = escape(messages.as_xml({}, dict(message)))
    call = f'<Call xmlns="{NAMESPACE}"><infno>{infno}</infno><request>{text}</request></Call>'
    return _told(_tree(ET.fromstring(_soap(house, "/soap/exchange", call)[0].text or "")))


def by_json(house: House, infno: str, message: Mapping[str, Any]) -> Told:
    body = json.dumps({"input": message}).encode()
    return _told(json.loads(house.http(f"/api/v1/transactions/{infno}", body, "application/json").body))


def callfun(house: House, infno: str, message: Mapping[str, Any]) -> Told:
    """A WSDL taken over: its failures come in its own form."""
    text = escape(json.dumps({"transNo": infno, "data": message}))
    call = f'<n:CallFun xmlns:n="http://ws.yibao.his/"><arg0>{text}</arg0></n:CallFun>'
    parts = json.loads(_soap(house, "/soap/legacy/callfun", call)[0].text or "")
    if parts["success"] == "1":
        return Told("", "", str(parts.get("message") or ""), parts.get("data") or {})
    return Told(parts["code"], parts["message"])


CALLS = {"typed": typed, "string": string, "json": by_json, "callfun": callfun}


@dataclass
class Stay:
    """One stay of one person, admitted at REGISTERED.

    Args:
        way: of every transaction.
    """

    house: House
    way: str
    psn_no: str = ""
    mdtrt_id: str = ""
    ipt_no: str = field(default_factory=lambda: f"W{next(_numbers):06d}")

    def call(self, infno: str, message: Mapping[str, Any]) -> Told:
        return CALLS[self.way](self.house, infno, message)

    def done(self, infno: str, message: Mapping[str, Any]) -> Told:
        told = self.call(infno, message)
        assert told.done, told
        return told

    def refused(self, infno: str, message: Mapping[str, Any], code: str) -> Told:
        """Refused with this code: journaled, and the platform never hears of it."""
        before = self.executed(infno)
        told = self.call(infno, message)
        assert told.code == code, told
        assert self.executed(infno) == before
        row = self.newest(infno)
        assert (row.state, row.code) == ("REFUSED", code)
        return told

    def newest(self, infno: str) -> Exchange:
        return self.house.gateway.store.journal.search(Query(infno=infno, limit=1))[0]

    def executed(self, infno: str) -> int:
        """How often the platform has done such a thing for this stay."""
        rows = self.house.gateway.store.journal.search(Query(keys=[("mdtrt_id", self.mdtrt_id)], infno=infno))
        assert self.house.simulator is not None
        seen = self.house.simulator.ledger()["requests"]
        return sum(seen.get(row.msgid or "", 0) for row in rows)

    def ask(self, operation: str, **arguments: Any) -> dict[str, Any]:
        who = {} if operation == "StayStatus" else {"operator": "护士"}
        body = json.dumps({"ipt_no": self.ipt_no, **who, **arguments}).encode()
        answer = self.house.http(f"/api/v1/hospital/{operation}", body, "application/json")
        assert answer.status == 200, answer.body
        told: dict[str, Any] = json.loads(answer.body)
        return told

    def ward_in(self, at: str = WARD_IN, event_id: str = "E1", ward: str = "A03", **more: str) -> dict[str, Any]:
        told = self.ask("WardIn", event_id=event_id, ward_code=ward, event_time=at, **more)
        assert told["infcode"] == 0, told
        return told

    # ------------------------------------------------------------- messages

    def admit(self) -> Stay:
        certno = f"440899196103{next(_numbers) % 28 + 1:02d}{next(_numbers) % 900:03d}X"
        person = by_json(self.house, "1101", messages.person(certno))
        self.psn_no = person.output["baseinfo"]["psn_no"]
        told = self.done("2401", messages.admission(self.psn_no, self.ipt_no))
        self.mdtrt_id = str(told.output["result"]["mdtrt_id"])
        return self

    def change(self, begntime: str, **more: str) -> dict[str, Any]:
        message = messages.change(self.psn_no, self.mdtrt_id, self.ipt_no, begntime)
        message["adminfo"] |= more
        if not begntime:
            del message["adminfo"]["begntime"]
        return message

    def discharge(self, **more: str) -> dict[str, Any]:
        message = messages.discharge(self.psn_no, self.mdtrt_id)
        message["dscginfo"] |= more
        return message

    def fees(self, *times: str, sn: str = "F") -> dict[str, Any]:
        rows = [messages.fee(self.psn_no, self.mdtrt_id, f"{self.ipt_no}{sn}{n}", 1000, med_type="21")
                | {"fee_ocur_time": at} for n, at in enumerate(times or ("2026-02-21 08:00:00",))]  # fmt: skip
        return {"feedetail": rows}

    def settlement(self, amount: str = "10.00", interim: str = "0") -> dict[str, Any]:
        message = messages.stay_settlement(self.psn_no, self.mdtrt_id, messages.total(()), interim)
        message["data"]["medfee_sumamt"] = amount
        return message

    def undo(self, **more: str) -> dict[str, Any]:
        return messages.undo(self.psn_no, self.mdtrt_id, **more)

    def aligned(self) -> Stay:
        self.ward_in()
        self.done("2403", self.change(WARD_IN))
        return self

    def ledger(self) -> dict[str, Any]:
        assert self.house.simulator is not None
        stays = self.house.simulator.ledger()["stays"]
        return next(one for one in stays if one["mdtrt_id"] == self.mdtrt_id)
