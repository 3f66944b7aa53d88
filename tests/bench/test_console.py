"""What ``python -m bench.console`` measures: every page of the console, over a store with patients and years."""

from __future__ import annotations

import re
from pathlib import Path

from bench.console.__main__ import measure
from bench.console.pages import UNMEASURED, pages
from bench.console.standing import console
from bench.console.years import day
from bench.search.rows import Past
from gateway.console.areas import AREAS
from gateway.protect import Cipher, new_file
from gateway.store import open_store

PAST, PATIENTS = Past(20_000), 20
THERE = {
    "/audit?act=查看报文": "职员",
    "/jobs?job=backup": "backup",
    f"/reconcile/{day(1)}": "平",
    "/catalogs/1306?q=一次性": "C000001",
}
"""What the years left is on the pages that are measured."""


def test_every_page_of_the_console_is_measured_or_it_is_said_why_not() -> None:
    looks = {page.path for area in AREAS for page in area.pages if page.method == "GET"}
    measured = {_route(looks, address(1).partition("?")[0]) for address in pages(PAST, PATIENTS).values()}
    assert measured | set(UNMEASURED) == looks
    assert not measured & set(UNMEASURED)


def _route(looks: set[str], path: str) -> str:
    """The route of an address: one without parts before one with."""
    return min(
        (route for route in looks if re.fullmatch(re.sub(r"{\w+}", "[^/]+", route), path)), key=lambda r: r.count("{")
    )


def test_every_page_answers_and_its_statements_are_noted(tmp_path: Path) -> None:
    keys, url = new_file(tmp_path / "keys.toml", Cipher.AES), f"sqlite:///{tmp_path}/bench.db"
    store = open_store(url, node="bench", keys=keys)
    store.upgrade()
    store.close()
    those = pages(PAST, PATIENTS)
    with console(url, keys, tmp_path, PAST, PATIENTS) as client:
        times, asked = measure(client, those, 1)
        assert "ZY000001" in client.get("/stays").text
        for page, told in THERE.items():
            assert told in client.get(page).text, page
    assert {name for name, found in times.items() if len(found) == 1} == set(those)
    assert not [name for name, found in asked.items() if not found]
