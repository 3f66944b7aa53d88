"""``yibao console``: the console's own process. ``yibao serve`` starts it; by hand it is of no use."""

from __future__ import annotations

import sys

import typer

from gateway.commands.terminal import ConfigOption, config_path


def console(context: typer.Context, config: ConfigOption = None) -> None:
    """控制台进程（由 yibao serve 启动并看护，从标准输入得到口令）。"""
    from gateway import logs
    from gateway.console_process import serve_console
    from gateway.settings import read_settings
    from gateway.this_process import give_way

    path = config_path(context, config)
    settings = read_settings(path)
    give_way(settings.console.nice)
    logs.configure(settings.log.level, settings.log.format, settings.log.file)
    serve_console(settings, path, sys.stdin)
