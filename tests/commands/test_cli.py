"""The command as a whole: help, usage, exit codes, what it loads."""

from __future__ import annotations

import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.commands import terminal
from gateway.contract.errors import MappingError
from tests.commands.helpers import REPOSITORY, environment, yibao, yibao_process

COMMANDS = (
    "serve", "demo", "simulate", "call", "probe", "faults",
    "journal search", "journal show", "journal export", "wsdl build", "wsdl check",
    "mapping check", "mapping try", "mapping import", "mapping reload", "mapping provinces",
    "db upgrade", "db retain", "db check", "config check", "config show",
)  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_in_chinese(command: str) -> None:
    ran = yibao(*command.split(), "--help")
    assert ran.code == 0
    assert f"Usage: yibao {command} " in ran.out
    assert any("\u4e00" <= char <= "\u9fff" for char in ran.out.splitlines()[2])


def test_help_waits_for_nothing_heavy() -> None:
    """Counted in modules, which do not depend on how busy the machine is."""
    program = (
        "import sys\nfrom gateway.cli import main\nmain(['--help'])\n"
        "heavy = {'lxml', 'sqlalchemy', 'pydantic', 'granian', 'spyne', 'rich', 'structlog', 'alembic'}\n"
        "sys.exit(','.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, env=environment(), capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nope"], "没有命令 nope"),
        (["journal", "nope"], "没有命令 nope"),
        (["faults", "--chek", "x"], "没有选项 --chek，可能是 --check"),
        (["faults", "a", "b"], "多余的参数 a b"),
        (["call", "1101"], "缺少 'FILE'"),
        (["simulate", "--port", "70000"], "的值不对"),
        (["simulate", "--signing", "rsa"], "--signing 只能是 plain、tif"),
        (["simulate", "--signing", "tif"], "--account"),
        (["simulate", "--institution", "H1"], "CODE=NAME"),
        (["faults", "--check", "a", "--write", "b"], "只能给一个"),
    ],
)
def test_wrong_usage_is_2_and_says_what(arguments: list[str], said: str) -> None:
    ran = yibao(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert ran.err.startswith("用法错误：")


@pytest.mark.parametrize("arguments", [[], ["db"]])
def test_no_command_shows_the_help(arguments: list[str]) -> None:
    ran = yibao(*arguments)
    assert ran.code == 2
    assert "Commands:" in ran.err


def test_as_a_process_the_exit_code_reaches_the_shell() -> None:
    ran = yibao_process("config", "check", "--config", "/nowhere/yibao.toml")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == "配置文件不存在：/nowhere/yibao.toml\n"


def test_a_reader_that_has_enough_is_no_error_message() -> None:
    command = f"{sys.executable} -m gateway.cli faults --json | head -c 10"
    done = subprocess.run(
        command, shell=True, cwd=REPOSITORY, env=environment(), capture_output=True, timeout=60, check=False
    )
    assert (done.stdout[:1], done.stderr) == (b"[", b"")


def test_a_terminal_without_chinese_gets_escapes() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gateway.cli", "nope"],
        cwd=REPOSITORY,
        env=environment() | {"PYTHONIOENCODING": "latin-1"},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert b"\\u7528\\u6cd5" in done.stderr
    assert b"Traceback" not in done.stderr


def test_the_config_may_stand_on_either_side_and_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = tmp_path / "missing.toml"
    ways: list[list[object]] = [
        ["--config", missing, "config", "check"],
        ["config", "check", "--config", missing],
    ]
    assert [yibao(*way).err for way in ways] == [f"配置文件不存在：{missing}\n"] * 2
    monkeypatch.setenv("YIBAO_CONFIG", str(missing))
    assert yibao("config", "check").err == f"配置文件不存在：{missing}\n"
    other = tmp_path / "other.toml"
    assert yibao("config", "check", "--config", other).err == f"配置文件不存在：{other}\n"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (FileNotFoundError(2, "No such file or directory", "a.xml"), "a.xml：文件或目录不存在"),
        (OSError("odd"), "odd"),
        (ConnectionRefusedError(111, "Connection refused"), "连接被拒绝"),
        (TimeoutError(), "超时"),
        (ssl.SSLError(1, "WRONG_VERSION_NUMBER"), "WRONG_VERSION_NUMBER"),
        (MappingError("a.yaml", 3, "错"), "映射文件有误：\na.yaml:3: 错"),
        (terminal.Failed("坏了"), "坏了"),
    ],
)
def test_failures_are_told_in_words(error: Exception, said: str) -> None:
    assert terminal.explain(error) == said


def test_a_mistake_of_ours_is_one_line_with_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> list[dict[str, str]]:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("gateway.published.fault_table.rows", broken)
    ran = yibao("faults", "--json")
    assert ran.code == 1
    assert ran.err.startswith("程序内部错误 ZeroDivisionError：division by zero（test_cli.py:")
    assert len(ran.err.splitlines()) == 1
