"""What the platform knows: persons, stays, visits, fee lines, settlements, and what it has executed."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from gateway.simulator import persons
from gateway.simulator.arithmetic import ZERO, Figures, Split
from gateway.simulator.persons import Person

if TYPE_CHECKING:
    from gateway.simulator.lists import SettlementList

EpisodeKind = Literal["stay", "visit", "purchase"]
EpisodeState = Literal["in_hospital", "discharged", "registered", "settled", "cancelled", "reversed"]


class Declined(Exception):
    """The platform refuses a request; the text (Chinese) becomes ``err_msg``. Nothing was executed."""


@dataclass(slots=True)
class FeeLine:
    """One uploaded line; ``row`` is the message as it came, ``setl_id`` the settlement in force that paid it."""

    sn: str
    batch: str
    split: Split
    row: Mapping[str, Any]
    refund_of: str = ""
    setl_id: str = ""


@dataclass(slots=True)
class Episode:
    """A stay (2401), an outpatient visit (2201) or a purchase at a pharmacy (2102); ``mdtrt_id`` is its key."""

    mdtrt_id: str
    kind: EpisodeKind
    psn_no: str
    fixmedins_code: str
    number: str
    """ipt_no of a stay, ipt_otp_no of a visit."""
    begntime: str
    state: EpisodeState
    info: dict[str, Any]
    """Fields as the newest 2401/2403/2402 or 2201/2203 gave them."""
    endtime: str = ""
    diagnoses: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    """(inout_diag_type, diag_srt_no) -> row."""
    lines: dict[str, FeeLine] = field(default_factory=dict)
    settlements: list[Settlement] = field(default_factory=list)

    @property
    def gone(self) -> bool:
        return self.state in ("cancelled", "reversed")

    @property
    def settled(self) -> list[Settlement]:
        """Its settlements that are in force."""
        return [one for one in self.settlements if one.state == "settled"]

    def unsettled(self, batch: str = "") -> list[FeeLine]:
        """Lines without a settlement in force, of one ``chrg_bchno`` when given."""
        return [line for line in self.lines.values() if not line.setl_id and batch in ("", line.batch)]


@dataclass(slots=True)
class Settlement:
    """One settlement and what became of it."""

    setl_id: str
    episode: Episode
    figures: Figures
    infno: str
    msgid: str
    setl_time: str
    request: Mapping[str, Any]
    final: bool
    """False for an interim settlement (mid_setl_flag 1): the stay goes on."""
    state: Literal["settled", "revoked", "reversed"] = "settled"
    revoked_at: str = ""
    revoking_msgid: str = ""
    revoked_by: str = ""
    """setl_id that 2305/2208/2103 answered with."""


@dataclass(slots=True)
class Executed:
    """A request that took effect once; ``undo`` is there when 2601 may reverse it."""

    infno: str
    psn_no: str
    at: str
    undo: Callable[[], None] | None = None


@dataclass(slots=True)
class Reversal:
    """What 2601 said about one ``omsgid``; empty refusal means reversed. Either way the msgid is closed for good."""

    oinfno: str
    psn_no: str
    refusal: str


@dataclass(frozen=True, slots=True)
class File:
    """A file that was uploaded (9101) or is there to be fetched (9102); ``fixmedins_code`` may fetch it, ``plc`` anyone."""

    name: str
    fixmedins_code: str
    content: bytes


class Ledger:
    """The whole memory of the platform; the simulator's lock guards it.

    Args:
        seed: fixes what is invented about persons.
        origin: digits inside identifiers, so that two ledgers never give the same ``mdtrt_id``.
        admdvs: the platform's area.
        today: for ages of invented persons.
    """

    def __init__(self, *, seed: int, origin: int, admdvs: str, today: date) -> None:
        self.seed = seed
        self.admdvs = admdvs
        self._origin = origin % 10**11
        self._serials: Counter[str] = Counter()
        self.persons: dict[str, Person] = {}
        self.episodes: dict[str, Episode] = {}
        self._numbers: dict[tuple[str, str, str], Episode] = {}
        self.settlements: dict[str, Settlement] = {}
        self.requests: Counter[str] = Counter()
        self.executed: dict[str, Executed] = {}
        self.reversals: dict[str, Reversal] = {}
        self.records: list[dict[str, Any]] = []
        self.sign_ins: dict[str, str] = {}
        self.files: dict[str, File] = {}
        self.lists: dict[str, SettlementList] = {}
        self.attributes: list[dict[str, Any]] = []
        self.planted: list[dict[str, Any]] = []
        self.catalogs: dict[str, Any] = {}
        """infno -> its book (``catalogs.py``)."""
        self.broken_catalogs: dict[str, str] = {}
        """infno -> how its next file is broken."""
        for person in persons.ready_made(seed, admdvs, today):
            self.persons[person.psn_no] = person

    def next_id(self, kind: Literal["1", "2", "3", "4"]) -> str:
        """A fresh identifier of 26 digits: 1 visit, 2 settlement, 3 sign-in, 4 anything else."""
        self._serials[kind] += 1
        return f"{self.admdvs}{kind}{self._origin:011d}{self._serials[kind]:08d}"

    def list_number(self) -> str:
        """Number of a settlement list: nine digits (4101)."""
        self._serials["list"] += 1
        return f"{self._serials['list']:09d}"

    def serial(self) -> str:
        """Ten digits that count answers (``inf_refmsgid``)."""
        self._serials["answer"] += 1
        return f"{self._serials['answer'] % 10**10:010d}"

    def keep_file(self, name: str, content: bytes, fixmedins_code: str) -> str:
        """Keep a file. Returns its ``file_qury_no``."""
        number = self.next_id("4")
        self.files[number] = File(name, fixmedins_code, content)
        return number

    # -------------------------------------------------------------- lookups; each declines in Chinese

    def person(self, psn_no: str) -> Person:
        if psn_no not in self.persons:
            raise Declined(f"人员不存在：psn_no {psn_no}，请先做人员信息获取（1101）")
        return self.persons[psn_no]

    def find_or_invent(self, identity: str, name: str, today: date) -> Person:
        """The person of a psn_no or identity number, invented on first sight."""
        if identity in self.persons:
            return self.persons[identity]
        psn_no = persons.number_of(identity, self.admdvs)
        if psn_no not in self.persons:
            self.persons[psn_no] = persons.invent(identity, seed=self.seed, admdvs=self.admdvs, today=today, name=name)
        return self.persons[psn_no]

    def episode(self, mdtrt_id: str, psn_no: str, kind: EpisodeKind) -> Episode:
        """The stay, visit or purchase of this person, still in force."""
        episode = self.episodes.get(mdtrt_id)
        if episode is None or episode.kind != kind:
            raise Declined(f"{_KINDS[kind]}不存在：mdtrt_id {mdtrt_id}")
        if episode.psn_no != psn_no:
            raise Declined(f"mdtrt_id {mdtrt_id} 不属于人员 {psn_no}")
        if episode.gone:
            raise Declined(f"{_KINDS[kind]}已撤销：mdtrt_id {mdtrt_id}")
        return episode

    def settlement(self, setl_id: str, mdtrt_id: str, psn_no: str) -> Settlement:
        """A settlement by its three keys; one reversed by 2601 never was."""
        found = self.settlements.get(setl_id)
        if found is None or found.state == "reversed":
            raise Declined(f"结算不存在：setl_id {setl_id}")
        if found.episode.mdtrt_id != mdtrt_id or found.episode.psn_no != psn_no:
            raise Declined(f"setl_id {setl_id} 与 mdtrt_id {mdtrt_id}、psn_no {psn_no} 不符")
        return found

    def number_taken(self, kind: EpisodeKind, fixmedins_code: str, number: str) -> bool:
        """Whether the institution already uses this ipt_no / ipt_otp_no for something in force."""
        holder = self._numbers.get((kind, fixmedins_code, number))
        return holder is not None and not holder.gone

    def admit(self, episode: Episode) -> None:
        """Take a new stay, visit or purchase into the books."""
        self.episodes[episode.mdtrt_id] = episode
        self._numbers[episode.kind, episode.fixmedins_code, episode.number] = episode

    def renumber(self, episode: Episode, number: str) -> None:
        """Give a stay another ipt_no, unless something else in force has it."""
        if number == episode.number:
            return
        if self.number_taken(episode.kind, episode.fixmedins_code, number):
            raise Declined(f"住院号 {number} 已用于其他住院登记")
        del self._numbers[episode.kind, episode.fixmedins_code, episode.number]
        episode.number = number
        self._numbers[episode.kind, episode.fixmedins_code, number] = episode

    # -------------------------------------------------------------- what /_sim/ledger shows

    def shown(self) -> dict[str, Any]:
        """The ledger as JSON (contract, "Simulator control")."""
        live = [episode for episode in self.episodes.values() if not episode.gone]
        lines = [line for episode in live for line in episode.lines.values()]
        return {
            "seed": self.seed,
            "persons": [_shown_person(person) for person in self.persons.values()],
            "stays": [self._shown_episode(one) for one in self.episodes.values() if one.kind == "stay"],
            "visits": [self._shown_episode(one) for one in self.episodes.values() if one.kind != "stay"],
            "fees": _totals(lines),
            "settlements": [_shown_settlement(one) for one in self.settlements.values()],
            "requests": dict(self.requests),
            "executed": {msgid: one.infno for msgid, one in self.executed.items()},
            "reversals": [{"omsgid": omsgid, "oinfno": one.oinfno, "refusal": one.refusal}
                          for omsgid, one in self.reversals.items()],
            "records": list(self.records),
            "files": [{"file_qury_no": number, "filename": one.name, "size": len(one.content),
                       "sha256": hashlib.sha256(one.content).hexdigest()} for number, one in self.files.items()],
        }  # fmt: skip

    def _shown_episode(self, one: Episode) -> dict[str, Any]:
        return {
            "mdtrt_id": one.mdtrt_id,
            "ipt_no" if one.kind == "stay" else "ipt_otp_no": one.number,
            "psn_no": one.psn_no,
            "fixmedins_code": one.fixmedins_code,
            "med_type": one.info.get("med_type", ""),
            "begntime": one.begntime,
            "endtime": one.endtime,
            "state": one.state,
            "diagnoses": list(one.diagnoses.values()),
            "fees": _totals(one.lines.values()),
            "fee_lines": [_shown_line(line) for line in one.lines.values()],
            "setl_ids": [settlement.setl_id for settlement in one.settled],
        }


_KINDS = {"stay": "住院登记", "visit": "门诊挂号", "purchase": "购药记录"}


def _totals(lines: Iterable[FeeLine]) -> dict[str, Any]:
    rows = list(lines)
    return {
        "count": len(rows),
        "sumamt": sum((line.split.amount for line in rows), ZERO),
        "unsettled_sumamt": sum((line.split.amount for line in rows if not line.setl_id), ZERO),
    }


def _shown_line(line: FeeLine) -> dict[str, Any]:
    return {
        "feedetl_sn": line.sn,
        "chrg_bchno": line.batch,
        "med_list_codg": line.row.get("med_list_codg", ""),
        "det_item_fee_sumamt": line.split.amount,
        "setl_id": line.setl_id,
    }


def _shown_person(person: Person) -> dict[str, Any]:
    return {
        "psn_no": person.psn_no,
        "psn_name": person.psn_name,
        "psn_cert_type": person.psn_cert_type,
        "certno": person.certno,
        "gend": person.gend,
        "brdy": person.brdy.isoformat(),
        "insutype": person.insutype,
        "psn_type": person.psn_type,
        "insuplc_admdvs": person.insuplc_admdvs,
        "balc": person.balance,
    }


def _shown_settlement(one: Settlement) -> dict[str, Any]:
    money: dict[str, Decimal] = {
        "medfee_sumamt": one.figures.total,
        "fund_pay_sumamt": one.figures.fund,
        "acct_pay": one.figures.account,
        "psn_cash_pay": one.figures.cash,
    }
    return {
        "setl_id": one.setl_id,
        "mdtrt_id": one.episode.mdtrt_id,
        "psn_no": one.episode.psn_no,
        **money,
        "setl_time": one.setl_time,
        "state": one.state,
        "revoke_setl_id": one.revoked_by,
        "msgid": one.msgid,
        "infno": one.infno,
    }


def printed(moment: datetime) -> str:
    """A time as the interface prints it."""
    return f"{moment:%Y-%m-%d %H:%M:%S}"
