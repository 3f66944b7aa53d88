"""Vouchers asked for, judged, kept and reprinted: one way for the hospital's systems, the console and the command."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from gateway.contract.envelope import Garbage, read_answer
from gateway.contract.interface import Interface
from gateway.contract.jsontext import dumps, loads
from gateway.exchange.ports import Journal, Query, State
from gateway.faults import (
    PARAMETERS_WRONG,
    STAY_UNKNOWN,
    VOUCHER_UNKNOWN,
    VOUCHER_WITHOUT_CONTENT,
    Refused,
    Unreadable,
)
from gateway.rules.stay import Settled, Stay
from gateway.rules.times import minute_of
from gateway.rules.vouchers import KINDS, VoucherKind, VoucherTime, eligibility_void, voucher_time
from gateway.stays.desk import Judged, StayDesk, is_known
from gateway.stays.facts import base
from gateway.stays.ports import StayRef
from gateway.store.vouchers import KeptVoucher, NewVoucher, Printed, SqlVouchers
from gateway.vouchers.press import Press, texts_of
from gateway.vouchers.sheet import TITLES, Print, Sheet, sheet_of
from gateway.vouchers.values import Institution, Row, Source, sheet

REPRINT: Final = "重打"
VOID: Final = "作废"
REVOKED: Final = "结算已撤销"
_FROM_SETTLEMENT: Final = frozenset({"receipt", "list_head"})
_TRIES: Final = 5


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks for paper, and how: ``channel`` is ``html``, ``pdf``, or ``hospital`` for the hospital's own form."""

    operator: str
    client: str
    channel: str


