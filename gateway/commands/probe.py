"""``yibao probe``: is the line to the province good, and are we signed in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import typer

from gateway.commands.terminal import ConfigOption, Failed, JsonOption, console, print_json, settings

if TYPE_CHECKING:
    from datetime import datetime

    from gateway.commands.line import Step
    from gateway.settings import Settings

MARKS: Final = {True: "[green]✓[/]", False: "[red]✗[/]", None: "[yellow]-[/]"}


def probe(context: typer.Context, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """检查到省平台的线路：DNS、TCP、TLS 与证书、HTTP、时钟、签到。"""
    given = settings(context, config)
    found = []
    for step in _steps(given):
        found.append(step)
        if not as_json:
            _print(step)
    if as_json:
        print_json([{"step": step.name, "ok": step.ok, "text": step.text, **step.facts} for step in found])
    failed = [step.name for step in found if step.ok is False]
    if failed:
        raise Failed(f"线路有问题：{'、'.join(failed)}")


def _print(step: Step) -> None:
    from rich.markup import escape

    console().print(f"{MARKS[step.ok]} {step.name}  {escape(step.text)}")


def _steps(given: Settings) -> Iterator[Step]:
    from gateway import clock
    from gateway.commands.line import Step, probe_line

    yield from probe_line(given.platform, clock.now)
    yield from certificate_steps(given, clock.now())
    told = _journal_says(given)
    if told is None:
        yield Step("签到", None, "日志还不能读取，不知道是否已签到")
        return
    yield sign_in_step(told["number"])
    if told["last"]:
        yield Step("最近一次答复", None, told["last"])


def certificate_steps(given: Settings, now: datetime) -> Iterator[Step]:
    """When our own certificate files end; below 30 days a step fails."""
    from gateway.certificates import ending
    from gateway.commands.line import CERTIFICATE_DAYS_MIN, Step, near_its_end

    for name, file in given.certificates.items():
        try:
            one = ending(name, file, now)
        except (OSError, ValueError):
            yield Step("证书", False, f"{name}：{file} 无法读取")
            continue
        text = f"{name}：{one.ends:%Y-%m-%d} 到期（还有 {one.days_left} 天）{near_its_end(one.days_left)}"
        facts = {"certificate": name, "days_left": one.days_left}
        yield Step("证书", one.days_left >= CERTIFICATE_DAYS_MIN, text, facts)


def sign_in_step(number: str) -> Step:
    """Whether a sign-in is in force; provinces without one leave this undone."""
    from gateway.commands.line import Step
    from gateway.masking import mask_number

    if not number:
        return Step("签到", None, "没有有效的签到（9001）；不要求签到的省份可以忽略", {"signed_in": False})
    return Step("签到", True, f"已签到，签到号 {mask_number(number)}", {"signed_in": True})


def _journal_says(given: Settings) -> dict[str, Any] | None:
    """The sign-in in force and the newest answer, read beside the running gateway; None without a journal."""
    from gateway import clock
    from gateway.exchange.ports import JournalUnavailable, Query, State
    from gateway.exchange.sign_in import SignIns
    from gateway.store import StoreError, open_configured

    try:
        store = open_configured(given, read_only=True)
    except StoreError:
        return None
    try:
        number = SignIns(store.journal).number("", clock.now())
        newest = store.journal.search(Query(states=(State.CONFIRMED, State.DECLINED), limit=1))
    except JournalUnavailable:
        return None
    finally:
        store.close()
    return {"number": number, "last": _last(newest[0]) if newest else ""}


def _last(row: Any) -> str:
    return f"{row.received_at:%m-%d %H:%M:%S} 交易 {row.infno}，{row.state}，{row.elapsed_ms} ms"
