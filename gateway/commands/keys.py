"""``yibao keys``: the keys with which the store is protected."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gateway.commands.noted import Operator, note, tell_gateway, who
from gateway.commands.terminal import (
    ConfigOption,
    Failed,
    JsonOption,
    Misused,
    complain,
    print_json,
    print_table,
    progress,
    say,
    settings,
)

if TYPE_CHECKING:
    from gateway.protect import Keyring, KeySource
    from gateway.settings import Settings

app = typer.Typer(help="存储的密钥：生成、添加、更换、查看。", no_args_is_help=True)


@app.command()
def new(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="新的密钥文件，例如 /etc/yibao/keys.toml。")],
    cipher: Annotated[
        str, typer.Option(help="aes-gcm（检索用 HMAC-SHA-256），或 sm4-gcm（国密，检索用 HMAC-SM3）。")
    ] = "aes-gcm",
) -> None:
    """生成一套新密钥，只有本人可读；已有的文件不会被覆盖。"""
    from gateway.protect import Cipher, KeyringError, new_file

    try:
        suite = Cipher(cipher)
    except ValueError:
        raise Misused(f"--cipher 应为 {'、'.join(Cipher)} 之一，现为 {cipher}") from None
    try:
        new_file(file, suite)
    except KeyringError as error:
        raise Failed(str(error)) from error
    say(f'已生成 {file}。请在配置中写明：\n\n[protect]\nkeys = "file:{file.absolute()}"\n')
    complain("请立即另行备份这个文件，且不要与数据库备份放在一起：丢失它，已加密的数据无法恢复。")


@app.command()
def add(
    context: typer.Context,
    hashes_only: Annotated[bool, typer.Option("--hash", help="只加检索密钥。")] = False,
    data_only: Annotated[bool, typer.Option("--data", help="只加数据密钥。")] = False,
    operator: Operator = "",
    config: ConfigOption = None,
) -> None:
    """在密钥文件里加一个新版本，暂不启用；多节点时先把文件分发到各节点，再 yibao keys rotate。"""
    given = settings(context, config)
    note(given, operator, "keys.add", "store")
    grown = _grow(given, data=data_only or not hashes_only, hashes=hashes_only or not data_only)
    say(f"已加入：数据密钥版本 {max(grown.data)}，检索密钥版本 {max(grown.hash)}。请先把密钥文件重新备份。")


@app.command()
def rotate(
    context: typer.Context,
    hashes_only: Annotated[bool, typer.Option("--hash", help="只换检索密钥。")] = False,
    data_only: Annotated[bool, typer.Option("--data", help="只换数据密钥。")] = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="等到全部数据换完，显示进度。")] = True,
    operator: Operator = "",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """启用新版本的密钥（没有则先加），并在后台把已有数据换成新密钥；网关照常服务，可中断，可继续。"""
    given = settings(context, config)
    data, hashes = data_only or not hashes_only, hashes_only or not data_only
    with _desk(given) as desk:
        held = _source(given).read()
        in_use = desk("keys", {})["progress"]
        newest = (data and max(held.data) > in_use["data_version"]) or (
            hashes and max(held.hash) > in_use["hash_version"]
        )
        if not newest:
            _grow(given, data=data, hashes=hashes)
        begun = desk("rotate", {"data": data, "hash": hashes, "operator": who(operator)})["progress"]
        say(f"已启用：数据密钥版本 {begun['data_version']}，检索密钥版本 {begun['hash_version']}。")
        told = _followed(desk) if wait else begun
    if as_json:
        print_json(told)
    elif told["finished"]:
        say("全部数据已换成新密钥。旧版本留在密钥文件里：以前的备份与归档还要用它。")
    else:
        complain("正在后台更换；用 yibao keys status 查看进度。")


@app.command()
def status(context: typer.Context, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """显示在用的密钥版本，以及有多少数据已换成它；只读，网关运行时也可用。"""
    from gateway.store import open_configured

    store = open_configured(settings(context, config), read_only=True)
    try:
        found, kept = store.resealing.progress(), store.keys
    finally:
        store.close()
    if as_json:
        rows = [{"purpose": row.purpose, "version": row.version, "state": row.state} for row in kept]
        print_json({"progress": asdict(found) if found else None, "keys": rows})
        return
    if found is None:
        complain("没有启用加密。")
        return
    print_table(("用途", "版本", "状态"), [[row.purpose, row.version, _STATES[row.state]] for row in kept])
    say("全部数据都用在用的密钥。" if found.finished else f"已换 {found.done} / {found.total} 笔。")


_STATES: Final = {"written": "在用", "read": "仍有数据在用，正在更换", "known": "未启用", "gone": "已无数据使用"}
Desk = Callable[[str, dict[str, Any]], dict[str, Any]]
_POLL_S: Final = 0.3


@contextmanager
def _desk(given: Settings) -> Iterator[Desk]:
    """The gateway that serves, else the store itself, opened here."""
    if tell_gateway(given, "keys", {}) is not None:
        yield lambda act, wish: tell_gateway(given, act, wish) or {}
        return
    from gateway import clock
    from gateway.background import Background
    from gateway.desks.store import StoreDesk
    from gateway.retention_run import RetentionRun, limits_of
    from gateway.store import open_configured
    from gateway.store.resealing import IDLE_S

    store = open_configured(given)
    store.upgrade()
    if given.store.url.startswith("sqlite"):
        store.resealing.nobody_else_writes()
    loop = Background("resealing", store.resealing.turn, IDLE_S)
    loop.start()
    retention = RetentionRun(store.retention, limits_of(given.retention), clock.now)
    desk = StoreDesk(store, loop.wake, retention)

    def do(act: str, wish: dict[str, Any]) -> dict[str, Any]:
        told = desk.do(act, json.dumps(wish).encode())
        if "error" in told:
            raise Failed(str(told["error"]))
        return told

    try:
        yield do
    finally:
        loop.close()
        store.close()


def _followed(desk: Desk) -> dict[str, Any]:
    """Show the way to the end; interrupted, the work goes on wherever a gateway serves."""
    with progress() as bar:
        task = bar.add_task("更换密钥", total=None)
        while True:
            told: dict[str, Any] = desk("keys", {})["progress"]
            bar.update(task, completed=told["done"], total=told["total"])
            if told["finished"]:
                return told
            time.sleep(_POLL_S)


def _source(given: Settings) -> KeySource:
    from gateway.protect import source_of

    found = source_of(given.protect.keys)
    if found is None:
        raise Failed("没有启用加密：请先设置 [protect] keys")
    return found


def _grow(given: Settings, *, data: bool, hashes: bool) -> Keyring:
    from gateway.protect import Cipher, KeyFile

    source = _source(given)
    if not isinstance(source, KeyFile):
        raise Failed("密钥在环境变量里，不能由命令添加：请改存为文件，或自行加入新版本后重启网关，再 yibao keys rotate")
    grown = source.read().grown(Cipher(given.protect.cipher), data=data, hashes=hashes)
    source.write(grown)
    return grown
