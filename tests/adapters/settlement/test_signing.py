"""Signatures against vectors that were not computed here."""

from __future__ import annotations

import hashlib
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.settlement.signing.api_headers import ApiHeaderSigner, api_signature
from adapters.settlement.signing.api_key import ApiKeySigner
from adapters.settlement.signing.plain import PlainSigner
from adapters.settlement.signing.tif import TifSigner, tif_signature

# the test vector of the transport notes, family A
VECTOR = ("1700000000", "SECRET-FOR-TEST", "abc123", "0ba1a55d660d04b7caaaae861e798a2eed1fe2c826ece68b14d85d7615f3aa93")


def test_the_published_vector() -> None:
    timestamp, secret, nonce, signature = VECTOR
    assert tif_signature(timestamp, secret, nonce) == signature


def test_the_four_headers() -> None:
    timestamp, secret, nonce, signature = VECTOR
    signer = TifSigner("ACCOUNT", secret, clock=lambda: 1700000000.987, nonce=lambda: nonce)
    assert signer.headers("1101", b"{}") == {
        "x-tif-paasid": "ACCOUNT",
        "x-tif-timestamp": timestamp,
        "x-tif-nonce": nonce,
        "x-tif-signature": signature,
    }


def test_every_request_has_its_own_nonce_of_32_hex_digits() -> None:
    signer = TifSigner("ACCOUNT", "SECRET", clock=lambda: 1700000000)
    nonces = {signer.headers("1101", b"")["x-tif-nonce"] for _ in range(200)}
    assert len(nonces) == 200
    assert all(re.fullmatch("[0-9a-f]{32}", nonce) for nonce in nonces)


@given(st.integers(0, 2**33), st.text(min_size=1), st.binary(max_size=20).map(bytes.hex))
def test_the_signature_is_over_the_plain_concatenation(second: int, secret: str, nonce: str) -> None:
    secret = secret.encode("utf-8", "ignore").decode() or "s"
    digest = hashlib.new("sha256")
    for part in (str(second), secret, nonce, str(second)):
        digest.update(part.encode("utf-8"))
    assert tif_signature(str(second), secret, nonce) == digest.hexdigest()


def test_the_secret_does_not_show() -> None:
    signer = TifSigner("ACCOUNT", "SECRET-FOR-TEST")
    assert "SECRET" not in repr(signer)
    assert "SECRET" not in str(signer.headers("1101", b"{}"))


@pytest.mark.parametrize(("account", "secret"), [("", "s"), ("a", ""), ("a\r\nX: 1", "s"), ("账号", "s"), (" a", "s")])
def test_accounts_that_cannot_work_are_refused(account: str, secret: str) -> None:
    with pytest.raises(ValueError, match="x-tif"):
        TifSigner(account, secret)


def test_plain_signs_nothing() -> None:
    assert PlainSigner().headers("1101", b"{}") == {}


# the test vector of the transport notes, family B
API_VECTOR = ("AK-TEST", "SK-TEST", "1101", "1700000000000", "1.0.0", "OBFDZyt31TDOV/uwqOItilONXYo=")


def test_the_published_vector_of_the_api_headers() -> None:
    *given, signature = API_VECTOR
    assert api_signature(*given) == signature


def test_the_five_api_headers() -> None:
    access, secret, name, timestamp, version, signature = API_VECTOR
    signer = ApiHeaderSigner(access, secret, version, clock=lambda: 1700000000.0)
    assert signer.headers(name, b"{}") == {
        "_api_name": name,
        "_api_version": version,
        "_api_timestamp": timestamp,
        "_api_access_key": access,
        "_api_signature": signature,
    }
    assert secret not in repr(signer)


@given(st.lists(st.integers(0, 5000), min_size=2, max_size=40))
def test_no_two_requests_in_a_row_carry_the_same_millisecond(clock_ms: list[int]) -> None:
    times = iter(clock_ms)
    signer = ApiHeaderSigner("a", "s", clock=lambda: next(times) / 1000)
    stamps = [int(signer.headers("1101", b"")["_api_timestamp"]) for _ in clock_ms]
    pairs = zip(stamps, clock_ms, strict=True)
    assert all(stamp != later for stamp, later in pairwise(stamps))
    assert all(-1 <= stamp - now <= 1000 for stamp, now in pairs), "never further from the clock than a second"


def test_a_key_in_a_header() -> None:
    assert ApiKeySigner("KEY").headers("1101", b"{}") == {"apikey": "KEY"}
    assert ApiKeySigner("KEY", "X-Key").headers("1101", b"{}") == {"X-Key": "KEY"}


@pytest.mark.parametrize(
    ("key", "header"), [("", "apikey"), ("密钥", "apikey"), ("k\r\nX: 1", "apikey"), ("k", "a: b")]
)
def test_keys_that_cannot_be_a_header_are_refused(key: str, header: str) -> None:
    with pytest.raises(ValueError, match="密钥"):
        ApiKeySigner(key, header)


@pytest.mark.parametrize(("access", "secret"), [("", "s"), ("a", ""), ("a\nb", "s"), ("账号", "s")])
def test_access_keys_that_cannot_work_are_refused(access: str, secret: str) -> None:
    with pytest.raises(ValueError, match="_api_"):
        ApiHeaderSigner(access, secret)
