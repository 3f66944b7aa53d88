"""``yibao reports``: the process of long reports. ``yibao serve`` starts it; by hand it is of no use."""

from __future__ import annotations

import os
import sys

import typer

from gateway.commands.terminal import ConfigOption, config_path


def reports(context: typer.Context, config: ConfigOption = None) -> None:
    """报表进程（由 yibao serve 在需要时启动，从标准输入得到问题）。"""
    from gateway import logs
    from gateway.report_process import serve_reports
    from gateway.settings import read_settings
    from gateway.this_process import give_way

    settings = read_settings(config_path(context, config))
    give_way(settings.console.nice)
    logs.configure(settings.log.level, settings.log.format, settings.log.file)
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as answers:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever else is printed does not stand among the answers
        serve_reports(settings, sys.stdin.buffer, answers)
