"""Bytecodes executed by one call of the façade."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, Final

from bench.messages import fees, small
from bench.parts import Parts, posted

FIGURES: Final = Path(__file__).with_name("figures.json")
RISE_MAX: Final = 1.10
VERSION: Final = f"{sys.version_info.major}.{sys.version_info.minor}"
"""Each Python compiles to bytecodes of its own."""


def counts() -> dict[str, int]:
    """Bytecodes of a small and of a large message, by name of the message; caches are warm."""
    parts = Parts()
    found: dict[str, int] = {}
    for case in (small(parts.interface), fees(parts.interface)):
        call = posted(parts.facade({case.infno: case.answer}))
        assert b"<infcode>0</infcode>" in call(case.soap)
        found[case.name] = bytecodes(lambda call=call, case=case: call(case.soap))  # type: ignore[misc]
    return found


def bytecodes(work: Callable[[], object]) -> int:
    """How many bytecodes ``work`` executes in this thread."""
    return _monitored(work) if sys.version_info >= (3, 12) else _traced(work)


def _traced(work: Callable[[], object]) -> int:
    count = 0

    def trace(frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal count
        if event == "call":
            frame.f_trace_lines, frame.f_trace_opcodes = False, True
        elif event == "opcode":
            count += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def _monitored(work: Callable[[], object]) -> int:
    """From Python 3.12 on; there tracing misses bytecodes of frames that it meets for the first time."""
    count, me = 0, threading.get_ident()

    def executed(_code: object, _offset: int) -> None:
        nonlocal count
        if threading.get_ident() == me:
            count += 1

    monitoring: Any = sys.monitoring  # type: ignore[attr-defined,unused-ignore]
    monitoring.use_tool_id(monitoring.PROFILER_ID, "tests.cost")
    try:
        monitoring.register_callback(monitoring.PROFILER_ID, monitoring.events.INSTRUCTION, executed)
        monitoring.set_events(monitoring.PROFILER_ID, monitoring.events.INSTRUCTION)
        work()
    finally:
        monitoring.set_events(monitoring.PROFILER_ID, 0)
        monitoring.register_callback(monitoring.PROFILER_ID, monitoring.events.INSTRUCTION, None)
        monitoring.free_tool_id(monitoring.PROFILER_ID)
    return count
