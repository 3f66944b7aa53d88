"""SM2 and SM4 for the simulator: gmssl and hashlib, where the gateway uses tongsuopy and cryptography."""

from __future__ import annotations

import hashlib
import secrets

from gmssl.sm2 import CryptSM2, default_ecc_table
from gmssl.sm4 import SM4_DECRYPT, SM4_ENCRYPT, CryptSM4

_USER_ID = b"1234567812345678"
_A = "FFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFC"
_ORDER = int(default_ecc_table["n"], 16)


def public_of(private: str) -> str:
    """The public point (x||y in hex) of a private key in hex."""
    point: str = _sm2("")._kg(int(private, 16), default_ecc_table["g"])
    return point


def sign(private: str, data: bytes) -> bytes:
    """SM3withSM2 with the default user id, r||s in 64 bytes."""
    signer = _sm2(public_of(private))
    signer.private_key = private
    while True:
        signature = signer.sign(_digest(signer.public_key, data), f"{1 + secrets.randbelow(_ORDER - 1):064x}")
        if signature:
            return bytes.fromhex(signature)


def verifies(public: str, data: bytes, signature: bytes) -> bool:
    """Whether ``signature`` (r||s) is one of ``data`` under the point ``public`` (x||y in hex)."""
    numbers = (int.from_bytes(signature[:32]), int.from_bytes(signature[32:]))
    if len(signature) != 64 or not all(0 < number < _ORDER for number in numbers):
        return False
    return bool(_sm2(public).verify(signature.hex(), _digest(public, data)))


def sm4_seal(key: bytes, plain: bytes) -> bytes:
    """SM4-ECB, PKCS#7."""
    cipher = CryptSM4()
    cipher.set_key(key, SM4_ENCRYPT)
    return bytes(cipher.crypt_ecb(plain))


def sm4_open(key: bytes, sealed: bytes) -> bytes:
    """What :func:`sm4_seal` sealed. Raises ValueError for anything else."""
    if not sealed or len(sealed) % 16:
        raise ValueError("密文长度应为 16 字节的倍数")
    cipher = CryptSM4()
    cipher.set_key(key, SM4_DECRYPT)
    cipher.padding_mode = -1  # none: padding is checked here: gmssl would only cut it off
    padded = bytes(cipher.crypt_ecb(sealed))
    count = padded[-1]
    if not 1 <= count <= 16 or padded[-count:] != bytes([count]) * count:
        raise ValueError("密钥不符")
    return padded[:-count]


def _sm2(public: str) -> CryptSM2:
    made = CryptSM2(private_key="", public_key="")
    made.public_key = public  # its constructor eats leading digits 0 and 4 of a point
    return made


def _digest(public: str, data: bytes) -> bytes:
    """SM3 over Z and the message (GB/T 32918.2); OpenSSL's SM3, for gmssl's takes seconds for a long message."""
    bits = len(_USER_ID) * 8
    curve = bytes.fromhex(_A + default_ecc_table["b"] + default_ecc_table["g"] + public)
    z = hashlib.new("sm3", bits.to_bytes(2) + _USER_ID + curve).digest()
    return hashlib.new("sm3", z + data).digest()
