"""The pages under docs/ point at things that exist: a renamed file must not leave a stranger searching."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
_LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)")
_PATH = re.compile(r"`((?:gateway|adapters|tests|mappings|conf|docs|wsdl|\.ci)/[\w./-]*\w)`")


def links(page: Path, text: str) -> list[str]:
    """Relative links and repository paths in ``text`` that lead nowhere."""
    relative = [target for target in _LINK.findall(text) if not (page.parent / target).exists()]
    return relative + [target for target in _PATH.findall(text) if not (ROOT / target).exists()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    assert links(page, page.read_text(encoding="utf-8")) == []


def test_a_dead_link_is_found() -> None:
    text = "[a](nowhere.md) [b](../README.md) [c](https://example.org/x) `gateway/nothing.py` `gateway/app.py`"
    assert links(ROOT / "docs" / "page.md", text) == ["nowhere.md", "gateway/nothing.py"]
