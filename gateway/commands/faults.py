"""``yibao faults``: the published table of fault codes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.commands.terminal import Failed, JsonOption, Misused, print_json, print_table, say


def faults(
    check: Annotated[Path | None, typer.Option(metavar="FILE", help="检查文件是否与程序一致。")] = None,
    write: Annotated[Path | None, typer.Option(metavar="FILE", help="把故障代码表写入文件（Markdown）。")] = None,
    as_json: JsonOption = False,
) -> None:
    """列出全部故障代码：原因、处理、能否重试、各入口怎样答复。"""
    from gateway import fault_table

    if check is not None and write is not None:
        raise Misused("--check 与 --write 只能给一个")
    if check is not None:
        _check(check, fault_table.markdown())
    elif write is not None:
        write.write_text(fault_table.markdown(), encoding="utf-8", newline="\n")
        say(f"已写入 {write}。")
    elif as_json:
        print_json(fault_table.rows())
    else:
        columns = ("code", "title", "cause", "action", "retry", "soap", "json")
        headings = ("代码", "名称", "原因", "处理", "重试", "SOAP", "JSON")
        print_table(headings, [[row[column] for column in columns] for row in fault_table.rows()])


def _check(file: Path, wanted: str) -> None:
    if file.read_text(encoding="utf-8") != wanted:
        raise Failed(f"{file} 与程序不一致，请运行 yibao faults --write {file}")
    say(f"{file} 与程序一致。")
