"""Settlement lists: 4101, 4101A kept and checked, 4102 moved, 4103 told, 4104 the platform's own quality control."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from gateway.simulator.ledger import Declined, Ledger, Settlement
from gateway.simulator.registry import Turn, handles
from gateway.simulator.settlement import amount, person_fields

EDITABLE, SUBMITTED, PASSED, RETURNED = "0", "1", "2", "3"
NAMES: Final = {EDITABLE: "未提交", SUBMITTED: "已提交", PASSED: "审核通过", RETURNED: "审核不通过"}
_ALLOWED: Final = {EDITABLE: {SUBMITTED}, RETURNED: {EDITABLE, SUBMITTED}}
_ICD10: Final = re.compile(r"[A-Z]\d{2}\..*|[A-Z]\d{2}")
_ICD9: Final = re.compile(r"\d{2}(\.\d.*)?")
_CENT: Final = Decimal("0.01")


@dataclass(slots=True)
class SettlementList:
    """A list as it was uploaded last, and how it stands."""

    number: str
    message: Mapping[str, Any]
    infno: str
    declared: str
    status: str = EDITABLE
    said: str = ""
    """Why it was returned."""
    findings: list[tuple[str, str, str]] = field(default_factory=list)
    """Of the platform's own quality control at submission: field, text, value."""


@handles("4101", "4101A")
def upload(turn: Turn) -> Any:
    """One list for each settlement; uploaded anew it replaces the one before, while it is not submitted."""
    info = turn.message["setlinfo"]
    settlement = _settlement(turn.ledger, info["setl_id"])
    psn_no = info.get("psn_no") or settlement.episode.psn_no
    if (settlement.episode.mdtrt_id, settlement.episode.psn_no) != (info["mdtrt_id"], psn_no):
        raise Declined(f"结算 {info['setl_id']} 与就诊 {info['mdtrt_id']}、人员 {psn_no} 不符")
    known = turn.ledger.lists.get(info["setl_id"])
    if known is not None and known.status != EDITABLE:
        raise Declined(f"清单{NAMES[known.status]}，不能修改：setl_id {info['setl_id']}")
    wrong = [*_times(info, settlement), *_sums(turn.message, settlement), *_coded(turn.message)]
    if wrong:
        raise Declined(f"清单校验不通过：{'；'.join(wrong)}")
    number = known.number if known else turn.ledger.list_number()
    turn.ledger.lists[info["setl_id"]] = SettlementList(number, turn.message, turn.infno, turn.time)
    return turn.shaped(data={"setl_list_id": number})


@handles("4102")
def move(turn: Turn) -> Any:
    """未提交 to 已提交, 审核不通过 to either; all rows of a call or none."""
    rows = turn.message["data"].get("stastinfo") or []
    if not rows:
        raise Declined("没有要修改状态的清单（stastinfo）")
    found = [(_list(turn.ledger, row), row["stas_type"]) for row in rows]
    for one, wanted in found:
        if wanted not in _ALLOWED.get(one.status, set()):
            raise Declined(f"清单{NAMES[one.status]}，不能改为{NAMES.get(wanted, wanted)}")
    for one, wanted in found:
        one.status = wanted
        one.findings = list(_controlled(one.message)) if wanted == SUBMITTED else []


@handles("4103")
def ask(turn: Turn) -> Any:
    """The list as it is kept, and how it stands."""
    wanted = turn.message["data"]
    one = _list(turn.ledger, wanted)
    settlement = _settlement(turn.ledger, wanted["setl_id"])
    info = one.message["setlinfo"]
    shown = {**person_fields(turn, settlement.episode), **info}
    shown |= {"setl_list_sn": one.number, "stas_type": one.status, "chk_cont": one.said, "dcla_time": one.declared}
    keys = {"setl_id": wanted["setl_id"], "psn_no": settlement.episode.psn_no, "mdtrt_id": settlement.episode.mdtrt_id}
    nodes = {
        name: [{**keys, **row} for row in one.message.get(name, [])] for name in ("diseinfo", "oprninfo", "icuinfo")
    }
    return turn.shaped(setlinfo=shown | keys, **nodes)


@handles("4104")
def controlled(turn: Turn) -> Any:
    """What the platform's own quality control found at submission."""
    wanted = turn.message["data"]
    rows = []
    for setl_id, one in turn.ledger.lists.items():
        psn_no = turn.ledger.settlements[setl_id].episode.psn_no
        asked = (wanted.get("setl_id") or setl_id, wanted.get("psn_no") or psn_no) == (setl_id, psn_no)
        if asked and one.status != EDITABLE:
            details = [
                {"exam_data_fld": name, "qltctrl_chk_rslt": text, "err_lv": "1", "retn_flag": "0", "init_val": value}
                for name, text, value in one.findings
            ]
            row = {"setl_id": setl_id, "psn_no": psn_no, "setl_ym": wanted["setl_ym"], "detailinfo": details}
            rows.append(
                row | {"qltctrl_rslt": "0" if details else "1", "err_lv": "1" if details else "0", "retn_flag": "0"}
            )
    if not rows:
        raise Declined("没有查到清单质控结果")
    return turn.shaped_root(rows)


