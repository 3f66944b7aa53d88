"""Every ``yibao`` command that a page shows is there, with the options shown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from gateway.cli import app

ROOT = Path(__file__).parents[1]
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), *sorted(ROOT.glob("README*.md"))]
COMMAND = typer.main.get_command(app)
_SHOWN = re.compile(r"(?m)(?:^ {4}|`)yibao ((?:[a-z][a-z-]*)(?: [a-z][a-z-]*)*)([^\n`|#]*)")


def wrong(text: str) -> Iterator[str]:
    """Commands and options in ``text`` that there are not."""
    for found in _SHOWN.finditer(text):
        node: Any = COMMAND
        for word in found[1].split():
            if not hasattr(node, "commands"):
                break
            if word not in node.commands:
                yield f"yibao {found[1]}"
                break
            node = node.commands[word]
        else:
            known = {name for one in node.params for name in (*one.opts, *one.secondary_opts)} | {"--help"}
            yield from (
                f"{found[0]}: {name}" for name in re.findall(r"(?<!\S)--[a-z-]+", found[2]) if name not in known
            )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_that_are_shown_are_there(page: Path) -> None:
    assert list(wrong(page.read_text(encoding="utf-8"))) == []


def test_a_command_that_is_not_there_is_found() -> None:
    text = "`yibao jobs run x --with a.json`, `yibao jobs walk`, `yibao doubts list --loud`\n    yibao sing\n"
    assert list(wrong(text)) == ["yibao jobs walk", "`yibao doubts list --loud: --loud", "yibao sing"]
