"""The process of long reports: reads the store, gives way to everybody else, ends with whoever asks it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import BinaryIO

from gateway import clock
from gateway.configured import rules_policy
from gateway.http.get_api import written
from gateway.http.stays_api import StayPages
from gateway.reports import Pages, answer_all
from gateway.reviews import Reviews
from gateway.settings import Settings
from gateway.store import Store, open_configured


def serve_reports(settings: Settings, asked: BinaryIO, answers: BinaryIO) -> None:
    """Answer until ``asked`` ends.

    Args:
        asked: questions (``gateway/reports.py``).
        answers: nothing else is written to it.

    Raises:
        StoreError: the store cannot be opened.
    """
    store = open_configured(settings, read_only=True)
    try:
        answer_all(_pages(settings, store), asked, answers)
    finally:
        store.close()


def _pages(settings: Settings, store: Store) -> Pages:
    reviews = Reviews(store.stay_feed, store.journal.stays, rules_policy(settings), clock.now)
    answers = StayPages(store.stay_feed, reviews).answers
    return {name: _as_json(answer) for name, answer in answers.items()}


def _as_json(answer: Callable[[Mapping[str, str]], Mapping[str, object]]) -> Callable[[Mapping[str, str]], bytes]:
    return lambda given: written(answer(given))
