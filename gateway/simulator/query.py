"""What the platform tells about visits, diagnoses, settlements and fee lines (5201 to 5204)."""

from __future__ import annotations

from typing import Any

from gateway.simulator import settlement
from gateway.simulator.ledger import Episode
from gateway.simulator.registry import Turn, handles


@handles("5201")
def visits(turn: Turn) -> Any:
    """Stays and visits of a person in force that overlap the period and have the med_type."""
    wanted = turn.message["data"]
    rows = [
        _visit_row(turn, one)
        for one in turn.ledger.episodes.values()
        if one.psn_no == wanted["psn_no"]
        and not one.gone
        and (wanted.get("mdtrt_id") or one.mdtrt_id) == one.mdtrt_id
        and one.info.get("med_type", wanted["med_type"]) == wanted["med_type"]
        and one.begntime <= wanted["endtime"]
        and (one.endtime or turn.time if one.kind == "stay" else one.begntime) >= wanted["begntime"]
    ]
    return turn.shaped(mdtrtinfo=rows)


@handles("5202")
def diagnoses(turn: Turn) -> Any:
    """The diagnoses of a stay or visit as the platform holds them."""
    wanted = turn.message["data"]
    one = turn.ledger.episodes.get(wanted["mdtrt_id"])
    held = one.diagnoses.items() if one and not one.gone and one.psn_no == wanted["psn_no"] else ()
    rows = [
        {
            "maindiag_flag": "1" if number == "1" else "0",
            **row,
            "psn_no": wanted["psn_no"],
            "diag_info_id": f"{wanted['mdtrt_id'][-20:]}{inout}{number}",
        }
        for (inout, number), row in held
    ]
    return turn.shaped(diseinfo=rows)


@handles("5203")
def settlement_info(turn: Turn) -> Any:
    """A settlement by setl_id; refd_setl_flag tells whether it has been cancelled."""
    wanted = turn.message["data"]
    found = turn.ledger.settlement(wanted["setl_id"], wanted["mdtrt_id"], wanted["psn_no"])
    answer = settlement.figures_shown(turn, found.episode, found.figures, found.request)
    answer["setlinfo"] |= {
        "setl_id": found.setl_id,
        "setl_time": found.setl_time,
        "medins_setl_id": found.msgid,
        "fixmedins_code": found.episode.fixmedins_code,
        "fixmedins_name": turn.envelope["fixmedins_name"],
        "pay_loc": "2",
        "begndate": found.episode.begntime[:10],
        "enddate": (found.episode.endtime or found.setl_time)[:10],
        "refd_setl_flag": "1" if found.state == "revoked" else "0",
        "year": found.setl_time[:4],
        "invono": found.request.get("invono") or "",
    }
    return turn.shaped_root(answer)


@handles("5204")
def fee_lines(turn: Turn) -> Any:
    """The lines that a settlement in force paid."""
    wanted = turn.message["data"]
    found = turn.ledger.settlement(wanted["setl_id"], wanted["mdtrt_id"], wanted["psn_no"])
    rows = [
        {
            **line.row,
            **settlement.split_row(line),
            "mdtrt_id": found.episode.mdtrt_id,
            "setl_id": found.setl_id,
            "med_type": found.episode.info.get("med_type", ""),
            "rx_drord_no": line.row.get("drord_no") or line.row.get("rxno") or "",
            "hilist_code": line.row["med_list_codg"],
            "list_type": "101" if line.row["med_list_codg"][:1].upper() in "XZ" else "201",
        }
        for line in found.episode.lines.values()
        if line.setl_id == found.setl_id
    ]
    return turn.shaped_root(rows)


def _visit_row(turn: Turn, one: Episode) -> dict[str, Any]:
    return {
        **one.info,
        **settlement.person_fields(turn, one),
        "mdtrt_id": one.mdtrt_id,
        "insutype": one.info.get("insutype") or turn.ledger.person(one.psn_no).insutype,
        "begntime": one.begntime,
        "endtime": one.endtime,
        "ipt_otp_no": one.number,
        "med_type": one.info.get("med_type", ""),
        "inhosp_stas": "1" if one.state == "in_hospital" else "0",
    }
