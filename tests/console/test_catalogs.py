"""The pages about catalogs: what is held, what a version changed, an import that runs, looking up."""

from __future__ import annotations

from datetime import timedelta

from gateway.contract.catalogs import Record
from gateway.store.catalogs import NewVersion
from tests.console.kit import Bench

COLUMNS = (
    ("rid", "唯一记录号"),
    ("med_list_codg", "医疗目录编码"),
    ("mcs_name", "耗材名称"),
    ("vali_flag", "有效标志"),
)
HOSTILE = "<script>alert(1)</script>"


def record(number: int, name: str, *, valid: bool = True) -> Record:
    values = (f"R{number}", f"C{number}", name, "1" if valid else "0")
    return Record(values[0], values[1], name, "", "2026-01-01", "", valid, "V1", values)


def kept(bench: Bench, ver: str, records: list[Record], *, whole: bool = True) -> int:
    held, now = bench.parts.store.catalogs, bench.clock()
    version = held.begin(NewVersion("1306", "0", ver, whole, "sha", None, len(records), COLUMNS), "医用耗材", now)
    held.add(version, records, lines_before=0, lines_after=len(records))
    held.tell("1306", "医用耗材", f"已更新到 {ver}", now + timedelta(minutes=1), failed=False)
    return held.put_in_force(version, ("文件每行 72 列",), now).id


def test_what_is_held_what_changed_and_looking_up(own: Bench) -> None:
    kept(own, "V1", [record(1, "注射器"), record(2, HOSTILE), record(3, "导尿管")])
    number = kept(own, "V2", [record(1, "注射器（新）"), record(3, "导尿管", valid=False), record(4, "支架")])
    browser = own.signed_in("pharmacy")
    page = browser.page("/catalogs")
    assert "医用耗材" in page
    assert f'href="/catalogs/1306/versions/{number}">V2' in page
    changes = browser.page(f"/catalogs/1306/versions/{number}")
    assert "文件每行 72 列" in changes
    for word in ("注射器（新）", "支架", "导尿管"):
        assert word in changes
    only = browser.page(f"/catalogs/1306/versions/{number}?kind=withdrawn")
    assert "导尿管" in only
    assert "支架" not in only
    found = browser.page("/catalogs/1306?q=注射")
    assert "注射器（新）" in found
    assert "可用" in found
    assert "已撤销" in browser.page("/catalogs/1306?q=C3")
    assert "没有以" in browser.page("/catalogs/1306?q=C3&usable=1")
    assert "耗材名称" in browser.page("/catalogs/1306/record?code=C1")
    assert '1 <span class="meaning">有效</span>' in browser.page("/catalogs/1306/record?code=C1")
    assert HOSTILE not in browser.page("/catalogs/1306?q=C") + browser.page("/catalogs/1306/record?code=C2")


def test_an_import_that_runs_is_shown_with_how_far_it_is(own: Bench) -> None:
    held = own.parts.store.catalogs
    version = held.begin(NewVersion("1306", "0", "V9", False, "sha", None, 500, COLUMNS), "医用耗材", own.clock())
    held.add(version, [record(1, "注射器")], lines_before=0, lines_after=123)
    page = own.signed_in("it").page("/catalogs/list")
    assert '<progress max="500" value="123"' in page
    assert "仍用原来的版本" in page


def test_what_is_not_there_is_said(own: Bench) -> None:
    browser = own.signed_in("auditor")
    assert "还没有下载过目录" in browser.page("/catalogs")
    for path in (
        "/catalogs/1399",
        "/catalogs/1306/versions/x",
        "/catalogs/1306/versions/7",
        "/catalogs/1306/record?code=C",
    ):
        assert browser.get(path).status_code == 404, path
