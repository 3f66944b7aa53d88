"""The keyring: every key the store needs, in versions, as one text that lives in a file of its own.

Four kinds of keys, apart from each other: ``data`` seals, ``hash`` makes values findable, ``fence`` decides what
excludes what (it has one version: two forms of one fence would let two settlements pass each other), ``audit`` binds
the operator log. Every key is 32 random bytes; what a cipher uses is derived from them.
"""

from __future__ import annotations

import base64
import binascii
import enum
import hmac
import secrets
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

KEY_BYTES: Final = 32
VERSION_MAX: Final = 65535
_HEAD: Final = """\
# 医保网关密钥。丢失则已加密的数据无法恢复；泄露等于泄露全部个人信息。
# 与数据库分开保管、分开备份；只允许网关的系统用户读取。旧版本不要删除：备份与归档还要用它。
"""


class KeyringError(Exception):
    """The keys cannot be used; the Chinese text says why and what to do."""


class Cipher(enum.StrEnum):
    """The suite of a key: cipher of data keys, digest of the others."""

    AES = "aes-gcm"
    SM4 = "sm4-gcm"

    @property
    def digest(self) -> str:
        """Name of the digest that belongs to it."""
        return "sm3" if self is Cipher.SM4 else "sha256"


@dataclass(frozen=True, slots=True)
class Key:
    """One key and the suite it is used with."""

    suite: Cipher
    secret: bytes = field(repr=False)

    def mac(self, *parts: bytes) -> bytes:
        """32 bytes that only the owner of the key can make: HMAC over the parts, each with its length before it."""
        message = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
        return hmac.digest(self.secret, message, self.suite.digest)

    @property
    def fingerprint(self) -> str:
        """Tells keys apart without telling the key; kept in the store."""
        return self.mac(b"fingerprint")[:8].hex()


@dataclass(frozen=True, slots=True)
class Keyring:
    """All keys. ``data`` and ``hash`` by version; the newest is not in use before the store says so."""

    data: Mapping[int, Key]
    hash: Mapping[int, Key]
    fence: Key
    audit: Key

    @classmethod
    def new(cls, suite: Cipher) -> Keyring:
        """Fresh keys from the system's random source."""
        return cls({1: _fresh(suite)}, {1: _fresh(suite)}, _fresh(suite), _fresh(suite))

    @classmethod
    def parse(cls, text: str) -> Keyring:
        """Read what :meth:`text` wrote. Raises :class:`KeyringError`, which never quotes a key."""
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError:
            raise KeyringError("密钥内容不是合法的 TOML；请用 yibao keys new 生成") from None
        try:
            return cls(
                _versions(document["data"]),
                _versions(document["hash"]),
                _key(document["fence"]),
                _key(document["audit"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise KeyringError(f"密钥内容不完整或有误（{type(error).__name__}）；请用 yibao keys new 生成") from None

    def text(self) -> str:
        """As a file holds it."""
        parts = [(f"data.{version}", key) for version, key in sorted(self.data.items())]
        parts += [(f"hash.{version}", key) for version, key in sorted(self.hash.items())]
        parts += [("fence", self.fence), ("audit", self.audit)]
        return _HEAD + "".join(_section(name, key) for name, key in parts)

    def grown(self, suite: Cipher, *, data: bool, hashes: bool) -> Keyring:
        """With a further version of the data key, the hash key, or both; nothing is taken away."""
        return replace(
            self,
            data={**self.data, max(self.data) + 1: _fresh(suite)} if data else self.data,
            hash={**self.hash, max(self.hash) + 1: _fresh(suite)} if hashes else self.hash,
        )

    def fingerprints(self) -> dict[tuple[str, int], str]:
        """What the store remembers of the keys: ``(purpose, version)`` to fingerprint."""
        found = {("data", version): key.fingerprint for version, key in self.data.items()}
        found |= {("hash", version): key.fingerprint for version, key in self.hash.items()}
        return found | {("fence", 1): self.fence.fingerprint, ("audit", 1): self.audit.fingerprint}


def _fresh(suite: Cipher) -> Key:
    return Key(suite, secrets.token_bytes(KEY_BYTES))


def _versions(table: Mapping[str, Any]) -> dict[int, Key]:
    found = {int(version): _key(entry) for version, entry in table.items()}
    if not found or not all(0 < version <= VERSION_MAX for version in found):
        raise ValueError("versions")
    return found


def _key(entry: Mapping[str, Any]) -> Key:
    try:
        secret = base64.b64decode(entry["key"], validate=True)
    except binascii.Error:
        raise ValueError("base64") from None
    if len(secret) != KEY_BYTES:
        raise ValueError("length")
    return Key(Cipher(entry["suite"]), secret)


def _section(name: str, key: Key) -> str:
    return f'\n[{name}]\nsuite = "{key.suite.value}"\nkey = "{base64.b64encode(key.secret).decode()}"\n'
