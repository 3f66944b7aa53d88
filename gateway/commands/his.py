"""``yibao his``: the hospital's own records: are the statements good, and a sample HIS to try them on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.commands.terminal import (
    ConfigOption,
    Failed,
    JsonOption,
    Misused,
    complain,
    console,
    print_json,
    print_pairs,
    progress,
    settings,
)

if TYPE_CHECKING:
    from sqlalchemy import URL

    from adapters.his.check import Finding

app = typer.Typer(help="HIS 的数据库或服务：检查查询语句与服务说明，生成示例 HIS。", no_args_is_help=True)

_MARKS = {True: "[green]✓[/]", False: "[red]✗[/]", None: "[yellow]-[/]"}


@app.command()
def check(context: typer.Context, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """连接 HIS，逐条检查 *.sql（服务为 *.toml）：能否执行、列是否齐全、抽查的行能否使用。只读。"""
    from adapters.his.check import check as checked

    found: list[Finding] = []
    for finding in checked(settings(context, config).his):
        found.append(finding)
        if not as_json:
            _print(finding)
    if as_json:
        print_json([_shown(finding) for finding in found])
    if failed := [finding.what for finding in found if finding.ok is False]:
        raise Failed(f"有问题：{'、'.join(failed)}")


def _print(finding: Finding) -> None:
    from rich.markup import escape

    shown = console()
    shown.print(f"{_MARKS[finding.ok]} {finding.what}  {escape(finding.text)}")
    for problem in finding.problems:
        shown.print(f"    [red]{escape(problem)}[/]")
    for note in finding.notes:
        shown.print(f"    {escape(note)}")


def _shown(finding: Finding) -> dict[str, object]:
    told = {"what": finding.what, "ok": finding.ok, "text": finding.text}
    return {**told, "problems": finding.problems, "notes": finding.notes, **finding.facts}


@app.command()
def sample(
    url: Annotated[
        str, typer.Argument(metavar="URL", help="一个空的数据库，例如 sqlite:///sample-his.db。", show_default=False)
    ],
    stays: Annotated[int, typer.Option(min=1, max=100_000, help="住院人次。")] = 300,
    seed: Annotated[int, typer.Option(help="同一个数生成同样的内容。")] = 1,
    as_json: JsonOption = False,
) -> None:
    """生成示例 HIS：住院、入出转、诊断、手术、每次住院 300 至 500 条费用。全部人物均为虚构。"""
    from sqlalchemy.exc import SQLAlchemyError

    from adapters.his.sample import Sizes, write_sample

    with progress() as bar:
        task = bar.add_task("生成", total=stays)
        try:
            counts = write_sample(
                _url(url), Sizes(stays=stays), seed, lambda done, total: bar.update(task, completed=done, total=total)
            )
        except (ValueError, SQLAlchemyError, ModuleNotFoundError) as error:
            raise Failed(f"没有生成：{str(error).splitlines()[0]}") from error
    if as_json:
        print_json(counts)
        return
    print_pairs(counts)
    complain(f'用它试试语句：YIBAO_HIS__URL="{url}" yibao his check')


def _url(text: str) -> URL:
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(text)
    except ArgumentError as error:
        raise Misused("数据库地址格式错误，应形如 sqlite:///sample-his.db") from error
    if url.get_backend_name() == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() == "sqlite" and (not url.database or not Path(url.database).parent.is_dir()):
        raise Misused("SQLite 地址应指明一个文件，其目录须已存在")
    return url
