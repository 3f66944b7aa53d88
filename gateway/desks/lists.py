"""What command and console have done about settlement lists, each through the exchange and in the person's name."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any, Final

from gateway.contract.jsontext import loads_strict
from gateway.episodes import Episodes
from gateway.exchange.call import Reply
from gateway.exchange.ports import JournalUnavailable
from gateway.faults import Refused, Unreadable
from gateway.rules.stay import Settled
from gateway.stays.desk import Judged
from gateway.stays.ports import StayRef
from gateway.store.operator_log import OperatorLog
from jobs.settlement_lists import SettlementLists, state_text

Answer = dict[str, Any]
ACTS: Final = ("upload", "submit", "withdraw", "ask")
_OPTER_CHARS_MAX: Final = 30
_OPTER_NAME_CHARS_MAX: Final = 50


class ListsDesk:
    """Answers ``POST /-/lists/<act>``, and the console's operations ``list_<act>``.

    ``upload`` fills, sends and submits; ``submit``, ``withdraw`` move the list (4102); ``ask`` asks how it stands (4103).
    A wish is ``{"operator", "ipt_no", "mdtrt_id", "setl_id"}``; ``setl_id`` may be empty: the last settlement.

    Args:
        head: workstation that stands in the head beside the person.
    """

    def __init__(
        self, lists: SettlementLists, episodes: Episodes, operator_log: OperatorLog, head: Mapping[str, str]
    ) -> None:
        self._lists = lists
        self._episodes = episodes
        self._operator_log = operator_log
        self._head = head
        self._sends: Mapping[str, Callable[[Judged, Settled, Mapping[str, str]], Reply]] = {
            "upload": lists.upload,
            "submit": lambda judged, settled, head: lists.move(judged.stay, settled.setl_id, "1", head),
            "withdraw": lambda judged, settled, head: lists.move(judged.stay, settled.setl_id, "0", head),
            "ask": lambda judged, settled, head: lists.ask(judged.stay, settled.setl_id, head),
        }
        self.operations: Mapping[str, Callable[..., Answer]] = {f"list_{act}": self._operation(act) for act in ACTS}

    def do(self, act: str, body: bytes) -> Answer:
        """Do ``act`` with the wish in ``body``, a JSON object; ``error`` when nothing was done."""
        try:
            wish = loads_strict(body.decode("utf-8"))
            named = {name: str(wish.get(name, "")) for name in ("ipt_no", "mdtrt_id", "setl_id")}
            operator = str(wish["operator"])
            if act not in ACTS or not (named["ipt_no"] or named["mdtrt_id"] or named["setl_id"]):
                raise KeyError(act)
            return self._done(act, operator, operator, **named)
        except (KeyError, TypeError, AttributeError, Unreadable, UnicodeDecodeError):
            return {"ok": False, "error": f"须为 {'、'.join(ACTS)} 之一，并给出住院号、就诊ID 或结算ID"}
        except Refused as refusal:
            return {"ok": False, "error": refusal.text, "code": refusal.fault.code}
        except JournalUnavailable:
            return {"ok": False, "error": "网关存储不可用，没有办理"}

    def _operation(self, act: str) -> Callable[..., Answer]:
        return lambda operator, user, ipt_no, mdtrt_id, setl_id: self._done(
            act, operator, user, ipt_no=ipt_no, mdtrt_id=mdtrt_id, setl_id=setl_id
        )

    def _done(self, act: str, operator: str, user: str, *, ipt_no: str, mdtrt_id: str, setl_id: str) -> Answer:
        ref = StayRef(ipt_no, mdtrt_id, "" if ipt_no or mdtrt_id else setl_id)
        judged, settled = self._lists.found(ref, setl_id)
        subject = f"stay {judged.stay.ipt_no or judged.stay.mdtrt_id}"
        self._operator_log.append(operator, f"list.{act}", subject, f"结算ID {settled.setl_id}")
        head = {**self._head, "opter": user[:_OPTER_CHARS_MAX], "opter_name": operator[:_OPTER_NAME_CHARS_MAX]}
        reply = self._sends[act](judged, settled, head)
        with contextlib.suppress(JournalUnavailable):  # the list of stays follows by itself in seconds
            self._episodes.catch_up()
        _, after = self._lists.found(StayRef(judged.stay.ipt_no, judged.stay.mdtrt_id), settled.setl_id)
        return _told(reply, after)


def _told(reply: Reply, settled: Settled) -> Answer:
    told: Answer = {
        "ok": reply.infcode == "0",
        "setl_id": settled.setl_id,
        "state": state_text(settled),
        "exchange_id": reply.exchange_id,
        "code": reply.code,
        "warn_msg": reply.warn_msg,
    }
    if not told["ok"]:
        told["error"] = reply.err_msg or f"平台答复 {reply.infcode}"
        told["problems"] = [one.text for one in reply.problems]
    return told
