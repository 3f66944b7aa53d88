"""Documents that are generated: written on request, and checked so that they cannot go stale."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from gateway.commands.terminal import Failed, Misused, say

CheckOption = Annotated[Path | None, typer.Option("--check", metavar="FILE", help="检查文件是否与程序一致。")]
WriteOption = Annotated[Path | None, typer.Option("--write", metavar="FILE", help="写入文件（Markdown）。")]


def check_or_write(page: Callable[[], str], check: Path | None, write: Path | None, command: str) -> bool:
    """Do what was asked with the page; False when neither was.

    Raises:
        Misused: both were asked.
        Failed: the file differs from the page.
    """
    if check is not None and write is not None:
        raise Misused("--check 与 --write 只能给一个")
    if write is not None:
        write.write_text(page(), encoding="utf-8", newline="\n")
        say(f"已写入 {write}。")
    if check is not None:
        if check.read_text(encoding="utf-8") != page():
            raise Failed(f"{check} 与程序不一致，请运行 {command} --write {check}")
        say(f"{check} 与程序一致。")
    return check is not None or write is not None
