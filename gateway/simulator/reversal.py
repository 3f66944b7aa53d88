"""2601: undo a request whose outcome its sender does not know."""

from __future__ import annotations

from typing import Any

from gateway.simulator.ledger import Declined, Reversal
from gateway.simulator.registry import Turn, handles

REVERSIBLE = ("2102", "2103", "2207", "2208", "2304", "2305", "2401")
"""Numbers that 2601 accepts (notes on 1xxx/2xxx, "Undo pairs"); a letter form counts as its plain number."""


@handles("2601")
def reverse(turn: Turn) -> Any:
    """Undo the request named by ``omsgid``; asked again it answers as before.

    A request the platform has never seen is refused, and its ``omsgid`` is closed: should it still be on its way,
    it will not be executed.
    """
    data = turn.message["data"]
    omsgid, oinfno, psn_no = data["omsgid"], data["oinfno"], data["psn_no"]
    if oinfno[:4] not in REVERSIBLE:
        raise Declined(f"交易 {oinfno} 不支持冲正，可冲正：{'、'.join(REVERSIBLE)}")
    before = turn.ledger.reversals.get(omsgid)
    if before is None:
        before = _first_time(turn, omsgid, oinfno, psn_no)
    elif (before.oinfno[:4], before.psn_no) != (oinfno[:4], psn_no):
        raise Declined("冲正的交易编号或人员编号与上次冲正不符")
    if before.refusal:
        raise Declined(before.refusal)


def _first_time(turn: Turn, omsgid: str, oinfno: str, psn_no: str) -> Reversal:
    original = turn.ledger.executed.get(omsgid)
    if original is None:
        refusal = f"未查询到原交易：omsgid {omsgid}；已登记冲正，该报文此后到达将不予受理"
    else:
        if original.infno[:4] != oinfno[:4] or original.psn_no != psn_no:
            raise Declined(f"原交易为 {original.infno}，交易编号或人员编号与冲正请求不符")
        if original.undo is None:
            raise Declined(f"原交易 {original.infno} 不能冲正")
        original.undo()
        refusal = ""
    turn.ledger.reversals[omsgid] = Reversal(oinfno, psn_no, refusal)
    return turn.ledger.reversals[omsgid]
