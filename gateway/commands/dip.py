"""``yibao dip``: what the hospital's DIP system has otherwise than the settlements (ET-09)."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from gateway.commands.journal import reading
from gateway.commands.terminal import (
    ConfigOption,
    Failed,
    JsonOption,
    complain,
    print_json,
    print_table,
    settings,
    system_reason,
)

app = typer.Typer(help="DIP 系统与医保结算的核对。", no_args_is_help=True)
HEADINGS = ("类别", "行", "结算ID", "就诊ID", "住院号", "说明")


@app.command()
def diff(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="DIP 系统导出的 CSV：结算ID、就诊ID、住院号 至少一列，入院日期。")],
    since: Annotated[str, typer.Option("--from", help="何时起出院的须在文件中，如 2026-03-01。")] = "",
    before: Annotated[str, typer.Option("--before", help="何时之前出院的，如 2026-04-01。")] = "",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """列出 DIP 系统缺失、不一致、多余的病例。"""
    from gateway.dip.differences import FileWrong, differences, read_rows, settled_stays

    try:
        rows = read_rows(file.read_bytes())
    except OSError as error:
        raise Failed(f"文件 {file} 无法读取：{system_reason(error)}") from None
    except FileWrong as error:
        raise Failed(f"文件 {file}：{error}") from None
    with reading(settings(context, config)) as store:
        found = differences(settled_stays(store.stay_feed), rows, since, before)
    if as_json:
        print_json([asdict(one) for one in found])
        return
    print_table(
        HEADINGS, [[one.kind, one.line or "", one.setl_id, one.mdtrt_id, one.ipt_no, one.text] for one in found]
    )
    complain(f"文件 {len(rows)} 例，不同 {len(found)} 处。")
