"""Sessions and the marks against forged requests. Pure but for the random token.

The browser holds a random token; the store holds its hash, so that whoever reads the store cannot sign in with it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta
from typing import Final

from gateway.store.accounts import Session

COOKIE: Final = "yibao_session"
COOKIE_BEFORE: Final = "yibao_before"
"""Marks the browser before anybody has signed in, so that a sign-in cannot be forged either."""
SEEN_EVERY: Final = timedelta(seconds=60)
"""How exactly the last sign of a person is kept: at most one write a minute."""


def new_token() -> str:
    """256 random bits."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> str:
    """What the store keeps."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def csrf_of(token: str) -> str:
    """The mark that every form of this session carries; tells nothing about the token."""
    return hmac.new(token.encode("utf-8", "surrogatepass"), b"csrf", hashlib.sha256).hexdigest()


def csrf_right(token: str, given: str) -> bool:
    """Whether a form carries the mark of this session."""
    return hmac.compare_digest(csrf_of(token).encode(), given.encode("utf-8", "surrogatepass"))


def expired(session: Session, now: datetime, idle_s_max: float, session_s_max: float) -> bool:
    """Whether the person must sign in anew: too long away, signed in too long ago, or no longer welcome."""
    idle, age = now - session.seen_at, now - session.opened_at
    return (
        session.user.locked
        or idle > timedelta(seconds=idle_s_max) + SEEN_EVERY
        or age > timedelta(seconds=session_s_max)
    )
