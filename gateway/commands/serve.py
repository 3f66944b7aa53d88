"""``yibao serve``: the gateway itself."""

from __future__ import annotations

import gc
import secrets
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from gateway.commands.terminal import ConfigOption, Failed, complain, config_path, explain

if TYPE_CHECKING:
    from gateway.http.his_side import Apps
    from gateway.settings import Settings

READY_S_MAX: Final = 60
LOOK_EVERY_S: Final = 0.05


def serve(context: typer.Context, config: ConfigOption = None) -> None:
    """启动网关；就绪后打印一行地址，Ctrl-C 或 SIGTERM 后办完手头的交易再退出。"""
    from gateway import logs
    from gateway.beside import Beside
    from gateway.http import listeners
    from gateway.settings import read_settings

    path = config_path(context, config)
    settings = read_settings(path)
    logs.configure(settings.log.level, settings.log.format, settings.log.file)
    token = secrets.token_urlsafe(32) if settings.console.enabled else ""
    beside = [Beside("console", own_command("console", path), token)] if settings.console.enabled else []
    try:
        listeners.serve(settings, partial(make_apps, path, token), beside)
    except SystemExit as ended:
        # the serving process has said why
        raise typer.Exit(1 if ended.code else 0) from None


def own_command(name: str, config: Path | None) -> list[str]:
    """The command line of a process of ours: ``console``, ``reports``."""
    return [sys.executable, "-m", "gateway.cli", name, *(["--config", str(config)] if config else [])]


def make_apps(config: Path | None, console_token: str = "") -> Apps:
    """Build what is served, in the process that serves it.

    Takes the path, not the settings: where processes are spawned (Windows) the new one starts from nothing, so it
    reads the configuration and sets up its logs itself.

    Raises:
        SystemExit: it cannot be built; the reason is on standard error.
    """
    from gateway import logs
    from gateway.settings import read_settings

    try:
        settings = read_settings(config)
        logs.configure(settings.log.level, settings.log.format, settings.log.file)
        from gateway import app

        apps = app.make_wsgi(settings, console_token, own_command("reports", config))
        gc.freeze()  # stays to the end: no collection during a call looks through it again
    except Exception as error:  # a stack trace of another process would hide the one line that matters
        complain(explain(error))
        sys.exit(1)
    threading.Thread(target=announce, args=(settings,), name="announce", daemon=True).start()
    return apps


def announce(settings: Settings, within_s: float = READY_S_MAX) -> bool:
    """Print the addresses once the gateway answers on them; whether it did.

    Args:
        settings: say where.
        within_s: how long to look.
    """
    from gateway.commands.local import admin_of, ask

    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            if ask(admin_of(settings), "/healthz", timeout_s=2).status == 200:
                typer.echo(ready_line(settings))
                sys.stdout.flush()
                return True
        except Failed:
            time.sleep(LOOK_EVERY_S)
    return False


def ready_line(settings: Settings) -> str:
    """``网关就绪：...`` with every address."""
    from gateway.commands.local import url_of

    listen = settings.listen
    places = [f"HIS {url_of(listen.exchange)}/", *(f"HIS {url_of(more)}/" for more in listen.more)]
    places.append(f"管理 {url_of(listen.admin)}/readyz" if listen.admin else f"状态 {url_of(listen.exchange)}/readyz")
    if settings.console.enabled:
        places.append(f"控制台 {url_of(settings.console.listen)}/")
    return f"网关就绪：{'  '.join(places)}  省份 {settings.platform.province}，平台 {settings.platform.url}"
