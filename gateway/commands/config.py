"""``yibao config``: is the configuration right, what is in force, and where it comes from."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from gateway.commands.terminal import (
    ConfigOption,
    Failed,
    JsonOption,
    config_path,
    explain,
    print_json,
    print_table,
    say,
    settings,
)

if TYPE_CHECKING:
    from gateway.settings import Settings

app = typer.Typer(help="配置：检查、显示。", no_args_is_help=True)

NETWORK_FILE_SYSTEMS: Final = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "afs", "ceph"})
MOUNTS: Final = Path("/proc/mounts")


@app.command()
def check(context: typer.Context, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """检查配置，以及配置所指的证书、省份、存储位置、HIS 语句与服务说明；不启动网关。"""
    given = settings(context, config)
    wrong, advice = list(problems(given)), list(hints(given))
    if as_json:
        print_json({"ok": not wrong, "problems": wrong, "hints": advice})
    if wrong:
        raise Failed("配置错误：\n" + "\n".join(f"  {sentence}" for sentence in wrong))
    if not as_json:
        say("\n".join(["配置可用。", *(f"提示：{sentence}" for sentence in advice)]))


@app.command()
def show(
    context: typer.Context,
    why: Annotated[bool, typer.Option("--why", help="同时显示每一项来自哪里。")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """显示生效的配置；密钥只显示是否已设置。"""
    from gateway.settings import sources
    from gateway.settings.shown import leaves, origin_of

    given = settings(context, config)
    origin = sources(config_path(context, config)) if why else {}
    rows = [(name, value, origin_of(name, origin)) for name, value in leaves(given.model_dump())]
    if as_json:
        print_json({name: {"value": value, "from": found} if why else value for name, value, found in rows})
    elif why:
        print_table(("设置", "值", "来自"), rows)
    else:
        print_table(("设置", "值"), [row[:2] for row in rows])


# ------------------------------------------------------------------ checking


def problems(given: Settings) -> Iterator[str]:
    """What a start would stumble over, in sentences."""
    yield from _province_problems(given)
    yield from _certificate_problems(given)
    yield from _store_problems(given.store.url)
    yield from _key_problems(given)
    yield from _font_problems(given)
    yield from _day_surgery_problems(given)
    yield from _his_problems(given)


def _province_problems(given: Settings) -> Iterator[str]:
    from gateway import mappings

    known = mappings.provinces()
    if given.platform.province not in known:
        yield f"platform.province：没有省份 {given.platform.province}；可用：{'、'.join(known)}"


def _certificate_problems(given: Settings) -> Iterator[str]:
    from gateway.http.sockets import ListenError
    from gateway.http.tls import tls_context

    listen = given.listen
    for listener in (listen.exchange, listen.admin, listen.callback, *listen.more, given.console.listen):
        try:
            if listener is not None and listener.tls is not None:
                tls_context(listener.tls)
        except ListenError as error:
            yield explain(error)
    platform = given.platform
    for name in ("ca_file", "client_certificate", "client_key"):
        file = getattr(platform, name)
        if file is not None and not file.is_file():
            yield f"platform.{name}：文件不存在：{file}"
    if (platform.client_certificate is None) != (platform.client_key is None):
        yield "platform.client_certificate 与 client_key 须同时设置"


def _store_problems(url: str) -> Iterator[str]:
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parsed = make_url(url)
    except ArgumentError:
        yield "store.url：数据库地址格式错误，应形如 sqlite:///yibao.db 或 postgresql://用户:密码@主机/库"
        return
    if parsed.get_backend_name() not in ("sqlite", "postgresql", "oracle", "mssql"):
        yield f"store.url：不支持的数据库 {parsed.get_backend_name()}，请用 sqlite、postgresql、oracle 或 mssql"
    if parsed.get_backend_name() == "sqlite" and parsed.database and on_network(Path(parsed.database)):
        yield f"store.url：{parsed.database} 在网络盘上，SQLite 在那里会损坏；请放在本机磁盘，或改用 PostgreSQL"


def _key_problems(given: Settings) -> Iterator[str]:
    from gateway.protect import KeyringError, source_of
    from gateway.protect.keyring import Cipher

    try:
        source = source_of(given.protect.keys)
        keyring = source.read() if source else None
    except KeyringError as error:
        yield f"protect.keys：{error}"
        return
    if keyring and keyring.data[max(keyring.data)].suite is not Cipher(given.protect.cipher):
        yield f"protect.cipher 为 {given.protect.cipher}，最新的密钥不是：请运行 yibao keys rotate 换用，或改回设置"


def _font_problems(given: Settings) -> Iterator[str]:
    if given.vouchers.fonts:
        from gateway.vouchers.press import sort_out

        yield from (f"vouchers.fonts：{problem}" for problem in sort_out(given.vouchers.fonts)[1])


def _day_surgery_problems(given: Settings) -> Iterator[str]:
    if given.rules.day_surgery is None:
        return
    from gateway.files.unpack import FileWrong
    from gateway.stays.day_surgery import read_catalogue

    try:
        read_catalogue(given.rules.day_surgery)
    except FileWrong as error:
        yield f"rules.day_surgery：{error}"
    except OSError as error:
        yield f"rules.day_surgery：{given.rules.day_surgery} 无法读取：{error.strerror}"


def _his_problems(given: Settings) -> Iterator[str]:
    """Folder, statements or services and WSDL; whether the HIS answers, ``yibao his check`` and the start tell."""
    if not given.his.there:
        return
    from adapters.his.ways import open_records
    from gateway.stays.hospital import HisError

    try:
        records, wrong = open_records(given.his)
    except HisError as error:
        yield f"his：{error}"
        return
    records.close()
    yield from (f"his：{problem}" for problem in wrong.values())


def hints(given: Settings) -> Iterator[str]:
    """What works, but is seldom meant in production, in sentences."""
    if not given.production:
        return
    listen, console = given.listen, given.console
    if listen.admin is None and not listen.exchange.loopback:
        yield (
            f"listen.admin 没有设置：/metrics、/readyz 与 HIS 共用 {listen.exchange.address}，院内任何机器都能读；"
            "建议另设监听，如 127.0.0.1:8082"
        )
    if console.enabled and not console.listen.loopback and not console.https:
        yield (
            f"console.listen {console.listen.address} 没有 tls：用户名和密码在网络上明文传送；"
            "请设置 tls，或在前面的代理上启用 HTTPS 并写明 console.public_url"
        )


def on_network(path: Path, mounts: Path = MOUNTS) -> bool:
    """Whether a file would lie on a network file system, as far as the system tells.

    Args:
        path: need not exist.
        mounts: the kernel's table; absent outside Linux, where only UNC paths are seen.
    """
    if sys.platform == "win32" or str(path).startswith(("\\\\", "//")):
        return str(path).startswith(("\\\\", "//"))
    if not mounts.is_file():
        return False
    table = [line.split() for line in mounts.read_text(encoding="utf-8", errors="replace").splitlines()]
    where = path.absolute()
    under = [(len(entry[1]), entry[2]) for entry in table if len(entry) > 2 and where.is_relative_to(entry[1])]
    return max(under, default=(0, ""))[1] in NETWORK_FILE_SYSTEMS
