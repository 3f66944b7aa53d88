"""What a folder of pages declares: its rights, its pages, its place in the menu."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from starlette.responses import Response

    from gateway.console.visit import Visit

PUBLIC: Final = None
"""In place of a right: the page is for people who are not signed in."""


@dataclass(frozen=True, slots=True)
class Page:
    """One address and method.

    Args:
        right: what the visitor must be allowed; ``rights.SIGNED_IN`` for everybody signed in, :data:`PUBLIC` for all.
        show: runs in a thread; may read the store.
        quiet: asked for by the page itself, not by the person: does not count as being there.
    """

    method: Literal["GET", "POST"]
    path: str
    right: str | None
    show: Callable[[Visit], Response]
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class MenuItem:
    """A line of the menu; shown to those who may open it."""

    path: str
    title: str
    right: str


@dataclass(frozen=True, slots=True)
class Area:
    """A folder of ``gateway/console``."""

    name: str
    pages: tuple[Page, ...]
    menu: tuple[MenuItem, ...] = ()
    rights: Mapping[str, str] = field(default_factory=dict)
    """Rights that this area brings in, with their Chinese titles."""
    only_on_test_line: bool = False
    """Not there at all in production."""
