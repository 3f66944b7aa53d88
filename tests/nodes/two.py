"""Two gateways as processes of their own on one PostgreSQL, one simulator, and whatever stands in front of them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.exchange.ports import Node, NodeState
from gateway.store import Store, open_store
from tests.commands.helpers import talking
from tests.kills.house import House
from tests.servers import free_ports

WITHIN_S = 60.0
LOOK_EVERY_S = 0.05
CONFIG = """\
production = false

[platform]
url = "http://127.0.0.1:{platform_port}"
read_timeout_s = 10
settle_time_s = 1

[listen.exchange]
address = "127.0.0.1:{port}"

[store]
url = "{url}"
node = "{name}"

[nodes]
heartbeat_s = 0.3
dead_after_s = 5

[resolve]
pause_s = 0.2

[[clients]]
name = "his"
open = true
workstation = {{ opter = "0001", opter_name = "操作员", opter_type = "1", mac = "00-00-00-00-00-00", ip = "127.0.0.1" }}
"""


@dataclass
class Two:
    """The place of two nodes.

    Args:
        houses: by name, each with the configuration of one node.
        store: a look at what they share.
    """

    houses: dict[str, House]
    store: Store

    def ledger(self) -> dict[str, Any]:
        """What the platform has."""
        return next(iter(self.houses.values())).ledger()

    def row(self, name: str) -> Node:
        """A node as the others see it."""
        return next(node for node in self.store.nodes.nodes() if node.registration.name == name)

    def until_stopped(self, name: str) -> int:
        """Until the process of a node stands still; its number."""
        pid = self.row(name).facts.pid
        until(lambda: _state(pid) == "T", f"{name} does not stop")
        return pid

    def until_dead(self, name: str) -> None:
        """Until the others have declared a node dead."""
        until(lambda: self.row(name).state is NodeState.DEAD, f"{name} is not declared dead")


def until(true: Callable[[], bool], otherwise: str, within_s: float = WITHIN_S) -> None:
    """Look until it is so."""
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, otherwise
        time.sleep(LOOK_EVERY_S)


def go_on(pid: int) -> None:
    """SIGCONT."""
    os.kill(pid, signal.SIGCONT)


def _state(pid: int) -> str:
    text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    return text.rpartition(")")[2].split()[0]


@contextmanager
def two(folder: Path, url: str) -> Iterator[Two]:
    """A simulator and two configurations on the database ``url``.

    Args:
        folder: for logs and configurations.
        url: of an empty PostgreSQL database.
    """
    platform_port, *ports = free_ports(3)
    houses = {}
    for name, port in zip(("a", "b"), ports, strict=True):
        place = folder / name
        place.mkdir()
        config = place / "gateway.toml"
        text = CONFIG.format(platform_port=platform_port, port=port, url=url, name=name)
        config.write_text(text, encoding="utf-8")
        houses[name] = House(config, port, platform_port, place)
    store = open_store(url, node="look")
    store.upgrade()
    try:
        with talking(folder / "simulator.err", "simulate", "--port", platform_port, "--seed", 7):
            yield Two(houses, store)
    finally:
        store.close()
