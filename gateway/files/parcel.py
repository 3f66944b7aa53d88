"""A file on its way to the platform, and what the journal keeps of it instead of its megabytes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

PREFIX: Final = "sha256:"


@dataclass(frozen=True)
class Parcel:
    """A file to be sent (9101).

    Args:
        name: as the platform is told.
        content: every byte of it.
    """

    name: str
    content: bytes = field(repr=False)

    @cached_property
    def sha256(self) -> str:
        """Lower-case hex."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def reference(self) -> str:
        """What stands in messages and journal in the place of the content."""
        return f"{PREFIX}{self.sha256} {len(self.content)} bytes"
