"""Sign-in and sign-out (9001, 9002)."""

from __future__ import annotations

from typing import Any

from gateway.simulator.ledger import Declined
from gateway.simulator.registry import Turn, handles


@handles("9001")
def sign_in(turn: Turn) -> Any:
    """A new sign-in number for this operator."""
    opter = turn.message["signIn"]["opter_no"]
    if turn.one_sign_in:
        for ended in [number for number, who in turn.ledger.sign_ins.items() if who == opter]:
            del turn.ledger.sign_ins[ended]
    sign_no = turn.ledger.next_id("3")
    turn.ledger.sign_ins[sign_no] = opter
    return turn.shaped(signinoutb={"sign_time": turn.time, "sign_no": sign_no})


@handles("9002")
def sign_out(turn: Turn) -> Any:
    """The number is no longer valid."""
    given = turn.message["signOut"]
    if turn.ledger.sign_ins.get(given["sign_no"]) != given["opter_no"]:
        raise Declined(f"签到编号 {given['sign_no']} 不存在或不属于操作员 {given['opter_no']}")
    del turn.ledger.sign_ins[given["sign_no"]]
    return turn.shaped(signoutoutb={"sign_time": turn.time})
