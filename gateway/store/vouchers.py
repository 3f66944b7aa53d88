"""Vouchers as they were printed: snapshots that never change, every print of each, and which are void."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection

from gateway.exchange import entries
from gateway.store import voucher_statements as sql
from gateway.store._backend import Backend
from gateway.store._veil import Veiled
from gateway.store.stays import packed, unpacked

_NOBODY: Final = "-"
"""Stands where a name is not known: Oracle takes empty text for NULL."""


@dataclass(frozen=True, slots=True)
class NewVoucher:
    """What is to be kept.

    Args:
        about: kind and what it is about; of one ``about`` the newest that is not void is reprinted.
        admitted: the printed 入院时间, to the minute (``yyyy-MM-dd HH:mm:ss``) whatever the paper shows.
        content: JSON values.
    """

    about: str
    kind: str
    ipt_no: str
    mdtrt_id: str
    setl_id: str
    admitted: str
    content: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Printed:
    """One print: who, for which client, and how (``html``, ``pdf``, ``hospital`` for the hospital's own form)."""

    at: datetime
    operator: str
    client: str
    channel: str


@dataclass(frozen=True, slots=True)
class KeptVoucher:
    """A snapshot with how often it was printed, and why it is void if it is."""

    number: int
    kind: str
    ipt_no: str
    mdtrt_id: str
    setl_id: str
    admitted: str
    content: Mapping[str, Any]
    made_at: datetime
    prints: int
    void_since: datetime | None = None
    void_reason: str = ""


class SqlVouchers:
    """Append-only. Every method raises ``JournalUnavailable`` when the store cannot be read or written."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def get(self, number: int) -> KeptVoucher | None:
        return self._backend.read(lambda connection: _one(Veiled(connection), sql.BY_NUMBER, {"number": number}))

    def newest(self, about: str) -> KeptVoucher | None:
        """The last one about this, void or not."""
        wanted = {"stay_key": entries.identity(about, "stay_key")}
        return self._backend.read(lambda connection: _one(Veiled(connection), sql.NEWEST, wanted))

    def of_stay(self, ipt_nos: Sequence[str], mdtrt_id: str) -> list[KeptVoucher]:
        """All of a stay, oldest first."""
        wanted = {
            "ipt_nos": [entries.identity(ipt_no or _NOBODY, "ipt_no") for ipt_no in ipt_nos or (_NOBODY,)],
            "mdtrt_id": entries.identity(mdtrt_id or _NOBODY, "mdtrt_id"),
        }
        return self._backend.read(
            lambda connection: [_kept(row) for row in Veiled(connection).execute(sql.OF_STAY, wanted)]
        )

    def prints(self, number: int) -> list[Printed]:
        """Every print of a voucher, the first one first."""
        found = self._backend.read(lambda connection: connection.execute(sql.PRINTS, {"number": number}).all())
        return [
            Printed(entries.from_ms(row.printed_at), row.operator or "", row.client or "", row.channel or "")
            for row in found
        ]

    def keep(self, new: NewVoucher, printed: Printed, after: int | None) -> KeptVoucher | None:
        """Keep a new voucher with its first print.

        Args:
            after: number of the newest about the same as the caller knows it; None for none.

        Returns:
            None when another one came first; nothing was written then.
        """
        about = {"stay_key": entries.identity(new.about, "stay_key")}
        values = {
            **about,
            "kind": new.kind,
            "ipt_no": entries.identity_or_none(new.ipt_no, "ipt_no"),
            "mdtrt_id": entries.identity_or_none(new.mdtrt_id, "mdtrt_id"),
            "setl_id": entries.identity_or_none(new.setl_id, "setl_id"),
            "admitted": entries.short(new.admitted, "event_time"),
            "made_at": entries.to_ms(printed.at),
        }
        content = packed(new.content)

        def job(plain: Connection) -> KeptVoucher | None:
            connection = Veiled(plain)
            newest = _one(connection, sql.NEWEST, about)
            if (newest.number if newest else None) != after:
                return None
            last = connection.execute(sql.LAST_SEQ, about).scalar() or 0
            row = {**values, "seq": last + 1, "packed": content}
            (number,) = connection.execute(sql.INSERT_VOUCHER, row).inserted_primary_key
            connection.execute(sql.INSERT_PRINT, {**_print_row(printed), "voucher_id": number, "seq": 1})
            return _one(connection, sql.BY_NUMBER, {"number": number})

        return self._backend.write(job)

    def print_again(self, number: int, printed: Printed) -> int:
        """Keep one more print. Returns which one it is, 2 or more."""

        def job(connection: Connection) -> int:
            seq = (connection.execute(sql.LAST_PRINT, {"number": number}).scalar() or 0) + 1
            connection.execute(sql.INSERT_PRINT, {**_print_row(printed), "voucher_id": number, "seq": seq})
            return seq

        return self._backend.write(job)

    def void(self, number: int, at: datetime, reason: str) -> None:
        """Mark a voucher 作废, for good; the first reason stands."""

        def job(connection: Connection) -> None:
            if connection.execute(sql.VOIDED, {"number": number}).scalar() is None:
                row = {"voucher_id": number, "voided_at": entries.to_ms(at)}
                connection.execute(sql.INSERT_VOID, {**row, "why": entries.short(reason, "operator")})

        self._backend.write(job)


def _one(connection: Veiled, statement: Any, wanted: Mapping[str, Any]) -> KeptVoucher | None:
    row = connection.execute(statement, wanted).one_or_none()
    return _kept(row) if row is not None else None


def _kept(row: Any) -> KeptVoucher:
    return KeptVoucher(
        number=row.id,
        kind=row.kind,
        ipt_no=row.ipt_no or "",
        mdtrt_id=row.mdtrt_id or "",
        setl_id=row.setl_id or "",
        admitted=row.admitted,
        content=unpacked(row.packed),
        made_at=entries.from_ms(row.made_at),
        prints=row.prints,
        void_since=None if row.voided_at is None else entries.from_ms(row.voided_at),
        void_reason=row.why or "",
    )


def _print_row(printed: Printed) -> dict[str, Any]:
    return {
        "printed_at": entries.to_ms(printed.at),
        "operator": entries.short(printed.operator, "operator") or None,
        "client": entries.short(printed.client, "client") or None,
        "channel": entries.short(printed.channel, "channel") or None,
    }
