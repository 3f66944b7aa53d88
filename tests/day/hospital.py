"""A hospital's day: inpatients of the sample HIS and outpatients, through a gateway to a platform; what the HIS was told."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any, Final

from tests.day.line import Line, Weather
from tests.simulation import messages

PAID: Final = ("medfee_sumamt", "fund_pay_sumamt", "acct_pay", "psn_cash_pay")
REVOKED_OF: Final = 12
"""Every so many settlements are cancelled again the same day."""

Money = tuple[Decimal, ...]
"""Of one settlement, in the order of :data:`PAID`."""


@dataclass(frozen=True, slots=True)
class Settled:
    """A settlement as the HIS was told of it."""

    setl_id: str
    mdtrt_id: str
    psn_no: str
    money: Money


@dataclass
class Told:
    """What the HIS believes when the day is over."""

    settled: dict[str, Settled] = field(default_factory=dict)
    revoked: set[str] = field(default_factory=set)

    def took(self, setlinfo: Mapping[str, Any], mdtrt_id: str, psn_no: str) -> str:
        """Note a settlement; its ``setl_id``."""
        money = tuple(Decimal(str(setlinfo[name])).quantize(Decimal("0.01")) for name in PAID)
        setl_id = str(setlinfo["setl_id"])
        assert setl_id not in self.settled, "one settlement was told twice"
        self.settled[setl_id] = Settled(setl_id, mdtrt_id, psn_no, money)
        return setl_id


# ------------------------------------------------------------------ inpatients


@dataclass
class Inpatient:
    """A stay as the HIS has it in its own tables."""

    row: Mapping[str, Any]
    ward_in: str
    diagnoses: Sequence[Mapping[str, Any]]
    psn_no: str = ""
    mdtrt_id: str = ""

    @property
    def ipt_no(self) -> str:
        return str(self.row["zyh"])

    @property
    def gone(self) -> bool:
        return self.row["cysj"] is not None

    def admission(self) -> dict[str, Any]:
        """2401"""
        main = self.diagnoses[0]
        info = messages.PARTICULARS | {
            "mdtrt_cert_no": self.row["sfzh"], "psn_no": self.psn_no, "ipt_no": self.ipt_no, "insutype": "310",
            "begntime": minute(self.row["rysj"]), "atddr_no": self.row["zzys"], "chfpdr_name": self.row["zzysxm"],
            "adm_dept_codg": self.row["ryks"], "adm_dept_name": self.row["ryksmc"], "adm_bed": self.row["cwh"],
            "dscg_maindiag_code": main["icd"], "dscg_maindiag_name": main["zdmc"],
        }  # fmt: skip
        return {"mdtrtinfo": info, "diseinfo": self._diagnoses()}

    def discharge(self) -> dict[str, Any]:
        """2402"""
        info = {"mdtrt_id": self.mdtrt_id, "psn_no": self.psn_no, "insutype": "310", "endtime": minute(self.row["cysj"]),
                "dscg_dept_codg": self.row["ryks"], "dscg_dept_name": self.row["ryksmc"], "dscg_bed": self.row["cwh"],
                "dscg_way": "1"}  # fmt: skip
        return {"dscginfo": info, "diseinfo": self._diagnoses(mdtrt_id=self.mdtrt_id)}

    def settlement(self, total: Decimal) -> dict[str, Any]:
        """2304"""
        message = messages.stay_settlement(self.psn_no, self.mdtrt_id, total)
        return {"data": message["data"] | {"mdtrt_cert_no": self.row["sfzh"]}}

    def _diagnoses(self, **more: str) -> list[dict[str, Any]]:
        return [
            {"psn_no": self.psn_no, "diag_type": row["zdlb"], "maindiag_flag": row["zzd"], "diag_srt_no": str(row["pxh"]),
             "diag_code": row["icd"], "diag_name": row["zdmc"], "adm_cond": row["rybq"], "diag_dept": row["zdks"],
             "dise_dor_no": row["ysbm"], "dise_dor_name": row["ysxm"], "diag_time": second(row["zdsj"]), **more}
            for row in self.diagnoses
        ]  # fmt: skip


def second(told: str) -> str:
    """A time of the HIS as messages carry it."""
    return told[:19]


def minute(told: str) -> str:
    """The same to the minute, as a clerk enters it."""
    return f"{told[:16]}:00"


def inpatients(his: Path) -> list[Inpatient]:
    """Every stay of the HIS, read from its tables by the HIS itself."""
    with closing(sqlite3.connect(his)) as connection:
        connection.row_factory = sqlite3.Row
        found = []
        for row in connection.execute("SELECT * FROM zy_brry ORDER BY id").fetchall():
            of = (row["zyh"],)
            (ward_in,) = connection.execute("SELECT min(ydsj) FROM zy_bqyd WHERE zyh = ? AND ydlx = '1'", of).fetchone()
            diagnoses = connection.execute("SELECT * FROM zy_brzd WHERE zyh = ? ORDER BY pxh", of).fetchall()
            found.append(Inpatient(dict(row), str(ward_in), [dict(one) for one in diagnoses]))
    return found


def charged(his: Path, stay: Inpatient) -> tuple[Decimal, int]:
    """What a stay comes to, by the HIS's own reckoning: from the minute of the ward-in on; and rows before it.

    A refund counts when the row that it refunds does.
    """
    with closing(sqlite3.connect(his)) as connection:
        rows = connection.execute("SELECT id, ymxid, je, fysj FROM zy_fymx WHERE zyh = ?", (stay.ipt_no,)).fetchall()
    begin = minute(stay.ward_in)
    early = {number for number, _, _, at in rows if second(at) < begin}
    early |= {number for number, original, _, _ in rows if original in early}
    total = sum((Decimal(amount) for number, _, amount, _ in rows if number not in early), Decimal("0.00"))
    return total.quantize(Decimal("0.01")), len(early)


# ------------------------------------------------------------------ the hospital


@dataclass
class Hospital:
    """The desks of a hospital, some threads of them.

    Args:
        port: of the gateway.
        his: file of the sample HIS.
        plant: makes the platform go wrong (``/_sim/faults``).
        chance: of a fault before a call.
    """

    port: int
    his: Path
    plant: Any
    seed: int
    chance: float
    desks: int = 4
    told: Told = field(default_factory=Told)
    calls: int = 0
    faults: int = 0

    def admit(self, stays: Sequence[Inpatient]) -> None:
        """1101 and 2401 of every inpatient."""
        self._share(stays, "admit", self._admit)

    def discharge(self, stays: Sequence[Inpatient]) -> None:
        """2402, 2303 and 2304 of those who have left; some settlements are cancelled and made again."""
        self._share([stay for stay in stays if stay.gone], "discharge", self._discharge)

    def outpatients(self, count: int) -> None:
        """Visits from registration to settlement; some are cancelled."""
        self._share(range(count), "visit", self.visit)

    def _share(self, items: Sequence[Any], what: str, work: Any) -> None:
        with ThreadPoolExecutor(self.desks) as pool:
            parts = [items[number :: self.desks] for number in range(self.desks)]
            for done in [pool.submit(self._desk, number, what, part, work) for number, part in enumerate(parts)]:
                calls, faults = done.result()
                self.calls += calls
                self.faults += faults

    def _desk(self, number: int, what: str, items: Sequence[Any], work: Any) -> tuple[int, int]:
        line = self.line(f"{what}{number}")
        try:
            for item in items:
                work(line, item)
        finally:
            line.close()
        return line.calls, line._weather.planted

    def line(self, name: str) -> Line:
        """A desk of this name."""
        return Line(self.port, f"{name}-{self.seed}", Weather(f"{self.seed}/{name}", self.chance, self.plant))

    # --------------------------------------------------------------- one patient

    def _admit(self, line: Line, stay: Inpatient) -> None:
        certno, name = stay.row["sfzh"], stay.row["xm"]
        wish = messages.person(certno)
        wish["data"] |= {"psn_name": name}
        stay.psn_no = str(line.done("1101", wish)["baseinfo"]["psn_no"])
        stay.mdtrt_id = str(line.done("2401", stay.admission())["result"]["mdtrt_id"])

    def _discharge(self, line: Line, stay: Inpatient) -> None:
        total, _ = charged(self.his, stay)
        line.done("2402", stay.discharge())
        line.done("2303", stay.settlement(total))
        again = self._settle(line, stay, total)
        if _pick(self.seed, stay.ipt_no) == 0:
            line.done("2305", messages.undo(stay.psn_no, stay.mdtrt_id, setl_id=again))
            self.told.revoked.add(again)
            self._settle(line, stay, total)

    def _settle(self, line: Line, stay: Inpatient, total: Decimal) -> str:
        answer = line.done("2304", stay.settlement(total))["setlinfo"]
        return self.told.took(answer, stay.mdtrt_id, stay.psn_no)

    def visit(self, line: Line, number: int) -> None:
        """One outpatient visit."""
        message = self.before_settlement(line, number)
        mdtrt_id, psn_no = str(message["data"]["mdtrt_id"]), str(message["data"]["psn_no"])
        setl_id = self.told.took(line.done("2207", message)["setlinfo"], mdtrt_id, psn_no)
        if _pick(self.seed, str(number)) == 0:
            line.done("2208", messages.undo(psn_no, mdtrt_id, setl_id=setl_id))
            self.told.revoked.add(setl_id)

    def before_settlement(self, line: Line, number: int) -> dict[str, Any]:
        """A visit up to its 2206; the 2207 that is to follow."""
        dice = Random(f"{self.seed}/visit/{number}")
        certno = f"44088319{dice.randrange(50, 99)}0{dice.randrange(1, 10)}{dice.randrange(10, 29)}{number % 10000:04d}"
        person = messages.person(certno)
        psn_no = str(line.done("1101", person)["baseinfo"]["psn_no"])
        name = f"MZ{self.seed}{number:06d}"
        registered = line.done("2201", messages.registration(psn_no, name))
        mdtrt_id = str(registered["data"]["mdtrt_id"])
        line.done("2203", messages.visit(psn_no, mdtrt_id))
        rows = [
            messages.fee(psn_no, mdtrt_id, f"{name}-{place}", dice.randrange(1, 60_000), chrg_bchno=name, rx_circ_flag="0")
            for place in range(dice.randint(1, 4))
        ]  # fmt: skip
        line.done("2204", {"feedetail": rows})
        message = messages.visit_settlement(psn_no, mdtrt_id, name, messages.total(rows))
        return messages.with_trial(message, line.done("2206", message)["setlinfo"])


def _pick(seed: int, name: str) -> int:
    return Random(f"{seed}/{name}").randrange(REVOKED_OF)


def days(told: Sequence[str]) -> Iterator[str]:
    """The days of these times, and the one after the last."""
    found = sorted({one[:10] for one in told})
    yield from found
    last = datetime.fromisoformat(found[-1]) + timedelta(days=1)
    yield f"{last:%Y-%m-%d}"
