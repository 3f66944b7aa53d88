"""``yibao reconcile``: days and months compared with the platform, cases, and comparing again what is open."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gateway.commands.journal import reading
from gateway.commands.noted import Operator, who
from gateway.commands.terminal import (
    ConfigOption,
    Failed,
    JsonOption,
    Misused,
    complain,
    print_json,
    print_table,
    progress,
    settings,
)

if TYPE_CHECKING:
    from gateway.settings import Settings

app = typer.Typer(help="与平台对账：对总账 3201、对明细账 3202，差异逐笔立案。", no_args_is_help=True)

DAY_S_MAX: Final = 3600
CASES_MAX: Final = 1000
STATES: Final = {"even": "平", "uneven": "不平", "failed": "没有对成", "open": "未结", "closed": "已结"}
_KIND_NAMES: Final = {"total": "总账", "detail": "明细账"}


@app.command()
def day(
    context: typer.Context,
    day: Annotated[str, typer.Argument(metavar="DAY", help="日期 yyyy-MM-dd。")],
    operator: Operator = "",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """对一天的账；由运行中的网关办理，可以反复执行。有未结差异或没有对成的，退出码为 1。"""
    (result,) = _compare(settings(context, config), [_date(day)], operator)
    _tell([result], result if as_json else None)


@app.command()
def month(
    context: typer.Context,
    month: Annotated[str, typer.Argument(metavar="MONTH", help="月份 yyyy-MM；只对已经过去的日子。")],
    operator: Operator = "",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """逐日对一个月的账，最后给出汇总。"""
    from gateway import clock

    first = _date(f"{month}-01")
    days = [first + timedelta(days=number) for number in range(31)]
    past = [one for one in days if one.month == first.month and one < clock.now().date()]
    results = _compare(settings(context, config), past, operator)
    _tell(results, results if as_json else None)


@app.command()
def recheck(
    context: typer.Context, operator: Operator = "", config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """复核：把有未结差异或没有对成的日子再对一次，已经平了的即结案。"""
    given = settings(context, config)
    days = [date.fromisoformat(one) for one in _ask(given, "unsettled", {})["days"]]
    results = _compare(given, days, operator)
    _tell(results, results if as_json else None)


@app.command()
def cases(
    context: typer.Context,
    since: Annotated[str, typer.Option(metavar="DAY", help="从哪一天起。")] = "2000-01-01",
    until: Annotated[str, typer.Option(metavar="DAY", help="到哪一天止。")] = "2999-12-31",
    every: Annotated[bool, typer.Option("--all", help="已结的也列出。")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """列出差异：日期、原因、结算、双方金额、日志中的编号。"""
    from gateway.desks.reconcile import shown_case

    first, last = _date(since).isoformat(), _date(until).isoformat()
    with reading(settings(context, config)) as store:
        found = store.recon.cases(first, last, ("open", "closed") if every else ("open",), CASES_MAX)
    told = [shown_case(one) for one in found]
    if as_json:
        print_json(told)
        return
    _print_cases(told)


def _compare(given: Settings, days: Sequence[date], operator: str) -> list[dict[str, Any]]:
    results = []
    with progress() as bar:
        task = bar.add_task("对账", total=len(days))
        for one in days:
            bar.update(task, description=f"对账 {one}")
            results.append(_ask(given, "day", {"day": one.isoformat(), "operator": who(operator)}))
            bar.advance(task)
    return results


def _ask(given: Settings, act: str, wish: dict[str, str]) -> dict[str, Any]:
    from gateway.commands.local import admin_of, ask

    body = json.dumps(wish, ensure_ascii=False).encode()
    answer = ask(admin_of(given), f"/-/reconcile/{act}", body=body, timeout_s=DAY_S_MAX)
    told: dict[str, Any] = json.loads(answer.body)
    if answer.status != 200 or "error" in told:
        raise Failed(str(told.get("error") or told))
    return told


def _tell(results: Sequence[dict[str, Any]], shown: Any) -> None:
    """Print, then fail when anything is left to do."""
    opened = [case for result in results for case in result["cases"] if case["state"] == "open"]
    failed = [part for result in results for part in result["parts"] if part["state"] == "failed"]
    if shown is not None:
        print_json(shown)
    else:
        parts = [
            part for result in results for part in result["parts"] if part["line_count"] or part["state"] != "even"
        ]
        print_table(
            ("日期", "账", "险种", "清算类别", "结果", "笔数", "医疗费总额", "基金", "账户", "平台说明"),
            [_part_row(part) for part in parts],
        )
        _print_cases(opened)
    if opened or failed:
        raise Failed(f"{len(results)} 天：未结差异 {len(opened)} 笔，没有对成 {len(failed)} 项")
    complain(f"{len(results)} 天，全部相符。")


def _part_row(part: dict[str, Any]) -> list[object]:
    money = [f"{part[name] / 100:.2f}" for name in ("medfee_cents", "fund_cents", "acct_cents")]
    kind, state = _KIND_NAMES[part["kind"]], STATES[part["state"]]
    return [part["day"], kind, part["insutype"], part["clr_type"], state, part["line_count"], *money, part["told"]]


def _print_cases(found: Sequence[dict[str, Any]]) -> None:
    from gateway.reconcile.compare import KINDS

    headings = ("案号", "日期", "原因", "状态", "结算 ID", "msgid", "日志编号", "说明")
    rows = [
        [one["id"], one["day"], KINDS[one["kind"]], STATES[one["state"]], one["setl_id"], one["msgid"],
         one["exchange_id"] or "", one["cause"]]
        for one in found
    ]  # fmt: skip
    print_table(headings, rows)
    complain(f"共 {len(found)} 笔差异。")


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Misused(f"日期应为 yyyy-MM-dd，现为 {text}") from None
