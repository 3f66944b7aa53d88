"""Signatures against vectors that were not computed here."""

from __future__ import annotations

import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
