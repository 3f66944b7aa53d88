"""What every command shares: its options, where the configuration comes from, how results and failures are shown.

Results go to standard output, everything else (progress, failures) to standard error, so that output can be piped.
"""

from __future__ import annotations

import errno
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from gateway.settings import Settings

PIPE_WIDTH: Final = 240
"""Columns of a table that goes into a file or a pipe, where nothing else says how wide it may be."""
PAIR_WIDTH: Final = 16

ConfigOption = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="配置文件（TOML）；也可写在命令之前。")
]
JsonOption = Annotated[bool, typer.Option("--json", help="以 JSON 输出。")]


class Failed(Exception):
    """The command could not do its work; the Chinese text says why. Exit code 1."""


class Misused(Exception):
    """An option has a value that cannot be meant; the Chinese text names it. Exit code 2."""


def config_path(context: typer.Context, config: Path | None) -> Path | None:
    """The file named after the command, else the one before it, else None."""
    return config or context.find_root().obj


def settings(context: typer.Context, config: Path | None) -> Settings:
    """The configuration of this call. Raises ``SettingsError``."""
    from gateway.settings import read_settings

    return read_settings(config_path(context, config))


# ------------------------------------------------------------------ results


def say(text: str) -> None:
    """One line of result."""
    typer.echo(text)


def complain(text: str) -> None:
    """One line of failure or warning, to standard error."""
    typer.echo(text, err=True)


def print_json(value: Any) -> None:
    """``value`` as indented JSON; times become ISO 8601."""
    say(json.dumps(value, ensure_ascii=False, indent=2, default=_plain))


def _plain(value: object) -> str:
    return value.isoformat(timespec="milliseconds") if isinstance(value, datetime) else str(value)


def console(*, to_stderr: bool = False) -> Console:
    """A rich console; wide when nobody watches."""
    from rich.console import Console

    found = Console(stderr=to_stderr, highlight=False, soft_wrap=False)
    return found if found.is_terminal else Console(stderr=to_stderr, highlight=False, width=PIPE_WIDTH)


def print_table(headings: Sequence[str], rows: Sequence[Sequence[object]], *, title: str = "") -> None:
    """A table on standard output; cells are shown as text, never read as markup."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(*headings, title=title or None, title_justify="left", box=box.SIMPLE_HEAD)
    for row in rows:
        table.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    console().print(table)


def print_pairs(pairs: Mapping[str, object]) -> None:
    """Names and values, one pair a line; a long value is never cut."""
    for name, value in pairs.items():
        say(f"{name:<{PAIR_WIDTH}}  {value}")


# ----------------------------------------------------------------- progress


@contextmanager
def progress() -> Iterator[Progress]:
    """A progress bar on standard error; silent when nobody watches."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    shown = console(to_stderr=True)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=shown,
        transient=True,
        disable=not shown.is_terminal,
    ) as bar:
        yield bar


def log_to_stderr() -> None:
    """What parts of the gateway log while a command uses them; standard output is for results."""
    import structlog

    if not structlog.is_configured():
        structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))


# ----------------------------------------------------------------- failures

_TOLD: Final = {
    "Failed": "",
    "SettingsError": "",
    "MappingError": "映射文件有误：\n",
    "StoreError": "",
    "KeyringError": "",
    "ListenError": "",
    "RightsError": "",
    "JournalUnavailable": "交易日志无法读写：",
    "PublishError": "接口表无法发布：",
    "ContractShrinksError": "",
    "SampleError": "",
    "GatewayFault": "",
}
"""Errors whose text is for staff, by name: importing their classes here would load everything that raises them."""


_SYSTEM: Final = {
    errno.ENOENT: "文件或目录不存在",
    errno.EACCES: "没有权限",
    errno.EPERM: "没有权限",
    errno.EISDIR: "这是一个目录",
    errno.ENOTDIR: "路径中有一段不是目录",
    errno.EROFS: "文件系统只读",
    errno.ENOSPC: "磁盘已满",
    errno.EADDRINUSE: "地址已被占用",
    errno.EADDRNOTAVAIL: "本机没有这个地址",
    errno.ECONNREFUSED: "连接被拒绝",
    errno.ECONNRESET: "连接被对方中断",
    errno.EHOSTUNREACH: "主机不可达",
    errno.ENETUNREACH: "网络不可达",
}
"""What the system says in English, in words for staff; anything else stays as the system says it."""


def explain(error: BaseException) -> str:
    """What staff read about ``error``: never a stack trace."""
    for kind in type(error).__mro__:
        if kind.__module__.startswith("gateway.") and kind.__name__ in _TOLD:
            return f"{_TOLD[kind.__name__]}{error}"
    if isinstance(error, OSError):
        where = f"{error.filename}：" if error.filename else ""
        return f"{where}{system_reason(error)}"
    return f"程序内部错误 {type(error).__name__}：{error}（{_place(error)}）；请把这一行连同所用命令报告给维护者"


def system_reason(error: OSError) -> str:
    """The reason of a system error, in Chinese where it is a usual one."""
    if isinstance(error, TimeoutError):
        return "超时"
    # errors of the ssl and resolver libraries count on their own, from 1 and from -1
    known = _SYSTEM.get(error.errno or 0) if type(error).__module__ == "builtins" else None
    return known or error.strerror or str(error) or type(error).__name__


def _place(error: BaseException) -> str:
    trace, place = error.__traceback__, "?"
    while trace is not None:
        place = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place


def write_whatever_the_charset() -> None:
    """A terminal that cannot write a Chinese character gets an escape, not a broken command."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
