"""``yibao db``: the store: its tables, its copies, its soundness."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.commands.terminal import (
    ConfigOption,
    Failed,
    JsonOption,
    complain,
    print_json,
    print_pairs,
    progress,
    say,
    settings,
)

if TYPE_CHECKING:
    from gateway.settings import Settings
    from gateway.store import Manifest, Store

app = typer.Typer(help="交易日志的数据库：升级、备份、恢复、检查。", no_args_is_help=True)

ReplaceOption = Annotated[
    str, typer.Option("--replace", metavar="NAME", help="数据库不是空的也恢复，原有内容将丢失；须写明其名字。")
]
BackupArgument = Annotated[Path, typer.Argument(metavar="FILE", help="备份文件。", show_default=False)]


@app.command()
def upgrade(context: typer.Context, config: ConfigOption = None) -> None:
    """把数据库结构升级到本程序所需的版本（网关启动时也会自动升级）。"""
    with _opened(settings(context, config)) as store:
        store.upgrade()
    say("数据库结构已是本程序所需的版本。")


@app.command()
def backup(
    context: typer.Context, file: BackupArgument, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """把某一时刻的全部内容写成一个文件；网关运行时也可用。不含任何密钥，密钥文件须另行备份。"""
    from gateway import clock

    with _opened(settings(context, config), read_only=True) as store, _told("备份") as told:
        manifest = store.backup(file, clock.now(), told)
    if as_json:
        print_json(_shown(file, manifest))
    else:
        print_pairs(_shown(file, manifest))


@app.command()
def restore(
    context: typer.Context,
    file: BackupArgument,
    replace: ReplaceOption = "",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """以备份取代数据库的内容。先停掉所有网关；此后网关只办理查询，直到核对完毕（yibao db reconcile）。"""
    from gateway import clock

    given = settings(context, config)
    if replace and replace != (name := _name(given.store.url)):
        raise Failed(f"--replace 写的是 {replace}，而配置中的数据库是 {name}")
    with _opened(given) as store, _told("核对备份文件，恢复") as told:
        done = store.restore(file, clock.now(), told, replace=bool(replace))
    shown = {
        **_shown(file, done.manifest),
        "gap_since": f"{done.gap.since:%Y-%m-%d %H:%M:%S}",
        "gap_until": f"{done.gap.until:%Y-%m-%d %H:%M:%S}",
        "escalated": done.escalated,
    }
    if as_json:
        print_json(shown)
        return
    print_pairs(shown)
    complain(f"{done.gap} 的交易没有记录：网关将只办理查询，请按 docs/operating/databases.md 核对。")
    if done.escalated:
        complain(f"备份时未了结的 {done.escalated} 笔已转人工：yibao doubts list")


@app.command()
def check(context: typer.Context, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """检查数据库是否损坏、结构是否为所需版本、记录是否自相矛盾；只读，网关运行时也可用。"""
    with _opened(settings(context, config), read_only=True) as store, _told("检查") as told:
        wrong = store.check(told)
    if as_json:
        print_json({"ok": not wrong, "problems": wrong})
    elif not wrong:
        say("数据库完好。")
    else:
        for sentence in wrong:
            complain(sentence)
    if wrong:
        raise typer.Exit(1)


@contextmanager
def _opened(given: Settings, *, read_only: bool = False) -> Iterator[Store]:
    from gateway.store import open_configured

    store = open_configured(given, read_only=read_only)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def _told(what: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar as the store tells it."""
    with progress() as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _name(url: str) -> str:
    """What a person calls the database: its name, or the file's."""
    from sqlalchemy import make_url

    parsed = make_url(url)
    name = str(parsed.database or parsed.query.get("service_name") or "")
    return Path(name).name if parsed.get_backend_name() == "sqlite" else name


def _shown(file: Path, manifest: Manifest) -> dict[str, object]:
    from gateway.exchange.entries import from_ms

    return {
        "file": str(file),
        "taken_at": f"{from_ms(manifest.taken_at):%Y-%m-%d %H:%M:%S}",
        "revision": manifest.revision,
        "database": manifest.database,
        "rows": manifest.rows,
        "sha256": _sha256(file),
    }


def _sha256(file: Path) -> str:
    import hashlib

    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
