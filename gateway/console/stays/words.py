"""Words and colours for the facts of a stay, and the address of its pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

Words = Mapping[str, tuple[str, str]]

PRESENCE: Final[Words] = {
    "registered": ("已登记", "idle"),
    "in_ward": ("在科", "run"),
    "discharged": ("已出院", "ok"),
    "cancelled": ("已撤销", "idle"),
}
ALIGNMENT: Final[Words] = {
    "not_in_ward": ("未入科", "idle"),
    "differs": ("不一致", "warn"),
    "aligned": ("一致", "ok"),
}
SETTLEMENT: Final[Words] = {
    "none": ("未结算", "idle"),
    "pre_settled": ("已预结算", "idle"),
    "interim": ("中途结算", "run"),
    "settled": ("已结算", "ok"),
    "listed": ("已传清单", "ok"),
}
FACTS: Final[Mapping[str, Words]] = {"presence": PRESENCE, "alignment": ALIGNMENT, "settlement": SETTLEMENT}


def named(stay: Any) -> dict[str, str]:
    """The numbers by which a stay (or a row of a list) is found again."""
    return {name: value for name in ("ipt_no", "mdtrt_id") if (value := getattr(stay, name))}


def address(stay: Any, path: str = "/stays/one", **more: str) -> str:
    """Where a page about a stay is."""
    return f"{path}?{urlencode(named(stay) | more)}"
