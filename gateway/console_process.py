"""The process of the console: reads the store, asks the exchange process for everything else, serves until SIGTERM."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final, TextIO

import structlog
import uvicorn
from starlette.types import ASGIApp

from gateway import clock, mappings
from gateway.catalogs.day_surgery import day_surgery
from gateway.catalogs.terms import CatalogTerms
from gateway.configured import rules_policy
from gateway.console.application import build_application
from gateway.console.areas import RIGHTS
from gateway.console.flashes import Flashes
from gateway.console.lines import DeskLine, ExchangeLine
from gateway.console.parts import Parts
from gateway.console.passwords import Passwords
from gateway.console.rights import read_rights
from gateway.contract.interface import Interface
from gateway.exchange.outpatient import OutpatientSettlements
from gateway.figures import FigureBook
from gateway.http.sockets import listening_socket
from gateway.http.tls import tls_context
from gateway.mappings.dialects import load_dialects
from gateway.settings import Settings
from gateway.soap.reread import Reread
from gateway.stays.desk import StayDesk
from gateway.store import Store, StoreError, open_configured

log = structlog.get_logger(__name__)

STORE_S_MAX: Final = 120
LOOK_EVERY_S: Final = 0.2
HEADER_BYTES_MAX: Final = 64 * 1024
KEEP_ALIVE_S: Final = 30
DRAIN_S_MAX: Final = 10
"""Pages that are being made when the signal to stop comes have this long."""


def rights_file(settings: Settings) -> Path:
    """The rights in force: the hospital's own file, else the one that comes with the program."""
    return settings.console.rights or mappings.data_root() / "conf" / "rights.yaml"


def build_parts(settings: Settings, config: Path | None, store: Store, token: str) -> Parts:
    """What the pages use.

    Args:
        store: open for reading.
        token: proves the console to the exchange process.

    Raises:
        RightsError: the rights file is wrong.
        MappingError: a mapping file is wrong.
    """
    contract = mappings.load(settings.platform.province)
    interface = Interface(contract, code_lists=settings.contract.code_lists)
    dialects = load_dialects(mappings.data_root(), contract)
    return Parts(
        settings=settings,
        config=config,
        store=store,
        stays=stay_reader(settings, store, clock.now),
        day_surgery=day_surgery(settings.rules.day_surgery, store.catalogs, clock.now),
        desk=DeskLine(settings, token),
        line=ExchangeLine(settings, token),
        interface=interface,
        reread=Reread(lambda: interface, lambda: dialects),
        roles=read_rights(rights_file(settings), RIGHTS),
        figures=FigureBook(store.figures, clock.now),
        passwords=Passwords(chars_min=settings.console.password_chars_min),
        clock=clock.now,
        flashes=Flashes(),
    )


def stay_reader(settings: Settings, store: Store, now: Callable[[], datetime]) -> StayDesk:
    """What stays are, judged by the switches in force.

    Args:
        store: nothing is written to it.
        now: the time, aware.
    """
    emergency = OutpatientSettlements(store.journal).of
    return StayDesk(
        store.journal.stays, rules_policy(settings), now, emergency, terms=CatalogTerms(store.catalogs, now)
    )


def serve_console(settings: Settings, config: Path | None, told: TextIO) -> None:
    """Serve the console until SIGTERM, SIGINT, or the end of ``told``.

    Args:
        told: the first line is the token; its end says that whoever started us is gone.

    Raises:
        StoreError: the store does not appear.
        ListenError: the address cannot be bound.
    """
    token = told.readline().strip()
    stop = threading.Event()
    threading.Thread(target=_stop_at_end, args=(told, stop), name="parent", daemon=True).start()
    store = _opened(settings, stop)
    if store is None:
        return
    parts = build_parts(settings, config, store, token)
    parts.figures.start()
    try:
        _serve(settings, build_application(parts), stop)
    finally:
        parts.figures.close()
        store.close()


def _stop_at_end(told: TextIO, stop: threading.Event) -> None:
    while told.readline():
        pass
    stop.set()


def _opened(settings: Settings, stop: threading.Event) -> Store | None:
    """The store, once the exchange process has made or upgraded it; None when we are to stop before."""
    deadline = time.monotonic() + STORE_S_MAX
    while not stop.is_set():
        problem: str
        try:
            store = open_configured(settings, read_only=True)
        except StoreError as error:
            problem = str(error)
        else:
            if store.current():
                return store
            problem = "数据库结构还不是本程序的版本"
            store.close()
        if time.monotonic() > deadline:
            raise StoreError(problem)
        stop.wait(LOOK_EVERY_S)
    return None


class _Server(uvicorn.Server):
    """Stops when asked to by signal or by ``stop``."""

    def __init__(self, config: uvicorn.Config, stop: threading.Event) -> None:
        super().__init__(config)
        self._stop = stop

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second; whether to end."""
        return await super().on_tick(counter) or self._stop.is_set()


def _serve(settings: Settings, application: ASGIApp, stop: threading.Event) -> None:
    listener = settings.console.listen
    config = uvicorn.Config(
        application,
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=HEADER_BYTES_MAX,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=DRAIN_S_MAX,
        backlog=settings.listen.backlog,
    )
    config.load()
    if listener.tls is not None:
        config.ssl = tls_context(listener.tls)
    with listening_socket(listener, settings.listen.backlog) as sock:
        log.info("console_serving", address=listener.address)
        _Server(config, stop).run(sockets=[sock])
    log.info("console_stopped")
