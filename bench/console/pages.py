"""Every list page of the console, with values that the large journal has; the same page asks for others every time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final
from urllib.parse import quote

from bench.search.rows import RARE_CLIENT, RARE_CODE, RARE_INFNO, UNTIL, Past, mix, person

Address = Callable[[int], str]
"""The address of the n-th time."""
_FIXED: Final = (
    "/", "/alignment", "/review", "/review?hours_from=48", "/fees", "/fees?fees=waiting", "/lists", "/lists?tab=listed",
    "/exchanges", "/exchanges?state=failed", "/exchanges?state=doubt", "/exchanges?state=REVERSED",
    f"/exchanges?client={RARE_CLIENT}", f"/exchanges?infno={RARE_INFNO}", "/exchanges?infno=2304&state=DECLINED",
    f"/exchanges?q={RARE_CODE}", "/exchanges?q=nothing-like-this", "/doubts", "/doubts?untold=1", "/reconcile",
    "/reconcile/cases", "/emergency", "/todo", "/catalogs",
    "/running", "/running/figures?window=24h", "/jobs", "/audit", "/users",
)  # fmt: skip


def pages(past: Past, patients: int) -> Mapping[str, Address]:
    """Name of a page -> its addresses."""
    fixed: dict[str, Address] = {path: lambda _, path=path: path for path in _FIXED}  # type: ignore[misc]
    return fixed | _of_stays(patients) | _of_exchanges(past)


def _of_stays(patients: int) -> dict[str, Address]:
    def some(n: int) -> int:
        return mix(n, 11) % patients

    return {
        "/stays": lambda _: "/stays",
        "/stays, a page in the middle": lambda n: f"/stays?page={some(n) // 50 + 1}",
        "/stays, sorted by another column": lambda n: f"/stays?sort=t_reg&page={n % 20 + 1}",
        "/stays, one ward": lambda n: f"/stays?ward=N{n % 40:02d}",
        "/stays, those that differ of a week": lambda _: "/stays?alignment=differs&since=2026-11-02&until=2026-11-08",
        "/stays, one number": lambda n: f"/stays?q=ZY{some(n):06d}",
        "/stays/one": lambda n: f"/stays/one?ipt_no=ZY{some(n):06d}",
        "/fees, a page in the middle": lambda n: f"/fees?page={some(n) // 50 + 1}",
        "/review, a page in the middle": lambda n: f"/review?page={some(n) // 50 + 1}",
        "/alignment, a page in the middle": lambda n: f"/alignment?page={n % 20 + 1}",
    }


def _of_exchanges(past: Past) -> dict[str, Address]:
    def popular(n: int) -> str:
        return f"/exchanges?q={quote(person('psn_no', n % past.popular))}"

    def number(n: int) -> int:
        return mix(n, 12) % past.rows + 1

    def of_day(n: int) -> str:
        day = f"{UNTIL - timedelta(days=n * 17 % 1000 + 1):%Y-%m-%d}"
        return f"since={day}&until={day}"

    return {
        "/exchanges, a page in the middle": lambda n: f"/exchanges?before={number(n)}",
        "/exchanges, failed, a page in the middle": lambda n: f"/exchanges?state=failed&before={number(n)}",
        "/exchanges, one day": lambda n: f"/exchanges?{of_day(n)}",
        "/exchanges, one day, failed": lambda n: f"/exchanges?{of_day(n)}&state=failed",
        "/exchanges, one transaction, a page in the middle": lambda n: f"/exchanges?infno=2304&before={number(n)}",
        "/exchanges, a patient with 5,000": popular,
        "/exchanges, a patient with 5,000, one day": lambda n: f"{popular(n)}&{of_day(n)}",
        "/exchanges, a patient with 5,000, rare": lambda n: f"{popular(n)}&infno={RARE_INFNO}&state=ESCALATED",
        "/exchanges/{exchange_id}": lambda n: f"/exchanges/{number(n)}",
        "/exchanges/{exchange_id}/body": lambda n: f"/exchanges/{number(n) // 100 * 100 or 100}/body",
        "/doubts/{exchange_id}": lambda n: f"/doubts/{number(n)}",
    }
