"""What the demo prints: a line per exchange, the comparison, where to look. Chinese, for people."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from io import TextIOWrapper
from itertools import groupby
from pathlib import Path
from typing import Final

from rich import box
from rich.cells import set_cell_size
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway.demo.books import Node
from gateway.demo.compare import NOT_ASKED, Check
from gateway.demo.place import Place
from gateway.demo.staff import STAFF

PIPE_WIDTH: Final = 120
"""Columns when nobody watches and nothing else says how wide it may be."""


def _marks() -> tuple[str, str]:
    """Equal and different, as standard output can write them; GBK has no ✓."""
    try:
        "✓✗".encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return "√", "×"
    return "✓", "✗"


EQUAL, DIFFERS = _marks()


class Screen:
    """Standard output."""

    def __init__(self) -> None:
        if sys.stdout.errors == "strict" and isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")  # a terminal without Chinese gets ?, not a broken demo
        found = Console(highlight=False)
        self._console = found if found.is_terminal else Console(highlight=False, width=PIPE_WIDTH)

    def say(self, text: str, style: str = "") -> None:
        """One line."""
        self._console.print(Text(text, style), soft_wrap=True)

    def heading(self, text: str) -> None:
        """A line that begins a part."""
        self.say("")
        self.say(text, "bold")

    def complain(self, text: str) -> None:
        """What went wrong."""
        self.say(text, "bold red")

    @contextmanager
    def progress(self, text: str) -> Iterator[Callable[[str], None]]:
        """A line that says how far something is; on a terminal it is replaced by each new text, else only the first is said."""
        if not self._console.is_terminal:
            self.say(text, "dim")
            yield lambda _: None
            return
        with self._console.status(Text(text, "dim")) as status:
            yield lambda told: status.update(Text(told, "dim"))

    def exchange(self, at: datetime, line: Node) -> None:
        """``10:02:31 2401 入院办理  林秀珍  ✓ 成功  msgid  35 ms``, and below it what is not as expected."""
        good = bool(line["ok"])
        outcome = "成功" if line["infcode"] == "0" else f"拒绝 {line['code']}" if line["code"] else "无应答"
        text = Text()
        text.append(f"{at:%H:%M:%S} ", "dim")
        text.append(f"{line['infno']} {set_cell_size(str(line['name']), 20)} {set_cell_size(str(line['patient']), 7)}")
        text.append(set_cell_size(f"{EQUAL if good else DIFFERS} {outcome}", 15), "green" if good else "bold red")
        text.append(f"{line['msgid'] or '—':<31}")
        text.append(f"{float(line['seconds']) * 1000:7.1f} ms  ")
        text.append(str(line["via"]), "dim")
        if good and line["expected"] != "成功":
            text.append(f"  {line['expected']}", "dim")
        self._console.print(text, soft_wrap=True)
        if not good:
            self.complain(f"         应为：{line['expected']}；实为：{line['problem']}")

    # -------------------------------------------------------------- comparison

    def comparison(self, checks: Sequence[Check]) -> None:
        """Exchanges in one table, stays and settlements in another, every difference once more with all values."""
        per_subject = [list(found) for _, found in groupby(checks, key=lambda check: check.subject)]
        books = [check for found in per_subject if not _is_exchange(found) for check in found]
        self._console.print(_exchange_table(filter(_is_exchange, per_subject)))
        self._console.print(_book_table(check for check in books if not check.detail))
        wrong = [check for check in checks if not check.equal]
        if wrong:
            self._console.print(_difference_table(wrong))

    def where_to_look(self, place: Place, mdtrt_id: str, password: str, *, keep: bool) -> None:
        """Addresses and commands; ``password`` of the console's people, empty where they were there before."""
        gateway, simulator = place.gateway_url, place.simulator_url
        command = f"{_command()} --config {_near(place.config)} journal search" + (
            f" --mdtrt-id {mdtrt_id}" if mdtrt_id else ""
        )
        if "YIBAO_STORE__URL" in place.environment:
            command = f"YIBAO_STORE__URL={shlex.quote(place.store_url)} {command}"
        if "YIBAO_PROTECT__KEYS" in place.environment:
            command = f"YIBAO_PROTECT__KEYS={shlex.quote(place.keys)} {command}"
        rows = {
            "WSDL 目录": f"{gateway}/",
            "住院类型化服务": f"{gateway}/soap/inpatient?wsdl",
            "字符串服务": f"{gateway}/soap/exchange?wsdl",
            "JSON 接口": f"{gateway}/api/v1/openapi.json",
            "控制台": f"{place.console_url}/" if place.console_url else "未启用",
            "控制台登录": _staff(password),
            "状态与指标": f"{place.admin_url}/readyz  {place.admin_url}/metrics",
            "模拟平台": f"{simulator}/  账簿 {simulator}/_sim/ledger",
            "日志文件": _near(place.log_file) if place.log_file else "网关的标准错误",
            "其余输出": _near(place.folder),
            "查询日志": command,
            "停止": "Ctrl-C" if keep else "已停止；要保持运行：make run 或 yibao demo --keep",
        }
        self.heading("看哪里" if keep else "看哪里（地址在保持运行时可用）")
        for name, value in rows.items():
            self.say(f"  {set_cell_size(name, 16)}{value}")


