"""Vouchers for the console and the operator's command: looked at, printed, printed again; each in somebody's name."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from gateway.contract.jsontext import loads_strict
from gateway.exchange.ports import JournalUnavailable
from gateway.faults import GatewayFault, Unreadable
from gateway.stays.desk import StayDesk, is_known
from gateway.stays.ports import StayRef
from gateway.store.operator_log import OperatorLog
from gateway.store.vouchers import KeptVoucher, Printed
from gateway.vouchers.desk import Asked, VoucherDesk
from gateway.vouchers.page import page
from gateway.vouchers.press import texts_of
from gateway.vouchers.sheet import TITLES, Print

Answer = dict[str, Any]
PREVIEW: Final = "预览"
COMMAND: Final = "command"
CONSOLE: Final = "console"


class VouchersDesk:
    """The console's operations on vouchers, and ``POST /-/vouchers/print`` of the command ``yibao vouchers print``.

    Args:
        vouchers: judges, keeps and reprints.
        stays: tells what a number names.
        log: keeps who printed or looked, before it is done.
    """

    def __init__(self, vouchers: VoucherDesk, stays: StayDesk, log: OperatorLog) -> None:
        self._vouchers = vouchers
        self._stays = stays
        self._log = log
        self.operations: Mapping[str, Callable[..., Answer]] = {
            "voucher_list": self._list,
            "voucher_look": self._look,
            "voucher_print": self._print,
            "voucher_reprint": self._reprint,
        }

    def print(self, body: bytes) -> Answer:
        """Print for the command: ``{"operator", "kind", "number"}``; ``pdf`` in base64, or ``error``."""
        try:
            wish = loads_strict(body.decode("utf-8"))
            operator, kind, number = (str(wish[name]).strip() for name in ("operator", "kind", "number"))
        except (KeyError, TypeError, AttributeError, Unreadable, UnicodeDecodeError):
            return {"error": "须写明 operator、kind、number"}
        try:
            ref = self._named(number)
            self._log.append(operator, "voucher.print", f"stay {ref}", f"{_titled(kind)} {COMMAND}")
            return self._told(self._vouchers.print(kind, ref, Asked(operator, COMMAND, "pdf")), "pdf")
        except GatewayFault as fault:
            return {"error": fault.text, "code": fault.fault.code}
        except JournalUnavailable:
            return {"error": "网关存储不可用，没有打印"}

    def _named(self, number: str) -> StayRef:
        """A settlement of this number, else the stay of this 住院号."""
        settled = StayRef(setl_id=number)
        return settled if number and is_known(self._stays.judged(settled).history) else StayRef(ipt_no=number)

    # ------------------------------------------------------------ the console

    def _list(self, operator: str, ipt_no: str, mdtrt_id: str) -> Answer:
        del operator
        ref = StayRef(ipt_no, mdtrt_id)
        kept = [_kept(one, self._vouchers.prints(one.number)) for one in self._vouchers.printed(ref)]
        return {"ok": True, "vouchers": kept, "warnings": list(self._vouchers.warnings(ref))}

    def _look(self, operator: str, kind: str, ipt_no: str, mdtrt_id: str) -> Answer:
        self._log.append(operator, "voucher.look", f"stay {ipt_no or mdtrt_id}", _titled(kind))
        sheet = self._vouchers.look(kind, StayRef(ipt_no, mdtrt_id))
        now = _minute(self._stays.clock())
        remarks = ("本页为预览，不是凭证，没有编号，也不计入打印。", *self._vouchers.press.warnings(texts_of(sheet)))
        return {"ok": True, "html": page(Print(sheet, 0, 0, now, operator, now, (PREVIEW,), remarks))}

    def _print(self, operator: str, kind: str, ipt_no: str, mdtrt_id: str, form: str) -> Answer:
        self._log.append(operator, "voucher.print", f"stay {ipt_no or mdtrt_id}", f"{_titled(kind)} {form}")
        return self._told(self._vouchers.print(kind, StayRef(ipt_no, mdtrt_id), Asked(operator, CONSOLE, form)), form)

    def _reprint(self, operator: str, number: int, form: str) -> Answer:
        self._log.append(operator, "voucher.reprint", f"voucher {number}", form)
        return self._told(self._vouchers.reprint(number, Asked(operator, CONSOLE, form)), form)

    def _told(self, shown: Print, form: str) -> Answer:
        told: Answer = {
            "ok": True,
            "number": shown.number,
            "count": shown.count,
            "title": shown.sheet.title,
            "marks": list(shown.marks),
            "warnings": list(shown.warnings),
        }
        if form != "pdf":
            return {**told, "html": page(shown)}
        return {**told, "pdf": base64.b64encode(self._vouchers.press.pdf(shown)).decode("ascii")}


def _kept(one: KeptVoucher, prints: Sequence[Printed]) -> Answer:
    return {
        "number": one.number,
        "title": _titled(one.kind),
        "setl_id": one.setl_id,
        "admitted": one.admitted,
        "made_at": _minute(one.made_at),
        "void_since": _minute(one.void_since) if one.void_since else "",
        "void_reason": one.void_reason,
        "prints": [
            {"at": _minute(print_.at), "by": print_.operator or print_.client, "channel": print_.channel}
            for print_ in prints
        ],
    }


def _titled(kind: str) -> str:
    return TITLES.get(kind, kind)  # type: ignore[call-overload,no-any-return]


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"