class VoucherDesk:
    """Prints vouchers of stays.

    Args:
        stays: what a stay is, its policy and the clock.
        journal: where the settlement's answer and the fee rows are.
        kept: the vouchers of the past.
        interface: the tables in force, for the meaning of codes.
        institution: whose vouchers they are.
        press: draws the PDFs; knows beforehand what it cannot draw.
    """

    def __init__(
        self,
        stays: StayDesk,
        journal: Journal,
        kept: SqlVouchers,
        interface: Callable[[], Interface],
        institution: Institution,
        press: Press,
    ) -> None:
        self._stays = stays
        self._journal = journal
        self._kept = kept
        self._interface = interface
        self._institution = institution
        self.press = press

    # ------------------------------------------------------------------ asked

    def print(self, kind: str, ref: StayRef, asked: Asked) -> Print:
        """A voucher of this kind: the one printed before, marked 重打, or else a new one.

        Args:
            ref: of ``receipt`` and ``list_head`` the ``setl_id``; else the last settlement in force of the stay.

        Raises:
            Refused: ET08-01 to ET08-03, ET12-01, ET01-03; GW-1012 and GW-1607 for who or what is not known.
            JournalUnavailable: nothing was printed.
        """
        found = _kind(kind)
        for _ in range(_TRIES):
            judged = self._judged(ref)
            printed = self._once(found, judged, ref.setl_id, asked)
            if printed and not self._overtaken(found, printed.number, ref):
                return printed
        raise AssertionError(f"{found} of {ref} is printed faster than it can be kept")

    def reprint(self, number: int, asked: Asked) -> Print:
        """A voucher of the past as it was printed, marked 重打; 作废 where it no longer counts. Raises ``Refused`` ET08-04."""
        kept = self._kept.get(number)
        if kept is None:
            raise Refused(VOUCHER_UNKNOWN, f"凭证号 {number}")
        stay = self._stays.judged(StayRef(kept.ipt_no, kept.mdtrt_id)).stay
        return self._again(self._current(kept, stay), stay, asked)

    def warnings(self, ref: StayRef) -> tuple[str, ...]:
        """Before anything of a stay is printed: which characters of its names and earlier vouchers no font has."""
        judged = self._judged(ref)
        stay = judged.stay
        kept = self._kept.of_stay((stay.ipt_no,), stay.mdtrt_id)
        named = [self._institution.name, *_names(stay.registration), *_names(self._person(stay.psn_no))]
        named += [name for row in (stay.uploaded.rows if stay.uploaded else ()) for name in _names(row)]
        return self.press.warnings([*named, *(text for one in kept for text in texts_of(sheet_of(one.content)))])

    def look(self, kind: str, ref: StayRef) -> Sheet:
        """What a new voucher would say; nothing is kept. Raises ``Refused`` as :meth:`print`."""
        return self._made(_kind(kind), self._judged(ref), ref.setl_id)[0]

    def printed(self, ref: StayRef) -> list[KeptVoucher]:
        """Every voucher of a stay, oldest first, those void marked."""
        stay = self._judged(ref).stay
        return [self._current(kept, stay) for kept in self._kept.of_stay((stay.ipt_no,), stay.mdtrt_id)]

    def prints(self, number: int) -> list[Printed]:
        """Every print of one voucher."""
        return self._kept.prints(number)

    def mark_void(self, stay: Stay) -> list[int]:
        """Numbers of the 资格确认单 of this stay that are void now and were not before (ET-12)."""
        kept = self._kept.of_stay((stay.ipt_no,), stay.mdtrt_id) if stay.ipt_no or stay.mdtrt_id else []
        return [one.number for one in kept if not one.void_since and self._current(one, stay).void_since]

    # --------------------------------------------------------------- printing

    def _once(self, kind: VoucherKind, judged: Judged, setl_id: str, asked: Asked) -> Print | None:
        """Print once; None when somebody else printed the same at this moment."""
        stay = judged.stay
        about = _about(kind, stay, setl_id or _last_settlement(stay))
        newest = self._kept.newest(about)
        current = self._current(newest, stay) if newest else None
        if current and not current.void_since and (current.setl_id or kind == "eligibility"):
            return self._again(current, stay, asked)
        made, time = self._made(kind, judged, setl_id)
        if current and not current.void_since:
            if loads(dumps(made.as_json())) == current.content:
                return self._again(current, stay, asked)
            self._kept.void(current.number, self._stays.clock(), "内容已变更，已另行打印")
        new = NewVoucher(about, kind, stay.ipt_no, stay.mdtrt_id, time.setl_id, time.admitted.text, made.as_json())
        kept = self._kept.keep(new, self._now(asked), newest.number if newest else None)
        return self._shown(kept, 1, asked, ()) if kept else None

    def _overtaken(self, kind: VoucherKind, number: int, ref: StayRef) -> bool:
        """Whether the ward-in changed while it was drawn up: that could not mark a voucher that was not kept yet (ET-12)."""
        kept = self._kept.get(number) if kind == "eligibility" else None
        return kept is not None and self._current(kept, self._judged(ref).stay).void_since is not None

    def _again(self, kept: KeptVoucher, stay: Stay, asked: Asked) -> Print:
        count = self._kept.print_again(kept.number, self._now(asked))
        return self._shown(kept, count, asked, tuple(_marks(kept, stay)))

    def _shown(self, kept: KeptVoucher, count: int, asked: Asked, marks: Sequence[tuple[str, str]]) -> Print:
        sheet = sheet_of(kept.content)
        # what a browser draws with is its own; the hospital's own form may lack what ours lacks
        warnings = self.press.warnings(texts_of(sheet)) if asked.channel != "html" else ()
        return Print(
            sheet=sheet,
            number=kept.number,
            count=count,
            printed_at=f"{self._stays.clock():%Y-%m-%d %H:%M}",
            operator=asked.operator or asked.client,
            first_printed_at=f"{kept.made_at:%Y-%m-%d %H:%M}",
            marks=tuple(mark for mark, _ in marks),
            remarks=tuple(remark for _, remark in marks),
            warnings=warnings,
        )

    def _now(self, asked: Asked) -> Printed:
        return Printed(self._stays.clock(), asked.operator, asked.client, asked.channel)

    def _current(self, kept: KeptVoucher, stay: Stay) -> KeptVoucher:
        """The voucher with its mark 作废 where the ward-in has changed since; the mark stays."""
        if kept.void_since or kept.kind != "eligibility":
            return kept
        printed = minute_of(kept.admitted)
        if printed and not eligibility_void(printed, stay):
            return kept
        now = self._stays.clock()
        reason = "入科时间已变更"
        self._kept.void(kept.number, now, reason)
        return replace(kept, void_since=now, void_reason=reason)

    # ------------------------------------------------------------- what it says

    def _judged(self, ref: StayRef) -> Judged:
        if not str(ref):
            raise Refused(PARAMETERS_WRONG, "须给出 ipt_no、mdtrt_id 或 setl_id")
        judged = self._stays.judged(ref)
        if not is_known(judged.history):
            raise Refused(STAY_UNKNOWN, str(ref))
        return judged

    def _made(self, kind: VoucherKind, judged: Judged, setl_id: str) -> tuple[Sheet, VoucherTime]:
        stay = judged.stay
        time = voucher_time(kind, stay, self._stays.policy, self._stays.clock(), setl_id)
        settled = next((one for one in stay.settlements if one.setl_id == time.setl_id), None) if time.setl_id else None
        answer = self._answer(settled.exchange_id) if settled else {}
        info = _node(answer, "setlinfo")
        if kind in _FROM_SETTLEMENT and not info:
            raise Refused(VOUCHER_WITHOUT_CONTENT, f"结算ID {time.setl_id}")
        source = Source(
            stay=stay,
            time=time,
            policy=self._stays.policy,
            institution=self._institution,
            codes=self._interface().contract.codes,
            settled=info,
            funds=_rows(answer, "setldetail"),
            fees=self._fees(judged, settled) if kind in ("receipt", "fee_list") else (),
            person=self._person(stay.psn_no),
            listed=self._listed(judged, time.setl_id) if kind == "list_head" else {},
        )
        return sheet(kind, source), time

    def _fees(self, judged: Judged, settled: Settled | None) -> list[Row]:
        """The rows in force (of a settlement: those it took) as uploaded, each with what the platform said of it."""
        wanted = {
            fee.feedetl_sn: fee for fee in judged.stay.fees if settled is None or fee.settled_by == settled.exchange_id
        }
        told: dict[str, dict[str, Any]] = {}
        for exchange_id in self._uploads(judged, "2301"):
            for row in (*_rows(self._message(exchange_id), "feedetail"), *_rows(self._answer(exchange_id), "result")):
                told.setdefault(str(row.get("feedetl_sn", "")), {}).update(
                    {name: value for name, value in row.items() if value not in (None, "")}
                )
        rows = [
            {
                **told.get(sn, {}),
                "fee_ocur_time": fee.occurred.text if fee.occurred else "",
                "cnt": fee.cnt,
                "det_item_fee_sumamt": fee.amount,
            }
            for sn, fee in wanted.items()
        ]
        return sorted(rows, key=lambda row: str(row["fee_ocur_time"]))

    def _listed(self, judged: Judged, setl_id: str) -> Row:
        for exchange_id in reversed(self._uploads(judged, "4101", setl_id)):
            if found := _node(self._message(exchange_id), "setlinfo"):
                return found
        return {}

    def _uploads(self, judged: Judged, infno: str, setl_id: str = "") -> list[int]:
        """Numbers of the confirmed exchanges of a transaction and its letter forms, oldest first."""
        return sorted(
            one.exchange_id
            for one in judged.history.exchanges
            if base(one.infno) == infno
            and one.state == State.CONFIRMED
            and (not setl_id or one.facts.get("setl_id") == setl_id)
        )

    def _person(self, psn_no: str) -> Row:
        """Who it is, by the last 1101 about this person."""
        if not psn_no:
            return {}
        query = Query(keys=[("psn_no", psn_no)], infno="1101", states=[State.CONFIRMED], limit=1)
        return next((_node(self._answer(row.id), "baseinfo") for row in self._journal.search(query)), {})

    def _answer(self, exchange_id: int) -> Row:
        """``output`` of a confirmed exchange; empty where its bytes are no longer there."""
        bodies = self._journal.bodies(exchange_id) if exchange_id else None
        body = bodies and (bodies.proof_answer or bodies.platform_answer)
        try:
            output = read_answer(body, self._interface().success_infcodes).output if body else None
        except Garbage:
            return {}
        return output if isinstance(output, dict) else {}

    def _message(self, exchange_id: int) -> Row:
        """``input`` of an exchange as it was sent; empty where its bytes are no longer there."""
        bodies = self._journal.bodies(exchange_id)
        try:
            sent = loads(bodies.platform_request) if bodies and bodies.platform_request else {}
        except Unreadable:
            return {}
        found = sent.get("input") if isinstance(sent, dict) else None
        return found if isinstance(found, dict) else {}


