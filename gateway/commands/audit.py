"""``yibao audit``: the operator log."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from gateway.commands.journal import reading
from gateway.commands.terminal import (
    ConfigOption,
    Failed,
    JsonOption,
    complain,
    print_json,
    print_table,
    progress,
    say,
    settings,
)

app = typer.Typer(help="操作日志：何人何时看了什么、做了什么。", no_args_is_help=True)


@app.command("list")
def list_(
    context: typer.Context,
    operator: Annotated[str, typer.Option(help="只看此人。")] = "",
    subject: Annotated[str, typer.Option(help="只看此对象，如 “exchange 7”。")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="最多显示多少条，新的在前。")] = 50,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """列出操作日志，新的在前。"""
    with reading(settings(context, config)) as store:
        found = store.operator_log.entries(operator=operator, subject=subject, limit=limit)
    if as_json:
        print_json([asdict(one) for one in found])
        return
    rows = [[one.seq, f"{one.at:%Y-%m-%d %H:%M:%S}", one.operator, one.act, one.subject, one.detail] for one in found]
    print_table(("序号", "时间", "操作人", "操作", "对象", "说明"), rows)


@app.command()
def verify(context: typer.Context, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """核验操作日志自第一条起是否完整：有无改动、删除、调换、截去末尾。"""
    with reading(settings(context, config)) as store, progress() as bar:
        task = bar.add_task("核验", total=store.operator_log.head()[0])
        broken = store.operator_log.verify(lambda seq: bar.update(task, completed=seq))
        count, digest = store.operator_log.head()
    if as_json:
        print_json({"ok": broken is None, "rows": count, "head": digest, "broken": asdict(broken) if broken else None})
    if broken is not None:
        raise Failed(f"操作日志不完整：{broken.reason}")
    if not as_json:
        say(f"操作日志完整，共 {count} 条，末条摘要 {digest or '无'}。")
        complain("末条摘要请另行留存（每条写入时也已记入运行日志）：下次核对它仍在链上，即知其前各条未被改写。")
