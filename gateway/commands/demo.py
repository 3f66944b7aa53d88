"""``yibao demo``: the whole story on this machine, told by ``gateway.demo``."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.commands.terminal import ConfigOption, config_path


def demo(
    context: typer.Context,
    keep: Annotated[bool, typer.Option("--keep", help="演示结束后继续运行，直到 Ctrl-C。")] = False,
    day: Annotated[
        bool,
        typer.Option("--day/--no-day", help="继续运行时，核对之后再补上这一天的住院与门诊（约 15 秒），供控制台查看。"),
    ] = True,
    config: ConfigOption = None,
) -> None:
    """在本机演示：平台模拟器、网关与客户端，走完住院与门诊并逐项核对。"""
    from gateway.demo import run

    raise typer.Exit(run(keep, config_path(context, config), day=day))
