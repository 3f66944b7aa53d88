"""``yibao stays``: the whole history of one stay and what follows from it; stays that began elsewhere are taken over."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator
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
    progress,
    say,
    settings,
)

if TYPE_CHECKING:
    from gateway.settings import Settings
    from gateway.stays.history import History

app = typer.Typer(help="住院：显示一次住院的全部经过，接入网关启用前的在院病人。", no_args_is_help=True)

REPORT_ROWS_MAX: Final = 50


@app.command()
def show(
    context: typer.Context,
    number: Annotated[str, typer.Argument(metavar="IPT_NO|MDTRT_ID", help="住院号，或就诊 ID。")],
    operator: Operator = "",
    unmasked: Unmasked = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """显示一次住院：各时间与来源、经过、出院办理还缺什么。"""
    from gateway import clock, mappings
    from gateway.configured import rules_policy
    from gateway.stays.derive import derive
    from gateway.stays.desk import is_known
    from gateway.stays.ports import StayRef
    from gateway.stays.story import story
    from gateway.stays.view import status

    given = settings(context, config)
    note(given, operator, "stays.show", number, f"unmasked={unmasked}")
    with reading(given) as store:
        history: History | None = None
        for ref in (StayRef(ipt_no=number), StayRef(mdtrt_id=number)):
            found = store.journal.stays.known(ref).history
            history = found if is_known(found) else history
    if history is None:
        raise Failed(f"网关没有住院号或就诊 ID 为 {number} 的住院的任何记录")
    policy, contract = rules_policy(given), mappings.load(given.platform.province)
    told = status(derive(history, policy), contract.rules, policy, clock.now())
    told["psn_no"] = history.psn_no
    told["story"] = list(story(history))
    if not unmasked:
        told = _masked(told)
    if as_json:
        print_json(told)
        return
    _print(told)


def _masked(told: dict[str, Any]) -> dict[str, Any]:
    from gateway.masking import mask_text, mask_value

    told["psn_no"] = mask_value("psn_no", told["psn_no"])
    for step in told["story"]:
        step["detail"] = mask_text(step["detail"])
    return told


def _print(told: dict[str, Any]) -> None:
    state, upload = told["state"], told["upload"]
    print_pairs(
        {
            "住院号": told["ipt_no"],
            "就诊 ID": told["mdtrt_id"],
            "人员编号": told["psn_no"],
            "在院状态": state["presence"],
            "入院时间": state["alignment"],
            "结算": state["settlement"],
            "结果未明": "、".join(state["unknown"]) or "无",
            "诊断上传": f"{upload['result']}（院内 {upload['told'] or '—'}，上传 {upload['sent'] or '—'}，"
            f"平台 {upload['shown'] or '—'}）",
        }
    )
    print_table(
        ("时间", "值", "原值", "来源", "操作人", "依据"),
        [[one["label"], one["value"], one["raw"], one["origin"], one["by"], one["ref"]] for one in told["time"]],
    )
    print_table(
        ("得知", "经过", "说明", "操作人"),
        [[one["at"], one["what"], one["detail"], one["by"]] for one in told["story"]],
    )
    for problem in (*upload["problem"], *(f"平台多余诊断：{one}" for one in upload["surplus"])):
        say(f"诊断核对：{problem}")
    missing = told["missing"]
    say("\n".join(f"出院办理还缺：{one['code']} {one['text']}" for one in missing) or "可以办理出院。")


@app.command()
def adopt(
    context: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="CSV（首行为列名）或 .jsonl：mdtrt_id、psn_no、ipt_no、begntime、med_type、入科的 ward_in_time 与 ward_code。",
        ),
    ],
    query: Annotated[
        bool, typer.Option("--query", help="各时间与状态以平台查询（5201、5202）为准，文件只给编号。")
    ] = False,
    operator: Operator = "",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """接入网关没有登记过的在院病人，一行一人；经正在运行的网关办理，最后给出报告。"""
    given = settings(context, config)
    rows = list(_rows(file))
    if not rows:
        raise Failed(f"{file} 中没有住院记录")
    report: list[dict[str, Any]] = []
    with progress() as bar:
        task = bar.add_task("接入", total=len(rows))
        for line, row in rows:
            answer = _ask(given, {"stay": row, "operator": who(operator), "query": query})
            report.append(
                {"line": line, "mdtrt_id": row.get("mdtrt_id", ""), "ipt_no": row.get("ipt_no", ""), **answer}
            )
            bar.advance(task)
    failed = [one for one in report if "error" in one]
    if as_json:
        print_json(report)
    else:
        _print_report(report, failed)
    if failed:
        raise Failed(f"{len(failed)} 行没有接入，改正后可以只导入这些行；已接入的再导入一次也无妨")


def _print_report(report: list[dict[str, Any]], failed: list[dict[str, Any]]) -> None:
    done = [one for one in report if "error" not in one]
    alignments = Counter(one["state"]["alignment"] for one in done)
    say(f"已接入 {len(done)} 人：" + "，".join(f"{name} {count}" for name, count in sorted(alignments.items())))
    blocked = Counter(one["missing"][0]["code"] if one["missing"] else "可以出院" for one in done)
    print_table(("出院办理", "人数"), sorted(blocked.items()))
    if failed:
        shown = failed[:REPORT_ROWS_MAX]
        print_table(("行", "就诊 ID", "原因"), [[one["line"], one["mdtrt_id"], one["error"]] for one in shown])
        if len(failed) > len(shown):
            complain(f"另有 {len(failed) - len(shown)} 行，见 --json。")


def _ask(given: Settings, wish: dict[str, Any]) -> dict[str, Any]:
    from gateway.commands.local import admin_of, ask, url_of

    listener = admin_of(given)
    answer = ask(listener, "/-/stays/adopt", body=json.dumps(wish, ensure_ascii=False).encode(), timeout_s=120)
    if answer.status != 200:
        raise Failed(
            f"网关 {url_of(listener)} 不接受（HTTP {answer.status}）；接入走管理地址 listen.admin，且只限网关所在的机器"
        )
    found: dict[str, Any] = json.loads(answer.body)
    return found


def _rows(file: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and stay. Raises ``Misused`` when the file is neither form, or holds something else."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        text = file.read_text(encoding="gb18030")
    if file.suffix == ".csv":
        yield from (
            (number, {k: v for k, v in row.items() if k})
            for number, row in enumerate(csv.DictReader(text.splitlines()), 2)
        )
    elif file.suffix == ".jsonl":
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip():
                yield number, _object(file, number, line)
    else:
        raise Misused(f"文件名应以 .csv 或 .jsonl 结尾，现为 {file.name}")


def _object(file: Path, number: int, line: str) -> dict[str, str]:
    try:
        found = json.loads(line)
    except json.JSONDecodeError as error:
        raise Misused(f"{file.name} 第 {number} 行不是 JSON：{error.msg}") from None
    if not isinstance(found, dict):
        raise Misused(f"{file.name} 第 {number} 行应为 JSON 对象")
    return {str(name): str(value) for name, value in found.items() if value is not None}
