"""``yibao alerts``: what somebody should look at, since when, and what was."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gateway.commands.journal import reading
from gateway.commands.terminal import ConfigOption, JsonOption, complain, print_json, print_table, settings

if TYPE_CHECKING:
    from gateway.store.alerts import Alert

app = typer.Typer(help="告警：有什么该有人看、自何时起、怎么办。", no_args_is_help=True)

HEADINGS: Final = ("告警", "轻重", "说明", "节点", "自", "到", "怎么办")
_KINDS: Final = {"bad": "重", "warn": "轻"}


@app.command("list")
def list_(
    context: typer.Context,
    cleared: Annotated[int, typer.Option(min=0, max=1000, help="另列最近恢复的多少条。")] = 0,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """没有恢复的告警，旧的在前；网关停着也能看。"""
    with reading(settings(context, config)) as store:
        found = store.alerts.open() + (store.alerts.cleared(cleared) if cleared else [])
    if as_json:
        print_json([asdict(one) for one in found])
        return
    print_table(HEADINGS, [_row(one) for one in found])
    if not found:
        complain("没有告警。")


def _row(one: Alert) -> list[Any]:
    from gateway.alerts.rules import RULES

    rule = RULES.get(one.rule)
    title, advice = (rule.title, rule.advice) if rule else (one.rule, "")
    over = f"{one.cleared_at:%m-%d %H:%M:%S}" if one.cleared_at else ""
    return [title, _KINDS[one.kind], one.told, one.node, f"{one.raised_at:%m-%d %H:%M:%S}", over, advice]
