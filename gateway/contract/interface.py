"""A contract ready for use: its tables compiled, each on first need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from gateway.contract.codec import Codec
from gateway.contract.model import Contract, Problem, Safety, Transaction
from gateway.faults import TRANSACTION_UNKNOWN, Refused


class Interface:
    """One immutable version of the interface.

    Args:
        contract: the tables of a province.
        code_lists: ``refuse`` or ``warn`` for a code outside its list.
    """

    def __init__(self, contract: Contract, *, code_lists: str = "refuse") -> None:
        self.contract = contract
        self._code_lists = code_lists
        self._inputs: dict[str, Codec] = {}
        self._outputs: dict[str, Codec] = {}
        self._ends: dict[str, tuple[str, ...]] = {}

    def operation(self, infno: str) -> Transaction:
        """The transaction a caller may name. Raises ``Refused`` GW-1005 for an unknown number or a callback."""
        transaction = self.contract.transactions.get(infno)
        if transaction is None:
            raise Refused(TRANSACTION_UNKNOWN, f"{infno[:20]!r} 不是本省接口的交易编号")
        if transaction.callback:
            raise Refused(TRANSACTION_UNKNOWN, f"{infno} {transaction.name} 由平台回调，院内不能调用")
        return transaction

    def input(self, infno: str) -> Codec:
        """Codec of the input of a known transaction."""
        codec = self._inputs.get(infno)
        if codec is None:
            side = self.contract.transactions[infno].input
            codec = self._inputs[infno] = Codec(side, self.contract.codes, code_lists=self._code_lists)
        return codec

    def output(self, infno: str) -> Codec:
        """Codec of the output of a known transaction."""
        codec = self._outputs.get(infno)
        if codec is None:
            codec = self._outputs[infno] = Codec(self.contract.transactions[infno].output, self.contract.codes)
        return codec

    def ends(self, infno: str) -> tuple[str, ...]:
        """Transactions of which what is in force about the same visit is no longer so once ``infno`` is confirmed.

        What it undoes; its own undo (a 2405 stops being in force with the next 2402); and, where nothing undoes it,
        its own predecessors: of two changes of the same particulars (2403) the later counts.
        """
        found = self._ends.get(infno)
        if found is None:
            found = self._ends[infno] = tuple(self._ended(infno))
        return found

    def _ended(self, infno: str) -> list[str]:
        transaction = self.contract.transactions.get(infno)
        if transaction is None:
            return []
        ended = [other.infno for other in self.contract.transactions.values() if other.undone_by == infno]
        if transaction.undone_by:
            ended.append(transaction.undone_by)
        elif not ended and transaction.safety in ("state", "repeatable"):
            ended.append(infno)
        return ended

    def too_many_rows(self, infno: str, message: Any) -> list[Problem]:
        """What exceeds the rows that this province takes in one call (``lines_per_call``), per repeated node."""
        caps = self.contract.settings.get("lines_per_call")
        most = caps.get(infno) if isinstance(caps, Mapping) else None
        if not isinstance(most, int):
            return []
        side = self.contract.transactions[infno].input
        rows = (
            {node.name: (node.label, message.get(node.name)) for node in side.nodes if node.repeat}
            if isinstance(message, Mapping)
            else {"": ("输入", message)}
        )
        return [
            Problem(node, "", "", label, str(len(given)), "lines_per_call", _too_many(node, label, len(given), most))
            for node, (label, given) in rows.items()
            if isinstance(given, list) and len(given) > most
        ]

    @cached_property
    def wire_safety(self) -> Mapping[str, Safety]:
        """Safety class by the number under which a transaction leaves."""
        found = {one.send_as: one.safety for one in self.contract.transactions.values() if one.send_as}
        return found | {infno: one.safety for infno, one in self.contract.transactions.items()}

    @cached_property
    def success_infcodes(self) -> frozenset[str]:
        """What this province means by success."""
        found = self.contract.settings.get("success_infcodes")
        return frozenset(str(code) for code in found) if isinstance(found, Sequence) else frozenset({"0"})

    @cached_property
    def groups(self) -> dict[str, tuple[Transaction, ...]]:
        """Operations by group, in the order of their numbers."""
        groups: dict[str, list[Transaction]] = {}
        for transaction in self.contract.transactions.values():
            if not transaction.callback:
                groups.setdefault(transaction.group, []).append(transaction)
        return {name: tuple(sorted(found, key=lambda t: t.infno)) for name, found in sorted(groups.items())}


def _too_many(node: str, label: str, given: int, most: int) -> str:
    return f"{node}（{label}）：共 {given} 行，本省每次最多 {most} 行，请分批上传"
