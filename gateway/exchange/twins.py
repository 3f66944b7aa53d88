"""Who came before: the same request, and other exchanges about the same visit."""

from __future__ import annotations

from gateway.contract.interface import Interface
from gateway.exchange.call import Reply
from gateway.exchange.case import Case
from gateway.exchange.patience import Patience
from gateway.exchange.ports import Exchange as Entry
from gateway.exchange.ports import Journal, State
from gateway.exchange.replies import Replies
from gateway.exchange.states import FREE, UNRESOLVED
from gateway.faults import REQUEST_ID_TAKEN, TWIN_WAITING, VISIT_BUSY, VISIT_UNRESOLVED, Refused


class Twins:
    """Looks for them in the journal and waits for them. No thread holds anything meanwhile but its caller's patience."""

    def __init__(self, journal: Journal, replies: Replies) -> None:
        self._journal = journal
        self._replies = replies

    def holder(self, case: Case) -> Entry | None:
        """The exchange that may already be this one: by the caller's own number, else by visit and content.

        A resend is looked for by both: its caller may have done the same under another number meanwhile.
        """
        if case.request_id is not None:
            named = self._journal.find_request(case.call.client.name, case.request_id)
            if case.call.resend is None or stands(named):
                return named
        if not case.visits:
            return None
        return self._journal.find_same(case.transaction.infno, case.visits[0], case.content)

    def joined(self, case: Case, holder: Entry, patience: Patience, interface: Interface) -> Reply | None:
        """What the first of these twins was told, or None when this is a new attempt.

        A judgement that was given while this call was under way (``case.seen``) is its answer too: its caller may have
        gone on with that.

        Raises:
            Refused: GW-1409; GW-4102, it was done and undone meanwhile.
        """
        same = (holder.infno, holder.content_hash) == (case.transaction.infno, case.content)
        if holder.state not in FREE and not same:
            raise Refused(
                REQUEST_ID_TAKEN, f"request_id {case.request_id} 已用于 msgid {holder.msgid} 的 {holder.infno}"
            )
        waiting = holder.state is State.INTENDED
        if waiting:
            holder = patience.watch(self._journal, holder, (State.INTENDED, State.IN_DOUBT))
        overtaken = case.seen is not None and case.seen != holder.id
        if holder.state is State.CONFIRMED and holder.undone_by is not None:
            if overtaken:
                raise Refused(TWIN_WAITING, f"同一请求（编号 {holder.id}）刚办成又被撤销，这一次没有发送")
            return None
        if holder.safety == "read" and self._replies.is_gone(holder):
            return None
        told = waiting or holder.state not in FREE or (overtaken and _judged(holder))
        return self._replies.of(holder, interface) if told else None

    def await_turn(self, holder: Entry, patience: Patience) -> None:
        """Wait until another exchange about the same visit is closed. Raises ``Refused`` GW-1423, GW-1425."""
        holder = patience.watch(self._journal, holder, (State.INTENDED,))
        where = f"{holder.infno}，msgid {holder.msgid}"
        if holder.state is State.INTENDED:
            raise Refused(VISIT_BUSY, where)
        if holder.state in UNRESOLVED:
            raise Refused(VISIT_UNRESOLVED, where)

    def await_end(self, exchange_id: int, patience: Patience) -> None:
        """Wait until an exchange that the rules have to know the end of is closed. Raises ``Refused`` GW-1423."""
        holder = self._journal.get(exchange_id)
        if holder is not None and patience.watch(self._journal, holder, (State.INTENDED,)).state is State.INTENDED:
            raise Refused(VISIT_BUSY, f"{holder.infno}，msgid {holder.msgid}")


def _judged(holder: Entry) -> bool:
    """Whether platform or rules have spoken; else nothing was sent for a reason that passes, and its caller asks again."""
    return holder.state not in (State.NOT_SENT, State.REFUSED) or holder.code.startswith("ET")


def stands(holder: Entry | None) -> bool:
    """Whether there is an answer, or will be, that a repeat gets instead of being carried out."""
    return holder is not None and holder.state not in FREE and holder.undone_by is None
