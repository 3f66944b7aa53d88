"""What the pages for operators say of settings is so: examples are read as the gateway reads them, and none is left out."""

from __future__ import annotations

import re
import tomllib
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from gateway.settings import Settings

DOCS = Path(__file__).parents[1] / "docs"
PAGES = [*sorted((DOCS / "operating").rglob("*.md")), *sorted((DOCS / "zh").glob("*.md"))]
NAMED: dict[str, tuple[str, ...]] = {
    "platform": (
        "operating/provinces/*.md",
        "operating/platform.md",
        "operating/limits.md",
        "operating/tls-and-clients.md",
    ),
    "jobs": ("operating/jobs.md", "operating/catalogs.md"),
    "his": ("operating/his-databases.md", "operating/his-services.md", "operating/databases/*.md"),
    "store": ("operating/databases/*.md", "operating/nodes.md", "operating/keys.md"),
    "protect": ("operating/keys.md",),
    "retention": ("operating/retention.md",),
    "callbacks": ("operating/callbacks.md",),
    "catalogs": ("operating/catalogs.md", "operating/jobs.md"),
}
"""Part of the settings -> pages of which one must name each of its settings."""


def models(annotation: object) -> Iterator[type[BaseModel]]:
    """The tables that a setting may hold."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in typing.get_args(annotation):
        yield from models(inner)


def paths(model: type[BaseModel], before: str = "") -> Iterator[str]:
    """Every setting, ``part.table.name``."""
    for name, field in model.model_fields.items():
        inner = list(models(field.annotation))
        yield from (path for one in inner for path in paths(one, f"{before}{name}."))
        if not inner:
            yield before + name


def blocks(text: str) -> Iterator[str]:
    """Indented examples of the configuration."""
    for found in re.findall(r"(?m)^(?:    .*\n|\n(?=    ))+", text):
        shown = re.split(r"(?m)^yibao ", "\n".join(line[4:] for line in found.splitlines()).strip())[0]
        if re.match(r"\[\[?[a-z_.]+\]\]?", shown):
            yield shown


def strangers(given: object, model: type[BaseModel], before: str = "") -> Iterator[str]:
    """Names in an example that are no settings."""
    for name, value in given.items() if isinstance(given, dict) else ():
        field = model.model_fields.get(name)
        if field is None:
            yield before + name
        elif inner := next(models(field.annotation), None):
            for one in value if isinstance(value, list) else [value]:
                yield from strangers(one, inner, f"{before}{name}.")


EXAMPLES = [(page, block) for page in PAGES for block in blocks(page.read_text(encoding="utf-8"))]


@pytest.mark.parametrize(("page", "block"), EXAMPLES, ids=[page.name for page, _ in EXAMPLES])
def test_an_example_names_settings_that_there_are(page: Path, block: str) -> None:
    assert list(strangers(tomllib.loads(block), Settings)) == [], page


def test_the_examples_are_found_and_a_wrong_name_in_one_is() -> None:
    assert {page.stem for page, _ in EXAMPLES} >= {"tif", "api-headers", "api-key", "oauth-sm", "gm", "soap", "plain"}
    given = tomllib.loads('[platform]\nurl = ""\n[platform.sm]\nkey = ""\n[[clients]]\nnames = ""\n')
    assert list(strangers(given, Settings)) == ["platform.sm.key", "clients.names"]


@pytest.mark.parametrize("part", NAMED)
def test_every_setting_is_named_on_its_page(part: str) -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for name in NAMED[part] for page in DOCS.glob(name))
    named = set(re.findall(r"[a-z0-9_]+", text))
    found = [path for path in paths(Settings) if path.partition(".")[0] == part]
    assert found
    assert [path for path in found if path.rpartition(".")[2] not in named] == []
