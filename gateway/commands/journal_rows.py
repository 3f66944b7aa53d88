"""Rows of the journal as an operator sees them: found page by page, masked unless asked otherwise, written to files."""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any, Final, TextIO

from gateway.clock import SHANGHAI
from gateway.commands.terminal import Failed, Misused, explain
from gateway.contract.charset import codec_of, declared_in_xml
from gateway.exchange.ports import Bodies, Exchange, Journal, Query, State
from gateway.faults import Unreadable
from gateway.masking import mask_text, mask_value
from gateway.spreadsheet import BOM, cell

PAGE_ROWS: Final = 500
_DATE_ONLY: Final = re.compile(r"\d{4}-\d{2}-\d{2}|\d{8}")
_MASKED: Final = ("err_msg", "warn_msg", "request_id")
_TITLES: Final = {
    "caller_request": "院内请求",
    "platform_request": "发往平台的报文",
    "platform_answer": "平台的答复",
    "proof_answer": "核实所得的答复",
    "wire_request": "线路上的请求（加封后）",
    "wire_answer": "线路上的答复（拆封前）",
}
Tell = Callable[[int, float], None]
"""Told after each page: rows so far, and the share of the way that is done (0 to 1, 0 when unknown)."""


# ----------------------------------------------------------------- finding


def wanted(
    *,
    keys: Mapping[str, str],
    msgid: str,
    request_id: str,
    infno: str,
    client: str,
    states: Sequence[str],
    code: str,
    since: str,
    until: str,
) -> Query:
    """The query that the options of a command ask for; what is empty is no condition.

    Raises:
        Misused: an unknown state or a time that cannot be read.
    """
    return Query(
        keys=tuple((kind, value) for kind, value in keys.items() if value),
        msgid=msgid or None,
        request_id=request_id or None,
        infno=infno or None,
        client=client or None,
        states=tuple(_state(name) for name in states),
        code=code.upper() or None,
        since=moment(since) if since else None,
        until=moment(until, end_of_day=True) if until else None,
    )


def described(query: Query) -> str:
    """The conditions of a query in one line, as the operator log keeps them: personal values masked."""
    keys = [f"{kind}={mask_value(kind, value)}" for kind, value in query.keys]
    named = ("msgid", "request_id", "infno", "client", "code", "since", "until")
    rest = [f"{name}={getattr(query, name)}" for name in named if getattr(query, name)]
    return " ".join([*keys, *rest, *(f"state={state.value}" for state in query.states)])


def _state(name: str) -> State:
    try:
        return State(name.upper().replace("-", "_"))
    except ValueError:
        known = "、".join(state for state in State if state is not State.RECEIVED)
        raise Misused(f"没有状态 {name}；可用：{known}") from None


def moment(text: str, *, end_of_day: bool = False) -> datetime:
    """A time as an operator writes it, in Asia/Shanghai unless it says otherwise.

    Args:
        text: ISO 8601, date alone or with a time.
        end_of_day: a date alone means the end of that day.

    Raises:
        Misused: it is no time.
    """
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise Misused(f"时间 {text} 无法识别，应写作 2026-11-21 或 2026-11-21T08:30") from None
    if found.tzinfo is None:
        found = found.replace(tzinfo=SHANGHAI)
    return found + timedelta(days=1) if end_of_day and _DATE_ONLY.fullmatch(text.strip()) else found


def pages(journal: Journal, query: Query, *, most: int | None) -> Iterator[list[Exchange]]:
    """Everything that ``query`` finds, newest first, at most ``most`` rows; pages are never empty."""
    left = most
    while left is None or left > 0:
        size = PAGE_ROWS if left is None else min(PAGE_ROWS, left)
        page = journal.search(replace(query, limit=size))
        if page:
            yield page
        if len(page) < size:
            return
        left = None if left is None else left - len(page)
        query = replace(query, before_id=page[-1].id)


# ----------------------------------------------------------------- showing


