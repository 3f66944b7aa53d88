"""One call, checked: everything that is known of it before anything is sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from gateway.contract.codec import Message
from gateway.contract.envelope import Sender, head_problems, unknown_in_head
from gateway.contract.interface import Interface
from gateway.contract.model import Problem, Transaction
from gateway.exchange.call import Call
from gateway.exchange.content import business_keys, content_hash, content_key, visit_keys
from gateway.exchange.effects import REVERSAL
from gateway.exchange.patience import Allowance
from gateway.exchange.ports import Journal, Query, State
from gateway.exchange.sign_in import SIGN_IN, with_workstation
from gateway.exchange.stay_rules import UNRULED, Ruling, tells_of_stays
from gateway.faults import CONTENT_WRONG, Refused

PROBLEMS_IN_TEXT_MAX: Final = 20
"""Problems spelled out in ``err_msg``; the structured list always has all of them."""

TELL_OF_SETTLEMENT: Final = ("2304", "2207", "4101A", "4101", "2304A", "2207A", "2102", "2102A")
"""What names a settlement together with its visit; asked for one by one, since a list that is followed for months has
hundreds of exchanges that name the settlement alone.
"""


Keys = tuple[tuple[str, str], ...]


class ContentWrong(Refused):
    """GW-1101 with every problem found."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        shown = "；".join(problem.text for problem in problems[:PROBLEMS_IN_TEXT_MAX])
        rest = len(problems) - PROBLEMS_IN_TEXT_MAX
        super().__init__(CONTENT_WRONG, f"共 {len(problems)} 处：{shown}" + (f"；另有 {rest} 处" if rest > 0 else ""))


@dataclass(frozen=True, slots=True)
class Case:
    """What is known of one call once it has been checked."""

    call: Call
    transaction: Transaction
    message: Message
    head: Mapping[str, str]
    content: str
    received_at: datetime
    warnings: tuple[str, ...]
    version: str
    keys: Keys
    """What the message can be found by."""
    visits: tuple[str, ...]
    """Business keys it takes, its own first; empty for a read."""
    allowance: Allowance
    ruling: Ruling = UNRULED
    """What the rules made of it."""
    anew: bool = False
    """To be sent although the same is in force: that no longer does what it says."""
    seen: int | None = None
    """As ``Intent.seen``."""

    @property
    def request_id(self) -> str | None:
        return self.head.get("request_id") or None


class Checks:
    """Makes cases of calls.

    Args:
        journal: where the original of a reversal is looked up.
        sender: facts of the institution.
        unknown_fields: ``warn`` or ``refuse`` for fields that no table has.
    """

    def __init__(self, journal: Journal, sender: Sender, unknown_fields: str = "warn") -> None:
        self._journal = journal
        self._sender = sender
        self._refuse_unknown = unknown_fields == "refuse"

    def case(
        self, call: Call, transaction: Transaction, interface: Interface, received_at: datetime, allowance: Allowance
    ) -> Case:
        """The case of one call. Every problem at once: those met while reading, in the head, in the message.

        Raises:
            ContentWrong: GW-1101.
        """
        head = {**call.client.workstation, **{name: text for name, text in call.head.items() if text}}
        given = with_workstation(call.message, head) if transaction.infno == SIGN_IN else call.message
        message, found = interface.input(transaction.infno).check(given)
        told = {(problem.node, problem.row, problem.field) for problem in call.problems}
        rest = [problem for problem in found.problems if (problem.node, problem.row, problem.field) not in told]
        problems = [*call.problems, *head_problems(interface.contract, head), *rest]
        problems += interface.too_many_rows(transaction.infno, message)
        warnings = list(found.warnings)
        if unknown := dict.fromkeys([*call.unknown, *unknown_in_head(interface.contract, call.head), *found.unknown]):
            names = "、".join(unknown)
            if self._refuse_unknown:
                text = f"接口没有的字段：{names}"
                problems.append(Problem("", "", names, "未知字段", "", "unknown", text))
            else:
                warnings.append(f"以下字段不在接口中，未上传：{names}")
        if problems:
            raise ContentWrong(problems)
        content = content_hash(transaction.infno, message)
        keys = tuple(business_keys(message))
        return Case(
            call=call,
            transaction=transaction,
            message=message,
            head=head,
            content=content,
            received_at=received_at,
            warnings=tuple(warnings),
            version=interface.contract.version + (f"+{call.dialect_version}" if call.dialect_version else ""),
            keys=keys,
            visits=() if transaction.safety == "read" else self._visits(transaction.infno, message, keys, content),
            allowance=allowance,
        )

    def _visits(self, infno: str, message: Message, found: Keys, content: str) -> tuple[str, ...]:
        """The keys of what it is about; a reversal is about what it reverses."""
        if infno == REVERSAL:
            omsgid = next((value for kind, value in found if kind == "omsgid"), "")
            original = self._journal.search(Query(msgid=omsgid, limit=1)) if omsgid else []
            if original and original[0].business_key:
                return (original[0].business_key,)
        keys = visit_keys(self._sender.fixmedins_code, message, found)
        if not keys and tells_of_stays(infno):
            keys = self._settled_visits(found)
        return tuple(keys) if keys else (content_key(infno, content),)

    def _settled_visits(self, found: Keys) -> list[str]:
        """The visits whose settlements a message names by ``setl_id`` alone (4102): their lists are held with them."""
        keys: list[str] = []
        for setl_id in dict.fromkeys(value for kind, value in found if kind == "setl_id"):
            mdtrt_id = next(self._visits_of(setl_id), "")
            keys.append(f"mdtrt_id:{mdtrt_id}" if mdtrt_id else f"setl_id:{setl_id}")
        return list(dict.fromkeys(keys))

    def _visits_of(self, setl_id: str) -> Iterator[str]:
        for infno in TELL_OF_SETTLEMENT:
            known = Query(keys=[("setl_id", setl_id)], infno=infno, states=(State.CONFIRMED,), limit=1)
            for row in self._journal.search(known):
                yield from (value for kind, value in row.keys if kind == "mdtrt_id")
