"""Personal data of a journal row: what is sealed with it, where it belongs, how its keys stand in the store.

``exchange.sealed`` holds the keys, what the exchange is about, its content hash and the platform's words about it; the
columns ``business_key`` and ``content_hash`` then hold fences, ``exchange_key.value`` keyed hashes. A column beside it
that has a text all the same (``err_msg`` of many rows at once, which nobody can seal in one statement) is the newer.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from gateway.exchange.ports import JournalUnavailable
from gateway.protect import Sealing

PACK_LEVEL: Final = 3
"""zlib: on fee rows as small as the default level within a tenth, at half its time."""
COLUMNS: Final = ("business_key", "content_hash", "err_msg", "warn_msg")
"""Columns of ``exchange`` whose text is sealed."""
PLACE: Final = ("msgid", "received_at", "infno", "client")
"""Columns that :func:`row_place` names."""
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


def row_place(row: Any) -> str:
    """The place of ``exchange.sealed``: what never changes of a row and is known before it has a number."""
    return f"exchange:{row['msgid'] or ''}:{row['received_at']}:{row['infno'] or ''}:{row['client'] or ''}"


def body_place(exchange_id: int, kind: str) -> str:
    return f"exchange_body:{exchange_id}:{kind}"


def proof_place(exchange_id: int, seq: int, column: str) -> str:
    return f"proof:{exchange_id}:{seq}:{column}"


def sealed_columns(sealing: Sealing, values: Mapping[str, Any], keys: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """The columns of ``values`` (as a database takes them) that protection changes; as they are without keys."""
    if sealing.data_version is None:
        return {"sealed": None, "key_version": None, **{name: values[name] for name in COLUMNS}}
    text = {name: values[name] for name in COLUMNS if values[name]}
    secret = _encode({**text, "keys": keys})
    return {
        "sealed": sealing.seal(row_place(values), secret),
        "key_version": sealing.data_version,
        "business_key": sealing.fence(values["business_key"]) if values["business_key"] else None,
        "content_hash": sealing.fence(values["content_hash"]) if values["content_hash"] else None,
        "err_msg": None,
        "warn_msg": None,
    }


def opened(sealing: Sealing, row: Mapping[Any, Any]) -> tuple[dict[str, Any], tuple[tuple[str, str], ...] | None]:
    """The sealed columns of a row in plain, and its keys; None for keys that stand beside it."""
    if row["sealed"] is None:
        return {}, None
    found = _decode(sealing.open(row_place(row), row["sealed"], row["key_version"]))
    keys = tuple((kind, value) for kind, value in found.pop("keys"))
    texts = {name: found.get(name) for name in COLUMNS}
    newer = {name: row[name] for name in ("err_msg", "warn_msg") if row[name] is not None}
    return {**texts, **newer}, keys


def key_rows(sealing: Sealing, row: Mapping[str, Any], keys: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
    """Rows of ``exchange_key`` of a row of ``exchange``."""
    return [
        {
            "exchange_id": row["id"],
            "kind": kind,
            "value": sealing.hashed(kind, value),
            "hash_version": sealing.hash_version,
            "received_at": row["received_at"],
            "infno": row["infno"],
        }
        for kind, value in keys
    ]


def packed(body: bytes) -> bytes:
    """Smaller, still in plain; in the caller's thread, not the writer's."""
    return zlib.compress(body, PACK_LEVEL)


def unpacked(place: str, body: bytes) -> bytes:
    try:
        return zlib.decompress(body)
    except zlib.error as error:
        raise JournalUnavailable(f"the bytes of {place} are damaged") from error


def sealed_body(sealing: Sealing, exchange_id: int, body: Mapping[str, Any]) -> dict[str, Any]:
    """A row of ``exchange_body`` whose ``packed`` was still in plain."""
    secret = sealing.seal(body_place(exchange_id, body["kind"]), body["packed"])
    return {**body, "exchange_id": exchange_id, "packed": secret, "key_version": sealing.data_version}


def sealed_proof(sealing: Sealing, exchange_id: int, seq: int, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of ``proof`` whose texts were still in plain."""
    kept = {**row, "exchange_id": exchange_id, "seq": seq, "sealed": None, "key_version": sealing.data_version}
    if sealing.data_version is None:
        return kept
    for name in ("request", "answer"):
        if row[name] is not None:
            kept[name] = sealing.seal(proof_place(exchange_id, seq, name), row[name])
    detail = (row["detail"] or "").encode()
    return {**kept, "detail": None, "sealed": sealing.seal(proof_place(exchange_id, seq, "detail"), detail)}


def opened_proof(sealing: Sealing, row: Any) -> dict[str, Any]:
    """``detail``, ``request`` and ``answer`` of a row of ``proof``, the latter two still packed."""

    def text(name: str, kept: bytes | None) -> bytes | None:
        place = proof_place(row.exchange_id, row.seq, name)
        return None if kept is None else sealing.open(place, kept, row.key_version)

    detail = text("detail", row.sealed)
    return {
        "detail": row.detail or "" if detail is None else detail.decode(),
        "request": text("request", row.request),
        "answer": text("answer", row.answer),
    }
