"""Samples to figures, figures to tables."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.facade import ANSWERED, READING, SPYNE, WHOLE
from bench.journal import FLOOR, JOURNAL, THREADS
from bench.measure import Samples, Spread, cpu_ratio, cpu_us, wall_ratio, wall_us
from bench.messages import Case
from bench.steps import REST

Figures = dict[str, Any]


# ------------------------------------------------------------------ figures


def surroundings(folder: Path, rounds: int, cases: Sequence[Case]) -> Figures:
    """What the figures depend on and say nothing without."""
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "spyne": version("spyne"),
        "lxml": version("lxml"),
        "sqlalchemy": version("sqlalchemy"),
        "rounds": rounds,
        "fsync_us": _fsync_us(folder),
        "messages": {
            case.name: {
                "infno": case.infno,
                "request_bytes": len(case.soap),
                "answer_bytes": len(case.answer),
                "short_answer_bytes": len(case.short_answer),
            }
            for case in cases
        },
    }


def _fsync_us(folder: Path) -> float:
    """Median time of writing and syncing 4 KiB: what the disk says a durable write is."""
    spent = []
    with (folder / "fsync").open("wb", buffering=0) as file:
        for _ in range(50):
            file.write(b"\0" * 4096)
            started = time.perf_counter()
            os.fsync(file.fileno())
            spent.append((time.perf_counter() - started) * 1e6)
    return round(statistics.median(spent), 1)


def _figure(spread: Spread) -> dict[str, float]:
    return {name: round(value, 2) for name, value in asdict(spread).items()}


def facade(samples: Samples) -> Figures:
    """CPU per call, and the ratio to spyne's of the same round."""
    return {
        name: {"cpu_us": _figure(cpu_us(samples, name)), "ratio": _figure(cpu_ratio(samples, name, SPYNE))}
        for name in (SPYNE, READING, WHOLE, ANSWERED)
    }


def steps(samples: Samples) -> Figures:
    """CPU per step, what no step accounts for, and the whole."""
    found = {name: _figure(cpu_us(samples, name)) for name in samples if name != ANSWERED}
    rests = [
        whole.cpu_us - sum(samples[name][number].cpu_us for name in found)
        for number, whole in enumerate(samples[ANSWERED])
    ]
    return {**found, REST: _figure(Spread.of(rests)), ANSWERED: _figure(cpu_us(samples, ANSWERED))}


def journal(samples: Samples) -> Figures:
    """CPU and time per exchange of both, and the ratios of the same round."""
    figures: Figures = {
        name: {"cpu_us": _figure(cpu_us(samples, name)), "wall_us": _figure(wall_us(samples, name))}
        for name in (JOURNAL, FLOOR)
    }
    figures["ratio"] = {
        "cpu": _figure(cpu_ratio(samples, JOURNAL, FLOOR)),
        "wall": _figure(wall_ratio(samples, JOURNAL, FLOOR)),
    }
    return figures


def growth(samples: Samples) -> Figures:
    """CPU per row by number of rows, and the ratio to the row of an upload of 1,000."""
    return {
        rows: {"cpu_us": _figure(cpu_us(samples, rows)), "ratio": _figure(cpu_ratio(samples, rows, "1000"))}
        for rows in samples
    }


# ------------------------------------------------------------------- tables


def show(result: Figures, console: Console) -> None:
    """Print everything as tables."""
    for size, found in result["facade"].items():
        console.print(_facade_table(size, result["messages"][size], found))
    console.print(_steps_table(result["steps"]))
    console.print(_journal_table(result["journal"], result["fsync_us"]))
    console.print(_growth_table(result["growth"]))
    console.print(
        f"median (min - max) of {result['rounds']} interleaved rounds in one process; CPU in microseconds per call; "
        f"Python {result['python']}, {result['cores']} cores, load {result['load_average']:.1f}, {result['seconds']} s"
    )


def _shown(figure: Mapping[str, float], digits: int = 0) -> str:
    return f"{figure['median']:,.{digits}f} ({figure['least']:,.{digits}f} - {figure['greatest']:,.{digits}f})"


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left")
    return table


def _facade_table(size: str, message: Mapping[str, Any], found: Figures) -> Table:
    title = f"façade, {size}: {message['infno']}, {message['request_bytes']:,} bytes"
    table = _table(title, "", "CPU us", "of spyne typed")
    for name, figures in found.items():
        table.add_row(name, _shown(figures["cpu_us"]), _shown(figures["ratio"], 2))
    return table


def _steps_table(found: Figures) -> Table:
    table = _table("steps, CPU us", "", *found)
    sizes = list(found.values())
    for name in sizes[0]:
        table.add_row(name, *(_shown(figures[name]) for figures in sizes))
    return table


def _journal_table(found: Figures, fsync_us: float) -> Table:
    table = _table(
        f"journal, intend and finish on SQLite, {THREADS} threads; bare fsync {fsync_us:.0f} us",
        "us per exchange", "journal", "floor", "ratio",
    )  # fmt: skip
    for size, figures in found.items():
        for clock in ("cpu", "wall"):
            spent = (_shown(figures[name][f"{clock}_us"]) for name in (JOURNAL, FLOOR))
            table.add_row(f"{size}, {clock}", *spent, _shown(figures["ratio"][clock], 1))
    return table


def _growth_table(found: Figures) -> Table:
    table = _table("growth, whole gateway, CPU us per fee row", "rows in one 2301", "per row", "of 1,000 rows")
    for rows, figures in found.items():
        table.add_row(f"{int(rows):,}", _shown(figures["cpu_us"], 1), _shown(figures["ratio"], 2))
    return table
