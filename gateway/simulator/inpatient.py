"""An inpatient stay: 2401 to 2405, 2301 to 2305."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.simulator import settlement
from gateway.simulator.ledger import Declined, Episode
from gateway.simulator.registry import Turn, handles
from gateway.simulator.settlement import ALL_LINES

_ADMITTED, _DISCHARGED = "1", "2"


@handles("2401")
def admit(turn: Turn) -> Any:
    """A new stay; 2601 takes it back while nothing stands on it."""
    info = turn.message["mdtrtinfo"]
    if turn.ledger.number_taken("stay", turn.institution, info["ipt_no"]):
        raise Declined(f"住院号 {info['ipt_no']} 已办理入院，不能重复登记")
    stay = Episode(
        mdtrt_id=turn.ledger.next_id("1"),
        kind="stay",
        psn_no=info["psn_no"],
        fixmedins_code=turn.institution,
        number=info["ipt_no"],
        begntime=info["begntime"],
        state="in_hospital",
        info=dict(info),
    )
    _record_diagnoses(stay, turn.message["diseinfo"], _ADMITTED)
    turn.ledger.admit(stay)
    turn.undo.append(lambda: _unadmit(stay))
    return turn.shaped(result={"mdtrt_id": stay.mdtrt_id})


@handles("2402")
def discharge(turn: Turn) -> Any:
    """The stay ends; its discharge diagnoses replace earlier ones of the same number."""
    info = turn.message["dscginfo"]
    stay = _in_hospital(turn, info, "出院")
    if info["endtime"] < stay.begntime:
        raise Declined(f"出院时间 {info['endtime']} 早于入院时间 {stay.begntime}")
    stay.info.update(info)
    stay.endtime, stay.state = info["endtime"], "discharged"
    _record_diagnoses(stay, turn.message["diseinfo"], _DISCHARGED)


@handles("2403")
def change(turn: Turn) -> Any:
    """New particulars of a stay; a diagnosis is keyed by diag_srt_no (rules of 2403)."""
    info = turn.message["adminfo"]
    stay = _in_hospital(turn, info, "变更住院信息")
    if _final(stay):
        raise Declined("已结算，不能变更住院信息，请先结算撤销（2305）")
    turn.ledger.renumber(stay, info["ipt_otp_no"])
    stay.info.update(info)
    stay.begntime = info["begntime"]
    _record_diagnoses(stay, turn.message["diseinfo"], _ADMITTED)


@handles("2404")
def cancel_admission(turn: Turn) -> Any:
    """The stay never was; refused while fees or a settlement remain."""
    stay = _in_hospital(turn, turn.message["data"], "撤销入院")
    _check_bare(stay, "撤销入院")
    stay.state = "cancelled"


@handles("2405")
def cancel_discharge(turn: Turn) -> Any:
    """Back in hospital; refused while a final settlement is in force."""
    stay = _stay(turn, turn.message["data"])
    if stay.state != "discharged":
        raise Declined("未办理出院，不能撤销出院")
    if _final(stay):
        raise Declined("已结算，请先结算撤销（2305）再撤销出院")
    stay.state, stay.endtime = "in_hospital", ""
    stay.diagnoses = {key: row for key, row in stay.diagnoses.items() if key[0] != _DISCHARGED}


@handles("2301")
def upload_fees(turn: Turn) -> Any:
    """Fee lines; all of a call or none."""
    uploads = []
    for stay, rows in _by_stay(turn, turn.message["feedetail"], "上传费用"):
        if _final(stay):
            raise Declined("已结算，不能上传费用，请先结算撤销（2305）")
        uploads.append((stay, settlement.read_lines(stay, rows, refunds=True)))
    shown: dict[tuple[str, str], Any] = {}
    for stay, lines in uploads:
        stay.lines.update((line.sn, line) for line in lines)
        shown.update(((stay.mdtrt_id, line.sn), settlement.split_row(line)) for line in lines)
    return turn.shaped(result=[shown[row["mdtrt_id"], row["feedetl_sn"]] for row in turn.message["feedetail"]])


@handles("2302")
def remove_fees(turn: Turn) -> Any:
    """Delete unsettled lines; feedetl_sn 0000 means every unsettled line of the stay."""
    plans = []
    for stay, rows in _by_stay(turn, turn.message["data"], "撤销费用"):
        sns = {row["feedetl_sn"] for row in rows}
        missing = sns - stay.lines.keys() - {ALL_LINES}
        if missing:
            raise Declined(f"费用明细不存在：{min(missing)}")
        doomed = stay.unsettled() if ALL_LINES in sns else [stay.lines[sn] for sn in sorted(sns)]
        if not doomed:
            raise Declined("没有未结算的费用明细可撤销")
        plans.append((stay, settlement.without(stay, doomed)))
    for stay, rest in plans:
        stay.lines = rest


@handles("2303", "2303A")
def pre_settle(turn: Turn) -> Any:
    """The figures that 2304 would give; changes nothing."""
    data = turn.message["data"]
    stay = _stay(turn, data)
    figures = settlement.trial(turn, stay, stay.unsettled(), data)
    return turn.shaped_root(settlement.figures_shown(turn, stay, figures, data))


@handles("2304", "2304A")
def settle(turn: Turn) -> Any:
    """Settle every unsettled line of the stay."""
    data = turn.message["data"]
    stay = _stay(turn, data)
    if _final(stay):
        raise Declined("该次住院已结算，不能重复结算")
    final = data["mid_setl_flag"] != "1"
    if final and turn.discharge_first and stay.state != "discharged":
        raise Declined("尚未办理出院（2402），不能结算")
    done = settlement.settle(turn, stay, stay.unsettled(), data, final=final)
    answer = settlement.figures_shown(turn, stay, done.figures, data)
    answer["setlinfo"]["setl_id"] = done.setl_id
    return turn.shaped_root(answer)


@handles("2305")
def cancel_settlement(turn: Turn) -> Any:
    """Cancel a settlement; the answer carries an id of its own and negative amounts."""
    data = turn.message["data"]
    return settlement.cancelled(turn, data, _stay(turn, data))


def _stay(turn: Turn, row: Mapping[str, Any]) -> Episode:
    return turn.ledger.episode(row["mdtrt_id"], row["psn_no"], "stay")


def _in_hospital(turn: Turn, row: Mapping[str, Any], doing: str) -> Episode:
    stay = _stay(turn, row)
    if stay.state != "in_hospital":
        raise Declined(f"已办理出院，不能{doing}，请先撤销出院（2405）")
    return stay


def _by_stay(turn: Turn, rows: list[dict[str, Any]], doing: str) -> list[tuple[Episode, list[dict[str, Any]]]]:
    """The rows of a call, per stay they belong to."""
    grouped: dict[str, tuple[Episode, list[dict[str, Any]]]] = {}
    for row in rows:
        stay = _in_hospital(turn, row, doing)
        grouped.setdefault(stay.mdtrt_id, (stay, []))[1].append(row)
    return list(grouped.values())


def _final(stay: Episode) -> bool:
    return any(one.final for one in stay.settled)


def _check_bare(stay: Episode, doing: str) -> None:
    if stay.settled:
        raise Declined(f"已有结算，不能{doing}，请先结算撤销（2305）")
    if stay.lines:
        raise Declined(f"尚有 {len(stay.lines)} 条费用明细，不能{doing}，请先撤销费用（2302）")


def _unadmit(stay: Episode) -> None:
    if stay.state != "in_hospital":
        raise Declined("该次入院已出院或已撤销，不能冲正")
    _check_bare(stay, "冲正")
    stay.state = "reversed"


def _record_diagnoses(stay: Episode, rows: list[dict[str, Any]], inout: str) -> None:
    for row in rows:
        number = str(row["diag_srt_no"])
        stay.diagnoses[inout, number] = {**row, "mdtrt_id": stay.mdtrt_id, "inout_diag_type": inout}
