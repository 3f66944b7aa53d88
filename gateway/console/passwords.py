"""Passwords: argon2id, a rule for new ones, and the same work whether a user exists or not."""

from __future__ import annotations

import secrets
import threading
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

PASSWORD_CHARS_MAX: Final = 128
AT_ONCE: Final = 2
"""Each hash takes 64 MiB for a moment: guesses sent in parallel must not take the machine's memory."""
_WORDS: Final = ("password", "yibao", "12345", "qwerty", "admin", "abc123", "111111", "888888", "666666")
_ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"


class Passwords:
    """Makes and checks hashes.

    Args:
        hasher: its parameters are the cost; the default is what argon2-cffi recommends (RFC 9106, low memory).
        chars_min: shortest new password.
    """

    def __init__(self, hasher: PasswordHasher | None = None, chars_min: int = 10) -> None:
        self._hasher = hasher or PasswordHasher()
        self._chars_min = chars_min
        self._nobody = self._hasher.hash(secrets.token_urlsafe(24))
        self._places = threading.Semaphore(AT_ONCE)

    def make(self, password: str) -> str:
        """The hash to keep."""
        with self._places:
            return self._hasher.hash(password)

    def right(self, kept: str | None, password: str) -> bool:
        """Whether it is the password of ``kept``; None (no such user) costs as much and is never right."""
        with self._places:
            try:
                return self._hasher.verify(kept or self._nobody, password[:PASSWORD_CHARS_MAX]) and kept is not None
            except (VerificationError, InvalidHashError):
                return False

    def objection(self, password: str, name: str) -> str:
        """Why it cannot be the new password of user ``name``, in a sentence; empty when it can."""
        if len(password) < self._chars_min:
            return f"密码至少 {self._chars_min} 个字符"
        if len(password) > PASSWORD_CHARS_MAX:
            return f"密码最多 {PASSWORD_CHARS_MAX} 个字符"
        if len(set(password)) < 5:
            return "密码中不同的字符太少"
        low = password.lower()
        if (len(name) >= 4 and name.lower() in low) or any(word in low for word in _WORDS):
            return "密码不能包含用户名或常见的词（如 password、12345）"
        return ""


def generated() -> str:
    """A password to hand over once: easy to read out, 70 bits."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(5)) for _ in range(3))
