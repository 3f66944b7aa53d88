"""An outpatient visit: 2201 to 2208."""

from __future__ import annotations

from typing import Any

from gateway.simulator import settlement
from gateway.simulator.ledger import Declined, Episode, FeeLine
from gateway.simulator.registry import Turn, handles
from gateway.simulator.settlement import ALL_LINES

_VOID = "0"


@handles("2201")
def register(turn: Turn) -> Any:
    """A new visit."""
    data = turn.message["data"]
    if turn.ledger.number_taken("visit", turn.institution, data["ipt_otp_no"]):
        raise Declined(f"门诊号 {data['ipt_otp_no']} 已挂号，不能重复挂号")
    visit = Episode(
        mdtrt_id=turn.ledger.next_id("1"),
        kind="visit",
        psn_no=data["psn_no"],
        fixmedins_code=turn.institution,
        number=data["ipt_otp_no"],
        begntime=data["begntime"],
        state="registered",
        info=dict(data),
    )
    turn.ledger.admit(visit)
    return turn.shaped(data={"mdtrt_id": visit.mdtrt_id, "psn_no": visit.psn_no, "ipt_otp_no": visit.number})


@handles("2202")
def cancel_registration(turn: Turn) -> Any:
    """The visit never was; refused while fees or a settlement remain."""
    data = turn.message["data"]
    visit = _visit(turn, data)
    if visit.number != data["ipt_otp_no"]:
        raise Declined(f"门诊号 {data['ipt_otp_no']} 与挂号不符")
    if visit.settled:
        raise Declined("已有结算，不能撤销挂号，请先结算撤销（2208）")
    if visit.lines:
        raise Declined(f"尚有 {len(visit.lines)} 条费用明细，不能撤销挂号，请先撤销费用（2205）")
    visit.state = "cancelled"


@handles("2203", "2203A")
def upload_visit(turn: Turn) -> Any:
    """Particulars and diagnoses; vali_flag 0 voids a diagnosis (rules of 2203)."""
    info = turn.message["mdtrtinfo"]
    visit = _visit(turn, info)
    if visit.settled and info["med_type"] != visit.info.get("med_type"):
        raise Declined("一次就诊只能有一个医疗类别，已结算的不能更改")
    visit.info.update(info)
    for row in turn.message["diseinfo"]:
        key = ("1", str(row["diag_srt_no"]))
        visit.diagnoses.pop(key, None)
        if row["vali_flag"] != _VOID:
            visit.diagnoses[key] = {**row, "mdtrt_id": visit.mdtrt_id, "inout_diag_type": "1"}


@handles("2204")
def upload_fees(turn: Turn) -> Any:
    """Fee lines; all of a call or none."""
    rows = turn.message["feedetail"]
    visits: dict[str, Episode] = {}
    for row in rows:
        visits[row["mdtrt_id"]] = _seen(turn, row)
    uploads = {key: settlement.read_lines(visit, [row for row in rows if row["mdtrt_id"] == key], refunds=False)
               for key, visit in visits.items()}  # fmt: skip
    shown: dict[tuple[str, str], Any] = {}
    for key, lines in uploads.items():
        visits[key].lines.update((line.sn, line) for line in lines)
        shown.update(((key, line.sn), settlement.split_row(line)) for line in lines)
    return turn.shaped(result=[shown[row["mdtrt_id"], row["feedetl_sn"]] for row in rows])


@handles("2205")
def remove_fees(turn: Turn) -> Any:
    """Delete the unsettled lines of a chrg_bchno; 0000 means of the visit."""
    data = turn.message["data"]
    visit = _visit(turn, data)
    batch = data["chrg_bchno"]
    doomed = visit.unsettled("" if batch == ALL_LINES else batch)
    if not doomed:
        raise Declined(f"收费批次 {batch} 没有未结算的费用明细可撤销")
    visit.lines = settlement.without(visit, doomed)


@handles("2206", "2206A")
def pre_settle(turn: Turn) -> Any:
    """The figures that 2207 would give; changes nothing."""
    data = turn.message["data"]
    visit = _seen(turn, data)
    figures = settlement.trial(turn, visit, _batch(visit, data["chrg_bchno"]), data)
    return turn.shaped_root(settlement.figures_shown(turn, visit, figures, data))


@handles("2207", "2207A")
def settle(turn: Turn) -> Any:
    """Settle the lines of one chrg_bchno."""
    data = turn.message["data"]
    visit = _seen(turn, data)
    done = settlement.settle(turn, visit, _batch(visit, data["chrg_bchno"]), data, final=True)
    answer = settlement.figures_shown(turn, visit, done.figures, data)
    answer["setlinfo"]["setl_id"] = done.setl_id
    return turn.shaped_root(answer)


@handles("2208")
def cancel_settlement(turn: Turn) -> Any:
    """Cancel a settlement; the answer carries an id of its own and negative amounts."""
    data = turn.message["data"]
    return settlement.cancelled(turn, data, _visit(turn, data))


def _visit(turn: Turn, row: dict[str, Any]) -> Episode:
    return turn.ledger.episode(row["mdtrt_id"], row["psn_no"], "visit")


def _seen(turn: Turn, row: dict[str, Any]) -> Episode:
    visit = _visit(turn, row)
    if not visit.diagnoses:
        raise Declined("尚未上传门诊就诊信息（2203）")
    return visit


def _batch(visit: Episode, batch: str) -> list[FeeLine]:
    lines = [line for line in visit.lines.values() if line.batch == batch]
    if lines and all(line.setl_id for line in lines):
        raise Declined(f"收费批次 {batch} 已结算，不能重复结算")
    return [line for line in lines if not line.setl_id]
