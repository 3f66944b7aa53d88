"""审计: every act has a name, the log is narrowed and taken away as a file."""

from __future__ import annotations

import ast
import csv
import io
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import get_args

import pytest

from gateway.console.audit import views
from gateway.console.audit.words import ACTS, KINDS, acts_called, subject_called, subject_meant
from gateway.desks import lists, stay_acts
from gateway.desks.fees import Wish
from tests.console.kit import Bench, tree

ROOT = Path(__file__).parents[2]
ACT = re.compile(r"[a-z]+\.[a-z0-9_]*\Z")
WRITERS = {"note", "_log", "_change"}
"""What hands an act on to ``OperatorLog.append``, by its last name."""
MADE_UP = {
    "fees.": {f"fees.{wish}" for wish in get_args(Wish)},
    "list.": {f"list.{act}" for act in lists.ACTS},
    "stay.": {f"stay.{infno}" for infno in (stay_acts.DISCHARGE, stay_acts.UNDO, stay_acts.CHANGE, stay_acts.FEE_UNDO)},
}
"""Acts whose end is put in when they are written."""


def acts_in(tree_: ast.AST) -> Iterator[str]:
    """Every act that a source file writes; one whose end is put in later ends with its dot."""
    for node in ast.walk(tree_):
        if isinstance(node, ast.Call) and _writes(node.func):
            found = [*node.args[:3], *(one.value for one in node.keywords if one.arg == "act")]
        elif isinstance(node, ast.Dict):
            pairs = zip(node.keys, node.values, strict=True)
            found = [value for key, value in pairs if isinstance(key, ast.Constant) and key.value == "act"]
        elif (
            isinstance(node, (ast.Assign, ast.AnnAssign)) and "ACT" in ast.unparse(node).partition("=")[0].split(":")[0]
        ):
            found = [node.value] if node.value is not None else []
        else:
            continue
        yield from (text for one in found for text in _texts(one) if ACT.match(text))


def _writes(called: ast.expr) -> bool:
    if isinstance(called, ast.Name):
        return called.id in WRITERS
    if not isinstance(called, ast.Attribute):
        return False
    return called.attr in WRITERS or (called.attr == "append" and ast.unparse(called.value).endswith("log"))


def _texts(found: ast.expr) -> Iterator[str]:
    if isinstance(found, ast.Constant) and isinstance(found.value, str):
        yield found.value
    elif isinstance(found, ast.JoinedStr) and found.values:
        yield from _texts(found.values[0])
    elif isinstance(found, ast.IfExp):
        yield from _texts(found.body)
        yield from _texts(found.orelse)


def test_every_act_that_is_written_has_a_name() -> None:
    paths = [path for folder in ("gateway", "jobs") for path in (ROOT / folder).rglob("*.py")]
    written = {act for path in paths for act in acts_in(ast.parse(path.read_text(encoding="utf-8")))}
    beginnings = {act for act in written if act.endswith(".")}
    assert beginnings == set(MADE_UP), "a new act whose end is put in: say in MADE_UP which ends there are"
    every = (written - beginnings).union(*MADE_UP.values())
    assert every == set(ACTS)
    assert all(re.search(r"[\u4e00-\u9fff]", title) for title in ACTS.values())


def filled(own: Bench) -> None:
    log = own.parts.store.operator_log
    for number in range(5):
        log.append("李敏（li）", "console.body", f"exchange {number}")
    log.append("=cmd|'/c calc'!A1", "doubts.resolve", "exchange 7", "not-done: 经办端查询，没有这笔")
    log.append("王芳（wang）", "db.backup", "store")


def rows(page: str) -> list[str]:
    return [row.xpath("string(td[4])") for row in tree(page).xpath("//main//table/tbody/tr")]


def test_the_log_is_narrowed_by_whom_what_and_when(own: Bench) -> None:
    filled(own)
    browser = own.signed_in("auditor")
    assert set(rows(browser.page("/audit"))) == {"登录", "查看报文", "了结疑问交易", "备份"}
    assert rows(browser.page("/audit?act=查看报文")) == ["查看报文"] * 5
    assert rows(browser.page("/audit?act=查看报文&subject=exchange 3")) == ["查看报文"]
    assert rows(browser.page("/audit?act=查看报文&subject=交易 3")) == ["查看报文"]
    assert rows(browser.page("/audit?operator=王芳（wang）")) == ["备份"]
    day = f"{own.clock():%Y-%m-%d}"
    after = f"{own.clock() + timedelta(days=1):%Y-%m-%d}"
    assert len(rows(browser.page(f"/audit?since={day}&until={day}&act=查看报文"))) == 5
    assert "没有符合条件" in browser.page(f"/audit?since={after}")
    assert len(rows(browser.page(f"/audit?since={day} 00:00&act=查看报文"))) == 5
    assert "无法识别" in browser.page("/audit?since=gestern")
    assert "这种操作" in browser.page("/audit?act=console.body")


def test_page_by_page_with_the_filters_kept(own: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "PAGE_ROWS", 2)
    filled(own)
    browser, path, seen = own.signed_in("auditor"), "/audit?act=查看报文", []
    while path:
        page = browser.page(path)
        seen += [row.xpath("string(td[5])") for row in tree(page).xpath("//main//table/tbody/tr")]
        path = next(iter(tree(page).xpath("//a[@rel='next']/@href")), "")
    assert seen == [f"交易 {number}" for number in (4, 3, 2, 1, 0)]


def test_the_file_has_the_whole_list_and_no_formula(own: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "EXPORT_PAGE", 2)
    filled(own)
    browser = own.signed_in("auditor")
    answer = browser.get("/audit/export.csv")
    assert answer.content.startswith(b"\xef\xbb\xbf")
    found = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
    assert found[0][:4] == ["序号", "时间", "何人", "何事"]
    numbers = [int(row[0]) for row in found[1:]]
    assert numbers == list(range(len(numbers), 0, -1))
    assert "'=cmd|'/c calc'!A1" in {row[2] for row in found[1:]}
    assert own.log()[-1] == ("某auditor（auditor）", "console.export", "audit")
    narrowed = browser.get("/audit/export.csv", params={"act": "了结疑问交易"}).text.splitlines()
    assert len(narrowed) == 2
    assert own.signed_in("insurance").get("/audit/export.csv").status_code == 403


def test_acts_with_one_title_are_found_together() -> None:
    assert acts_called("查看报文") == ("console.body",)
    assert acts_called("") == ()


@pytest.mark.parametrize(
    ("act", "subject", "called"),
    [
        ("console.body", "exchange 7", "交易 7"),
        ("stay.2402", "stay ZY1", "住院 ZY1"),
        ("fees.upload", "3 stays", "3 人"),
        ("console.names", "stays", "住院病人"),
        ("console.export", "audit", "操作日志"),
        ("users.add", "audit", "audit"),
        ("console.sign_in", "stays", "stays"),
        ("console.names", "review ZY1", "医保审核 ZY1"),
        ("console.names", "review month", "按月核查"),
        ("conformance.begin", "lists", "lists"),
        ("reconcile.day", "2026-11-21", "2026-11-21"),
        ("console.try", "2401", "2401"),
        ("list.look", "stay", "stay"),
    ],
)
def test_what_was_done_to_is_named_in_words(act: str, subject: str, called: str) -> None:
    assert subject_called(act, subject) == called
    if subject.partition(" ")[0] in KINDS and any(map(str.isdigit, subject)):
        assert subject_meant(called) == subject_meant(called.replace(" ", "")) == subject_meant(subject) == subject