def _kind(kind: str) -> VoucherKind:
    for known in KINDS:
        if kind == known:
            return known
    raise Refused(PARAMETERS_WRONG, f"kind 须为 {'、'.join(f'{one} {TITLES[one]}' for one in KINDS)} 之一")


def _about(kind: VoucherKind, stay: Stay, setl_id: str) -> str:
    own = stay.mdtrt_id or stay.ipt_no
    return f"{kind}:{own}" if kind == "eligibility" or not setl_id else f"{kind}:{own}:{setl_id}"


def _names(row: Row) -> list[str]:
    """Values of the fields that hold names; those of the national tables end so."""
    return [str(value) for name, value in row.items() if name.endswith("_name") and value]


def _last_settlement(stay: Stay) -> str:
    return stay.settlements[-1].setl_id if stay.settlements else ""


def _marks(kept: KeptVoucher, stay: Stay) -> Iterator[tuple[str, str]]:
    """Each mark of a reprint with its reason."""
    yield REPRINT, f"本凭证首次打印于 {kept.made_at:%Y-%m-%d %H:%M}，内容以当时为准。"
    if kept.void_since:
        yield VOID, f"本凭证自 {kept.void_since:%Y-%m-%d %H:%M} 起作废：{kept.void_reason}。"
    if kept.setl_id and all(one.setl_id != kept.setl_id for one in stay.settlements):
        yield REVOKED, f"结算 {kept.setl_id} 已撤销。"


def _node(told: Mapping[str, Any], name: str) -> Row:
    """A node that stands once; provinces write it as an object or as a list of one."""
    found = told.get(name)
    if isinstance(found, list):
        found = found[0] if found else None
    return found if isinstance(found, dict) else {}


def _rows(told: Mapping[str, Any], name: str) -> list[Row]:
    found = told.get(name)
    if isinstance(found, dict):
        return [found]
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []
