"""SM2, SM3 and SM4 against the published standards, and against gmssl, which shares no code with them."""

from __future__ import annotations

import base64
import json

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import SM4
from cryptography.hazmat.primitives.ciphers.modes import ECB
from cryptography.hazmat.primitives.hashes import SM3, Hash
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.settlement.signing.gm import GmEnvelope, sign_text, sm4_key_of
from adapters.settlement.signing.sm import Sm2PrivateKey, Sm2PublicKey, sm4_open, sm4_seal
from gateway.simulator import sm as other

# GM/T 0003.5 (GB/T 32918.5-2017), annex A.2: the recommended curve
D = "3945208F7B2144B13F36E38AC6D39F95889393692860B51A42FB81EF4DF7C5B8"
POINT = (
    "09F9DF311E5421A150DD7D161E4BC5C672179FAD1833FC076BB08FF356F35020"
    "CCEA490CE26775A52DC6EA718CC1AA600AED05FBF35E084A6632F6072DA9AD13"
)
SIGNED = bytes.fromhex(
    "F5A03B0648D2C4630EEAC513E1BB81A15944DA3827D5B74143AC7EACEEE720B3"
    "B1B6AA29DF212FD8763182BC0D421CA1BB9038FD1F7F42D4840B69C485BBC1AA"
)
APP_ID, APP_SECRET = "TESTAPPID0000000000001", "TESTAPPSECRET000000000002"


def test_sm2_of_the_standard() -> None:
    assert Sm2PrivateKey(D).public.upper() == POINT
    key = Sm2PublicKey(POINT)
    assert key.verifies(b"message digest", SIGNED)
    assert not key.verifies(b"message digesu", SIGNED)
    assert other.verifies(POINT, b"message digest", SIGNED)


@pytest.mark.parametrize(
    ("message", "digest"),
    [
        (b"abc", "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"),
        (b"abcd" * 16, "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"),
    ],
)
def test_sm3_of_the_standard(message: bytes, digest: str) -> None:
    """GB/T 32905-2016, annex A."""
    running = Hash(SM3())
    running.update(message)
    assert running.finalize().hex() == digest


def test_sm4_of_the_standard() -> None:
    """GB/T 32907-2016, annex A.1: one block; our sealed form adds the block of padding."""
    block = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
    sealed = bytes.fromhex("681EDF34D206965E86B3E94F536E4246")
    assert sm4_seal(block, block)[:16] == sealed
    assert Cipher(SM4(block), ECB()).encryptor().update(block) == sealed
    assert sm4_open(block, sm4_seal(block, block)) == block


@settings(max_examples=15, deadline=None)
@given(st.binary(max_size=200), st.integers(1, 2**250))
def test_both_implementations_accept_each_other(data: bytes, number: int) -> None:
    text = f"{number:064x}"
    key, point = Sm2PrivateKey(text), other.public_of(text)
    assert key.public == point
    assert other.verifies(point, data, key.sign(data))
    assert Sm2PublicKey(point).verifies(data, other.sign(text, data))
    assert not Sm2PublicKey(point).verifies(data + b".", other.sign(text, data))


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=100), st.binary(min_size=16, max_size=16))
def test_both_ciphers_open_each_other(data: bytes, key: bytes) -> None:
    assert sm4_seal(key, data) == other.sm4_seal(key, data)
    assert sm4_open(key, other.sm4_seal(key, data)) == data == other.sm4_open(key, sm4_seal(key, data))


@given(st.binary(max_size=80))
def test_whatever_is_no_signature_is_none(signature: bytes) -> None:
    assert not Sm2PublicKey(POINT).verifies(b"message digest", signature)


@given(st.binary(max_size=64))
def test_whatever_is_no_cipher_text_is_refused(sealed: bytes) -> None:
    """One in 256 random last blocks looks padded; its length is then shorter than what came."""
    try:
        assert len(sm4_open(b"0123456789abcdef", sealed)) < len(sealed)
    except ValueError as error:
        assert "SM4" in str(error)


@pytest.mark.parametrize("text", ["", "00", "zz" * 32, "00" * 32, "ff" * 32, D + "00", "私钥"])
def test_no_private_key(text: str) -> None:
    with pytest.raises(ValueError, match="SM2 私钥") as caught:
        Sm2PrivateKey(text)
    assert len(text) < 4 or text not in str(caught.value)


def test_keys_in_base64_and_with_the_leading_04() -> None:
    raw = base64.b64encode(bytes.fromhex(D)).decode()
    assert Sm2PrivateKey(raw).public.upper() == POINT
    for text in ("04" + POINT, base64.b64encode(bytes.fromhex(POINT)).decode()):
        assert Sm2PublicKey(text).verifies(b"message digest", SIGNED)


@pytest.mark.parametrize("text", ["", POINT[:-2], POINT[:-2] + "14"])
def test_no_public_key(text: str) -> None:
    with pytest.raises(ValueError, match="SM2 公钥"):
        Sm2PublicKey(text)


def test_the_vector_of_the_gm_envelope() -> None:
    """Transport notes, section 8."""
    key = sm4_key_of(APP_ID, APP_SECRET)
    assert key == b"EF65D8BFC8BB78E5"
    assert sm4_seal(key, b'{"a":"1"}').hex().upper() == "F90F2E60A8291A1175E689BE0B75B64B"


def test_the_sign_text_leaves_out_what_is_empty_and_sorts_the_rest() -> None:
    data = {"b": 1, "A": "", "c": {"z": None, "y": [{"k": 2.5, "e": {}}], "X": True}}
    parts = {"timestamp": "1", "appId": "I", "encData": "E", "signData": "S", "extra": "x", "version": "", "data": data}
    text = '{"b":"1","c":{"X":"true","y":[{"k":"2.5"}]}}'
    assert sign_text(parts, "SECRET").decode() == f"appId=I&data={text}&timestamp=1&key=SECRET"


def test_a_refusal_in_the_gm_envelope_is_a_refusal_in_the_national_one() -> None:
    envelope = GmEnvelope(APP_ID, APP_SECRET, Sm2PrivateKey(D))
    answer = json.loads(envelope.open(b'{"input":{}}', '{"code":40001,"message":"处方不存在"}'.encode()))
    assert (answer["infcode"], answer["err_msg"], answer["output"]) == ("40001", "处方不存在", None)


@pytest.mark.parametrize("answer", [b"", b"<html>", b"[]", b'{"infcode":0}', b"\xff"])
def test_what_is_no_answer_at_all_is_left_to_the_reader(answer: bytes) -> None:
    assert GmEnvelope(APP_ID, APP_SECRET, Sm2PrivateKey(D)).open(b'{"input":{}}', answer) == answer


@pytest.mark.parametrize("in_node", [True, False])
def test_7101_and_d001_are_one_message_on_the_line(in_node: bool) -> None:
    """transactions/7101.yaml has its own fields in ``data``, transactions/D001.yaml at the root."""
    envelope = GmEnvelope(APP_ID, APP_SECRET, Sm2PrivateKey(D))
    own, rows = {"hospRxno": "R1", "valiDays": 3}, [{"medListCodg": "X"}]
    message = {"data": own, "rxdrugdetail": rows} if in_node else {**own, "rxdrugdetail": rows}
    request = json.dumps({"input": message}).encode()
    sent = json.loads(envelope.seal(request))
    plain = other.sm4_open(sm4_key_of(APP_ID, APP_SECRET), bytes.fromhex(sent["encData"]))
    assert json.loads(plain) == {**own, "rxdrugdetail": rows}
    answered = other.sm4_seal(sm4_key_of(APP_ID, APP_SECRET), b'{"hiRxno":"H1","list":[]}').hex()
    answer = envelope.open(request, json.dumps({"code": 0, "encData": answered}).encode())
    output = {"data": {"hiRxno": "H1"}, "list": []} if in_node else {"hiRxno": "H1", "list": []}
    assert json.loads(answer)["output"] == output
