"""Charts as SVG, made here: nothing to load, nothing to run, and they print."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

WIDTH: Final = 380
"""Three stand beside each other at 1366 pixels; wider, their labels would be too small to read."""
HEIGHT: Final = 150
LEFT, RIGHT, TOP, BOTTOM = 44, 8, 10, 22
GRID_LINES: Final = 2


@dataclass(frozen=True, slots=True)
class Bar:
    """A column from ``y`` downwards."""

    x: float
    y: float
    width: float
    height: float
    title: str


@dataclass(frozen=True, slots=True)
class Chart:
    """What the template draws: bars, a second kind of bars before them, a line, its lone points, grid and labels."""

    bars: Sequence[Bar]
    front: Sequence[Bar]
    line: str
    dots: Sequence[tuple[float, float]]
    grid: Sequence[tuple[float, str]]
    ticks: Sequence[tuple[float, str]]
    empty: bool
    limit: float | None = None
    """Height of a threshold."""
    width: int = WIDTH
    height: int = HEIGHT


def bars(values: Sequence[float], front: Sequence[float], titles: Sequence[str], ticks: Sequence[str]) -> Chart:
    """Columns, with a part of each (``front``) drawn before it.

    Args:
        titles: what a pointer on a column shows.
        ticks: labels below; an empty one is left out.
    """
    top = ceiling(max(values, default=0))
    step = _step(len(values))
    return Chart(
        bars=[_bar(number, value, top, step, titles[number]) for number, value in enumerate(values)],
        front=[_bar(number, value, top, step, titles[number]) for number, value in enumerate(front) if value],
        line="",
        dots=[],
        grid=_grid(top),
        ticks=_ticks(ticks, step),
        empty=not any(values),
    )


def line(values: Sequence[float | None], ticks: Sequence[str], *, limit: float | None = None) -> Chart:
    """A line; where there is no value it is broken.

    Args:
        limit: a threshold, always in the picture.
    """
    top = ceiling(max([*(value for value in values if value is not None), limit or 0]))
    step = _step(len(values))
    points = [None if value is None else (LEFT + step * (n + 0.5), _y(value, top)) for n, value in enumerate(values)]
    parts: list[str] = []
    dots: list[tuple[float, float]] = []
    for before, point, after in zip([None, *points], points, [*points[1:], None], strict=False):
        if point is None:
            continue
        parts.append(f"{'M' if before is None else 'L'}{point[0]:.1f} {point[1]:.1f}")
        if before is None and after is None:
            dots.append((round(point[0], 1), round(point[1], 1)))
    threshold = None if limit is None else round(_y(limit, top), 1)
    return Chart([], [], " ".join(parts), dots, _grid(top), _ticks(ticks, step), empty=not parts, limit=threshold)


def ceiling(value: float) -> float:
    """The next round number: 1, 2, 5, 10, 20, 50 ..."""
    unit = 1.0
    while unit * 10 <= value:
        unit *= 10
    return next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= value)


def _step(count: int) -> float:
    return (WIDTH - LEFT - RIGHT) / max(count, 1)


def _y(value: float, top: float) -> float:
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top)


def _bar(number: int, value: float, top: float, step: float, title: str) -> Bar:
    y = _y(value, top)
    return Bar(
        round(LEFT + step * number + 1, 1),
        round(y, 1),
        round(max(step - 2, 1), 1),
        round(HEIGHT - BOTTOM - y, 1),
        title,
    )


def _grid(top: float) -> list[tuple[float, str]]:
    values = [top * part / GRID_LINES for part in range(GRID_LINES + 1)] if top >= GRID_LINES else [0, top]
    return [
        (round(_y(value, top), 1), f"{value:.0f}" if value >= 10 or value == int(value) else f"{value:.1f}")
        for value in values
    ]


def _ticks(labels: Sequence[str], step: float) -> list[tuple[float, str]]:
    return [(round(LEFT + step * (number + 0.5), 1), label) for number, label in enumerate(labels) if label]
