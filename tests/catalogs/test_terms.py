"""What the quality rules of the settlement list learn of codes from the catalogs that were downloaded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.catalogs.terms import CatalogTerms
from tests.catalogs.kit import Library

ASKED = {"1307": {"J18.900", "I10.x00", "J18.9"}, "1308": {"47.0100"}}


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    built = Library(tmp_path)
    yield built
    built.store.close()


def test_a_code_has_the_names_that_the_catalog_in_force_gives_it(library: Library) -> None:
    terms = CatalogTerms(library.store.catalogs, library.hospital.clock)
    assert terms(ASKED) == {}, "nothing was downloaded"
    assert terms({}) == {}
    library.update("1307")
    assert terms(ASKED) == {"1307": {"J18.900": ("肺炎",), "I10.x00": ("原发性高血压",), "J18.9": ()}}
    library.update("1308")
    assert terms(ASKED)["1308"] == {"47.0100": ("腹腔镜下阑尾切除术",)}


def test_a_code_that_was_withdrawn_is_none(library: Library) -> None:
    terms = CatalogTerms(library.store.catalogs, library.hospital.clock)
    library.update("1307")
    rows = library.simulator._ledger.catalogs["1307"].editions[0].rows
    gone = next(row for row in rows.values() if row["diag_code"] == "J18.900")
    gone["vali_flag"] = "0"
    library.update("1307", whole=True)
    assert terms({"1307": {"J18.900"}}) == {"1307": {"J18.900": ()}}
