"""Interleaved rounds: A B C A B C ... in one process, so that a noisy machine is noisy to all of them alike."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

Samples = Mapping[str, Sequence["Sample"]]
"""Name of a subject -> one sample per round."""


def _nothing() -> None:
    """Most subjects keep no state between samples."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Something to measure.

    Args:
        run: one sample; does the same work ``calls`` times.
        calls: by which the sample is divided.
        prepare: brings it into the same state before every sample; not measured.
    """

    name: str
    run: Callable[[], object]
    calls: int = 1
    prepare: Callable[[], object] = field(default=_nothing)


@dataclass(frozen=True, slots=True)
class Sample:
    """Microseconds per call: CPU of all threads of this process, and by the clock on the wall."""

    cpu_us: float
    wall_us: float


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, least and greatest of a number of rounds."""

    median: float
    least: float
    greatest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(statistics.median(values), min(values), max(values))


def repeated(call: Callable[[], object], calls: int) -> Callable[[], None]:
    """``call`` as one sample of ``calls`` calls."""

    def run() -> None:
        for _ in range(calls):
            call()

    return run


def interleaved(subjects: Sequence[Subject], rounds: int, progress: Callable[[], object] = _nothing) -> Samples:
    """Measure every subject once per round; the first, unrecorded round warms up."""
    samples: dict[str, list[Sample]] = {subject.name: [] for subject in subjects}
    for number in range(rounds + 1):
        for subject in subjects:
            sample = _sample(subject)
            if number:
                samples[subject.name].append(sample)
            progress()
    return samples


def _sample(subject: Subject) -> Sample:
    subject.prepare()
    gc.collect()  # nobody pays for what another left behind; what it makes itself is collected while it is measured
    wall, cpu = time.perf_counter(), time.process_time()
    subject.run()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return Sample(cpu * 1e6 / subject.calls, wall * 1e6 / subject.calls)


def cpu_us(samples: Samples, name: str) -> Spread:
    """CPU per call of one subject, in microseconds."""
    return Spread.of([sample.cpu_us for sample in samples[name]])


def wall_us(samples: Samples, name: str) -> Spread:
    """Time per call of one subject, in microseconds."""
    return Spread.of([sample.wall_us for sample in samples[name]])


def cpu_ratio(samples: Samples, name: str, to: str) -> Spread:
    """CPU of one subject divided by that of another, round by round."""
    pairs = zip(samples[name], samples[to], strict=True)
    return Spread.of([mine.cpu_us / theirs.cpu_us for mine, theirs in pairs])


def wall_ratio(samples: Samples, name: str, to: str) -> Spread:
    """Time of one subject divided by that of another, round by round."""
    pairs = zip(samples[name], samples[to], strict=True)
    return Spread.of([mine.wall_us / theirs.wall_us for mine, theirs in pairs])
