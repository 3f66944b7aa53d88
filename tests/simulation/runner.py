"""World after world from one seed, on one or more processes, with a file to go on from."""

from __future__ import annotations

import atexit
import json
import multiprocessing
import os
import time
import traceback
from collections import Counter, deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.simulation.storage import Files
from tests.simulation.weather import Weather
from tests.simulation.world import Result, run_world

CALLS_PER_WORLD = 300
AHEAD_PER_JOB = 3
STORY_LINES_SHOWN = 120


@dataclass
class Failure:
    """A world that broke an invariant."""

    world: str
    error: str
    story: str


@dataclass
class Summary:
    """What a run came to so far; also what ``--resume`` keeps."""

    seed: int
    worlds: int = 0
    exchanges: int = 0
    calls: int = 0
    virtual_h: float = 0.0
    seconds: float = 0.0
    states: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    escalated: Counter[str] = field(default_factory=Counter)
    failure: Failure | None = None

    def add(self, result: Result) -> None:
        """Take in one more world."""
        self.worlds += 1
        self.exchanges += result.exchanges
        self.calls += result.calls
        self.virtual_h += result.virtual_s / 3600
        self.states += result.states
        self.faults += result.faults
        self.escalated += result.escalated

    def lines(self) -> list[str]:
        """The summary for people."""
        rate = self.exchanges / self.seconds if self.seconds else 0.0
        faults = sum(count for kind, count in self.faults.items() if kind != "well")
        return [
            f"seed {self.seed}: {self.exchanges} exchanges from {self.calls} calls in {self.worlds} worlds, "
            f"{self.virtual_h:.0f} virtual hours, {self.seconds:.0f} s ({rate:.0f}/s)",
            f"states: {_counted(self.states)}",
            f"{faults} faults: {_counted(self.faults)}",
            f"escalated to a person: {_counted(self.escalated) or 'none'}",
        ]

    def save(self, path: Path) -> None:
        """Whole or not at all."""
        kept = {name: value for name, value in vars(self).items() if name != "failure"}
        beside = path.with_name(path.name + ".new")
        beside.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        beside.replace(path)

    @classmethod
    def load(cls, path: Path, seed: int) -> Summary:
        """What ``path`` holds of this seed, or a new one."""
        if not path.exists():
            return cls(seed)
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["seed"] != seed:
            raise SystemExit(f"{path} belongs to seed {kept['seed']}")
        for name in ("states", "faults", "escalated"):
            kept[name] = Counter(kept[name])
        return cls(**kept)


def world_name(seed: int, index: int) -> str:
    """The seed of one world of a run."""
    return f"{seed}/{index}"


def run(
    seed: int,
    n: int,
    *,
    jobs: int = 1,
    resume: Path | None = None,
    progress: Callable[[Summary], None] = lambda _: None,
    seconds_max: float = float("inf"),
    weather: Weather | None = None,
) -> Summary:
    """Worlds until there are ``n`` exchanges, one has failed, or the time is over.

    Args:
        jobs: processes.
        resume: file to go on from and to keep the summary in.
        progress: told after every world.
        weather: of every world; None draws it from each seed.
    """
    summary = Summary.load(resume, seed) if resume else Summary(seed)
    started = time.monotonic() - summary.seconds
    worlds = _results(seed, summary.worlds, jobs, weather)
    try:
        while summary.exchanges < n and time.monotonic() - started < seconds_max:
            outcome = next(worlds)
            summary.seconds = time.monotonic() - started
            if isinstance(outcome, Failure):
                summary.failure = outcome
                break
            summary.add(outcome)
            progress(summary)
            if resume:
                summary.save(resume)
    finally:
        worlds.close()
    return summary


def _results(seed: int, first: int, jobs: int, weather: Weather | None) -> Generator[Result | Failure, None, None]:
    """The results of the worlds in their order."""
    index = first
    if jobs == 1:
        while True:
            yield one_world(world_name(seed, index), weather)
            index += 1
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(jobs, context, _keep_to_one_processor, (context.Value("i"),))
    waiting: deque[Future[Result | Failure]] = deque()
    try:
        while True:
            while len(waiting) < jobs * AHEAD_PER_JOB:
                waiting.append(pool.submit(one_world, world_name(seed, index), weather))
                index += 1
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _keep_to_one_processor(count: Any) -> None:
    """Of the threads of a world one runs at a time; handing on the turn between two processors costs a third more."""
    if hasattr(os, "sched_setaffinity"):
        usable = sorted(os.sched_getaffinity(0))
        with count.get_lock():
            number, count.value = count.value, count.value + 1
        os.sched_setaffinity(0, {usable[number % len(usable)]})


_files: list[Files] = []


def one_world(name: str, weather: Weather | None = None) -> Result | Failure:
    """Run one world; a broken invariant comes back as a value, so that it passes between processes."""
    if not _files:
        _files.append(Files())
        atexit.register(_files[0].close)
    try:
        return run_world(name, _files[0], CALLS_PER_WORLD, weather)
    except Exception as error:
        lines = "\n".join(getattr(error, "__notes__", [])).splitlines()
        trace = "".join(traceback.format_tb(error.__traceback__)[-2:])
        return Failure(name, f"{type(error).__name__}: {error}\n{trace}", "\n".join(lines))


def _counted(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counter.items(), key=lambda item: -item[1]))
