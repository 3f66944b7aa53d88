"""Sealing and hashing with the keys in use; beside it the twin that leaves everything as it is.

A sealed text is ``0x01, version (2 bytes), salt (8), nonce (12), ciphertext, tag (16)``. Its place (table, row, column)
is associated data: moved elsewhere it does not open. Nonces are random. So that no key ever meets the limit of
random nonces (2^32 texts), each process seals with a key of its own, derived from the data key and a random salt, and
takes a new salt after 2^28 texts: deriving costs once per salt, not per row, and a forked or restored process does no
harm, since the nonces stay random.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher as BlockCipher
from cryptography.hazmat.primitives.ciphers import algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.protect.keyring import Cipher, Key, Keyring

FORM: Final = 1
PLAIN: Final = 0
"""The version of what was written before there were keys."""
_SALT, _NONCE, _TAG = 8, 12, 16
_HEAD: Final = 3 + _SALT + _NONCE
TEXTS_PER_SALT: Final = 1 << 28
CIPHERS_KEPT_MAX: Final = 4096
HASH_BYTES: Final = 16
FENCE_BYTES: Final = 24
FENCE_MARK: Final = "~"
AUDIT_VERSION: Final = 1
"""There is one: a chain is as old as its first row."""
_START: Final = 16
TOKEN_WIDTH: Final = 400
"""Characters of the token of a text of 64."""


class KeysMissing(Exception):
    """A version is needed that the keyring does not hold (perhaps not yet); ``what`` names it for staff."""

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(f"缺少密钥：{what}")


class SealBroken(Exception):
    """A sealed text does not open in its place: changed, moved, or sealed with another key."""


@dataclass(frozen=True, slots=True)
class InUse:
    """Which versions the store says are in use.

    ``data`` and ``hash`` are written; ``searched`` are the hash versions that rows may still have, 0 for values in plain.
    """

    data: int
    hash: int
    searched: tuple[int, ...]


class Sealing(Protocol):
    """What the store asks of the keys."""

    @property
    def data_version(self) -> int | None:
        """The version with which :meth:`seal` seals; None for none."""
        ...

    @property
    def hash_version(self) -> int | None:
        """The version of :meth:`hashed`; None for none."""
        ...

    @property
    def audit_version(self) -> int | None:
        """The version with which :meth:`chained` binds; None for none."""
        ...

    def seal(self, place: str, text: bytes) -> bytes:
        """``text`` so that nobody reads it without the key, nor in another ``place``."""
        ...

    def open(self, place: str, sealed: bytes, version: int | None) -> bytes:
        """What was sealed at ``place``. Raises :class:`SealBroken`, :class:`KeysMissing`."""
        ...

    def hashed(self, kind: str, value: str) -> str:
        """The form in which a key is kept."""
        ...

    def searched(self, kind: str, value: str) -> Sequence[str]:
        """Every form in which a key may stand in the store."""
        ...

    def fence(self, text: str) -> str:
        """The one form of what excludes another; the same for good."""
        ...

    def fences(self, text: str) -> Sequence[str]:
        """Every form in which it may stand in the store."""
        ...

    def token(self, text: str) -> str:
        """``text`` so that equal texts stay equal and only the key reads it; the same for good."""
        ...

    def untoken(self, token: str) -> str:
        """The text of a token; anything that is none, as it is."""
        ...

    def chained(self, content: bytes, version: int | None) -> str:
        """The digest that binds a row of the operator log; with ``version`` None anybody can make it."""
        ...

    def knows(self, hash_versions: Sequence[int]) -> bool:
        """Whether :meth:`searched` covers these versions."""
        ...


class Plain:
    """No keys: everything as it is, for demonstrations and tests of other things."""

    data_version = None
    hash_version = None
    audit_version = None

    def seal(self, place: str, text: bytes) -> bytes:
        del place
        return text

    def open(self, place: str, sealed: bytes, version: int | None) -> bytes:
        if version:
            raise KeysMissing(f"数据密钥版本 {version}（{place}）")
        return sealed

    def hashed(self, kind: str, value: str) -> str:
        del kind
        return value

    def searched(self, kind: str, value: str) -> Sequence[str]:
        return (self.hashed(kind, value),)

    def fence(self, text: str) -> str:
        return text

    def fences(self, text: str) -> Sequence[str]:
        return (text,)

    def token(self, text: str) -> str:
        return text

    def untoken(self, token: str) -> str:
        return token

    def chained(self, content: bytes, version: int | None) -> str:
        if version:
            raise KeysMissing(f"操作日志密钥版本 {version}")
        return hashlib.sha256(content).hexdigest()

    def knows(self, hash_versions: Sequence[int]) -> bool:
        return not any(hash_versions)


class Guard:
    """The keys at work. Immutable but for caches; all threads share it.

    Raises:
        KeysMissing: a version in use is not in the keyring.
    """

    def __init__(self, keyring: Keyring, in_use: InUse) -> None:
        self._keyring = keyring
        self._in_use = in_use
        self.data_version = in_use.data
        self.hash_version = in_use.hash
        self.audit_version = AUDIT_VERSION
        self._data = _of(keyring.data, in_use.data, "数据")
        self._hash = _of(keyring.hash, in_use.hash, "检索")
        self._searched = [
            (_of(keyring.hash, version, "检索") if version != PLAIN else None) for version in in_use.searched
        ]
        self._token_key = keyring.fence.mac(b"token key")
        self._ciphers: OrderedDict[tuple[int, bytes], _Aead] = OrderedDict()
        self._lock = threading.Lock()
        self._new_salt()

    def seal(self, place: str, text: bytes) -> bytes:
        if next(self._sealed) >= TEXTS_PER_SALT:
            self._new_salt()
        salt, cipher = self._salted
        nonce = os.urandom(_NONCE)
        head = bytes((FORM,)) + self.data_version.to_bytes(2, "big") + salt + nonce
        return head + cipher.encrypt(nonce, text, place.encode())

    def open(self, place: str, sealed: bytes, version: int | None) -> bytes:
        if not version:
            return sealed
        if len(sealed) < _HEAD + _TAG or sealed[0] != FORM:
            raise SealBroken(f"{place}：密文格式不对")
        cipher = self._cipher(int.from_bytes(sealed[1:3], "big"), sealed[3 : 3 + _SALT])
        try:
            return cipher.decrypt(sealed[3 + _SALT : _HEAD], sealed[_HEAD:], place.encode())
        except InvalidTag:
            raise SealBroken(f"{place}：密文被改动、被调换，或不是这把密钥加密的") from None

    def hashed(self, kind: str, value: str) -> str:
        return _hash(self._hash, kind, value)

    def searched(self, kind: str, value: str) -> Sequence[str]:
        return [_hash(key, kind, value) if key else value for key in self._searched]

    def fence(self, text: str) -> str:
        mac = self._keyring.fence.mac(b"fence", text.encode("utf-8", "surrogatepass"))
        return FENCE_MARK + _short(mac[:FENCE_BYTES])

    def fences(self, text: str) -> Sequence[str]:
        return (self.fence(text), text) if PLAIN in self._in_use.searched else (self.fence(text),)

    def token(self, text: str) -> str:
        plain = text.encode("utf-8", "surrogatepass")
        start = self._token_start(plain)
        return FENCE_MARK + _short(start + self._keystream(start, plain))

    def untoken(self, token: str) -> str:
        try:
            raw = base64.urlsafe_b64decode(token[1:] + "=" * (-len(token[1:]) % 4)) if token[:1] == FENCE_MARK else b""
        except ValueError:
            return token
        start, plain = raw[:_START], self._keystream(raw[:_START], raw[_START:]) if len(raw) >= _START else b""
        return plain.decode("utf-8", "surrogatepass") if start and self._token_start(plain) == start else token

    def _token_start(self, plain: bytes) -> bytes:
        return self._keyring.fence.mac(b"token", plain)[:_START]

    def _keystream(self, start: bytes, text: bytes) -> bytes:
        """Counter mode from ``start``, which is made of the text itself (SIV): equal texts alone share a stream."""
        suite = self._keyring.fence.suite
        key = algorithms.SM4(self._token_key[:16]) if suite is Cipher.SM4 else algorithms.AES256(self._token_key)
        return BlockCipher(key, modes.CTR(start)).encryptor().update(text)

    def chained(self, content: bytes, version: int | None) -> str:
        return self._keyring.audit.mac(b"chain", content).hex() if version else hashlib.sha256(content).hexdigest()

    def knows(self, hash_versions: Sequence[int]) -> bool:
        return set(hash_versions) <= set(self._in_use.searched)

    def _new_salt(self) -> None:
        with self._lock:
            # the text that asks for a new salt is the first under it
            self._sealed = itertools.count(1)
            salt = os.urandom(_SALT)
            self._salted = salt, _aead(self._data, salt)

    def _cipher(self, version: int, salt: bytes) -> _Aead:
        found = self._ciphers.get((version, salt))
        if found is None:
            found = _aead(_of(self._keyring.data, version, "数据"), salt)
            with self._lock:
                self._ciphers[version, salt] = found
                if len(self._ciphers) > CIPHERS_KEPT_MAX:
                    self._ciphers.popitem(last=False)
        return found


def version_of(text: bytes) -> int | None:
    """The version with which ``text`` was sealed; None for packed text in plain, which never begins like one."""
    return int.from_bytes(text[1:3], "big") if text[:1] == bytes((FORM,)) else None


class _Aead(Protocol):
    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes: ...

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes: ...


class _Sm4:
    """SM4-GCM with the shape of ``AESGCM``."""

    def __init__(self, key: bytes) -> None:
        self._key = algorithms.SM4(key)

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes:
        making = BlockCipher(self._key, modes.GCM(nonce)).encryptor()
        making.authenticate_additional_data(associated_data or b"")
        return making.update(data) + making.finalize() + making.tag

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes:
        reading = BlockCipher(self._key, modes.GCM(nonce, data[-_TAG:])).decryptor()
        reading.authenticate_additional_data(associated_data or b"")
        return reading.update(data[:-_TAG]) + reading.finalize()


_MAKERS: Final[dict[Cipher, Callable[[bytes], _Aead]]] = {
    Cipher.AES: AESGCM,
    Cipher.SM4: lambda key: _Sm4(key[:16]),
}


def _aead(key: Key, salt: bytes) -> _Aead:
    return _MAKERS[key.suite](key.mac(b"seal", salt))


def _of(keys: Mapping[int, Key], version: int, what: str) -> Key:
    found = keys.get(version)
    if found is None:
        raise KeysMissing(f"{what}密钥版本 {version}")
    return found


def _hash(key: Key, kind: str, value: str) -> str:
    return _short(key.mac(b"key", kind.encode(), value.encode("utf-8", "surrogatepass"))[:HASH_BYTES])


def _short(mac: bytes) -> str:
    return base64.urlsafe_b64encode(mac).decode().rstrip("=")
