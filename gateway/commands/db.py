"""``yibao db``: the store: its tables, its copies, its soundness."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.commands.noted import Operator, note, tell_gateway, who
from gateway.commands.terminal import (
    ConfigOption,
    Failed,
    JsonOption,
    Misused,
    complain,
    log_to_stderr,
    print_json,
    print_pairs,
    progress,
    say,
    settings,
)

if TYPE_CHECKING:
    from gateway.settings import Settings
    from gateway.store import Manifest, Store
    from gateway.store.aftermath import Compared

app = typer.Typer(help="交易日志的数据库：升级、备份、恢复、检查。", no_args_is_help=True)

ReplaceOption = Annotated[
    str, typer.Option("--replace", metavar="NAME", help="数据库不是空的也恢复，原有内容将丢失；须写明其名字。")
]
_POLL_S = 0.3
BackupArgument = Annotated[Path, typer.Argument(metavar="FILE", help="备份文件。", show_default=False)]


@app.command()
def upgrade(context: typer.Context, config: ConfigOption = None) -> None:
    """把数据库结构升级到本程序所需的版本（网关启动时也会自动升级）。"""
    with _opened(settings(context, config)) as store:
        store.upgrade()
    say("数据库结构已是本程序所需的版本。")


@app.command()
def backup(
    context: typer.Context,
    file: BackupArgument,
    operator: Operator = "",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """把某一时刻的全部内容写成一个文件，记入操作日志；网关运行时也可用。不含任何密钥，密钥文件须另行备份。"""
    from gateway import clock

    given = settings(context, config)
    log_to_stderr()
    _note_backup(given, operator, file)
    with _opened(given, read_only=True) as store, _told("备份") as told:
        manifest = store.backup(file, clock.now(), told)
    if as_json:
        print_json(_shown(file, manifest))
    else:
        print_pairs(_shown(file, manifest))
    if manifest.archive_files:
        complain(f"备份不含归档文件夹 {manifest.archive or ''} 里的 {manifest.archive_files} 个文件，请另行备份。")


def _note_backup(given: Settings, operator: str, file: Path) -> None:
    """Before the copy, so that it stands in it too; a full disk or a gateway that hangs are when a copy is needed most."""
    try:
        note(given, operator, "db.backup", str(file))
    except Failed as error:
        complain(f"照常备份，但没有记入操作日志：{error}")


@app.command()
def restore(
    context: typer.Context,
    file: BackupArgument,
    replace: ReplaceOption = "",
    operator: Operator = "",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """以备份取代数据库的内容，记入恢复后的操作日志。先停掉所有网关；此后只办理查询，直到核对完毕（yibao db reconcile）。"""
    from gateway import clock

    given = settings(context, config)
    if replace and replace != (name := _name(given.store.url)):
        raise Failed(f"--replace 写的是 {replace}，而配置中的数据库是 {name}")
    with _opened(given) as store, _told("核对备份文件，恢复") as told:
        done = store.restore(file, clock.now(), told, replace=bool(replace), operator=who(operator))
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
    complain(f"{done.gap} 的交易没有记录：网关将只办理查询，请按 docs/operating/databases/README.md 核对。")
    if done.escalated:
        complain(f"备份时未了结的 {done.escalated} 笔已转人工：yibao doubts list")


@app.command()
def reconcile(
    context: typer.Context,
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="LIST", help="平台的结算清单：3202 的结果文件，或含 msgid 的 CSV、JSON。", show_default=False
        ),
    ] = None,
    operator: Annotated[str, typer.Option(help="核对人姓名；写明即把差异记入交易日志。")] = "",
    since: Annotated[str, typer.Option(metavar="TIME", help="清单从何时起是完整的，缺省为备份之前一天。")] = "",
    close: Annotated[
        bool, typer.Option("--close", help="核对完毕，恢复办理全部交易；须写明 --operator 与 --reason。")
    ] = False,
    reason: Annotated[str, typer.Option(help="凭什么认为核对完毕。")] = "",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """恢复之后：把平台的结算清单与交易日志比对，补记差异，最后结束“只办理查询”。SQLite 须先停掉网关。"""
    from gateway import clock
    from gateway.store.aftermath import Compared, read_list

    if file is None and not close:
        raise Misused("须给出平台的结算清单，或 --close")
    if close and not (operator.strip() and reason.strip()):
        raise Misused("--close 须写明 --operator 与 --reason")
    listed = read_list(file) if file else []
    taking = bool(operator.strip())
    with _opened(settings(context, config), read_only=not taking) as store:
        found = store.reconcile(listed, _moment(since)) if file else Compared()
        taken = store.take_over(found, clock.now(), operator.strip()) if taking and file else []
        if taking:
            detail = f"补记 {len(taken)} 笔，撤销 {len(found.undone_there)} 笔" + (f"；{reason}" if close else "")
            store.operator_log.append(operator.strip(), "db.reconcile", str(file or ""), detail)
        gap = store.close_gap() if close else None
    shown = _compared(found, taken)
    if as_json:
        print_json(shown)
        return
    for sentence in _sentences(found):
        say(sentence)
    print_pairs({name: value if isinstance(value, int) else len(value) for name, value in shown.items()})
    if taken:
        complain(f"补记的 {len(taken)} 笔已转人工，其就诊不能再结算，直到了结：yibao doubts list")
    if gap:
        say(f"{gap} 已核对完毕，网关恢复办理全部交易。")


def _moment(text: str) -> datetime | None:
    from gateway.commands.journal_rows import moment

    return moment(text) if text else None


def _compared(found: Compared, taken: list[int]) -> dict[str, int | list[Any]]:
    return {
        "same": found.same,
        "only_there": [line.msgid for line in found.only_there],
        "undone_there": [line.msgid for _, line in found.undone_there],
        "only_here": [msgid for _, msgid in found.only_here],
        "taken_in": taken,
    }


def _sentences(found: Compared) -> Iterator[str]:
    for line in found.only_there:
        yield f"只在平台：{line}" + ("（已撤销）" if line.undone else "")
    for number, line in found.undone_there:
        yield f"平台已撤销：编号 {number}，{line}"
    for number, msgid in found.only_here:
        yield f"只在交易日志：编号 {number}，msgid {msgid}"


@app.command()
def retain(
    context: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="只报告会做什么。")] = False,
    operator: Operator = "",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """按 [retention] 清理到期的内容：删查询类报文，归档结算与状态类报文，删到期归档与操作日志；网关照常服务。"""
    given = settings(context, config)
    log_to_stderr()
    begun = tell_gateway(given, "retain", {"dry_run": dry_run, "operator": who(operator)})
    if begun is None:
        done = _retained_here(given, who(operator), dry_run=dry_run)
    else:
        done = begun["retained"] if dry_run else _retained_there(given)
    if as_json:
        print_json(done)
        return
    print_pairs({name: value for name, value in done.items() if name != "warnings"})
    for sentence in done["warnings"]:
        complain(sentence)


def _retained_here(given: Settings, operator: str, *, dry_run: bool) -> dict[str, Any]:
    from dataclasses import asdict

    from gateway import clock
    from gateway.retention_run import limits_of

    limits = limits_of(given.retention)
    with _opened(given, read_only=dry_run) as store, _told("清理") as told:
        if dry_run:
            return asdict(store.retention.plan(limits, clock.now()))
        store.upgrade()
        return asdict(store.retention.run(limits, clock.now(), operator, lambda _, done, total: told(done, total)))


def _retained_there(given: Settings) -> dict[str, Any]:
    """Follow the run in the gateway; interrupted, it goes on there."""
    with progress() as bar:
        task = bar.add_task("清理", total=None)
        while True:
            told = tell_gateway(given, "retained", {})
            if told is None:
                raise Failed("网关在清理途中停了：重新启动后再运行一次即可接着做，没有丢失任何内容")
            if not told["running"]:
                break
            bar.update(task, description=told["what"] or "清理", completed=told["done"], total=told["total"] or None)
            time.sleep(_POLL_S)
    if "failed" in told:
        raise Failed(str(told["failed"]))
    found: dict[str, Any] = told["retained"]
    return found


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

    log_to_stderr()
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
        "not_contained": f"{manifest.archive_files} files in {manifest.archive}" if manifest.archive_files else "",
        "sha256": _sha256(file),
    }


def _sha256(file: Path) -> str:
    import hashlib

    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
