"""Intents and outcomes for tests of the journal."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import count
from typing import Any

from gateway.exchange.entries import SHANGHAI
from gateway.exchange.ports import Intent, Outcome, State

NOW = datetime(2026, 11, 21, 8, 30, 15, 123000, tzinfo=SHANGHAI)
LATER = NOW + timedelta(seconds=2)
INSTITUTION = "H44080300018"
_numbers = count(1)


def intent(**changes: Any) -> Intent:
    """A money intent with a msgid of its own."""
    values: dict[str, Any] = {
        "infno": "2304",
        "safety": "money",
        "client": "his",
        "channel": "typed",
        "institution": INSTITUTION,
        "received_at": NOW,
        "mapping_version": "abc123",
        "caller_request": "<request>张三</request>".encode("gb18030"),
        "caller_charset": "gb18030",
        "content_hash": "c" * 64,
        "msgid": f"{INSTITUTION}20261121083015{next(_numbers):04d}",
        "platform_request": b'{"infno":"2304"}',
        "keys": (("psn_no", "P1"), ("mdtrt_id", "M1")),
        "opter": "0001",
        "province": "guangdong",
    }
    return Intent(**(values | changes))


def outcome(state: State = State.CONFIRMED, **changes: Any) -> Outcome:
    values: dict[str, Any] = {
        "finished_at": LATER,
        "platform_answer": b'{"infcode":0}',
        "infcode": "0",
        "inf_refmsgid": "440000202611210830150001",
        "elapsed_ms": 1800,
    }
    return Outcome(state=state, **(values | changes))


def refusal(**changes: Any) -> Outcome:
    values = {"platform_answer": None, "infcode": "-1", "inf_refmsgid": "", "code": "GW-1101", "elapsed_ms": 0}
    return outcome(State.REFUSED, **(values | changes))
