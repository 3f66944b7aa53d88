"""What this process is to the others: its machine, its number, and how it ends where a test names the place."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

from gateway.exchange.ports import NodeFacts


def facts_of_this_process(address: str, version: str, silence_s: float) -> NodeFacts:
    """What the others are told.

    Args:
        address: where it listens.
        version: of the program.
        silence_s: how long it may be silent.
    """
    return NodeFacts(address, _place(), os.getpid(), version, silence_s)


def _place(proc: Path = Path("/proc")) -> str:
    """This machine since its last start, and the namespace of its process numbers; empty where nobody tells."""
    try:
        boot = (proc / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        space = (proc / "self/ns/pid").stat().st_ino
    except OSError:
        return ""
    return f"{socket.gethostname()[:60]} {boot} {space}"


def give_way(nice: int) -> None:
    """Let processes that a patient waits for go first. Call it before other threads are begun: each has its own.

    Args:
        nice: as of the system's ``nice``; what is read and written from disks goes after others with it. Windows has none.
    """
    if sys.platform != "win32":
        os.nice(nice)


def process_lives(pid: int) -> bool:
    """Whether a process with this number runs on this machine, as far as one can tell; in doubt it does."""
    if sys.platform == "win32" or pid <= 0:
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def ending_at(die_at: str, stop_at: str) -> Callable[[str, str], None]:
    """For tests with real processes: end this one at a boundary, as a power cut would, or stop it as a long pause would."""
    stops = [stop_at] if stop_at else []

    def is_at(place: str, name: str, infno: str) -> bool:
        boundary, _, only = place.partition(":")
        return boundary == name and only in ("", infno)

    def reached(name: str, infno: str) -> None:
        if is_at(die_at, name, infno):
            # SIGKILL where there is one: no handler runs, nothing is flushed
            _signal(getattr(signal, "SIGKILL", signal.SIGTERM))
        if stops and is_at(stops[0], name, infno):
            stops.clear()  # once: whoever lets it go on wants to see what it does then
            _signal(signal.SIGSTOP)

    return reached


def _signal(number: int) -> None:
    """Another thread may take the signal, and this one would go on until it has: it sleeps meanwhile."""
    os.kill(os.getpid(), number)
    time.sleep(0.5)
