"""What granian serves of ours: the gateway's façade, and spyne as its manual has it (``granian --factory``)."""

from __future__ import annotations

from typing import Any

from bench import spyne_peer
from bench.messages import fees, small
from bench.parts import Parts


def facade() -> Any:
    """Full contract check, national JSON, the answer read and written; no store, no line."""
    parts = Parts()
    parts.warm()
    return parts.facade({case.infno: case.short_answer for case in (small(parts.interface), fees(parts.interface, 1))})


def spyne_typed() -> Any:
    """spyne's own deserialisation and a constant answer."""
    return spyne_peer.build(Parts().operations, lambda _name, _parts: ["0", "", "", "", "", "", "", None, None])
