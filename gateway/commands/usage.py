"""Wrong usage in Chinese: the command-line library speaks English."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import typer


def usage_sentence(error: typer.TyperException) -> str:
    """What is wrong with the command line, and where help is found.

    Args:
        error: of the command-line library; a call without any command carries the help itself.
    """
    text = _KINDS.get(type(error).__name__, _other)(error)
    if type(error).__name__ == "NoArgsIsHelpError":
        return text
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "yibao"
    return f"用法错误：{text}\n用 {path} --help 查看用法。"


def _other(error: Any) -> str:
    return str(error.format_message())


def _help(error: Any) -> str:
    return str(error.message)


def _no_option(error: Any) -> str:
    near = f"，可能是 {'、'.join(error.possibilities)}" if error.possibilities else ""
    return f"没有选项 {error.option_name}{near}"


def _missing(error: Any) -> str:
    hint = error.param.get_error_hint() if error.param is not None else ""
    return f"缺少 {hint}"


def _bad_value(error: Any) -> str:
    hint = error.param.get_error_hint() if error.param is not None else ""
    return f"{hint} 的值不对：{error.message}"


def _command(error: Any) -> str:
    """No such command, or an argument too many: the library tells them apart by its words only."""
    message = str(error.message)
    quoted = message.partition("'")[2].partition("'")[0]
    if message.startswith("No such command"):
        return f"没有命令 {quoted}"
    if message.startswith("Missing command"):
        return "缺少子命令"
    if "unexpected extra argument" in message:
        return f"多余的参数 {message.rpartition(' (')[2].removesuffix(')')}"
    return message


_KINDS: Final[Mapping[str, Callable[[Any], str]]] = {
    "NoArgsIsHelpError": _help,
    "NoSuchOption": _no_option,
    "MissingParameter": _missing,
    "BadParameter": _bad_value,
    "UsageError": _command,
}
