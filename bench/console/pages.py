"""Every page of the console, with values that the large store has; the same page asks for others every time.

What is not here stands in ``UNMEASURED``, with the reason (tests/bench/test_console.py compares both with the routes).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final
from urllib.parse import quote

from bench.console.years import CATALOG, PEOPLE, RARE_ACT, RECORDS, day, looked_at
from bench.console.years import person as colleague
from bench.search.rows import RARE_CLIENT, RARE_CODE, RARE_INFNO, UNTIL, Past, mix, person
from gateway.console.audit.words import ACTS

Address = Callable[[int], str]
"""The address of the n-th time."""
_FIXED: Final = (
    "/", "/alignment", "/review", "/review?hours_from=48", "/fees", "/fees?fees=waiting", "/lists", "/lists?tab=listed",
    "/exchanges", "/exchanges?state=failed", "/exchanges?state=doubt", "/exchanges?state=REVERSED",
    f"/exchanges?client={RARE_CLIENT}", f"/exchanges?infno={RARE_INFNO}", "/exchanges?infno=2304&state=DECLINED",
    f"/exchanges?q={RARE_CODE}", "/exchanges?q=nothing-like-this", "/doubts", "/doubts?untold=1", "/reconcile",
    "/reconcile/cases", "/reconcile/cases?state=all", "/reconcile/progress", "/emergency", "/todo", "/catalogs", "/catalogs/list",
    f"/catalogs/{CATALOG}", f"/catalogs/{CATALOG}?q=一次性使用耗材1", f"/catalogs/{CATALOG}/versions/1", "/lists/dip", "/lists/dip?kind=多余",
    "/alignment/progress", "/fees/progress", "/review/month", "/review/month/progress",
    "/running", "/running/status", "/running/alerts", "/running/figures?window=24h", "/running/figures?window=24h&infno=2304",
    "/jobs", "/jobs/list", "/jobs?job=backup", "/users",
    "/audit", f"/audit?act={ACTS[RARE_ACT]}", "/audit?act=查看报文", "/audit?operator=nobody", f"/audit?operator={colleague(3)}&act={ACTS[RARE_ACT]}",
)  # fmt: skip
UNMEASURED: Final = {
    **dict.fromkeys(
        ("/stays/export.csv", "/review/export.csv", "/fees/export.csv", "/lists/dip.csv", "/exchanges/export.csv",
         "/reconcile/cases.csv", "/audit/export.csv", "/review/month.csv"), "a file of up to 20,000 rows, sent as it is read",
    ),
    **dict.fromkeys(("/debug", "/debug/{infno}", "/config", "/sign-in", "/password"), "nothing on it grows with the store"),
    **dict.fromkeys(("/conformance", "/conformance/items", "/conformance/report"), "one vendor's run on a test line"),
    **dict.fromkeys(("/stays/vouchers", "/stays/vouchers/look"), "made in the exchange process, which the bench has not"),
    "/exchanges/{exchange_id}/body/{part}": "the bytes of one message, as they are kept",
    "/lists/one": "of a settlement, which the patients of the bench do not have; made of one stay as /stays/one is",
}  # fmt: skip
"""Pages that are not measured, and why."""


def pages(past: Past, patients: int) -> Mapping[str, Address]:
    """Name of a page -> its addresses."""
    fixed: dict[str, Address] = {path: lambda _, path=path: path for path in _FIXED}  # type: ignore[misc]
    return fixed | _of_stays(patients) | _of_exchanges(past) | _of_the_rest(patients)


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
        **{
            path: lambda n, path=path: f"{path}?ipt_no=ZY{some(n):06d}"  # type: ignore[misc]
            for path in (
                "/stays/alignment",
                "/stays/discharge",
                "/stays/revoke",
                "/stays/category",
                "/stays/emergency",
                "/fees/one",
                "/fees/undo",
                "/review/one",
                "/stays/category/diseases",
            )
        },
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


def _of_the_rest(patients: int) -> dict[str, Address]:
    def some_day(n: int) -> str:
        return day(n * 17 % 1000 + 1)

    def of_day(n: int) -> str:
        return f"since={some_day(n)}&until={some_day(n)}"

    return {
        "/reconcile/{day}": lambda n: f"/reconcile/{some_day(n)}",
        "/reconcile, another month": lambda n: f"/reconcile?month={some_day(n)[:7]}",
        "/reconcile/cases, a page in the middle": lambda n: f"/reconcile/cases?state=all&page={n % 3 + 1}",
        "/catalogs/{infno}/record": lambda n: (
            f"/catalogs/{CATALOG}/record?code=C{mix(n, 14) % (patients * RECORDS):06d}"
        ),
        "/catalogs/{infno}/versions/{version}, a page in the middle": lambda n: (
            f"/catalogs/{CATALOG}/versions/1?after={mix(n, 17) % (patients * RECORDS)}"
        ),
        "/jobs/runs/{number}": lambda n: f"/jobs/runs/{mix(n, 15) % patients + 1}",
        "/jobs, a page in the middle": lambda n: f"/jobs?before={mix(n, 16) % patients + 1}",
        "/audit, a page in the middle": lambda n: f"/audit?before={looked_at(n * 31 % 1000, patients)}",
        "/audit, one day": lambda n: f"/audit?{of_day(n)}",
        "/audit, one day, the next page": lambda n: f"/audit?{of_day(n)}&before={looked_at(n * 17 % 1000, patients)}",
        "/audit, one day, one colleague": lambda n: f"/audit?{of_day(n)}&operator={colleague(n % PEOPLE)}",
        "/audit, the first year, a rare act": lambda n: f"/audit?until={day(800 + n % 100)}&act={ACTS[RARE_ACT]}",
        "/audit, one patient": lambda n: f"/audit?subject=stay ZY{mix(n, 19) % patients:06d}",
    }
