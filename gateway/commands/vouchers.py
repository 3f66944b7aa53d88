"""``yibao vouchers``: print what a hospital hands out on paper about a stay, as the console and the HIS do."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Annotated

import typer

from gateway.commands.local import admin_of, ask, url_of
from gateway.commands.noted import Operator, who
from gateway.commands.terminal import (
    ConfigOption,
    Failed,
    JsonOption,
    Misused,
    complain,
    print_json,
    say,
    settings,
    system_reason,
)

app = typer.Typer(help="凭证：打印出院结算收据等，每次打印都留记录。", no_args_is_help=True)

_TIMEOUT_S = 60


@app.callback()
def _group() -> None:
    """A group although there is one command so far: its name is part of the interface."""


@app.command("print")
def print_(
    context: typer.Context,
    kind: Annotated[str, typer.Argument(metavar="KIND", help="凭证种类，如 receipt 或 出院结算收据；写错时列出全部。")],
    number: Annotated[str, typer.Argument(metavar="SETL_ID|IPT_NO", help="结算 ID，或住院号。")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="写到这个 PDF 文件；缺省为 凭证种类-编号.pdf。")
    ] = None,
    operator: Operator = "",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """打印一张凭证为 PDF；打印过的再打即为重打。经正在运行的网关办理。"""
    from gateway.rules.vouchers import KINDS
    from gateway.vouchers.sheet import TITLES

    kind = next((one for one in KINDS if TITLES[one] == kind), kind)
    if kind not in KINDS:
        raise Misused(f"没有凭证种类 {kind}；可用：{'、'.join(f'{one} {TITLES[one]}' for one in KINDS)}")
    given = settings(context, config)
    path = output or Path(f"{kind}-{''.join(sign if sign.isalnum() else '_' for sign in number)}.pdf")
    if not path.parent.is_dir():
        raise Misused(f"没有文件夹 {path.parent}")
    listener = admin_of(given)
    wish = {"operator": who(operator), "kind": kind, "number": number}
    body = json.dumps(wish, ensure_ascii=False).encode()
    answer = ask(listener, "/-/vouchers/print", body=body, timeout_s=_TIMEOUT_S)
    if answer.status != 200:
        raise Failed(
            f"网关 {url_of(listener)} 不接受（HTTP {answer.status}）；走管理地址 listen.admin，且只限网关所在的机器"
        )
    told = json.loads(answer.body)
    if "error" in told:
        raise Failed(" ".join(filter(None, (told.get("code", ""), told["error"]))))
    try:
        path.write_bytes(base64.b64decode(told["pdf"]))
    except OSError as error:
        raise Failed(f"{path} 无法写入：{system_reason(error)}；凭证号 {told['number']} 已记为打印") from None
    for warning in told["warnings"]:
        complain(f"注意：{warning}")
    if as_json:
        print_json(
            {"file": str(path), **{name: told[name] for name in ("number", "title", "count", "marks", "warnings")}}
        )
        return
    marks = f"（{'、'.join(told['marks'])}）" if told["marks"] else ""
    say(f"{told['title']}{marks}：凭证号 {told['number']}，第 {told['count']} 次打印，已写到 {path}")
