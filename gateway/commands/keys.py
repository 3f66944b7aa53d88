"""``yibao keys``: the keys with which the store is protected."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.commands.terminal import Failed, Misused, complain, say

app = typer.Typer(help="存储的密钥：生成。", no_args_is_help=True)


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