def review(ledger: Ledger, setl_id: str, status: str, said: str) -> dict[str, Any]:
    """The insurer's word on a submitted list (``POST /_sim/lists``).

    Raises:
        Declined: there is no such list, it is not submitted, or the word is none.
    """
    one = ledger.lists.get(setl_id)
    if one is None:
        raise Declined(f"没有清单：setl_id {setl_id}")
    if one.status != SUBMITTED or status not in (PASSED, RETURNED):
        raise Declined(f"清单{NAMES[one.status]}；已提交的才能审核，stas_type 应为 2 或 3")
    one.status, one.said = status, said
    return shown(ledger)[setl_id]


def shown(ledger: Ledger) -> dict[str, dict[str, Any]]:
    """Every list by its settlement (``GET /_sim/lists``)."""
    return {
        setl_id: {
            "setl_list_id": one.number,
            "infno": one.infno,
            "stas_type": one.status,
            "chk_cont": one.said,
            "adm_time": one.message["setlinfo"].get("adm_time", ""),
            "dscg_time": one.message["setlinfo"].get("dscg_time", ""),
            "diagnoses": [row["diag_code"] for row in one.message.get("diseinfo", [])],
            "operations": [row["oprn_oprt_code"] for row in one.message.get("oprninfo", [])],
            "findings": [text for _, text, _ in one.findings],
        }
        for setl_id, one in ledger.lists.items()
    }


def _settlement(ledger: Ledger, setl_id: str) -> Settlement:
    found = ledger.settlements.get(setl_id)
    if found is None or found.state != "settled":
        raise Declined(f"结算不存在或已撤销：setl_id {setl_id}")
    return found


def _list(ledger: Ledger, row: Mapping[str, Any]) -> SettlementList:
    settlement = _settlement(ledger, row["setl_id"])
    found = ledger.lists.get(row["setl_id"])
    if found is None or settlement.episode.psn_no != row["psn_no"]:
        raise Declined(f"没有上传过清单：setl_id {row['setl_id']}，psn_no {row['psn_no']}")
    return found


def _times(info: Mapping[str, Any], settlement: Settlement) -> Iterator[str]:
    """To the minute those of the stay, as the platform itself has them."""
    stay = settlement.episode
    for name, label, own in (("adm_time", "入院时间", stay.begntime), ("dscg_time", "出院时间", stay.endtime)):
        given = info.get(name) or ""
        if stay.kind == "stay" and given and own and given[:16] != own[:16]:
            yield f"{label} {given} 与就诊登记 {own} 不一致"
    if info.get("adm_time") and info.get("dscg_time") and info["adm_time"] > info["dscg_time"]:
        yield "入院时间大于出院时间"


def _sums(message: Mapping[str, Any], settlement: Settlement) -> Iterator[str]:
    funds = message.get("payinfo") or []
    paid = sum((amount(row["fund_payamt"]) for row in funds), Decimal(0))
    if funds and abs(paid - settlement.figures.fund) > _CENT:
        yield f"基金支付合计 {paid} 与结算 {settlement.figures.fund} 不一致"
    items = message.get("iteminfo") or []
    charged = sum((amount(row["amt"]) for row in items), Decimal(0))
    if items and abs(charged - settlement.figures.total) > _CENT:
        yield f"收费项目合计 {charged} 与结算总费用 {settlement.figures.total} 不一致"


def _coded(message: Mapping[str, Any]) -> Iterator[str]:
    western = [row for row in message.get("diseinfo", []) if row["diag_type"] == "1"]
    mains = sum(row.get("maindiag_flag") == "1" for row in western)
    if western and mains != 1:
        yield f"主要诊断必须且只能有一个，现有 {mains} 个"
    yield from (f"诊断编码 {row['diag_code']} 不正确" for row in western if not _ICD10.fullmatch(row["diag_code"]))
    operations = message.get("oprninfo", [])
    wrong = [row["oprn_oprt_code"] for row in operations if not _ICD9.fullmatch(row["oprn_oprt_code"])]
    yield from (f"手术编码 {code} 不正确" for code in wrong)
    if operations and sum(row["oprn_oprt_type"] == "1" for row in operations) != 1:
        yield "当前病案缺失手术标识，请确认唯一的主手术"


def _controlled(message: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    info = message["setlinfo"]
    for name, label in (
        ("adm_time", "入院时间"),
        ("dscg_time", "出院时间"),
        ("dscg_way", "离院方式"),
        ("hi_paymtd", "医保支付方式"),
    ):
        if not info.get(name):
            yield name, f"【{label}】未填写", ""
    if info.get("dscg_way") in ("2", "3") and not info.get("acp_medins_name"):
        yield "acp_medins_name", "离院方式为转院，接收机构名称不能为空", ""
