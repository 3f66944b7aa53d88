"""``python -m bench.catalogs``: a catalog of half a million records, imported whole, then an update of it, on SQLite and PostgreSQL.

Tells time, records per second, peak memory of the importing process, and how long a settlement's write waits meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any, Final
from zipfile import ZIP_DEFLATED, ZipFile

from rich.console import Console
from rich.table import Table

from gateway import clock, mappings
from gateway.catalogs.reading import CatalogFile, Tolerance
from gateway.catalogs.service import BATCH
from gateway.contract.catalogs import Catalog
from gateway.mappings.catalogs import load_catalogs
from gateway.store import Store, open_store
from gateway.store.catalogs import NewVersion, Version
from tests.pg import PgServer
from tests.store.samples import intent

INFNO: Final = "1306"
WRITE_EVERY_S: Final = 0.02
CHANGED_EVERY: Final = 10
_LONG: Final = {"prod_mol": "型号 A-{n}", "spec": "{n} ml×10 支", "apb_scp": "适用于临床输注、留置与固定，第 {n} 类", "mcs_matl": "聚丙烯",
                "prodentp_name": "示例医疗器械有限公司 {n}", "reg_fil_no": "国械注准 2025{n:07d}", "manu_addr": "示例市示例路 {n} 号",
                "hi_genname": "医用耗材通用名 {n}", "spec_mol": "规格型号 {n}", "stru_comp": "由主体、连接件与保护帽组成（{n}）"}  # fmt: skip


def lines(catalog: Catalog, rows: int, version: int) -> Iterator[str]:
    """Records of some 700 bytes; of version 2 every tenth is changed, every thousandth withdrawn."""
    for n in range(rows):
        if version == 2 and n % CHANGED_EVERY:
            continue
        gone = version == 2 and n % 1000 == 0
        given = {
            "med_list_codg": f"C0101{n:015d}",
            "mcs_name": f"医用耗材 {n}" + (f"（第 {version} 版）" if version > 1 else ""),
            "begndate": "2025-01-01",
            "vali_flag": "0" if gone else "1",
            "rid": f"{n:032d}",
            "ver": f"F{version:03d}_20260105_A",
        } | {name: text.format(n=n) for name, text in _LONG.items()}
        yield "\t".join(given.get(column.name, "null") for column in catalog.columns) + "\n"


def write(path: Path, catalog: Catalog, rows: int, version: int) -> int:
    """The ZIP; the bytes of its text."""
    size = 0
    with ZipFile(path, "w", ZIP_DEFLATED, compresslevel=6) as archive, archive.open(f"{INFNO}.txt", "w") as member:
        made = lines(catalog, rows, version)
        while some := "".join(islice(made, 5000)).encode():
            size += member.write(some)
    return size


class Writer:
    """Intents written while an import runs, and how long each waited: what a settlement notices of it."""

    def __init__(self, store: Store, first: int) -> None:
        self._store = store
        self._number = first
        self._ended = threading.Event()
        self.waits: list[float] = []
        self._thread = threading.Thread(target=self._write)
        self._thread.start()

    def close(self) -> list[float]:
        self._ended.set()
        self._thread.join()
        return sorted(self.waits)

    def _write(self) -> None:
        while not self._ended.wait(WRITE_EVERY_S):
            self._number += 1
            begun = time.perf_counter()
            wanted = intent(msgid=f"H4408000000120261122{self._number:010d}")
            self._store.journal.intend(wanted)
            self.waits.append(time.perf_counter() - begun)


def bring_in(store: Store, catalog: Catalog, path: Path, ver: str, *, whole: bool) -> tuple[Version, float, float]:
    """The version, seconds of looking through, seconds of importing."""
    began = time.perf_counter()
    file = CatalogFile(path, catalog, Tolerance())
    survey = file.survey()
    looked = time.perf_counter()
    columns = tuple((column.name, column.label) for column in catalog.columns)
    new = NewVersion(INFNO, "0", ver, whole, "0" * 64, None, survey.lines, columns)
    version, at = store.catalogs.begin(new, catalog.name, clock.now()), 0
    records = file.records()
    while batch := list(islice(records, BATCH)):
        store.catalogs.add(version, batch, lines_before=at, lines_after=at + len(batch))
        at += len(batch)
    done = store.catalogs.put_in_force(version, survey.notes, clock.now())
    return done, looked - began, time.perf_counter() - looked


def child(url: str, folder: Path) -> dict[str, Any]:
    """Both imports in this process, which does nothing else."""
    catalog = load_catalogs(mappings.load("national"))[INFNO]
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    store = open_store(url, node="bench")
    store.upgrade()
    told: dict[str, Any] = {"before_mib": before_kib // 1024}
    for number in (1, 2):
        writer = Writer(store, number * 1_000_000)
        made, look_s, import_s = bring_in(store, catalog, folder / f"v{number}.zip", f"V{number}", whole=number == 1)
        waits = writer.close()
        told[f"v{number}"] = {
            "rows": made.lines_total, "added": made.added, "changed": made.changed, "withdrawn": made.withdrawn,
            "look_s": look_s, "import_s": import_s, "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            "wait_p50_ms": _at(waits, 0.5) * 1000, "wait_p99_ms": _at(waits, 0.99) * 1000, "wait_max_ms": _at(waits, 1) * 1000,
        }  # fmt: skip
    told["lookup_ms"] = _lookups(store)
    store.close()
    return told


def _lookups(store: Store) -> dict[str, float]:
    asked: dict[str, Callable[[], object]] = {
        "code": lambda: store.catalogs.by_code(INFNO, f"C0101{777:015d}"),
        "beginning of a name": lambda: store.catalogs.search(INFNO, "医用耗材 777"),
    }
    found = {}
    for name, ask in asked.items():
        began = time.perf_counter()
        for _ in range(20):
            ask()
        found[name] = (time.perf_counter() - began) / 20 * 1000
    return found


def _at(values: list[float], part: float) -> float:
    return values[min(len(values) - 1, int(len(values) * part))] if values else 0.0


def main() -> None:
    """Make the files, import them on each database in a process of its own, tell."""
    parser = argparse.ArgumentParser(prog="python -m bench.catalogs", description=__doc__)
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--folder", type=Path, help="where files and databases lie; default: a folder that goes again")
    parser.add_argument("--child", nargs=2, metavar=("URL", "FOLDER"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        print(json.dumps(child(asked.child[0], Path(asked.child[1]))))
        return
    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        _measure(Path(name), asked.rows)


def _measure(folder: Path, rows: int) -> None:
    console = Console(width=None if sys.stdout.isatty() else 160)
    catalog = load_catalogs(mappings.load("national"))[INFNO]
    for number in (1, 2):
        path = folder / f"v{number}.zip"
        size = write(path, catalog, rows, number)
        console.print(f"v{number}: {size / 2**20:.0f} MiB of text, {path.stat().st_size / 2**20:.0f} MiB packed")
    began, server_folder = clock.now(), Path(tempfile.mkdtemp(prefix="yb-pg-", dir=folder))
    server = PgServer(server_folder)
    try:
        told = {"SQLite": _run(f"sqlite:///{folder / 'bench.db'}", folder), "PostgreSQL": _run(server.fresh(), folder)}
    finally:
        server.close()
    table = Table(
        "", "rows", "added", "changed", "withdrawn", "look s", "import s", "rows/s", "peak MiB", "write p50/p99/max ms"
    )
    for name, one in told.items():
        for edition in ("v1", "v2"):
            row = one[edition]
            seconds = row["look_s"] + row["import_s"]
            waits = "/".join(f"{row[f'wait_{part}_ms']:.0f}" for part in ("p50", "p99", "max"))
            table.add_row(
                f"{name} {edition}", *(str(row[part]) for part in ("rows", "added", "changed", "withdrawn")),
                f"{row['look_s']:.1f}", f"{row['import_s']:.1f}", f"{row['rows'] / seconds:.0f}",
                f"{row['peak_mib']} (before {one['before_mib']})", waits,
            )  # fmt: skip
    console.print(table)
    for name, one in told.items():
        console.print(f"{name}: " + ", ".join(f"{what} {ms:.1f} ms" for what, ms in one["lookup_ms"].items()))
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    console.print(
        f"took {(clock.now() - began) / timedelta(seconds=1):.0f} s, load {load}, {os.cpu_count()} processors"
    )


def _run(url: str, folder: Path) -> dict[str, Any]:
    ran = subprocess.run(
        [sys.executable, "-m", "bench.catalogs", "--child", url, str(folder)],
        check=True,
        capture_output=True,
        text=True,
    )
    told: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return told


if __name__ == "__main__":
    main()
