"""Reads what there is to compare: the journal's rows with their bodies, and the simulator's ledger."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from gateway.contract.jsontext import loads
from gateway.demo.compare import Recorded
from gateway.exchange.call import OURSELVES
from gateway.exchange.ports import Exchange, Journal, Query
from gateway.protect import source_of
from gateway.store import open_store

TIMEOUT_S = 60
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""What is asked for is on this machine, whatever the environment says about the way out."""


def fetch(url: str, timeout_s: float = TIMEOUT_S) -> bytes:
    """The body behind an address of this machine. Raises OSError, also for an answer that is no 200."""
    with _OPENER.open(url, timeout=timeout_s) as answer:
        body: bytes = answer.read()
        return body


def post(url: str, wish: Mapping[str, Any], timeout_s: float = TIMEOUT_S) -> None:
    """Have an address of this machine do something. Raises OSError, also for an answer that is no 200."""
    _OPENER.open(url, json.dumps(wish).encode(), timeout=timeout_s).close()


def read_ledger(simulator_url: str) -> dict[str, Any]:
    """``GET /_sim/ledger``, numbers as Decimal. Raises OSError."""
    found: dict[str, Any] = json.loads(fetch(f"{simulator_url}/_sim/ledger"), parse_float=Decimal)
    return found


def read_journal(url: str, node: str, keys: str, request_ids: Iterable[str]) -> list[Recorded]:
    """Every row under these request ids, oldest first, read beside the gateway that writes them.

    Raises:
        StoreError: the store cannot be opened.
        JournalUnavailable: a row cannot be read.
    """
    store = open_store(url, node=node, read_only=True, keys=source_of(keys))
    try:
        rows = [
            row
            for request_id in dict.fromkeys(request_ids)
            for row in store.journal.search(Query(request_id=request_id))
        ]
        return [_recorded(store.journal, row) for row in sorted(rows, key=lambda row: row.id)]
    finally:
        store.close()


def read_own(url: str, node: str, keys: str) -> set[str]:
    """Numbers of what the gateway asked the platform on its own.

    Raises:
        StoreError: the store cannot be opened.
        JournalUnavailable: a row cannot be read.
    """
    store = open_store(url, node=node, read_only=True, keys=source_of(keys))
    try:
        return {row.msgid or "" for row in store.journal.search(Query(client=OURSELVES.name, limit=1000))}
    finally:
        store.close()


def _recorded(journal: Journal, row: Exchange) -> Recorded:
    bodies = journal.bodies(row.id)
    request = _document(bodies.platform_request if bodies else None)
    answer = _document(bodies.platform_answer if bodies else None)
    return Recorded(
        infno=row.infno,
        state=row.state.value,
        request_id=row.request_id or "",
        msgid=row.msgid or "",
        infcode=row.infcode,
        code=row.code,
        sent_msgid=str(request.get("msgid", "")),
        sent=request.get("input") or {},
        output=answer.get("output") or {},
    )


def _document(body: bytes | None) -> Mapping[str, Any]:
    found = loads(body) if body else {}
    return found if isinstance(found, Mapping) else {}
