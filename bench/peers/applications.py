"""What granian serves of ours: the gateway's façade, and spyne as its manual has it (``granian --factory``)."""

from __future__ import annotations

import gc
from typing import Any

from bench import spyne_peer
from bench.messages import fees, small
from bench.parts import Parts
from gateway.cli import COLLECTED_EVERY


def facade() -> Any:
    """Full contract check, national JSON, the answer read and written; no store, no line; memory kept as ``yibao serve`` does."""
    gc.set_threshold(COLLECTED_EVERY, *gc.get_threshold()[1:])
    parts = Parts()
    parts.warm()
    answers = {case.infno: case.short_answer for case in (small(parts.interface), fees(parts.interface, 1))}
    application = parts.facade(answers)
    gc.freeze()
    return application


def spyne_typed() -> Any:
    """spyne's own deserialisation and a constant answer."""
    return spyne_peer.build(Parts().operations, lambda _name, _parts: ["0", "", "", "", "", "", "", None, None])
