"""``yibao nodes``: who sends on this store."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import typer

from gateway.commands.journal import reading
from gateway.commands.terminal import ConfigOption, JsonOption, print_json, print_table, settings

if TYPE_CHECKING:
    from gateway.exchange.ports import Node

HEADINGS: Final = ("节点", "状态", "任期", "未报平安（秒）", "在办", "地址", "进程", "版本", "启动")
_STATES: Final = {"running": "运行", "ended": "已退出", "dead": "已被接管"}


def nodes(context: typer.Context, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """列出共用这个数据库的网关节点：是否运行、任期（epoch）、多久没有报平安、在办的交易数。"""
    from gateway import clock

    with reading(settings(context, config)) as store:
        found = [_told(node, clock.now()) for node in store.nodes.nodes()]
    if as_json:
        print_json(found)
        return
    print_table(
        HEADINGS,
        [
            [one["name"], _STATES[one["state"]], one["epoch"], f"{one['heartbeat_age_s']:.0f}", one["open"],
             one["address"], one["pid"], one["version"], f"{one['started_at']:%m-%d %H:%M:%S}"]
            for one in found
        ],
    )  # fmt: skip


def _told(node: Node, now: datetime) -> dict[str, Any]:
    return {
        "name": node.registration.name,
        "state": node.state.value,
        "epoch": node.registration.epoch,
        # by the clocks of two machines: shown, never judged by
        "heartbeat_age_s": max(0.0, (now - node.heartbeat_at).total_seconds()),
        "open": node.open,
        "address": node.facts.address,
        "pid": node.facts.pid,
        "version": node.facts.version,
        "started_at": node.started_at,
    }
