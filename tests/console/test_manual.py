"""《用户操作手册》: every page of the menu is in it, and its pictures are those that ``make screenshots`` takes."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from gateway.console.areas import AREAS

ROOT = Path(__file__).parents[2]
MANUAL = (ROOT / "docs" / "zh" / "yong-hu-shou-ce.md").read_text(encoding="utf-8")
SCREENS = (ROOT / "docs" / "inside" / "screens.md").read_text(encoding="utf-8")
FOLDER = ROOT / "docs" / "zh" / "pictures"


def taken() -> set[str]:
    """Names in ``PICTURES``; the module itself needs a browser."""
    tree = ast.parse((ROOT / "tests" / "interop" / "pictures.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "PICTURES":
            return set(ast.literal_eval(node.value))  # type: ignore[arg-type]
    raise AssertionError("no PICTURES")


def test_every_line_of_the_menu_is_in_the_manual() -> None:
    titles = [item.title for area in AREAS for item in area.menu]
    assert [title for title in titles if title not in MANUAL] == []


def test_the_pictures_are_those_that_are_taken_anew() -> None:
    shown = set(re.findall(r"\]\(pictures/([a-z-]+)\.png\)", MANUAL))
    assert shown == taken() == {path.stem for path in FOLDER.glob("*.png")}


def test_every_page_of_the_console_was_looked_at() -> None:
    """A new page is looked at and written down; parts of pages and files are not pages of their own."""
    pages = [page for area in AREAS for page in area.pages if page.method == "GET" and not page.quiet]
    files = (".csv", "/{part}")
    missing = [page.path for page in pages if not page.path.endswith(files) and f"`{page.path}`" not in SCREENS]
    assert missing == []
