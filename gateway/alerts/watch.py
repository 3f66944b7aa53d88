"""Looks every few seconds, and has the store raise and clear; each change is logged once, by the node that made it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import structlog

from gateway.alerts import rules
from gateway.exchange.ports import JournalUnavailable
from gateway.figures import FigureBook
from gateway.settings import AlertSettings
from gateway.store.alerts import Alert, Found, SqlAlerts

log = structlog.get_logger(__name__)

EVERY_S: Final = 10.0
MEGABYTE: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Facts:
    """Where the truth is; each may raise ``JournalUnavailable`` or ``OSError``, then its rules are not judged.

    Args:
        counts: escalated, in doubt, untold.
        reachable: whether the platform can be reached now; None while it is closed.
        jobs: those on alert: name, title, sentence.
        dip: differences of the newest list against the DIP system.
        certificates: days left by name.
        folders: where the gateway writes.
    """

    counts: Callable[[], tuple[int, int, int]]
    reachable: Callable[[], bool | None]
    jobs: Callable[[], list[tuple[str, str, str]]]
    dip: Callable[[], int]
    certificates: Callable[[], Mapping[str, int]]
    folders: tuple[Path, ...]


class AlertWatch:
    """One node's looks.

    Args:
        given: thresholds.
        node: its name.
        clock: aware.
        monotonic: seconds that no clock step changes.
    """

    def __init__(
        self,
        given: AlertSettings,
        store: SqlAlerts,
        figures: FigureBook,
        facts: Facts,
        node: Callable[[], str],
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._given = given
        self._store = store
        self._figures = figures
        self._facts = facts
        self._node = node
        self._clock = clock
        self._monotonic = monotonic
        self._reached_at = monotonic()

    def turn(self) -> None:
        """One look."""
        found: list[Found] = []
        judged: set[str] = set()
        for names, probe in self._probes():
            try:
                found += probe()
            except (JournalUnavailable, OSError) as error:
                log.warning("alerts_not_judged", rules=names, reason=str(error))
            else:
                judged |= set(names)
        try:
            settled = self._store.settle(found, judged, self._node(), self._clock())
        except JournalUnavailable as error:
            log.warning("alerts_wait_for_the_store", reason=str(error))
            return
        for one in settled.raised:
            log.error("alert", **_told(one))
        for one in settled.cleared:
            log.info("alert_over", **_told(one))

    def _probes(self) -> tuple[tuple[tuple[str, ...], Callable[[], Iterable[Found]]], ...]:
        return (
            (("errors", "slow"), self._by_figures),
            (("escalated", "doubts", "untold"), lambda: rules.of_doubts(self._given, *self._facts.counts())),
            (("platform",), self._by_platform),
            (("jobs",), lambda: rules.of_jobs(self._facts.jobs())),
            (("dip",), lambda: rules.of_dip(self._facts.dip())),
            (("certificate",), self._by_certificates),
            (("disk",), self._by_disk),
        )

    def _by_figures(self) -> list[Found]:
        self._figures.catch_up()
        window = self._figures.of_window(timedelta(minutes=self._given.window_min))
        return [*rules.of_figures(self._given, window)]

    def _by_platform(self) -> list[Found]:
        now = self._monotonic()
        if self._facts.reachable() is not False:
            self._reached_at = now
        return [*rules.of_platform(self._given, now - self._reached_at, self._node())]

    def _by_certificates(self) -> list[Found]:
        return [*rules.of_certificates(self._given, self._facts.certificates(), self._node())]

    def _by_disk(self) -> list[Found]:
        free = {str(folder): _free_mb(folder) for folder in self._facts.folders}
        return [*rules.of_disk(self._given, free, self._node())]


def _free_mb(folder: Path) -> int:
    there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    return shutil.disk_usage(there).free // MEGABYTE


def _told(one: Alert) -> dict[str, str]:
    return {"rule": one.rule, "subject": one.subject, "node": one.node, "told": one.told}