def shown(row: Exchange, *, unmasked: bool) -> dict[str, Any]:
    """A row by column; ``keys`` as a list of ``{"kind", "value"}``. Personal data is masked unless ``unmasked``."""
    values: dict[str, Any] = {name: getattr(row, name) for name in Exchange.__slots__}
    values["state"] = row.state.value
    if not unmasked:
        values |= {name: mask_value(name, values[name]) for name in _MASKED}
    values["keys"] = [
        {"kind": kind, "value": value if unmasked else mask_value(kind, value)} for kind, value in row.keys
    ]
    return values


def shown_bodies(bodies: Bodies, *, unmasked: bool) -> dict[str, str]:
    """The bytes that there are, as text under Chinese titles; bytes that are no text show as escapes."""
    return {
        title: _text(body, _charset(bodies, name), unmasked=unmasked)
        for name, title in _TITLES.items()
        if (body := getattr(bodies, name)) is not None
    }


def _charset(bodies: Bodies, name: str) -> str:
    if name == "caller_request":
        return bodies.caller_charset
    declared = declared_in_xml(getattr(bodies, name)) if name.startswith("wire_") else ""
    try:
        return codec_of(declared or "utf-8")
    except Unreadable:
        return "utf-8"


def _text(body: bytes, charset: str, *, unmasked: bool) -> str:
    text = body.decode(charset or "utf-8", "backslashreplace")
    # XML inside XML stands there as &lt;psn_name&gt;: names are seen once it is read
    return text if unmasked else mask_text(unescape(text) if "&lt;" in text else text)


# --------------------------------------------------------------- exporting


def exported(
    journal: Journal, query: Query, file: Path, *, most: int | None, bodies: bool, unmasked: bool, tell: Tell
) -> int:
    """Write what ``query`` finds to ``file`` (``.jsonl`` or ``.csv``); how many rows.

    The file appears whole or not at all, readable by its owner only.

    Raises:
        Failed: the file cannot be written.
    """
    part = file.with_name(f".{file.name}.part")
    try:
        with _private(part) as out:
            count = _write(journal, query, out, file.suffix, most=most, bodies=bodies, unmasked=unmasked, tell=tell)
        part.replace(file)
    except OSError as error:
        raise Failed(f"无法写入 {file}：{explain(error)}") from error
    finally:
        part.unlink(missing_ok=True)
    return count


def _private(path: Path) -> TextIO:
    # its rights before its content
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    return path.open("w", encoding="utf-8", newline="")


def _write(
    journal: Journal,
    query: Query,
    out: TextIO,
    suffix: str,
    *,
    most: int | None,
    bodies: bool,
    unmasked: bool,
    tell: Tell,
) -> int:
    write = _csv_writer(out) if suffix == ".csv" else _jsonl_writer(out)
    count, first = 0, None
    for page in pages(journal, query, most=most):
        first = first or page[0]
        for row in page:
            values = shown(row, unmasked=unmasked)
            kept = journal.bodies(row.id) if bodies else None
            if kept is not None:
                values["bodies"] = shown_bodies(kept, unmasked=unmasked)
            write(values)
        count += len(page)
        tell(count, share_done(first, page[-1], query.since))
    return count


def share_done(first: Exchange, last: Exchange, since: datetime | None) -> float:
    """How far the way from the newest row has gone: by time when the end is known, else by number."""
    if since is None:
        return (first.id - last.id) / first.id
    whole = (first.received_at - since).total_seconds()
    return (first.received_at - last.received_at).total_seconds() / whole if whole > 0 else 1.0


def _jsonl_writer(out: TextIO) -> Callable[[dict[str, Any]], None]:
    def write(values: dict[str, Any]) -> None:
        out.write(json.dumps(values, ensure_ascii=False, default=_iso) + "\n")

    return write


def _csv_writer(out: TextIO) -> Callable[[dict[str, Any]], None]:
    out.write(BOM)
    writer = csv.writer(out)
    writer.writerow(Exchange.__slots__)

    def write(values: dict[str, Any]) -> None:
        flat = values | {"keys": " ".join(f"{key['kind']}={key['value']}" for key in values["keys"])}
        writer.writerow([cell(flat[name]) for name in Exchange.__slots__])

    return write


def _iso(value: Any) -> str:
    return value.isoformat(timespec="milliseconds") if isinstance(value, datetime) else str(value)
