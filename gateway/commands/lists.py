"""``yibao lists``: settlement lists; what the quality rules say, what would be uploaded, and the uploading itself."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gateway.commands.journal import Unmasked, reading
from gateway.commands.noted import Operator, note, who
from gateway.commands.terminal import (
    ConfigOption,
    Failed,
    JsonOption,
    Misused,
    complain,
    print_json,
    print_pairs,
    print_table,
    say,
    settings,
    system_reason,
)

if TYPE_CHECKING:
    from gateway.rules.list_quality import Finding
    from gateway.rules.stay import Settled
    from gateway.rules.terms import TermBook
    from gateway.settings import Settings
    from gateway.stays.desk import Judged, StayDesk
    from gateway.stays.lists import Sheet
    from gateway.store import Store

app = typer.Typer(help="结算清单：质控、查看、上传与提交（4101、4101A、4102、4103）。", no_args_is_help=True)

UPLOAD_S_MAX: Final = 300
LEVELS: Final = {"refuse": "拒绝", "warn": "提示", "hint": "提醒", "off": "停用"}
Number = Annotated[str, typer.Argument(metavar="IPT_NO|MDTRT_ID|SETL_ID", help="住院号、就诊 ID 或结算 ID。")]
SetlId = Annotated[str, typer.Option("--setl-id", metavar="ID", help="哪一次结算；不给则为末次。")]


@app.command("list")
def list_(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="最多多少次住院。")] = 200,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """已结算、还没有清单的，能否上传，不能上传的原因。"""
    from gateway.store.stay_feed import EpisodeQuery

    given = settings(context, config)
    with reading(given) as store:
        stays = store.stay_feed.episodes(EpisodeQuery(settlement=("settled",), order="t_dsc", limit=limit))
        told = [*_waiting(given, store, [(one.ipt_no, one.mdtrt_id) for one in stays])]
    if as_json:
        print_json(told)
        return
    names = ("ipt_no", "setl_id", "ready", "code", "reason")
    rows = [[one[name] if name != "ready" else "可以" if one[name] else "不能" for name in names] for one in told]
    print_table(("住院号", "结算 ID", "上传", "代码", "原因"), [[*row[:4], str(row[4])[:80]] for row in rows])
    complain(f"没有清单的结算 {len(told)} 笔，可以上传 {sum(bool(one['ready']) for one in told)} 笔。")


def _waiting(given: Settings, store: Store, stays: list[tuple[str, str]]) -> Iterator[dict[str, Any]]:
    from gateway.masking import mask_text
    from gateway.stays.lists import final_settlements
    from gateway.stays.ports import StayRef

    desk = _desk(given, store)
    sheets = _Sheets(given, desk.terms)
    for ipt_no, mdtrt_id in stays:
        judged = desk.judged(StayRef(ipt_no, mdtrt_id))
        for settled in final_settlements(judged.stay):
            if not settled.listed:
                sheet = sheets.sheet(judged, settled)
                yield {"ipt_no": ipt_no, "mdtrt_id": mdtrt_id, "setl_id": settled.setl_id, "ready": sheet.allowed,
                       "code": sheet.code, "reason": mask_text(sheet.reason)}  # fmt: skip


@app.command()
def check(
    context: typer.Context,
    number: Number,
    setl_id: SetlId = "",
    file: Annotated[
        Path | None, typer.Option("--file", help="HIS 自己的 4101A 报文（JSON，含 setlinfo）；不给则为网关所填的清单。")
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """质控：每条规则的结果，不发送任何报文。有拒绝上传的问题时退出码为 1。"""
    given = settings(context, config)
    with reading(given) as store:
        desk = _desk(given, store)
        judged, settled = _found(desk, number, setl_id)
        sheet = _Sheets(given, desk.terms).sheet(judged, settled, _message(file) if file else None)
    findings = [_finding(one) for one in sheet.report.findings]
    if as_json:
        problems = [one.text for one in sheet.problems]
        print_json({**_head(sheet), "problems": problems, "findings": findings})
    else:
        _print_check(sheet)
    if not sheet.allowed:
        raise Failed(f"不能上传：{sheet.code} {sheet.refusal.fault.title if sheet.refusal else '内容不符合接口规范'}")


def _print_check(sheet: Sheet) -> None:
    found = [one for one in sheet.report.findings if one.result == "problem"]
    rows = [[one.rule_id, LEVELS[one.level], one.place, one.row or "", one.text, one.source] for one in found]
    print_table(("规则", "级别", "字段", "行", "说明", "出处"), rows)
    for problem in sheet.problems:
        say(f"不合接口：{problem.text}")
    counts = [sheet.report.count(name) for name in ("passed", "unchecked", "not_applicable")]
    complain(f"问题 {len(found)} 处；通过 {counts[0]} 条，未检 {counts[1]} 条，不适用 {counts[2]} 条。")


@app.command()
def show(
    context: typer.Context,
    number: Number,
    setl_id: SetlId = "",
    operator: Operator = "",
    unmasked: Unmasked = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """网关所填的清单：各字段的值，以及清单在平台上的状态。"""
    from gateway.masking import mask_value

    given = settings(context, config)
    note(given, operator, "lists.show", number, f"unmasked={unmasked}")
    with reading(given) as store:
        desk = _desk(given, store)
        judged, settled = _found(desk, number, setl_id)
        sheet = _Sheets(given, desk.terms).sheet(judged, settled)
    message: Any = sheet.message if unmasked else mask_value("message", sheet.message)
    if as_json:
        print_json({**_head(sheet), "state": _state(settled), "message": message})
        return
    print_pairs({"结算 ID": settled.setl_id, "交易": sheet.infno, "状态": _state(settled)})
    for node, value in message.items():
        for index, row in enumerate(value if isinstance(value, list) else [value], 1):
            name = f"{node} {index}" if isinstance(value, list) else node
            print_table((name, ""), [[key, row[key]] for key in row])


@app.command()
def upload(
    context: typer.Context,
    number: Number,
    setl_id: SetlId = "",
    act: Annotated[
        str, typer.Option("--act", help="upload 上传并提交、submit 提交、withdraw 改回未提交、ask 查询状态。")
    ] = "upload",
    operator: Operator = "",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """上传一份清单并提交；由运行中的网关办理。没有办成时退出码为 1。"""
    from gateway.commands.local import admin_of, ask
    from gateway.desks.lists import ACTS

    if act not in ACTS:
        raise Misused(f"--act 应为 {'、'.join(ACTS)} 之一，现为 {act}")
    given = settings(context, config)
    with reading(given) as store:
        judged, settled = _found(_desk(given, store), number, setl_id)
    wish = {"operator": who(operator), "ipt_no": judged.stay.ipt_no, "mdtrt_id": judged.stay.mdtrt_id}
    body = json.dumps({**wish, "setl_id": settled.setl_id}, ensure_ascii=False).encode()
    answer = ask(admin_of(given), f"/-/lists/{act}", body=body, timeout_s=UPLOAD_S_MAX)
    told: dict[str, Any] = json.loads(answer.body)
    if as_json:
        print_json(told)
    for text in told.get("problems", ()):
        say(text)
    if answer.status != 200 or not told.get("ok"):
        raise Failed(f"{told.get('code', '')} {told.get('error', told)}".strip())
    complain(f"结算 {told['setl_id']} 的清单：{told['state']}。{told['warn_msg']}")


@app.command()
def rules(context: typer.Context, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """列出质控规则：编号、级别（按配置改过的标出）、内容、出处。"""
    from gateway import mappings

    given = settings(context, config)
    levels: Mapping[str, str] = given.settlement_list.levels
    found = mappings.load(given.platform.province).rules.quality.rules
    if unknown := sorted(set(levels) - {one.rule_id for one in found}):
        raise Failed(f"settlement_list.levels 中没有这样的规则：{'、'.join(unknown)}")
    told = [
        {"rule": one.rule_id, "level": levels.get(one.rule_id, one.level), "set": one.rule_id in levels,
         "text": one.text, "source": one.source, "input": not any(c.verb == "unchecked" for c in one.checks)}
        for one in found
    ]  # fmt: skip
    if as_json:
        print_json(told)
        return
    rows = [
        [one["rule"], LEVELS[str(one["level"])] + ("（已改）" if one["set"] else ""), "" if one["input"] else "未检", one["text"],
         one["source"]]
        for one in told
    ]  # fmt: skip
    print_table(("规则", "级别", "", "内容", "出处"), rows)


# ------------------------------------------------------------------ shared


def _desk(given: Settings, store: Store) -> StayDesk:
    from gateway import clock
    from gateway.console_process import stay_reader

    return stay_reader(given, store, clock.now)


def _found(desk: StayDesk, number: str, setl_id: str) -> tuple[Judged, Settled]:
    from gateway.stays.desk import is_known
    from gateway.stays.ports import StayRef

    for ref in (StayRef(ipt_no=number), StayRef(mdtrt_id=number), StayRef(setl_id=number)):
        judged = desk.judged(ref)
        if not is_known(judged.history):
            continue
        wanted = setl_id or ref.setl_id
        for settled in reversed(judged.stay.settlements):
            if wanted in ("", settled.setl_id):
                return judged, settled
    raise Failed(f"网关没有 {number}{f' 的结算 {setl_id}' if setl_id else ' 的有效结算'}")


class _Sheets:
    """Makes the lists of one command; the mapping files are read once.

    Args:
        terms: looks up what catalogs say of the codes in them.
    """

    def __init__(self, given: Settings, terms: TermBook) -> None:
        from gateway import mappings
        from gateway.contract.interface import Interface

        self._given = given
        self._terms = terms
        contract = mappings.load(given.platform.province)
        self._interface = Interface(contract, code_lists=given.contract.code_lists)

    def sheet(self, judged: Judged, settled: Settled, own: dict[str, Any] | None = None) -> Sheet:
        from gateway import clock
        from gateway.configured import list_form, rules_policy
        from gateway.stays.lists import list_sheet

        form, policy = list_form(self._given), rules_policy(self._given)
        return list_sheet(judged, settled, self._interface, form, clock.now(), policy, own, terms=self._terms)


def _message(file: Path) -> dict[str, Any]:
    """Raises ``Misused`` when the file is no list."""
    try:
        found = json.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise Failed(f"文件 {file} 无法读取：{system_reason(error)}") from None
    except ValueError:
        raise Misused(f"{file.name} 不是 UTF-8 的 JSON") from None
    found = found.get("input", found) if isinstance(found, dict) else found
    if not isinstance(found, dict) or not isinstance(found.get("setlinfo"), dict):
        raise Misused(f"{file.name} 应为清单报文：对象，其中有 setlinfo")
    return found


def _head(sheet: Sheet) -> dict[str, Any]:
    return {"infno": sheet.infno, "setl_id": sheet.setl_id, "ready": sheet.allowed, "code": sheet.code}


def _state(settled: Settled) -> str:
    from jobs.settlement_lists import state_text

    return state_text(settled)


def _finding(one: Finding) -> dict[str, Any]:
    names = ("rule_id", "level", "result", "text", "source", "place", "row", "value")
    return {name: getattr(one, name) for name in names}
