"""What the large journal holds: every row is a function of its number, so that a build goes on where it stopped.

A visit has six exchanges, spread over six thousand rows. One visit in a hundred is that of a *popular* patient; there are
as many popular patients as give each about five thousand exchanges, whatever the size: the worst key does not shrink
with the journal.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from gateway.exchange import entries
from gateway.exchange.ports import State

INSTITUTION: Final = "H44080300018"
SPAN: Final = timedelta(days=3 * 365)
UNTIL: Final = datetime(2026, 11, 21, tzinfo=entries.SHANGHAI)
"""The time of the newest row; three years lie behind it."""
POPULAR_ROWS: Final = 5000
_POPULAR_OF: Final = 100
_BLOCK: Final = 1000
_STEPS: Final = 6
NAMES: Final = 3000
"""Patients share so many names: the kind of key with the most rows a value."""
_OUTPATIENT: Final = ("1101", "2201", "2204", "2206", "2207", "5201")
_INPATIENT: Final = ("1101", "2401", "2301", "2301", "2303", "2304")
_SETTLING: Final = frozenset({"2207", "2304"})
RARE_INFNO: Final = "2601"
RARE_EVERY: Final = 9973
OPEN_EVERY: Final = 100_003
RARE_CLIENT: Final = "pacs"
CODES: Final = ("GW-1101", "GW-1203", "GW-2101")
RARE_CODE: Final = "GW-4101"
_ENDS: Final = ((940, State.CONFIRMED), (980, State.DECLINED), (995, State.REFUSED), (998, State.NOT_SENT))
_WORD: Final = (1 << 64) - 1


def mix(number: int, salt: int) -> int:
    """A number of 64 bits that looks random and is always the same."""
    value = (number * 0x9E3779B97F4A7C15 + salt * 0xBF58476D1CE4E5B9) & _WORD
    value = ((value ^ (value >> 31)) * 0x94D049BB133111EB) & _WORD
    return value ^ (value >> 29)


@dataclass(frozen=True, slots=True)
class Past:
    """The rows of a journal of ``rows`` exchanges."""

    rows: int

    @property
    def popular(self) -> int:
        """Patients 0 to this have about :data:`POPULAR_ROWS` exchanges each."""
        return max(1, self.rows // (_POPULAR_OF * POPULAR_ROWS))

    @property
    def patients(self) -> int:
        return max(200, self.rows // 40)

    def received_ms(self, number: int) -> int:
        step = SPAN / self.rows
        return entries.to_ms(UNTIL - step * (self.rows - number))

    def patient(self, visit: int) -> int:
        chosen = mix(visit, 1)
        if chosen % _POPULAR_OF == 0:
            return chosen // _POPULAR_OF % self.popular
        return chosen // _POPULAR_OF % self.patients

    def keys(self, number: int) -> list[tuple[str, str]]:
        """Three to eight keys, as the messages of these transactions carry them."""
        visit, step = _visit(number)
        patient = self.patient(visit)
        keys = [("psn_no", person("psn_no", patient)), ("mdtrt_id", f"MD{visit:014d}")]
        keys.append(("ipt_no", f"ZY{visit:010d}") if _inpatient(visit) else ("ipt_otp_no", f"MZ{visit:010d}"))
        if step < 2:
            keys += [(kind, person(kind, patient)) for kind in ("certno", "psn_name", "card")]
        if infno(number) in _SETTLING:
            keys += [("setl_id", f"ST{visit:014d}"), ("certno", person("certno", patient))]
        if infno(number) == RARE_INFNO:
            keys.append(("omsgid", msgid(number - 1)))
        return list(dict.fromkeys(keys))

    def row(self, number: int) -> dict[str, Any]:
        """The columns of ``exchange``, still in plain; empty text is None."""
        chosen, received_ms = mix(number, 2), self.received_ms(number)
        state = _state(number, chosen)
        refused = state is State.REFUSED
        return {
            "id": number,
            "infno": infno(number),
            "state": state.value,
            "safety": "money",
            "client": client(number),
            "channel": "typed",
            "institution": INSTITUTION,
            "province": "guangdong",
            "msgid": None if refused else msgid(number),
            "request_id": request_id(number) if chosen % 5 else None,
            "content_hash": f"{chosen:064x}",
            "opter": f"{chosen % 300:04d}",
            "mapping_version": "0123456789abcdef",
            "received_at": received_ms,
            "finished_at": received_ms + 700,
            "infcode": None if refused else "-1" if state is State.DECLINED else "0",
            "inf_refmsgid": None if refused else f"440000{number:024d}",
            "err_msg": "该参保人当日已有同类登记，请核对就诊信息" if state is State.DECLINED else None,
            "warn_msg": None,
            "code": _code(number, state),
            "elapsed_ms": 650 + chosen % 900,
            "node": "n1",
            "business_key": f"mdtrt_id:MD{_visit(number)[0]:014d}",
            "epoch": 1,
        }


def person(kind: str, patient: int) -> str:
    """The value of one kind of key of a patient."""
    if kind == "psn_name":
        return f"姓名{patient % NAMES:04d}"
    return {"psn_no": f"44{patient:028d}", "certno": f"440803{patient:012d}", "card": f"K{patient:017d}"}[kind]


def msgid(number: int) -> str:
    return f"{INSTITUTION}{number:018d}"


def request_id(number: int) -> str:
    return f"HIS-{number:020d}"


def infno(number: int) -> str:
    if number % RARE_EVERY == 0:
        return RARE_INFNO
    visit, step = _visit(number)
    return (_INPATIENT if _inpatient(visit) else _OUTPATIENT)[step]


def client(number: int) -> str:
    chosen = mix(number, 3) % 1000
    return "his" if chosen < 900 else "lis" if chosen < 999 else RARE_CLIENT


def _visit(number: int) -> tuple[int, int]:
    """The visit of an exchange and which of its six it is."""
    return number // (_BLOCK * _STEPS) * _BLOCK + number % _BLOCK, number // _BLOCK % _STEPS


def _inpatient(visit: int) -> bool:
    return mix(visit, 4) % 3 == 0


def _state(number: int, chosen: int) -> State:
    if number % OPEN_EVERY == 0:
        return State.ESCALATED
    of_thousand = chosen // 7 % 1000
    return next((state for below, state in _ENDS if of_thousand < below), State.NOT_DONE)


def _code(number: int, state: State) -> str | None:
    if state is State.ESCALATED or state is State.NOT_DONE:
        return RARE_CODE
    return CODES[number % len(CODES)] if state in (State.REFUSED, State.NOT_SENT) else None
