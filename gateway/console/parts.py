"""What every page may use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from gateway.console.flashes import Flashes
from gateway.console.passwords import Passwords
from gateway.console.rights import Role
from gateway.contract.interface import Interface
from gateway.figures import FigureBook
from gateway.settings import Settings
from gateway.soap.reread import Reread
from gateway.stays.day_surgery import Catalogue
from gateway.stays.desk import StayDesk
from gateway.store import Store


class Desk(Protocol):
    """Who writes for the console: ``gateway.desks.console.ConsoleDesk``, here or in the exchange process."""

    def do(self, operation: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out one operation: ``{"ok": true, ...}`` or ``{"ok": false, "error"}``."""
        ...


class GatewayLine(Protocol):
    """The HTTP addresses of the exchange process, for looking and for trying transactions."""

    def ready(self) -> dict[str, Any]:
        """What ``/readyz`` tells; ``{"ready": False, "process": False}`` when nothing answers."""
        ...

    def call(self, path: str, body: bytes, content_type: str) -> tuple[int, bytes]:
        """POST to the HIS side as the console's own client: status and body. Raises OSError."""
        ...

    def simulator(self, path: str, body: bytes | None = None, *, method: str | None = None) -> Any:
        """JSON of the simulator's control address (GET, or POST of ``body``); None when the platform is no simulator."""
        ...


@dataclass(frozen=True, slots=True)
class Parts:
    """Built once by ``app.build_console``."""

    settings: Settings
    config: Path | None
    store: Store
    """Open for reading."""
    stays: StayDesk
    """What stays are, for looking only: what is told or sent goes to ``desk``."""
    day_surgery: Callable[[], Catalogue | None]
    """The 日间手术病种目录 that the exchange judges by (ET-13); None where there is none."""
    desk: Desk
    line: GatewayLine
    interface: Interface
    reread: Reread
    """What a HIS sent, out of the journal, read as it was read then."""
    roles: Mapping[str, Role]
    figures: FigureBook
    passwords: Passwords
    clock: Callable[[], datetime]
    flashes: Flashes
