"""``yibao db``: the tables of the store."""

from __future__ import annotations

import typer

from gateway.commands.terminal import ConfigOption, JsonOption, complain, print_json, say, settings

app = typer.Typer(help="交易日志的数据库：升级、检查。", no_args_is_help=True)


@app.command()
def upgrade(context: typer.Context, config: ConfigOption = None) -> None:
    """把数据库结构升级到本程序所需的版本（网关启动时也会自动升级）。"""
    from gateway.store import open_configured

    store = open_configured(settings(context, config))
    try:
        store.upgrade()
    finally:
        store.close()
    say("数据库结构已是本程序所需的版本。")


@app.command()
def check(context: typer.Context, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """检查数据库是否损坏、结构是否为所需版本；只读，网关运行时也可用。"""
    from gateway.store import open_configured

    store = open_configured(settings(context, config), read_only=True)
    try:
        wrong = store.check()
    finally:
        store.close()
    if as_json:
        print_json({"ok": not wrong, "problems": wrong})
    elif not wrong:
        say("数据库完好。")
    else:
        for sentence in wrong:
            complain(sentence)
    if wrong:
        raise typer.Exit(1)
