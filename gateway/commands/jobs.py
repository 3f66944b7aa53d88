"""``yibao jobs``: what runs by itself: how it stands, how it went, and run it now."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
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
    print_pairs,
    print_table,
    progress,
    settings,
)

if TYPE_CHECKING:
    from datetime import datetime

    from gateway.settings import Settings
    from gateway.store.jobs import JobRun
    from jobs.standing import Standing

app = typer.Typer(help="自动运行的作业：状况、历史、立即运行。", no_args_is_help=True)

LOOK_EVERY_S: Final = 0.3
LISTED: Final = ("作业", "说明", "时间", "下次", "最近一次", "结果", "最近办成", "告警")
PAST: Final = ("编号", "作业", "开始", "秒", "结果", "计数", "由", "节点", "说明")
_GOOD: Final = ("done", "partial")


@app.command("list")
def list_(context: typer.Context, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """每个作业的时间、最近一次的结果、下次何时，以及没有办成或太久没有办成的告警。"""
    from gateway import clock
    from jobs.standing import leader, standings

    given = settings(context, config)
    with reading(given) as store:
        found = standings(given.jobs.times, store.jobs, clock.now())
        kept_by = leader(store.jobs)
    if as_json:
        print_json({"leader": kept_by, "jobs": [_standing(one) for one in found]})
        return
    print_table(LISTED, [_row(one) for one in found])
    complain(
        f"按时运行由节点 {kept_by} 负责。"
        if kept_by
        else "现在没有节点在按时运行作业：网关没有运行，或 jobs.enabled 为 false。"
    )


def _standing(one: Standing) -> dict[str, Any]:
    from gateway.desks.jobs import shown

    runs = {name: shown(run) if (run := getattr(one, name)) else None for name in ("running", "last")}
    return {**asdict(one), **runs}


def _row(one: Standing) -> list[object]:
    from gateway.desks.jobs import OUTCOMES

    alert = {"": "", "failed": "没有办成", "silent": "太久没有办成"}[one.alert]
    when = one.when if one.enabled else "（未启用）"
    result = OUTCOMES[one.running.outcome] if one.running else OUTCOMES[one.last.outcome] if one.last else ""
    last = one.running or one.last
    return [
        one.name,
        one.title,
        when,
        _short(one.next_at),
        _short(last.started_at if last else None),
        result,
        _short(one.last_good_at),
        f"{alert}：{one.text}" if alert else "",
    ]


def _short(at: datetime | None) -> str:
    return f"{at:%m-%d %H:%M:%S}" if at else ""


@app.command()
def history(
    context: typer.Context,
    job: Annotated[str, typer.Argument(metavar="[JOB]", help="只看这个作业。", show_default=False)] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="最多多少条。")] = 50,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """作业的历次运行，新的在前；--json 另有各次的细目（如日报）。"""
    from gateway.desks.jobs import shown

    _must_be_known(job)
    with reading(settings(context, config)) as store:
        found = store.jobs.history(job, limit=limit)
    if as_json:
        print_json([shown(run) for run in found])
    else:
        print_table(PAST, [_past(run) for run in found])


def _past(run: JobRun) -> list[object]:
    from gateway.desks.jobs import OUTCOMES, shown

    seconds = shown(run)["seconds"]
    counts = "，".join(f"{name} {count}" for name, count in run.counts.items())
    by = run.operator or "定时"
    return [run.id, run.job, _short(run.started_at), seconds, OUTCOMES[run.outcome], counts, by, run.node, run.error]


def _must_be_known(job: str) -> None:
    from jobs.standing import TITLES

    if job and job not in TITLES:
        raise Misused(f"没有名为 {job} 的作业；可用：{'、'.join(TITLES)}")


@app.command("run")
def run_now(
    context: typer.Context,
    job: Annotated[str, typer.Argument(metavar="JOB", help="作业名，见 yibao jobs list。", show_default=False)],
    given_file: Annotated[
        Path | None,
        typer.Option("--with", metavar="FILE", help="交给作业的内容（JSON 对象），如 fee_upload 的费用行。"),
    ] = None,
    operator: Operator = "",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """立即运行一次，由正在运行的网关办理，等到结束；按 Ctrl-C 只是不再等。退出码 0：办成，没有遗留。"""
    _must_be_known(job)
    given = settings(context, config)
    wish = {"operator": who(operator), "job": job, "given": _read(given_file) if given_file else {}}
    number = asked(given, "run", wish)["run"]
    ended = awaited(given, job, number)
    if as_json:
        print_json(ended)
    else:
        print_pairs({name: ended[name] for name in ("run", "job", "outcome", "seconds")} | ended["counts"])
    if ended["outcome"] not in _GOOD:
        raise Failed(f"{job} 没有办成：{ended['error'] or ended['outcome']}")
    if ended["outcome"] == "partial":
        raise Failed(f"{job} 已运行到底，有遗留待人工处理。")


def awaited(given: Settings, job: str, number: int) -> dict[str, Any]:
    """The run with this number after its end; a progress bar shows how far it is."""
    with progress() as bar:
        task = bar.add_task(job, total=None)
        while (found := asked(given, "show", {"run": number}))["outcome"] == "running":
            bar.update(task, completed=found["done"], total=found["total"] or None)
            time.sleep(LOOK_EVERY_S)
    return found


def asked(given: Settings, act: str, wish: dict[str, Any]) -> dict[str, Any]:
    """What the jobs' desk of the serving gateway answers. Raises ``Failed`` with its reason."""
    import json

    from gateway.commands.local import admin_of, ask, url_of

    listener = admin_of(given)
    answer = ask(listener, f"/-/jobs/{act}", body=json.dumps(wish, ensure_ascii=False).encode(), timeout_s=60)
    if answer.status != 200:
        raise Failed(
            f"网关 {url_of(listener)} 不接受（HTTP {answer.status}）；走管理地址 listen.admin，且只限网关所在的机器"
        )
    told: dict[str, Any] = json.loads(answer.body)
    if set(told) == {"error"}:
        raise Failed(str(told["error"]))
    return told


def _read(file: Path) -> Any:
    import json

    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        raise Misused(f"{file} 不是 JSON：{error}") from None
    if not isinstance(found, dict):
        raise Misused(f"{file} 应为 JSON 对象")
    return found
