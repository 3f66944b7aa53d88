"""The switches of the entry-time rules as configured: for every process that judges a stay."""

from __future__ import annotations

from gateway.rules.policy import Policy
from gateway.settings import Settings


def rules_policy(settings: Settings) -> Policy:
    """The settings ``[rules]`` and ``[wards]`` as the rules read them."""
    given = settings.rules.model_dump(exclude={"verify_unanswered"})
    given["category_changes"] = frozenset((before, after) for before, after in settings.rules.category_changes)
    return Policy(**{**given, "not_wards": frozenset(settings.wards.not_wards)})
