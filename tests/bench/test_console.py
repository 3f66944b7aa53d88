"""What ``python -m bench.console`` measures: every page of the menu, over a store with patients, all of them there."""

from __future__ import annotations

from pathlib import Path

from bench.console.__main__ import measure
from bench.console.pages import pages
from bench.console.standing import console
from bench.search.rows import Past
from gateway.console.areas import AREAS
from gateway.protect import Cipher, new_file
from gateway.store import open_store

PAST, PATIENTS = Past(20_000), 20
NO_LISTS = {"/debug", "/conformance", "/config"}
"""Forms and settings: nothing on them grows with the store."""


def test_every_line_of_the_menu_is_measured() -> None:
    menu = {item.path for area in AREAS for item in area.menu} - NO_LISTS
    assert menu <= {address(1).partition("?")[0] for address in pages(PAST, PATIENTS).values()}


def test_every_page_answers_and_its_statements_are_noted(tmp_path: Path) -> None:
    keys, url = new_file(tmp_path / "keys.toml", Cipher.AES), f"sqlite:///{tmp_path}/bench.db"
    store = open_store(url, node="bench", keys=keys)
    store.upgrade()
    store.close()
    those = pages(PAST, PATIENTS)
    with console(url, keys, tmp_path, PAST, PATIENTS) as client:
        times, asked = measure(client, those, 1)
        assert "ZY000001" in client.get("/stays").text
    assert {name for name, found in times.items() if len(found) == 1} == set(those)
    assert not [name for name, found in asked.items() if not found]
