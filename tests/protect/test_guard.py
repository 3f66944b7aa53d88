"""Sealing, hashing and fences: only with the key, only in its place, the same for good where two must meet."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.protect import Cipher, Guard, InUse, Keyring, KeysMissing, Plain, guard
from gateway.protect.guard import SealBroken

SUITES = list(Cipher)
RINGS = {suite: Keyring.new(suite) for suite in SUITES}
FIRST = InUse(1, 1, (1,))


@pytest.fixture(params=SUITES)
def ring(request: pytest.FixtureRequest) -> Keyring:
    return RINGS[request.param]


@given(st.sampled_from(SUITES), st.binary(max_size=4000), st.text(max_size=40).filter(lambda text: text.isprintable()))
def test_what_is_sealed_opens_and_hides(suite: Cipher, text: bytes, place: str) -> None:
    at_work = Guard(RINGS[suite], FIRST)
    sealed = at_work.seal(place, text)
    assert at_work.open(place, sealed, 1) == text
    assert at_work.seal(place, text) != sealed
    assert len(text) < 8 or text not in sealed
    # another process, with caches and salts of its own
    assert Guard(RINGS[suite], FIRST).open(place, sealed, 1) == text


@given(st.sampled_from(SUITES), st.binary(max_size=200), st.data())
def test_a_changed_text_does_not_open(suite: Cipher, text: bytes, data: st.DataObject) -> None:
    at_work = Guard(RINGS[suite], FIRST)
    sealed = bytearray(at_work.seal("row:1", text))
    where = data.draw(st.integers(0, len(sealed) - 1))
    sealed[where] ^= data.draw(st.integers(1, 255))
    with pytest.raises((SealBroken, KeysMissing)):
        at_work.open("row:1", bytes(sealed), 1)
    cut = data.draw(st.integers(0, len(sealed) - 1))
    with pytest.raises((SealBroken, KeysMissing)):
        at_work.open("row:1", bytes(sealed)[:cut], 1)


def test_a_text_opens_in_its_place_alone(ring: Keyring) -> None:
    at_work = Guard(ring, FIRST)
    with pytest.raises(SealBroken, match="exchange_body:8"):
        at_work.open("exchange_body:8:caller_request", at_work.seal("exchange_body:7:caller_request", b"x"), 1)


def test_another_keyring_opens_nothing(ring: Keyring) -> None:
    sealed = Guard(ring, FIRST).seal("a", b"secret")
    stranger = Keyring.new(ring.fence.suite)
    with pytest.raises(SealBroken):
        Guard(stranger, FIRST).open("a", sealed, 1)
    assert Guard(stranger, FIRST).hashed("certno", "1") != Guard(ring, FIRST).hashed("certno", "1")
    assert Guard(stranger, FIRST).fence("1") != Guard(ring, FIRST).fence("1")


def test_versions_live_side_by_side(ring: Keyring) -> None:
    before = Guard(ring, FIRST)
    grown = ring.grown(Cipher.SM4, data=True, hashes=True)
    after = Guard(grown, InUse(2, 2, (2, 1)))
    sealed = before.seal("a", b"text")
    assert after.open("a", sealed, 1) == b"text"
    assert after.seal("a", b"text")[1:3] == b"\0\2"
    assert list(after.searched("psn_no", "P1")) == [after.hashed("psn_no", "P1"), before.hashed("psn_no", "P1")]
    assert after.fence("k") == before.fence("k")
    with pytest.raises(KeysMissing, match="版本 2"):
        before.open("a", after.seal("a", b"text"), 2)
    with pytest.raises(KeysMissing, match="版本 2"):
        Guard(ring, InUse(2, 1, (1,)))
    assert after.knows([1, 2])
    assert not before.knows([1, 2])


@given(st.text(), st.text(), st.text(), st.text())
def test_hashes_tell_kinds_and_values_apart(kind: str, value: str, other_kind: str, other: str) -> None:
    at_work = Guard(RINGS[Cipher.AES], FIRST)
    same = (kind, value) == (other_kind, other)
    assert (at_work.hashed(kind, value) == at_work.hashed(other_kind, other)) is same
    assert value == "" or len(value) < 3 or value not in at_work.hashed(kind, value)


def test_values_in_plain_are_searched_while_there_are_some(ring: Keyring) -> None:
    at_work = Guard(ring, InUse(1, 1, (1, 0)))
    assert list(at_work.searched("psn_no", "P1")) == [at_work.hashed("psn_no", "P1"), "P1"]
    assert list(at_work.fences("k")) == [at_work.fence("k"), "k"]
    assert list(Guard(ring, FIRST).fences("k")) == [at_work.fence("k")]


def test_a_salt_is_used_only_so_often(ring: Keyring, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "TEXTS_PER_SALT", 3)
    monkeypatch.setattr(guard, "CIPHERS_KEPT_MAX", 2)
    at_work = Guard(ring, FIRST)
    sealed = [at_work.seal("a", b"%d" % number) for number in range(20)]
    salts = [one[3:11] for one in sealed]
    assert max(salts.count(salt) for salt in salts) <= 3
    assert [at_work.open("a", one, 1) for one in sealed] == [b"%d" % number for number in range(20)]
    assert len({one[11:23] for one in sealed}) == 20


def test_without_keys_everything_stays_as_it_is() -> None:
    plain = Plain()
    assert plain.open("a", plain.seal("a", b"x"), None) == b"x"
    assert (plain.hashed("a", "b"), list(plain.searched("a", "b")), plain.fence("f"), list(plain.fences("f"))) == (
        "b",
        ["b"],
        "f",
        ["f"],
    )
    with pytest.raises(KeysMissing):
        plain.open("a", b"x", 1)
    assert not plain.knows([1])
