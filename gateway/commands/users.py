"""``yibao users``: who may sign in to the console."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.commands.terminal import (
    ConfigOption,
    Failed,
    JsonOption,
    Misused,
    print_json,
    print_table,
    say,
    settings,
)

if TYPE_CHECKING:
    from gateway.console.parts import Desk
    from gateway.console.rights import Role
    from gateway.settings import Settings

app = typer.Typer(help="控制台用户：新建、列出、改密码、改角色、停用与启用。", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="用户名。")]
RoleName = Annotated[str, typer.Option("--role", help="角色，见 yibao users roles。")]
FromStdin = Annotated[bool, typer.Option("--password-stdin", help="从标准输入读密码，不生成。")]


@app.command("list")
def list_(context: typer.Context, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """列出用户；不显示密码。"""
    from gateway.commands.journal import reading

    given = settings(context, config)
    with reading(given) as store:
        found = store.accounts.users()
    titles = {name: role.title for name, role in _roles(given).items()}
    rows = [
        {"name": one.name, "full_name": one.full_name, "role": one.role, "locked": one.locked,
         "must_change": one.must_change, "refused_until": one.refused_until, "changed_at": one.changed_at}
        for one in found
    ]  # fmt: skip
    if as_json:
        print_json(rows)
        return
    shown = [[one.name, one.full_name, titles.get(one.role, one.role), _state(one)] for one in found]
    print_table(("用户名", "姓名", "角色", "状态"), shown)


def _state(user: Any) -> str:
    return "停用" if user.locked else "待改密" if user.must_change else "正常"


@app.command()
def roles(context: typer.Context, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """列出角色与权限。"""
    found = _roles(settings(context, config))
    if as_json:
        print_json({name: {"title": role.title, "rights": sorted(role.rights)} for name, role in found.items()})
        return
    print_table(
        ("角色", "名称", "权限"), [[name, role.title, " ".join(sorted(role.rights))] for name, role in found.items()]
    )


@app.command()
def add(
    context: typer.Context,
    name: Name,
    full_name: Annotated[str, typer.Option("--full-name", help="姓名，写在每一次操作之下。")] = "",
    role: RoleName = "",
    from_stdin: FromStdin = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """新建用户；没给的在终端里问，密码缺省由程序生成。首次登录须改密码。"""
    from gateway.console.users.views import objection

    given = settings(context, config)
    known = _roles(given)
    full_name = full_name or _asked("姓名")
    role = role or _asked(f"角色（{'、'.join(known)}）")
    if role not in known:
        raise Misused(f"没有角色 {role}；可用：{'、'.join(known)}")
    if wrong := objection(name, full_name):
        raise Misused(wrong)
    password, made = _password(given, name, from_stdin=from_stdin)
    arguments = {"name": name, "full_name": full_name, "role": role, "password_hash": _hash(given, password)}
    _done(given, "add_user", arguments)
    _tell(as_json, {"name": name, "role": role, **({"password": password} if made else {})}, f"用户 {name} 已建立。")


@app.command()
def passwd(
    context: typer.Context,
    name: Name,
    from_stdin: FromStdin = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """重设密码；缺省由程序生成并显示一次，对方登录后须自行更改。"""
    given = settings(context, config)
    password, made = _password(given, name, from_stdin=from_stdin)
    _done(given, "set_password", {"name": name, "password_hash": _hash(given, password)})
    _tell(as_json, {"name": name, **({"password": password} if made else {})}, f"用户 {name} 的密码已重设。")


@app.command("role")
def set_role(
    context: typer.Context,
    name: Name,
    role: Annotated[str, typer.Argument(metavar="ROLE", help="角色，见 yibao users roles。")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """改角色；该用户须重新登录。"""
    given = settings(context, config)
    known = _roles(given)
    if role not in known:
        raise Misused(f"没有角色 {role}；可用：{'、'.join(known)}")
    _done(given, "set_role", {"name": name, "role": role})
    _tell(as_json, {"name": name, "role": role}, f"用户 {name} 的角色已改为 {known[role].title}。")


@app.command()
def lock(
    context: typer.Context,
    name: Name,
    undo: Annotated[bool, typer.Option("--undo", help="重新启用，并忘掉输错的次数。")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """停用或重新启用一个用户；停用即刻生效，已登录的也要退出。"""
    given = settings(context, config)
    _done(given, "set_locked", {"name": name, "locked": not undo})
    _tell(as_json, {"name": name, "locked": not undo}, f"用户 {name} 已{'启用' if undo else '停用'}。")


# ------------------------------------------------------------------ helpers


def _roles(given: Settings) -> Mapping[str, Role]:
    from gateway.console.areas import RIGHTS
    from gateway.console.rights import read_rights
    from gateway.console_process import rights_file

    return read_rights(rights_file(given), RIGHTS)


def _asked(what: str) -> str:
    if not sys.stdin.isatty():
        raise Misused(f"缺少{what}")
    answer: str = typer.prompt(what)
    return answer.strip()


def _password(given: Settings, name: str, *, from_stdin: bool) -> tuple[str, bool]:
    """The password, and whether we made it and must show it."""
    from gateway.console.passwords import Passwords, generated

    if not from_stdin:
        return generated(), True
    password = getpass.getpass("密码: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
    if wrong := Passwords(chars_min=given.console.password_chars_min).objection(password, name):
        raise Misused(wrong)
    return password, False


def _hash(given: Settings, password: str) -> str:
    from gateway.console.passwords import Passwords

    return Passwords(chars_min=given.console.password_chars_min).make(password)


def _done(given: Settings, operation: str, arguments: Mapping[str, Any]) -> None:
    """Have it done by the process that writes the store; raises ``Failed`` when it was not done."""
    operator = f"{getpass.getuser()}（命令行）"
    with _desk(given) as desk:
        answer = desk.do(operation, {"operator": operator, **arguments})
    if not answer["ok"]:
        raise Failed(str(answer["error"]))


@contextmanager
def _desk(given: Settings) -> Iterator[Desk]:
    """The desk of the running gateway where it alone may write (SQLite), else one of our own on the store."""
    from gateway import clock, logs
    from gateway.commands.local import admin_of, ask
    from gateway.configured import sign_in_policy
    from gateway.console.lines import DeskLine
    from gateway.desks import token_file
    from gateway.desks.console import ConsoleDesk
    from gateway.store import open_configured

    # what is kept in the operator log is told to the log too, and standard output belongs to the result
    logs.configure(given.log.level, given.log.format, given.log.file)
    token = token_file.read(given.store.url)
    if token:
        try:
            ask(admin_of(given), "/healthz", timeout_s=5)
        except Failed:
            pass  # a token of a gateway that has ended
        else:
            yield DeskLine(given, token)
            return
    store = open_configured(given)
    try:
        store.upgrade()
        yield ConsoleDesk(store, clock.now, sign_in_policy(given))
    finally:
        store.close()


def _tell(as_json: bool, values: Mapping[str, Any], text: str) -> None:
    if as_json:
        print_json(dict(values))
        return
    say(text)
    if "password" in values:
        say(f"密码（只显示这一次，登录后须更改）：{values['password']}")
