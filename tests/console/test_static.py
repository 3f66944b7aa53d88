"""What browsers of a hospital's PCs must be able to read: Chromium 60, in which later words are a syntax error or nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.console.pages import FOLDER, STATIC
from gateway.vouchers import page as voucher_page

SCRIPTS = sorted(STATIC.glob("*.js"))
STYLES = [*STATIC.glob("*.css"), *(Path(voucher_page.__file__).parent / "templates").glob("*.html")]
TOO_NEW_FOR_SCRIPTS = {
    "??": r"\?\?",
    "?.": r"\?\.(?!\d)",
    "catch without a name": r"\bcatch\s*\{",
    "flat": r"\.flat(?:Map)?\(",
    "fromEntries": r"Object\.fromEntries",
    "replaceAll": r"\.replaceAll\(",
    "at": r"\.at\(-",
    "allSettled": r"Promise\.(?:allSettled|any)\b",
    "private fields": r"this\.#",
    "spread of objects": r"\{\s*\.\.\.",
    "async loops": r"for\s+await",
}
TOO_NEW_FOR_STYLES = {
    "gap": r"(?<![-\w])(?:row-)?gap\s*:",
    ":has": r":has\(",
    ":is": r":(?:is|where)\(",
    "focus-visible": r":focus-visible",
    "inset": r"(?<![-\w])inset\s*:",
    "clamp": r"\b(?:clamp|min|max)\(",
    "aspect-ratio": r"aspect-ratio",
    "layers": r"@(?:layer|container|supports)\b",
    "nesting": r"&",
}


def too_new(text: str, words: dict[str, str]) -> list[str]:
    """What stands in ``text`` outside strings and comments that an old Chromium does not know."""
    bare = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    return [name for name, pattern in words.items() if re.search(pattern, bare)]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_an_old_chromium_reads_every_script(path: Path) -> None:
    assert too_new(path.read_text(encoding="utf-8"), TOO_NEW_FOR_SCRIPTS) == []


@pytest.mark.parametrize("path", STYLES, ids=lambda path: path.name)
def test_an_old_chromium_reads_every_style(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".html":
        text = "".join(re.findall(r"<style>(.*?)</style>", text, re.DOTALL))
        assert text, "the style of the page is found"
        text = re.sub(r"\{[{%].*?[%}]\}", "", text)
    assert too_new(text, TOO_NEW_FOR_STYLES) == []
    # a rule within a rule: an opening brace before the one before was closed, but for @media
    depth, deepest = 0, 0
    for brace in re.findall(r"[{}]", re.sub(r"@(?:media|page|font-face)[^{]*\{", lambda found: "", text)):
        depth = max(0, depth + (1 if brace == "{" else -1))
        deepest = max(deepest, depth)
    assert deepest == 1


@pytest.mark.parametrize(
    "text", ["a ?? b", "a?.b", "try{}catch{}", "[1].flat()", "Object.fromEntries(x)", "({...a})", "a.replaceAll('x')"]
)
def test_what_an_old_chromium_does_not_read_is_found(text: str) -> None:
    assert too_new(text, TOO_NEW_FOR_SCRIPTS)
    assert not too_new("a ? .5 : b ? 1 : 2; try{}catch(e){}", TOO_NEW_FOR_SCRIPTS)


def test_there_are_no_scripts_in_the_pages_themselves() -> None:
    """The policy forbids them; a page that needs one would be dead."""
    pages = [
        path for path in FOLDER.rglob("*.html") if re.search(r"<script(?! src=)|\son\w+=", path.read_text("utf-8"))
    ]
    assert pages == []