def _staff(password: str) -> str:
    if not password:
        return "沿用存储中已有的用户（yibao users list）"
    titles = {"it": "信息科", "insurance": "医保办", "auditor": "审计", "vendor": "HIS 厂商"}
    names = "、".join(f"{name}（{titles[role]}）" for name, _, role in STAFF if role in titles)
    return f"用户 {names} 等，密码都是 {password}"


def _command() -> str:
    """The operator's command as it can be typed here: it stands beside the interpreter, rarely on the PATH."""
    beside = Path(sys.executable).with_name("yibao")
    return _near(beside) if beside.exists() else "yibao"


def _near(path: Path) -> str:
    """As a person in the current folder would write it."""
    full = path.absolute()
    return os.path.relpath(full) if full.is_relative_to(Path.cwd()) else str(full)


def _is_exchange(checks: Sequence[Check]) -> bool:
    return checks[0].subject[:1].isdigit()


def _mark(equal: bool) -> Text:
    return Text(EQUAL, "green") if equal else Text(DIFFERS, "bold red")


def _exchange_table(exchanges: Iterable[Sequence[Check]]) -> Table:
    """One row per exchange; the many fields of its messages as a count."""
    table = _empty_table("每笔交易", "交易", "msgid", "客户端", "日志", "平台收到", "报文字段", "")
    for checks in exchanges:
        named = {check.field: check for check in checks}
        details = [check for check in checks if check.detail]
        same = sum(check.equal for check in details)
        table.add_row(
            Text(checks[0].subject),
            Text(_side(named, "msgid", "client")),
            Text(_side(named, "infcode", "client")),
            Text(_side(named, "state", "journal")),
            Text(_side(named, "平台收到次数", "platform")),
            Text(f"{same}/{len(details)}" if details else "—"),
            _mark(all(check.equal for check in checks)),
        )
    return table


def _side(named: dict[str, Check], name: str, side: str) -> str:
    """One side's value of a field; ``?`` when the field could not be compared."""
    return str(getattr(named[name], side)) if name in named else "?"


def _book_table(checks: Iterable[Check]) -> Table:
    """What the client knows, and whether the others say the same."""
    table = _empty_table("就诊与结算", "对象", "字段", "客户端", "日志", "平台")
    before = ""
    for check in checks:
        if check.subject != before:
            table.add_section()
        kind = check.subject.partition(" ")[0]
        table.add_row(
            Text(kind if check.subject != before else ""),
            Text(check.field),
            Text(_shown(check.client)),
            _against(check.journal, check.client),
            _against(check.platform, check.client),
        )
        before = check.subject
    return table


def _against(side: str | None, client: str | None) -> Text:
    """``✓``, or ``✗`` with the other value."""
    if side is NOT_ASKED:
        return Text("—")
    return _mark(True) if side == client else _mark(False).append(f" {side}")


def _difference_table(checks: Iterable[Check]) -> Table:
    table = _empty_table("不一致之处", "对象", "字段", "客户端", "日志", "平台")
    for check in checks:
        sides = (check.client, check.journal, check.platform)
        table.add_row(Text(check.subject), Text(check.field), *(Text(_shown(side)) for side in sides))
    return table


def _shown(side: str | None) -> str:
    return "—" if side is NOT_ASKED else side


def _empty_table(title: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for heading in headings:
        table.add_column(heading, overflow="fold")  # half a number would be worse than a broken line
    return table
