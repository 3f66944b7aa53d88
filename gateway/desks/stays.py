"""What the operator's command asks of the running gateway about stays: take over one that it did not register."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final

from gateway.contract.jsontext import dumps, loads_strict
from gateway.exchange.call import OURSELVES, Adopts, Call
from gateway.exchange.exchange import Exchange
from gateway.exchange.ports import JournalUnavailable
from gateway.exchange.stay_rules import VISIT_QUERY, StayRules, registered
from gateway.faults import Refused, Unreadable
from gateway.rules.stay import Stay
from gateway.rules.times import TimeUnreadable, read_instant
from gateway.stays.desk import Judged, StayDesk
from gateway.stays.history import Adopted, History
from gateway.stays.ports import StayRef
from gateway.stays.view import status
from gateway.store.operator_log import OperatorLog

NAMED: Final = ("ipt_no", "mdtrt_id", "psn_no")
FACTS: Final = (*NAMED, "begntime", "endtime", "med_type", "in_hospital")
WARD: Final = ("ward_in_time", "ward_code", "ward_name", "reason")
_TIMES: Final = ("begntime", "endtime", "ward_in_time")
_WIDTH: Final = 64
EVENT_ID: Final = "import"
"""``event_id`` of a ward-in that an import file tells; told again by the hospital it is another event."""


class StaysDesk:
    """Answers ``POST /-/stays/adopt``; every answer is an object, with ``error`` when nothing was done.

    Args:
        head: who stands in the head of what is asked in an operator's name.
        log: keeps who took over what.
    """

    def __init__(
        self,
        desk: StayDesk,
        rules: StayRules,
        exchange: Exchange,
        clock: Callable[[], datetime],
        *,
        head: Mapping[str, str],
        log: OperatorLog,
    ) -> None:
        self._desk = desk
        self._rules = rules
        self._exchange = exchange
        self._clock = clock
        self._head = head
        self._log = log

    def adopt(self, body: bytes) -> dict[str, Any]:
        """Take over the stay in ``body``: ``{"stay": {...}, "operator", "query"}``.

        Returns:
            ``outcome`` (``adopted`` of a stay that was not known, ``known`` where nothing is other than before,
            ``differing`` with the ``differences``), and what the stay looks like afterwards.
        """
        try:
            wish = loads_strict(body.decode("utf-8"))
            stay = {name: str(value).strip() for name, value in wish["stay"].items() if str(value or "").strip()}
            operator, query = str(wish["operator"]).strip(), bool(wish.get("query"))
            _check(stay, query=query)
            self._log.append(operator, "stays.adopt", stay["mdtrt_id"], "query" if query else "import")
            ref = StayRef(mdtrt_id=stay["mdtrt_id"])
            before = self._desk.judged(ref)
            self._take_over(stay, operator, query=query)
            judged = self._desk.judged(ref)
            found = _differences(before, judged, asked=query)
        except (KeyError, TypeError, AttributeError, Unreadable, UnicodeDecodeError):
            return {"error": f"须为 stay（{'、'.join(FACTS + WARD)}）与 operator"}
        except (ValueError, Refused) as error:
            return {"error": str(error)}
        except JournalUnavailable:
            return {"error": "网关存储不可用，没有改动"}
        table = self._exchange.interface.contract.rules
        outcome = "adopted" if not registered(before.history) else "differing" if found else "known"
        told = {"adopted": True, "outcome": outcome, "differences": found if outcome == "differing" else []}
        return {**told, **status(judged.stay, table, self._desk.policy, self._clock())}

    def _take_over(self, stay: Mapping[str, str], operator: str, *, query: bool) -> None:
        ref = StayRef(stay.get("ipt_no", ""), stay["mdtrt_id"])
        if query:
            self._rules.adopt(ref, stay["psn_no"], partial(self._ask, operator))
        else:
            facts = {name: stay[name] for name in FACTS if name in stay}
            self._desk.records.adopt(
                ref, stay["psn_no"], Adopted("import", self._clock(), facts=facts, after=self._rules.newest(ref))
            )
        if "ward_in_time" in stay:
            told = {name: stay[name] for name in ("ipt_no", "mdtrt_id", *WARD) if name in stay}
            told |= {"event_id": EVENT_ID, "event_time": stay["ward_in_time"], "operator": operator}
            self._desk.tell("ward_in", told, OURSELVES.name)

    def from_platform(self, ref: StayRef, psn_no: str, operator: str) -> str:
        """Take a stay over from 5201 and 5202 in a job's name; why not, empty when it was. Raises ``JournalUnavailable``."""
        self._log.append(operator, "stays.adopt", ref.mdtrt_id, "query")
        try:
            self._rules.adopt(ref, psn_no, partial(self._ask, operator))
        except Refused as error:
            return str(error)
        found = self._desk.judged(ref).stay.times.t_ins is not None
        return "" if found else f"平台没有查到就诊 {ref.mdtrt_id}（5201）"

    def _ask(self, operator: str, infno: str, message: Mapping[str, Any], adopts: Adopts) -> Any:
        head = {**self._head, "opter_name": operator[:50]}
        call = Call(OURSELVES, infno, message, dumps(message), OURSELVES.name, head, adopts=adopts)
        reply = self._exchange.handle(call)
        return (reply.output or {}) if not reply.code else None


_COMPARED: Final[Mapping[str, Callable[[Stay], str]]] = {
    "医保入院时间": lambda stay: stay.times.t_ins.text if stay.times.t_ins else "",
    "出院时间": lambda stay: stay.times.t_dsc.text if stay.times.t_dsc else "",
    "在院状态": lambda stay: stay.presence,
    "医疗类别": lambda stay: stay.med_type,
    "医保入院时间与入科时间": lambda stay: stay.alignment,
    "结算": lambda stay: stay.settlement,
}
"""What taking over may show to be other than the gateway had it."""


def _differences(before: Judged, after: Judged, *, asked: bool) -> list[dict[str, str]]:
    """What the gateway knew and what it knows now, where these differ.

    Raises:
        ValueError: the platform was asked and shows no such visit, of which the gateway knows nothing either.
    """
    if asked and not _shown(after.history) > _shown(before.history):
        if not registered(before.history):
            raise ValueError("平台没有查到该就诊（5201），请核对就诊 ID 与人员编号")
        return [{"what": "平台查询", "before": "网关有登记", "after": "平台没有查到该就诊（5201）"}]
    pairs = ((what, read(before.stay), read(after.stay)) for what, read in _COMPARED.items())
    return [{"what": what, "before": old, "after": new} for what, old, new in pairs if old != new]


def _shown(history: History) -> int:
    """How often the platform has shown this visit."""
    return sum(one.infno == VISIT_QUERY for one in history.adoptions)


def _check(stay: Mapping[str, str], *, query: bool) -> None:
    """Raises ValueError with everything that is wrong, in words for staff."""
    needed = ["mdtrt_id", "psn_no", *(() if query else ("begntime",))]
    needed += ["ipt_no", "ward_code"] if "ward_in_time" in stay else []
    wrong = [f"缺少 {name}" for name in needed if name not in stay]
    wrong += [f"没有名为 {name} 的列" for name in stay if name not in FACTS + WARD]
    wrong += [f"{name} 超过 {_WIDTH} 个字符" for name in NAMED if len(stay.get(name, "")) > _WIDTH]
    for name in _TIMES:
        try:
            read_instant(stay.get(name, "2000-01-01 00:00"))
        except TimeUnreadable as error:
            wrong.append(f"{name}：{error}")
    if wrong:
        raise ValueError("；".join(wrong))
