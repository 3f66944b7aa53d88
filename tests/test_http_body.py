from __future__ import annotations

import gzip
import io
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import http_body
from gateway.faults import LENGTH_WRONG, PAYLOAD_WRONG, TOO_LARGE, Fault, Unreadable
from gateway.http_body import fetch_body, read_body
from gateway.settings import Limits

LIMITS = Limits(body_bytes_max=4096)


def environ(body: bytes, length: object = None, **more: Any) -> dict[str, Any]:
    announced = len(body) if length is None else length
    return {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(announced), **more}


def chunked(body: bytes) -> dict[str, Any]:
    return {"wsgi.input": io.BytesIO(body), "HTTP_TRANSFER_ENCODING": "chunked"}


def refused(fault: Fault, of: dict[str, Any], limits: Limits = LIMITS) -> str:
    with pytest.raises(Unreadable) as caught:
        read_body(of, limits)
    assert caught.value.fault is fault
    return caught.value.detail


@given(st.binary(max_size=4096), st.booleans(), st.booleans())
def test_what_was_sent_is_what_is_read(body: bytes, in_chunks: bool, fetched_before: bool) -> None:
    of = chunked(body) if in_chunks else environ(body)
    if fetched_before:
        fetch_body(of, LIMITS)
        of["wsgi.input"] = io.BytesIO(b"not read again")
    assert read_body(of, LIMITS) == body


@given(st.lists(st.binary(max_size=500), max_size=4))
def test_gzip_of_any_number_of_members(parts: list[bytes]) -> None:
    of = environ(b"".join(map(gzip.compress, parts)), HTTP_CONTENT_ENCODING="GZIP")
    assert read_body(of, LIMITS) == b"".join(parts)


def test_without_a_length_there_is_no_body() -> None:
    assert read_body({"wsgi.input": io.BytesIO(b"next request")}, LIMITS) == b""
    assert read_body(environ(b"x", length=""), LIMITS) == b""


def test_an_input_that_ends_by_itself_needs_no_length() -> None:
    assert read_body({"wsgi.input": io.BytesIO(b"abc"), "wsgi.input_terminated": True}, LIMITS) == b"abc"


@pytest.mark.parametrize("length", ["abc", "-1", "+1", "1.0", "1 2", "٣", "²", "0x10", "9" * 30])
def test_a_length_that_is_no_number(length: str) -> None:
    assert length[:9] in refused(LENGTH_WRONG, environ(b"abc", length))


def test_fewer_bytes_than_announced_says_both_numbers() -> None:
    detail = refused(LENGTH_WRONG, environ(b"abc", 10))
    assert "10" in detail
    assert "3" in detail


def test_more_bytes_than_announced_are_the_next_request() -> None:
    of = environ(b"abcdef", 3)
    assert read_body(of, LIMITS) == b"abc"
    assert of["wsgi.input"].read() == b"def"


@pytest.mark.parametrize("size", [4096, 4097, 1_000_000])
@pytest.mark.parametrize("in_chunks", [False, True])
def test_the_limit_is_inclusive_and_what_is_beyond_is_drained(size: int, in_chunks: bool) -> None:
    of = chunked(b"x" * size) if in_chunks else environ(b"x" * size)
    if size <= 4096:
        assert len(read_body(of, LIMITS)) == size
    else:
        assert "4096" in refused(TOO_LARGE, of)
    assert of["wsgi.input"].read() == b""


def test_an_absurd_length_is_answered_without_reading() -> None:
    of = environ(b"x" * 10, 4096 + http_body.DRAIN_BYTES_MAX + 1)
    refused(TOO_LARGE, of)
    assert of["wsgi.input"].tell() == 0


def test_an_endless_chunked_body_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_body, "DRAIN_BYTES_MAX", 1_000_000)

    class Endless:
        taken = 0

        def read(self, size: int) -> bytes:
            self.taken += size
            return b"x" * size

    of = chunked(b"")
    of["wsgi.input"] = endless = Endless()
    refused(TOO_LARGE, of)
    assert endless.taken == 1_000_000 + 4096


def test_a_trickle_is_given_up_in_time() -> None:
    class Trickle:
        def read(self, size: int) -> bytes:
            return b"x"

    of = environ(b"", 4000, **{"wsgi.input": Trickle()})
    assert "时限" in refused(LENGTH_WRONG, of, Limits(body_bytes_max=4096, body_read_s_max=1e-9))


@pytest.mark.parametrize(
    "error", [TimeoutError("timed out"), ConnectionResetError(), ValueError("Bad chunked transfer size")]
)
def test_a_broken_connection_is_a_fault_not_an_error(error: Exception) -> None:
    class Broken:
        def read(self, size: int) -> bytes:
            raise error

    assert "中断" in refused(LENGTH_WRONG, environ(b"", 10, **{"wsgi.input": Broken()}))


def test_a_gzip_bomb_never_unfolds() -> None:
    bomb = gzip.compress(b"\0" * 3_000_000)
    assert len(bomb) < 4096
    assert "解压" in refused(TOO_LARGE, environ(bomb, HTTP_CONTENT_ENCODING="gzip"))
    refused(TOO_LARGE, environ(gzip.compress(b"\0" * 4000) * 2, HTTP_CONTENT_ENCODING="gzip"))


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (gzip.compress(b"abc", mtime=0)[:-1], "gzip"),
        (gzip.compress(b"abc", mtime=0) + b"junk", "gzip"),
        (b"plain", "gzip"),
        (zlib.compress(b"abc"), "deflate"),
        (b"abc", "br"),
        (b"abc", "gzip, gzip"),
    ],
)
def test_what_cannot_be_decoded_is_named(body: bytes, encoding: str) -> None:
    refused(PAYLOAD_WRONG, environ(body, HTTP_CONTENT_ENCODING=encoding))


def outcome(of: dict[str, Any]) -> Fault | None:
    try:
        read_body(of, LIMITS)
    except Unreadable as fault:
        return fault.fault
    return None


@given(st.binary(max_size=300))
def test_any_bytes_as_gzip_are_decoded_or_refused(body: bytes) -> None:
    assert outcome(environ(body, HTTP_CONTENT_ENCODING="gzip")) in (None, PAYLOAD_WRONG, TOO_LARGE)
