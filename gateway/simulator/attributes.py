"""Special attributes of a stay: 2406 kept, 2407 told page by page."""

from __future__ import annotations

from typing import Any, Final

from gateway.simulator.ledger import Declined
from gateway.simulator.registry import Turn, handles

_ASKED: Final = ("ipt_psn_sp_flag_detl_id", "mdtrt_id", "psn_no", "ipt_psn_sp_flag_type", "ipt_psn_sp_flag")


@handles("2406")
def attribute(turn: Turn) -> Any:
    """One attribute of one kind for a visit; the same again is the same row."""
    given = turn.message["data"]
    episode = turn.ledger.episodes.get(given["mdtrt_id"])
    if episode is None or episode.psn_no != given["psn_no"]:
        raise Declined(f"没有就诊 {given['mdtrt_id']}，人员 {given['psn_no']}")
    for row in turn.ledger.attributes:
        if all(row.get(name) == given[name] for name in _ASKED[1:]):
            return turn.shaped(data=row)
    row = {**given, "ipt_psn_sp_flag_detl_id": f"SP{len(turn.ledger.attributes) + 1:08d}"}
    turn.ledger.attributes.append(row)
    return turn.shaped(data=row)


@handles("2407")
def ask(turn: Turn) -> Any:
    """The attributes that have every value asked for."""
    wanted = turn.message["data"]
    first, size = int(wanted["page_num"]) - 1, int(wanted["page_size"])
    if first < 0 or size < 1:
        raise Declined("页数从 1 开始，本页数据量至少为 1")
    found = [
        row
        for row in turn.ledger.attributes
        if all(not wanted.get(name) or row.get(name) == wanted[name] for name in _ASKED)
    ]
    return turn.shaped(IptPsnSpFlagReg={"data": found[first * size : (first + 1) * size]})
