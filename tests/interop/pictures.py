"""The pictures of the README and of the manual, taken anew from a lively day: ``make screenshots``.

The day is that of ``tests/console/lively.py``: a real gateway, store and simulator in this process. Names and numbers are invented.
"""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from PIL import Image
from playwright.sync_api import sync_playwright

from gateway import clock
from gateway.store.alerts import Found
from gateway.store.recon import Compared, NewCase, Part
from tests.console.kit import PASSWORD, Bench, bench
from tests.console.lively import day, lively, uploaded, with_his
from tests.interop.browsing import served
from tests.running import house
from tests.stays.ways import Stay

FOLDER: Final = Path(__file__).parents[2] / "docs" / "zh" / "pictures"
COLOURS: Final = 64
UNEVEN: Final = 3
"""So many days ago the books differed."""
SIZE: Final = {"width": 1366, "height": 768}
PICTURES: Final = {
    "home": ("insurance", "/"),
    "stays": ("insurance", "/stays"),
    "alignment": ("insurance", "/alignment"),
    "fees": ("insurance", "/fees?fees=bad"),
    "fees-one": ("insurance", "/fees/one?{fees}"),
    "review": ("insurance", "/review"),
    "doubts": ("insurance", "/doubts"),
    "lists": ("insurance", "/lists"),
    "emergency": ("insurance", "{emergency}"),
    "reconcile": ("insurance", "/reconcile"),
    "discharge": ("cashier", "/stays/discharge?{stay}"),
    "vouchers": ("cashier", "{vouchers}"),
    "stay": ("ward", "/stays/one?{stay}"),
    "exchanges": ("operations", "/exchanges"),
    "catalogs": ("pharmacy", "/catalogs"),
    "running": ("it", "/running"),
    "jobs": ("it", "/jobs"),
    "users": ("it", "/users"),
    "debug": ("it", "/debug"),
    "alerts": ("it", "/running/alerts"),
    "conformance": ("it", "/conformance?client=his&since=2026-01-01"),
    "audit": ("auditor", "/audit"),
}
"""Name of the picture: whose screen, which page."""
PEOPLE: Final = {
    "insurance": "陈静", "cashier": "李敏", "ward": "黄护士长", "pharmacy": "何药师", "operations": "周伟", "it": "吴工", "auditor": "郑审计", "vendor": "高工",
}  # fmt: skip


def main() -> None:
    """Take every picture, or those that are named."""
    wanted = sys.argv[1:] or [*PICTURES]
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, house(Path(folder)) as found:
        made = with_his(bench(found))
        for role, name in PEOPLE.items():
            made.parts.store.accounts.change(role, end_sessions=False, full_name=name)
        numbers = _day(made)
        with served(made) as base, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            for name in wanted:
                _take(browser, base, name, numbers)
            browser.close()


def _day(made: Bench) -> dict[str, str]:
    """What goes into the addresses, once the day is there."""
    lively(made)
    gateway = made.house.gateway
    told = day(made)
    _books(made)
    me, _ = uploaded(made)
    found = [
        Found("escalated", "bad", "1 笔交易网关无法自行证明结果，待人工核对"),
        Found("certificate", "warn", "平台签名证书 还有 21 天到期", subject="signing", node="none"),
    ]
    gateway.store.alerts.settle(found, {"escalated"}, "none", clock.now())
    made.parts.figures.catch_up()
    first = Stay(made.house, "json").admit()
    first.ward_in(ward_name="心血管内科")
    gateway.episodes.catch_up()
    return {
        "emergency": told.pages["/stays/emergency"][0],
        "vouchers": told.pages["/stays/vouchers"][0],
        "fees": f"ipt_no={me.ipt_no}&mdtrt_id={me.mdtrt_id}",
        "stay": f"ipt_no={first.ipt_no}&mdtrt_id={first.mdtrt_id}",
    }


def _books(made: Bench) -> None:
    """Every day of the last month was compared; on one of them the platform has a settlement too many."""
    today = made.clock().date()
    for back in range(1, 31):
        text, uneven = (today - timedelta(days=back)).isoformat(), back == UNEVEN
        parts = [
            Part(text, "total", "440800", insutype, "21", "uneven" if uneven and insutype == "310" else "even", 37 + back % 7,
                 41_250_000 + 13_337 * back, 29_870_000 + 9_871 * back, 3_120_000, 8_260_000, "", None, made.clock())
            for insutype in ("310", "390")
        ]  # fmt: skip
        theirs = {"medfee_sumamt": "86.50", "fund_pay_sumamt": "60.00", "acct_pay": "26.50"}
        content = {"cause": "网关的日志中没有这一笔", "setl_id": "440800202611190086", "psn_no": "", "mdtrt_id": "", "refund": False,
                   "ours": None, "theirs": theirs}  # fmt: skip
        cases = [NewCase("only_there", "440800", "21", "", None, text, content)] if uneven else []
        made.parts.store.recon.keep(Compared(text, parts, cases, lambda _: False), made.clock())


def _take(browser: Any, base: str, name: str, numbers: dict[str, str]) -> None:
    role, path = PICTURES[name]
    page = browser.new_page(viewport=SIZE)
    page.set_default_timeout(60_000)
    page.goto(f"{base}/sign-in")
    page.fill("[name=name]", role)
    page.fill("[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{base}/")
    page.goto(base + path.format(**numbers))
    picture = Image.open(io.BytesIO(page.screenshot()))
    picture.convert("RGB").quantize(COLOURS).save(FOLDER / f"{name}.png", optimize=True)
    page.close()


if __name__ == "__main__":
    main()
