"""What stays, visits and settlements a list of exchanges makes, and what the simulator's ledger says they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

Node = Mapping[str, Any]
ALL_LINES = "0000"


@dataclass(frozen=True, slots=True)
class Done:
    """One exchange that succeeded: what went out and what came back, as one side has it."""

    infno: str
    msgid: str
    sent: Node
    output: Node


@dataclass(slots=True)
class Episode:
    """A stay or a visit. ``diagnoses`` are ``1/2 I10.x00x002 高血压病``: admission or discharge, number, code, name."""

    psn_no: str
    number: str
    begntime: str
    endtime: str = ""
    state: str = ""
    diagnoses: dict[tuple[str, str], str] = field(default_factory=dict)
    lines: dict[str, Decimal] = field(default_factory=dict)
    fee_count: int = 0
    fee_sumamt: Decimal = Decimal(0)
    """As this side adds it up."""


@dataclass(slots=True)
class Settlement:
    """A settlement in yuan and what became of it."""

    mdtrt_id: str
    psn_no: str
    medfee_sumamt: Decimal
    fund_pay_sumamt: Decimal
    acct_pay: Decimal
    psn_cash_pay: Decimal
    infno: str
    msgid: str
    state: str = "settled"
    revoke_setl_id: str = ""


@dataclass(slots=True)
class Books:
    """Everything of one side: episodes by ``mdtrt_id``, settlements by ``setl_id``."""

    episodes: dict[str, Episode] = field(default_factory=dict)
    settlements: dict[str, Settlement] = field(default_factory=dict)


def children(message: Any, name: str) -> list[Node]:
    """The elements of a node; a single one may stand without a list."""
    found = message.get(name) if isinstance(message, Mapping) else None
    items = found if isinstance(found, list) else [found]
    return [item for item in items if isinstance(item, Mapping)]


def child(message: Any, name: str) -> Node:
    """The one element of a node; empty when it is not there."""
    found = children(message, name)
    return found[0] if found else {}


# ------------------------------------------------------------------ from exchanges


def keep_books(done: Iterable[Done]) -> Books:
    """Follow the exchanges in their order; what is about no known stay leaves no trace and shows as a difference."""
    books = Books()
    for one in done:
        enter = _ENTRIES.get(one.infno)
        if enter is not None:
            enter(books, one)
    for episode in books.episodes.values():
        episode.fee_count, episode.fee_sumamt = len(episode.lines), sum(episode.lines.values(), Decimal(0))
    return books


def _admitted(books: Books, one: Done) -> None:
    info = child(one.sent, "mdtrtinfo")
    stay = Episode(_text(info, "psn_no"), _text(info, "ipt_no"), _text(info, "begntime"), state="in_hospital")
    _diagnosed(stay, one, "1")
    books.episodes[_text(child(one.output, "result"), "mdtrt_id")] = stay


def _changed(books: Books, one: Done) -> None:
    info = child(one.sent, "adminfo")
    for stay in _of(books, info):
        stay.begntime, stay.number = _text(info, "begntime"), _text(info, "ipt_otp_no")
        _diagnosed(stay, one, "1")


def _discharged(books: Books, one: Done) -> None:
    info = child(one.sent, "dscginfo")
    for stay in _of(books, info):
        stay.endtime, stay.state = _text(info, "endtime"), "discharged"
        _diagnosed(stay, one, "2")


def _discharge_withdrawn(books: Books, one: Done) -> None:
    for stay in _of(books, child(one.sent, "data")):
        stay.endtime, stay.state = "", "in_hospital"
        stay.diagnoses = {key: shown for key, shown in stay.diagnoses.items() if key[0] != "2"}


def _admission_withdrawn(books: Books, one: Done) -> None:
    for stay in _of(books, child(one.sent, "data")):
        stay.state = "cancelled"


def _charged(books: Books, one: Done) -> None:
    for row in children(one.sent, "feedetail"):
        for episode in _of(books, row):
            episode.lines[_text(row, "feedetl_sn")] = _money(row, "det_item_fee_sumamt")


def _fees_withdrawn(books: Books, one: Done) -> None:
    for row in children(one.sent, "data"):
        for episode in _of(books, row):
            if _text(row, "feedetl_sn") == ALL_LINES:
                episode.lines.clear()
            else:
                episode.lines.pop(_text(row, "feedetl_sn"), None)


def _registered(books: Books, one: Done) -> None:
    data = child(one.sent, "data")
    visit = Episode(_text(data, "psn_no"), _text(data, "ipt_otp_no"), _text(data, "begntime"), state="registered")
    books.episodes[_text(child(one.output, "data"), "mdtrt_id")] = visit


def _seen(books: Books, one: Done) -> None:
    for visit in _of(books, child(one.sent, "mdtrtinfo")):
        _diagnosed(visit, one, "1")


def _settled(books: Books, one: Done) -> None:
    info = child(one.output, "setlinfo")
    books.settlements[_text(info, "setl_id")] = Settlement(
        mdtrt_id=_text(info, "mdtrt_id"),
        psn_no=_text(info, "psn_no"),
        medfee_sumamt=_money(info, "medfee_sumamt"),
        fund_pay_sumamt=_money(info, "fund_pay_sumamt"),
        acct_pay=_money(info, "acct_pay"),
        psn_cash_pay=_money(info, "psn_cash_pay"),
        infno=one.infno,
        msgid=one.msgid,
    )


def _settlement_withdrawn(books: Books, one: Done) -> None:
    found = books.settlements.get(_text(child(one.sent, "data"), "setl_id"))
    if found is not None:
        found.state, found.revoke_setl_id = "revoked", _text(child(one.output, "setlinfo"), "setl_id")


_ENTRIES: Mapping[str, Callable[[Books, Done], None]] = {
    "2201": _registered,
    "2203": _seen,
    "2204": _charged,
    "2207": _settled,
    "2208": _settlement_withdrawn,
    "2301": _charged,
    "2302": _fees_withdrawn,
    "2304": _settled,
    "2305": _settlement_withdrawn,
    "2401": _admitted,
    "2402": _discharged,
    "2403": _changed,
    "2404": _admission_withdrawn,
    "2405": _discharge_withdrawn,
}


def _of(books: Books, row: Node) -> list[Episode]:
    """The episode that a message is about, as a list that may be empty."""
    found = books.episodes.get(_text(row, "mdtrt_id"))
    return [found] if found is not None else []


def _diagnosed(episode: Episode, one: Done, inout: str) -> None:
    for row in children(one.sent, "diseinfo"):
        _diagnosis(episode, row, inout)


def _diagnosis(episode: Episode, row: Node, inout: str) -> None:
    number = _text(row, "diag_srt_no")
    episode.diagnoses[inout, number] = f"{inout}/{number} {_text(row, 'diag_code')} {_text(row, 'diag_name')}"


def _text(row: Node, name: str) -> str:
    value = row.get(name)
    return "" if value is None else str(value)


def _money(row: Node, name: str) -> Decimal:
    return Decimal(_text(row, name) or "0")


# ------------------------------------------------------------------ from the ledger


def read_ledger(ledger: Node) -> Books:
    """The books as ``GET /_sim/ledger`` shows them (contract, "Simulator control")."""
    episodes = {_text(row, "mdtrt_id"): _episode(row) for kind in ("stays", "visits") for row in children(ledger, kind)}
    settlements = {_text(row, "setl_id"): _settlement(row) for row in children(ledger, "settlements")}
    return Books(episodes, settlements)


def _episode(row: Node) -> Episode:
    number = _text(row, "ipt_no") or _text(row, "ipt_otp_no")
    episode = Episode(_text(row, "psn_no"), number, _text(row, "begntime"), _text(row, "endtime"), _text(row, "state"))
    for found in children(row, "diagnoses"):
        _diagnosis(episode, found, _text(found, "inout_diag_type"))
    episode.lines = {
        _text(line, "feedetl_sn"): _money(line, "det_item_fee_sumamt") for line in children(row, "fee_lines")
    }
    totals = child(row, "fees")
    episode.fee_count, episode.fee_sumamt = int(totals.get("count", 0)), _money(totals, "sumamt")
    return episode


def _settlement(row: Node) -> Settlement:
    return Settlement(
        mdtrt_id=_text(row, "mdtrt_id"),
        psn_no=_text(row, "psn_no"),
        medfee_sumamt=_money(row, "medfee_sumamt"),
        fund_pay_sumamt=_money(row, "fund_pay_sumamt"),
        acct_pay=_money(row, "acct_pay"),
        psn_cash_pay=_money(row, "psn_cash_pay"),
        infno=_text(row, "infno"),
        msgid=_text(row, "msgid"),
        state=_text(row, "state"),
        revoke_setl_id=_text(row, "revoke_setl_id"),
    )
