"""What the catalogs in force say of codes, for the quality rules of the settlement list."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime

from gateway.rules.list_view import Terms
from gateway.store.catalogs import SqlCatalogs


class CatalogTerms:
    """Looks codes up in what has been downloaded.

    Args:
        catalogs: where they are held.
        clock: a code counts as long as it may be used on the day.
    """

    def __init__(self, catalogs: SqlCatalogs, clock: Callable[[], datetime]) -> None:
        self._catalogs = catalogs
        self._clock = clock

    def __call__(self, asked: Mapping[str, Collection[str]]) -> Terms:
        """Names by code; a catalog without a version in force is left out. Raises ``JournalUnavailable``."""
        held = {one.infno for one in self._catalogs.held() if one.version is not None} if asked else set()
        return {infno: {code: self._names(infno, code) for code in asked[infno]} for infno in asked if infno in held}

    def _names(self, infno: str, code: str) -> tuple[str, ...]:
        found = self._catalogs.by_code(infno, code, self._clock().date())
        return tuple(dict.fromkeys(entry.name for entry in found))
