"""Purchases at a pharmacy: 2101 to 2103, paid from the account and in cash."""

from __future__ import annotations

from typing import Any

from gateway.simulator import settlement
from gateway.simulator.ledger import Episode
from gateway.simulator.registry import Turn, handles


@handles("2101")
def pre_settle(turn: Turn) -> Any:
    """The figures that 2102 would give; changes nothing."""
    purchase = _purchase(turn)
    data = turn.message["druginfo"]
    figures = settlement.trial(turn, purchase, purchase.unsettled(), data)
    return turn.shaped_root(_answer(purchase, settlement.figures_shown(turn, purchase, figures, data)))


@handles("2102", "2102A")
def settle(turn: Turn) -> Any:
    """One call sells and settles."""
    purchase = _purchase(turn)
    done = settlement.settle(turn, purchase, purchase.unsettled(), turn.message["druginfo"], final=True)
    turn.ledger.admit(purchase)
    answer = settlement.figures_shown(turn, purchase, done.figures, done.request)
    answer["setlinfo"]["setl_id"] = done.setl_id
    return turn.shaped_root(_answer(purchase, answer))


@handles("2103")
def cancel_settlement(turn: Turn) -> Any:
    """Cancel a purchase; the answer carries an id of its own and negative amounts."""
    data = turn.message["data"]
    found = turn.ledger.settlement(data["setl_id"], data["mdtrt_id"], data["psn_no"])
    return settlement.cancelled(turn, data, found.episode)


def _purchase(turn: Turn) -> Episode:
    info = turn.message["druginfo"]
    purchase = Episode(
        mdtrt_id=turn.ledger.next_id("1"),
        kind="purchase",
        psn_no=info["psn_no"],
        fixmedins_code=turn.institution,
        number=turn.msgid,
        begntime=info["begntime"],
        state="settled",
        info=dict(info),
    )
    lines = settlement.read_lines(purchase, turn.message["drugdetail"], refunds=False)
    purchase.lines = {line.sn: line for line in lines}
    return purchase


def _answer(purchase: Episode, answer: dict[str, Any]) -> dict[str, Any]:
    return answer | {"detlcutinfo": [settlement.split_row(line) for line in purchase.lines.values()]}
