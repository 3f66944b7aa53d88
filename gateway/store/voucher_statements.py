"""Every statement about vouchers, built once so that each is compiled once."""

from __future__ import annotations

from sqlalchemy import bindparam, func, insert, or_, select

from gateway.store.voucher_tables import voucher, voucher_print, voucher_void

INSERT_VOUCHER = insert(voucher)
INSERT_PRINT = insert(voucher_print)
INSERT_VOID = insert(voucher_void)

_PRINTS = select(func.count()).where(voucher_print.c.voucher_id == voucher.c.id).correlate(voucher).scalar_subquery()
_FOUND = select(voucher, _PRINTS.label("prints"), voucher_void.c.voided_at, voucher_void.c.why).select_from(
    voucher.outerjoin(voucher_void, voucher_void.c.voucher_id == voucher.c.id)
)
BY_NUMBER = _FOUND.where(voucher.c.id == bindparam("number"))
NEWEST = _FOUND.where(voucher.c.stay_key == bindparam("stay_key")).order_by(voucher.c.seq.desc()).limit(1)
OF_STAY = _FOUND.where(
    or_(voucher.c.mdtrt_id == bindparam("mdtrt_id"), voucher.c.ipt_no.in_(bindparam("ipt_nos", expanding=True)))
).order_by(voucher.c.id)
PRINTS = select(voucher_print).where(voucher_print.c.voucher_id == bindparam("number")).order_by(voucher_print.c.seq)
LAST_SEQ = select(func.max(voucher.c.seq)).where(voucher.c.stay_key == bindparam("stay_key"))
LAST_PRINT = select(func.max(voucher_print.c.seq)).where(voucher_print.c.voucher_id == bindparam("number"))
VOIDED = select(voucher_void.c.voucher_id).where(voucher_void.c.voucher_id == bindparam("number"))
