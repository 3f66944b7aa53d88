"""The national algorithms behind one small port: SM2 by tongsuopy, SM3 within it, SM4 by cryptography.

tongsuopy is loaded on first use: provinces without SM2 do not need it.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any, Final

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import SM4
from cryptography.hazmat.primitives.ciphers.modes import ECB
from cryptography.hazmat.primitives.padding import PKCS7

_HALF: Final = 32
_ORDER: Final = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
"""Of the recommended curve (GB/T 32918.5); d is at most two less."""
_BLOCK_BITS: Final = 128


class Sm2PrivateKey:
    """Signs: SM3withSM2 with the default user id ``1234567812345678``, as r||s in 64 bytes.

    Args:
        text: the number d, 32 bytes in hex or Base64.

    Raises:
        ValueError: no such key (Chinese); never repeats the text.
    """

    def __init__(self, text: str) -> None:
        from tongsuopy.crypto.asymciphers import ec

        number = int.from_bytes(_key_bytes(text, (_HALF,), "SM2 私钥"))
        if not 0 < number < _ORDER - 1:
            raise ValueError("SM2 私钥不在允许的范围内")
        self._key: Any = ec.derive_private_key(number, ec.SM2())

    def sign(self, data: bytes) -> bytes:
        """The signature of ``data``; another one each time."""
        from tongsuopy.crypto import hashes
        from tongsuopy.crypto.asymciphers import ec

        signature: bytes = self._key.sign(data, ec.ECDSA(hashes.SM3()))
        r, s = _numbers(signature)
        return r.to_bytes(_HALF) + s.to_bytes(_HALF)

    @property
    def public(self) -> str:
        """The public point as the province registers it: x||y in hex."""
        numbers = self._key.public_key().public_numbers()
        return f"{numbers.x:064x}{numbers.y:064x}"


class Sm2PublicKey:
    """Verifies what :class:`Sm2PrivateKey` signs.

    Args:
        text: the point, x||y in 64 bytes or 04||x||y in 65, in hex or Base64.

    Raises:
        ValueError: no such point (Chinese).
    """

    def __init__(self, text: str) -> None:
        from tongsuopy.crypto.asymciphers import ec

        raw = _key_bytes(text, (2 * _HALF, 2 * _HALF + 1), "SM2 公钥")[-2 * _HALF :]
        x, y = int.from_bytes(raw[:_HALF]), int.from_bytes(raw[_HALF:])
        try:
            self._key: Any = ec.EllipticCurvePublicNumbers(x, y, ec.SM2()).public_key()
        except ValueError as error:
            raise ValueError("SM2 公钥不是曲线上的点") from error

    def verifies(self, data: bytes, signature: bytes) -> bool:
        """Whether ``signature`` (r||s, 64 bytes) is one of ``data``."""
        from tongsuopy.crypto import hashes
        from tongsuopy.crypto.asymciphers import ec
        from tongsuopy.crypto.exceptions import InvalidSignature

        if len(signature) != 2 * _HALF:
            return False
        try:
            self._key.verify(_der(signature), data, ec.ECDSA(hashes.SM3()))
        except InvalidSignature:
            return False
        return True


def sm4_seal(key: bytes, plain: bytes) -> bytes:
    """SM4-ECB with PKCS#7, as the provinces prescribe; ``key`` has 16 bytes."""
    padder = PKCS7(_BLOCK_BITS).padder()
    encryptor = Cipher(SM4(key), ECB()).encryptor()  # noqa: S305 - the provinces' own choice of mode
    return encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()


def sm4_open(key: bytes, sealed: bytes) -> bytes:
    """What :func:`sm4_seal` sealed. Raises ValueError for other bytes or another key."""
    decryptor = Cipher(SM4(key), ECB()).decryptor()  # noqa: S305 - the provinces' own choice of mode
    unpadder = PKCS7(_BLOCK_BITS).unpadder()
    try:
        padded = decryptor.update(sealed) + decryptor.finalize()
        return unpadder.update(padded) + unpadder.finalize()
    except ValueError as error:
        raise ValueError("SM4 解密失败：密钥不符或密文损坏") from error


def from_base64(text: str, name: str) -> bytes:
    """Raises ValueError (Chinese) that names what is no Base64."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"{name}不是合法的 Base64") from error


def _key_bytes(text: str, lengths: tuple[int, ...], name: str) -> bytes:
    text = "".join(text.split())
    for read in (bytes.fromhex, base64.b64decode):
        try:
            found = read(text)
        except ValueError:
            continue
        if len(found) in lengths:
            return found
    raise ValueError(f"{name}应为 {' 或 '.join(map(str, lengths))} 字节，以十六进制或 Base64 书写")


def _numbers(der: bytes) -> tuple[int, int]:
    """The two numbers of a DER signature."""
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    return decode_dss_signature(der)


def _der(raw: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    return encode_dss_signature(int.from_bytes(raw[:_HALF]), int.from_bytes(raw[_HALF:]))
