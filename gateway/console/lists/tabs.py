"""The tabs over the settlement lists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Tab:
    """Its title, and where settlements stand that it shows."""

    title: str
    settlement: tuple[str, ...]


TABS: Final[Mapping[str, Tab]] = {"waiting": Tab("待上传", ("settled",)), "listed": Tab("已上传", ("listed",))}
