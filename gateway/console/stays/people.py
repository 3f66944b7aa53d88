"""Names of patients as the person in front of the screen may see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gateway.console.visit import Visit
from gateway.masking import mask_name
from gateway.rules.stay import Stay


def names_shown(visit: Visit, psn_nos: Sequence[str], subject: str, detail: str = "") -> Mapping[str, str]:
    """Names by ``psn_no``: in full with ``exchange.body``, after the operator log has it (one line a page), else masked."""
    found = visit.parts.store.names.of(psn_nos)
    if found and visit.may("exchange.body") and visit.note("console.names", subject, detail):
        return found
    return masked(found)


def name_shown(visit: Visit, stay: Stay, *, noted: bool = False) -> str:
    """The name of one patient, likewise: it stands over every page on which something is done for a stay.

    Args:
        noted: the operator log has this look already, by another name, and the person may see it in full.
    """
    asked = [stay.psn_no]
    found = visit.parts.store.names.of(asked) if noted else names_shown(visit, asked, subject_of(stay))
    return found.get(stay.psn_no, "")


def subject_of(stay: Stay) -> str:
    """What the operator log calls a stay."""
    return f"stay {stay.ipt_no or stay.mdtrt_id}"


def masked(names: Mapping[str, str]) -> Mapping[str, str]:
    """``张三丰`` as ``张**``."""
    return {number: mask_name(name) for number, name in names.items()}
