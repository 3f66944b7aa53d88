"""Every single mistake in a sealed or signed request is refused in front, nothing is executed, and without it the request passes."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from gateway.simulator import Simulator, sm
from gateway.simulator.sealing import EnvelopeSealing, GmSealing
from gateway.simulator.signature import TokenSigning
from gateway.simulator.soap import WsseSigning

from .conftest import MAPPINGS, NOW, Hospital, Row, filled

OURS, THEIRS, NOBODYS = (f"{number:064x}" for number in (11**50, 13**50, 17**50))
KEY, OTHER_KEY = b"CLIENT-ID-16BYTE", b"ANOTHER-16-BYTES"
APP_ID, APP_SECRET = "TESTAPPID0000000000001", "TESTAPPSECRET000000000002"
STAMP = f"{int(NOW.timestamp())}000"
SIGN_IN = {"signIn": {"opter_no": "0001", "mac": "00-11", "ip": "127.0.0.1"}}
Change = Callable[[Row], Row]


class Moving:
    """The platform's clock."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def compact(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def otherwise_written(text: str) -> str:
    """The same bytes in another Base64: the bits that the padding leaves unused are no part of them."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    end = text.rstrip("=")
    other = end[:-1] + letters[letters.index(end[-1]) ^ 1] + text[len(end) :]
    assert base64.b64decode(other, validate=True) == base64.b64decode(text)
    return other


# ------------------------------------------------------------ input and output sealed, cainfo


def envelope() -> Row:
    head = Hospital(lambda *_: b"").envelope("9001", None)
    plain = compact(SIGN_IN)
    sealed = {"input": b64(sm.sm4_seal(KEY, plain)), "cainfo": b64(sm.sign(OURS, plain))}
    return {**head, "signtype": "SM2", "enc_type": "SM4", **sealed}


ENVELOPE = envelope()


@pytest.fixture(scope="module")
def sealed_platform() -> Simulator:
    """One for all mistakes: none of them may leave anything."""
    sealing = EnvelopeSealing(sm.public_of(OURS), THEIRS, KEY)
    return Simulator(MAPPINGS, seed=1, clock=lambda: NOW, sealing=sealing)


ENVELOPE_MISTAKES = {
    "signtype is another": {"signtype": "SM3"},
    "signtype is missing": {"signtype": ""},
    "enc_type is another": {"enc_type": "AES"},
    "enc_type is missing": {"enc_type": ""},
    "cainfo is missing": {"cainfo": ""},
    "cainfo is no Base64": {"cainfo": "签名"},
    "cainfo of another key": {"cainfo": b64(sm.sign(NOBODYS, compact(SIGN_IN)))},
    "cainfo over another input": {"cainfo": b64(sm.sign(OURS, compact({"signIn": {}})))},
    "cainfo over the cipher": {"cainfo": b64(sm.sign(OURS, sm.sm4_seal(KEY, compact(SIGN_IN))))},
    "cainfo of 63 bytes": {"cainfo": b64(sm.sign(OURS, compact(SIGN_IN))[:63])},
    "cainfo of nothing but zeros": {"cainfo": b64(bytes(64))},
    "input in plain": {"input": SIGN_IN},
    "input is missing": {"input": ""},
    "input is no Base64": {"input": "***"},
    "input under another key": {"input": b64(sm.sm4_seal(OTHER_KEY, compact(SIGN_IN)))},
    "input cut": {"input": b64(sm.sm4_seal(KEY, compact(SIGN_IN))[:-3])},
    "input of another message": {"input": b64(sm.sm4_seal(KEY, compact({"signIn": {"opter_no": "9"}})))},
    "input is no object": {"input": b64(sm.sm4_seal(KEY, b"[1]")), "cainfo": b64(sm.sign(OURS, b"[1]"))},
}


@pytest.mark.parametrize("mistake", ENVELOPE_MISTAKES.values(), ids=list(ENVELOPE_MISTAKES))
def test_a_single_mistake_in_a_sealed_envelope(sealed_platform: Simulator, mistake: Row) -> None:
    before = sealed_platform.ledger()["executed"]
    refused = sealed_platform.handle("", {}, compact(ENVELOPE | mistake))
    assert (refused.status, json.loads(refused.body)["code"]) == (401, 401)
    assert sealed_platform.ledger()["executed"] == before


def test_without_a_mistake_a_sealed_envelope_is_executed_and_answered_sealed(sealed_platform: Simulator) -> None:
    passed = json.loads(sealed_platform.handle("", {}, compact(ENVELOPE)).body)
    assert (passed["infcode"], ENVELOPE["msgid"] in sealed_platform.ledger()["executed"]) == (0, True)
    assert sm.verifies(
        sm.public_of(THEIRS),
        sm.sm4_open(KEY, base64.b64decode(passed["output"])),
        base64.b64decode(passed["cainfo"]),
    )


# ------------------------------------------------------------ encData and signData


def gm_sealing() -> GmSealing:
    return GmSealing(APP_ID, APP_SECRET, sm.public_of(OURS), THEIRS)


@pytest.fixture(scope="module")
def gm_platform() -> Simulator:
    return Simulator(MAPPINGS, seed=1, clock=lambda: NOW, sealing=gm_sealing())


def message() -> Row:
    nodes = filled("7101", {})
    return {**nodes.pop("data", {}), **nodes}


def gm_request(private: str = OURS, secret: str = APP_SECRET, data: Row | None = None, **changes: str) -> Row:
    """A request as the institution signs it; ``changes`` are signed too."""
    client = GmSealing(APP_ID, secret, "", private)
    outer = {"appId": APP_ID, "encType": "SM4", "signType": "SM2", "timestamp": STAMP, "version": "1.0.0", **changes}
    told = message() if data is None else data
    signature = sm.sign(private, client._text(outer, told))
    return {**outer, "encData": sm.sm4_seal(gm_sealing().key, compact(told)).hex().upper(), "signData": b64(signature)}


def at(offset_s: int) -> str:
    return f"{int(NOW.timestamp()) + offset_s}000"


GM_MISTAKES: dict[str, Callable[[], Row]] = {
    "appId of another": lambda: gm_request(appId="TESTAPPID0000000000002"),
    "appId is missing": lambda: gm_request() | {"appId": ""},
    "encType is another": lambda: gm_request(encType="AES"),
    "signType is another": lambda: gm_request(signType="RSA"),
    "timestamp is missing": lambda: gm_request(timestamp=""),
    "timestamp in seconds": lambda: gm_request(timestamp=STAMP[:10]),
    "timestamp is no number": lambda: gm_request(timestamp="2026-11-21 10"),
    "timestamp too old": lambda: gm_request(timestamp=at(-601)),
    "timestamp too new": lambda: gm_request(timestamp=at(601)),
    "timestamp changed afterwards": lambda: gm_request() | {"timestamp": at(1)},
    "version changed afterwards": lambda: gm_request() | {"version": "1.0.1"},
    "encData is missing": lambda: gm_request() | {"encData": ""},
    "encData is no hex": lambda: gm_request() | {"encData": "密文"},
    "encData in Base64": lambda: gm_request() | {"encData": b64(sm.sm4_seal(gm_sealing().key, compact(message())))},
    "encData cut": lambda: gm_request() | {"encData": gm_request()["encData"][:-2]},
    "encData under another key": lambda: gm_request() | {"encData": sm.sm4_seal(KEY, compact(message())).hex()},
    "encData of another message": lambda: gm_request() | {"encData": gm_request(data={"a": "1"})["encData"]},
    "signData is missing": lambda: gm_request() | {"signData": ""},
    "signData is no Base64": lambda: gm_request() | {"signData": "***"},
    "signData in hex": lambda: gm_request() | {"signData": sm.sign(OURS, b"x").hex()},
    "signData of another key": lambda: gm_request(NOBODYS),
    "signData with another secret": lambda: gm_request(secret=APP_SECRET[:-1]),
}


@pytest.mark.parametrize("mistaken", GM_MISTAKES.values(), ids=list(GM_MISTAKES))
def test_a_single_mistake_in_a_gm_request(gm_platform: Simulator, mistaken: Callable[[], Row]) -> None:
    before = gm_platform.ledger()["executed"]
    refused = gm_platform.handle("uploadChk", {}, compact(mistaken()))
    assert (refused.status, json.loads(refused.body)["code"]) == (401, 401)
    assert gm_platform.ledger()["executed"] == before


@pytest.mark.parametrize("rewritten", [str, otherwise_written], ids=["as it was", "in another Base64"])
def test_a_gm_request_counts_once(gm_platform: Simulator, rewritten: Callable[[str], str]) -> None:
    asked = gm_request(signType="sm2")
    for number, signed in enumerate((asked, gm_request()), len(gm_platform.ledger()["executed"]) + 1):
        passed = json.loads(gm_platform.handle("uploadChk", {}, compact(signed)).body)
        assert (passed["code"], len(gm_platform.ledger()["executed"])) == (0, number), "the same message signed anew"
    again = gm_platform.handle("uploadChk", {}, compact(asked | {"signData": rewritten(asked["signData"])}))
    assert (again.status, "重复" in again.body.decode()) == (401, True)


# ------------------------------------------------------------ tokens

CREDENTIALS = {"username": "hospital", "password": "PASSWORD-TEST", "grant_type": "password", "scope": "all"}
BASIC = f"Basic {b64(b'CLIENT:CLIENT-SECRET')}"


def tokens() -> TokenSigning:
    return TokenSigning("CLIENT", "CLIENT-SECRET", "hospital", "PASSWORD-TEST")


def token_platform() -> tuple[Simulator, Moving]:
    clock = Moving()
    return Simulator(MAPPINGS, seed=1, clock=clock, signing=tokens()), clock


@pytest.mark.parametrize(
    ("authorization", "changes"),
    [
        ("", {}),
        (f"Basic {b64(b'CLIENT:WRONG')}", {}),
        (f"Basic {b64(b'STRANGER:CLIENT-SECRET')}", {}),
        (BASIC.replace("Basic", "Bearer"), {}),
        (BASIC, {"username": "stranger"}),
        (BASIC, {"password": "PASSWORD-TES"}),
        (BASIC, {"password": ""}),
        (BASIC, {"grant_type": "client_credentials"}),
    ],
)
def test_a_single_mistake_and_no_token_is_issued(authorization: str, changes: dict[str, str]) -> None:
    platform, _ = token_platform()
    refused = platform.token({"Authorization": authorization}, urlencode(CREDENTIALS | changes).encode())
    assert (refused.status, "access_token" in refused.body.decode()) == (401, False)
    assert platform.token({"Authorization": BASIC}, urlencode(CREDENTIALS).encode()).status == 200


def test_a_token_is_good_for_its_time_and_for_nothing_else() -> None:
    platform, clock = token_platform()
    issued = json.loads(platform.token({"Authorization": BASIC}, urlencode(CREDENTIALS).encode()).body)
    hospital = Hospital(lambda *_: b"")

    def told(authorization: str) -> tuple[int, str]:
        asked = hospital.envelope("9001", SIGN_IN)
        answer = platform.handle("", {"Authorization": authorization}, compact(asked))
        return answer.status, answer.body.decode()

    token = issued["access_token"]
    for wrong in ("", token, f"Basic {token}", f"Bearer {token[:-1]}", "Bearer "):
        assert (told(wrong)[0], "令牌无效" in told(wrong)[1]) == (401, True), wrong
    clock.now = NOW + timedelta(seconds=issued["expires_in"] - 1)
    assert told(f"Bearer {token}")[0] == 200
    clock.now += timedelta(seconds=1)
    assert (told(f"Bearer {token}")[0], "令牌已过期" in told(f"Bearer {token}")[1]) == (401, True)
    assert len(platform.ledger()["executed"]) == 1


# ------------------------------------------------------------ WS-Security

SALT = b"0123456789abcdef"


def created(offset_s: int = 0) -> str:
    return (NOW + timedelta(seconds=offset_s)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def token(user: str = "hospital", password: str = "PASSWORD-TEST", stamp: str = "", salt: bytes = SALT) -> Row:
    stamp = stamp or created()
    digest = hashlib.sha1(salt + stamp.encode() + password.encode()).digest()
    parts = {"user": user, "password": b64(digest), "nonce": b64(salt), "created": stamp}
    return {f"wsse-{name}": value for name, value in parts.items()}


TOKEN_MISTAKES = {
    **{f"no {name}": token() | {f"wsse-{name}": ""} for name in ("user", "password", "nonce", "created")},
    "a stranger": token("stranger"),
    "another password": token(password="PASSWORD-TES"),
    "the password itself": token() | {"wsse-password": "PASSWORD-TEST"},
    "the digest without the nonce": token(salt=b"") | {"wsse-nonce": b64(SALT)},
    "another nonce": token() | {"wsse-nonce": b64(b"0123456789abcdeg")},
    "a nonce that is no Base64": token() | {"wsse-nonce": "***"},
    "another time": token() | {"wsse-created": created(1)},
    "a time without a zone": token(stamp=created()[:-1]),
    "a time that is none": token(stamp="2026-13-45T10:00:00Z"),
    "too old": token(stamp=created(-301)),
    "too new": token(stamp=created(301)),
}


@pytest.mark.parametrize("mistake", TOKEN_MISTAKES.values(), ids=list(TOKEN_MISTAKES))
def test_a_single_mistake_in_a_username_token(mistake: Row) -> None:
    signing = WsseSigning({"hospital": "PASSWORD-TEST"})
    platform = Simulator(MAPPINGS, seed=1, clock=lambda: NOW, signing=signing, soap=("json", "utf-8"))
    asked = compact(Hospital(lambda *_: b"").envelope("9001", SIGN_IN))
    assert platform.handle("9001", mistake, asked).status == 401
    assert platform.ledger()["executed"] == {}
    assert platform.handle("9001", token(), asked).status == 200
    assert len(platform.ledger()["executed"]) == 1


@pytest.mark.parametrize("rewritten", [str, otherwise_written], ids=["as it was", "in another Base64"])
def test_a_nonce_counts_once(rewritten: Callable[[str], str]) -> None:
    signing, now_s = WsseSigning({"hospital": "PASSWORD-TEST"}), int(NOW.timestamp())
    assert signing.refusal(token() | {"wsse-password": b64(bytes(20))}, now_s) == "签名不一致"
    assert signing.refusal(token(), now_s) is None, "a refused token has not spent its nonce"
    again = token() | {"wsse-nonce": rewritten(b64(SALT))}
    assert signing.refusal(again, now_s) == "Nonce 重复使用"
    assert signing.refusal(token(salt=b"another"), now_s) is None


def test_old_nonces_are_swept_and_new_ones_kept() -> None:
    signing, later = WsseSigning({"hospital": "PASSWORD-TEST"}), int(NOW.timestamp()) + 601
    signing._used = {number.to_bytes(4): int(NOW.timestamp()) for number in range(10_000)}
    fresh = token(stamp=created(601))
    assert signing.refusal(fresh, later) is None
    assert list(signing._used) == [SALT]
    assert signing.refusal(fresh, later) == "Nonce 重复使用"
