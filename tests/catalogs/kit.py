"""A hospital of the exchange's kit with a store, a shelf and its catalogs."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from gateway.catalogs.reading import Tolerance
from gateway.catalogs.service import CatalogUpdates, Policy, Updated
from gateway.contract.catalogs import Catalog
from gateway.files.layout import packed
from gateway.files.shelf import Shelf
from gateway.mappings.catalogs import load_catalogs
from gateway.store import Store, open_store
from gateway.store.catalogs import Version
from tests.exchange.kit import CODE, INTERFACE, Hospital

CATALOGS = load_catalogs(INTERFACE.contract)
HEAD = {"opter": "catalogs", "opter_name": "网关", "opter_type": "2"}


@cache
def _empty() -> bytes:
    """The file of an empty store: to upgrade one anew would take longer than most tests."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "empty.db"
        store = open_store(f"sqlite:///{file}", node="n1")
        store.upgrade()
        store.close()
        return file.read_bytes()


class Library:
    """The catalogs of one hospital.

    Args:
        folder: where store and files lie; the same folder is the same library after a restart.
        changes: to the catalogs, by number.
    """

    def __init__(self, folder: Path, policy: Policy | None = None, **changes: dict[str, Any]) -> None:
        file = folder / "journal.db"
        if not file.exists():
            file.write_bytes(_empty())
        self.store: Store = open_store(f"sqlite:///{file}", node="n1")
        self.shelf = Shelf(folder / "files")
        self.hospital = Hospital(self.store.journal, shelf=self.shelf)
        self.simulator = self.hospital.simulator
        self.catalogs: dict[str, Catalog] = {
            infno: replace(catalog, **changes.get(f"c{infno}", {})) for infno, catalog in CATALOGS.items()
        }
        self.updates = CatalogUpdates(
            exchange=self.hospital.exchange,
            catalogs=lambda: self.catalogs,
            store=self.store.catalogs,
            shelf=self.shelf,
            institution=CODE,
            head=HEAD,
            policy=policy or Policy(),
            clock=self.hospital.clock,
        )

    def update(
        self, infno: str, told: Callable[[str, int, int], None] | None = None, *, whole: bool = False
    ) -> Updated:
        return self.updates.update(infno, told or (lambda _, __, ___: None), whole=whole)

    def publish(self, infno: str, rows: int = 0) -> dict[str, Any]:
        return self.simulator.command_catalogs({"infno": infno, "act": "publish", "rows": rows})

    def break_next(self, infno: str, how: str) -> None:
        self.simulator.command_catalogs({"infno": infno, "act": "break", "how": how})

    def in_force(self, infno: str) -> Version | None:
        held = self.store.catalogs.one(infno)
        return held.version if held else None

    def names(self, infno: str) -> set[str]:
        """Names of what may be used today."""
        today = self.hospital.clock().date()
        return {one.name for one in self.store.catalogs.search(infno, "", today, limit=100_000)}

    def close(self) -> None:
        self.store.close()


def counts(version: Version | None) -> tuple[int, int, int, int]:
    assert version is not None
    return version.added, version.changed, version.withdrawn, version.same


def lenient(rows: int) -> Policy:
    return Policy(Tolerance(wrong_rows_max=rows))


def file_of(path: Path, catalog: Catalog, rows: int, **columns: Callable[[int], str]) -> Path:
    """A file of a catalog: every column ``null`` but those given, and those that must be there."""
    fixed: dict[str, Callable[[int], str]] = {
        "rid": lambda n: f"R{n:07d}",
        "vali_flag": lambda _: "1",
        "ver": lambda _: "V1",
        catalog.codes[0]: lambda n: f"C{n:07d}",
        catalog.names[0]: lambda n: f"名称{n}",
        **columns,
    }
    made = [fixed.get(column.name, lambda _: "") for column in catalog.columns]
    path.write_bytes(packed("a.txt", ([make(n) for make in made] for n in range(rows))))
    return path
