"""What callers are told: the platform's answer, one given before, or why there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from gateway.contract.envelope import Answer, read_answer
from gateway.contract.interface import Interface
from gateway.exchange.call import Reply
from gateway.exchange.filed import handed_over
from gateway.exchange.ports import Exchange as Entry
from gateway.exchange.ports import Journal, State
from gateway.faults import (
    ESCALATED,
    FAULTS,
    IN_DOUBT,
    NOT_DONE,
    PLATFORM_DECLINED,
    TWIN_WAITING,
    Fault,
    GatewayFault,
)
from gateway.files.shelf import Shelf

TOLD: Final[Mapping[State, Fault]] = {
    State.INTENDED: TWIN_WAITING,
    State.IN_DOUBT: IN_DOUBT,
    State.ESCALATED: ESCALATED,
    State.NOT_DONE: NOT_DONE,
    State.REVERSED: NOT_DONE,
}
"""What a caller is told of a state that has no answer of the platform."""


class Replies:
    """Replies that tell of an exchange in the journal.

    Args:
        shelf: where received files are; None: none are received.
    """

    def __init__(self, journal: Journal, shelf: Shelf | None) -> None:
        self._journal = journal
        self._shelf = shelf

    def answered(self, entry: Entry, result: Answer, warnings: Sequence[str]) -> Reply:
        """What the platform has just answered, and the gateway's own warnings."""
        return Reply(
            infcode=result.infcode,
            msgid=entry.msgid or "",
            inf_refmsgid=result.inf_refmsgid,
            err_msg=result.err_msg,
            warn_msg="；".join(filter(None, (result.warn_msg, *warnings))),
            code=entry.code,
            retry="" if result.success else PLATFORM_DECLINED.retry,
            output=handed_over(entry.infno, result.output, self._shelf),
            exchange_id=entry.id,
            receipt=_receipt(entry),
        )

    def of(self, entry: Entry, interface: Interface) -> Reply:
        """What a caller is told of an exchange as it stands, without sending anything."""
        if entry.state in (State.CONFIRMED, State.DECLINED):
            return self._again(entry, interface)
        if entry.state in TOLD:
            return open_reply(entry, TOLD[entry.state])
        return Reply(
            infcode="-1",
            msgid=entry.msgid or "",
            err_msg=entry.err_msg,
            code=entry.code,
            retry=FAULTS[entry.code].retry if entry.code in FAULTS else "",
            exchange_id=entry.id,
        )

    def is_gone(self, holder: Entry) -> bool:
        """Whether its bytes were removed at the end of their time: a read is then asked anew."""
        bodies = self._journal.bodies(holder.id)
        return bodies is not None and bool(bodies.gone)

    def _again(self, holder: Entry, interface: Interface) -> Reply:
        bodies = self._journal.bodies(holder.id)
        if bodies and bodies.gone:
            return _bare_reply(holder, bodies.gone)
        proven = bodies and bodies.proof_answer
        answer = read_answer(proven or (bodies and bodies.platform_answer) or b"", interface.success_infcodes)
        return Reply(
            infcode=answer.infcode,
            msgid=holder.msgid or "",
            inf_refmsgid=answer.inf_refmsgid,
            err_msg=answer.err_msg,
            warn_msg="；".join(dict.fromkeys(filter(None, (answer.warn_msg, holder.warn_msg if proven else "")))),
            code=holder.code,
            retry="" if answer.success else PLATFORM_DECLINED.retry,
            output=handed_over(holder.infno, answer.output, self._shelf),
            exchange_id=holder.id,
            repeated=True,
            receipt=_receipt(holder),
        )


def fault_reply(fault: Fault, text: str, entry: Entry | None) -> Reply:
    """``infcode`` -1, the code of ``fault`` and a text of its own."""
    return Reply(
        infcode="-1",
        msgid=(entry.msgid if entry else None) or "",
        err_msg=text,
        code=fault.code,
        retry=fault.retry,
        exchange_id=entry.id if entry else None,
    )


def open_reply(entry: Entry, fault: Fault) -> Reply:
    """Of an exchange that has no answer of the platform: what that means and what to do."""
    return fault_reply(fault, f"{fault.title}：{fault.action}", entry)


def _bare_reply(entry: Entry, gone: str) -> Reply:
    """What is still known of an exchange whose bytes were removed at the end of their time."""
    return Reply(
        infcode=entry.infcode or "-1",
        msgid=entry.msgid or "",
        inf_refmsgid=entry.inf_refmsgid,
        err_msg=entry.err_msg,
        warn_msg="；".join(filter(None, (entry.warn_msg, gone))),
        code=entry.code,
        retry="" if entry.state is State.CONFIRMED else PLATFORM_DECLINED.retry,
        exchange_id=entry.id,
        repeated=True,
        receipt=_receipt(entry),
    )


def refusal_reply(refusal: GatewayFault, entry: Entry | None = None) -> Reply:
    """The normal reply of a refusal: ``infcode`` -1 and the fault code."""
    return Reply(
        infcode="-1",
        err_msg=refusal.text,
        code=refusal.fault.code,
        retry=refusal.fault.retry,
        problems=tuple(getattr(refusal, "problems", ())),
        retry_after_s=refusal.retry_after_s,
        exchange_id=entry.id if entry else None,
    )


def _receipt(entry: Entry) -> int | None:
    return entry.id if entry.in_force and entry.safety == "money" else None
