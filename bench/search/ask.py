"""Ask the questions of a store: how long each takes, and by which plan."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import create_engine, make_url

from bench.search.fill import guard_of
from bench.search.questions import Ask
from gateway.protect import KeySource
from gateway.store import open_store, statements
from gateway.store.journal import place_of


@dataclass(slots=True)
class Times:
    """Milliseconds of each question, and what was written meanwhile."""

    of: dict[str, list[float]] = field(default_factory=dict)
    written: int = 0
    seconds: float = 0.0


def ask(
    url: str, keys: KeySource, asked: Mapping[str, Ask], numbers: range, times: Times, told: Callable[[], object]
) -> None:
    """Every question once for each of ``numbers``, in turn, through the journal: statement, page, opened rows."""
    store = open_store(url, node="bench", keys=keys)
    try:
        for number in numbers:
            for name, query_of in asked.items():
                query, started = query_of(number), time.perf_counter()
                store.journal.search(query)
                times.of.setdefault(name, []).append((time.perf_counter() - started) * 1000)
                told()
    finally:
        store.close()


def plans(url: str, keys: KeySource, asked: Mapping[str, Ask], *, analyze: bool = True) -> dict[str, str]:
    """The plan of each question; with ``analyze`` it is run, with what it reads.

    Values stand in the text: a plan for values not known yet could be another one, and is measured by :func:`ask`.
    """
    sealing = guard_of(keys)
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    how = "EXPLAIN (ANALYZE, BUFFERS)" if analyze else "EXPLAIN"
    found = {}
    with engine.connect() as connection:
        for name, query_of in asked.items():
            query = query_of(1)
            statement = statements.search(query, sealing.searched, place_of(connection, query))
            literal = statement.compile(connection, compile_kwargs={"literal_binds": True})
            lines = connection.exec_driver_sql(f"{how} {literal}")
            found[name] = "\n".join(str(row[0]) for row in lines)
    engine.dispose()
    return found


@contextmanager
def writing(url: str, key_file: Path, rate: int, times: Times) -> Iterator[None]:
    """A process that writes ``rate`` exchanges a second beside; begun when its first is durable."""
    command = [sys.executable, "-m", "bench.search.writer", url, str(key_file), str(rate)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            if process.stdout.readline().strip() != "writing":
                raise RuntimeError("the writer did not begin")
            yield
        finally:
            process.stdin.close()
        told = json.loads(process.stdout.read())
    times.written += told["exchanges"]
    times.seconds += told["seconds"]
