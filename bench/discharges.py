"""``python -m bench.discharges``: many stays discharged at once, each asked for twice, and what the gate costs.

One gateway on SQLite and the simulator in one process; the stays are registered, received by the ward and aligned one
after the other, then all are discharged by many callers, every discharge by two at the same moment with the same
``request_id``. Told are the time of the gate (loading the history, deriving the stay, judging), of the whole call, and
how often the platform was asked. Exit 1 when it was asked more than once for a stay, or a stay was not discharged.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from rich.console import Console
from rich.progress import track

from gateway import app, logs, mappings
from gateway.exchange.call import Call, Client, Reply
from gateway.exchange.stay_rules import StayRules
from gateway.settings import read_settings
from gateway.simulator import Simulator, serve
from tests.simulation import messages

_CONFIG = """\
production = false
[institution]
code = "H44080000001"
name = "演示医院"
area = "440800"
[platform]
province = "national"
url = "{url}"
infno_in_url = true
[store]
url = "sqlite:///{folder}/yibao.db"
[jobs]
enabled = false
[[clients]]
name = "bench"
open = true
workstation = {{ opter = "0001", opter_name = "压测", mac = "00-00-00-00-00-00", ip = "127.0.0.1" }}
"""
WARD_IN = "2026-02-20 10:05:00"


class Hospital:
    """Calls of one client, without a socket in front of the gateway."""

    def __init__(self, gateway: app.Gateway) -> None:
        self._gateway = gateway
        self._client = Client("bench", workstation=gateway.settings.clients[0].workstation.model_dump())

    def call(self, infno: str, message: Any, request_id: str = "") -> Reply:
        head = {"request_id": request_id} if request_id else {}
        reply = self._gateway.exchange.handle(Call(self._client, infno, message, b"", "json", head))
        self._gateway.receipts.told(reply, written=True)
        return reply

    def admitted(self, number: int) -> tuple[str, str]:
        """A stay whose time of admission is that of its ward-in: ``psn_no``, ``mdtrt_id``."""
        certno = f"440899{1940 + number % 60}0101{number // 60:03d}X"
        psn_no = self.call("1101", messages.person(certno)).output["baseinfo"]["psn_no"]
        ipt_no = f"ZY{number:06d}"
        mdtrt_id = self.call("2401", messages.admission(psn_no, ipt_no)).output["result"]["mdtrt_id"]
        self._gateway.stays.tell("ward_in", messages.ward_event(ipt_no, f"E{number}", WARD_IN), "bench")
        aligned = self.call("2403", messages.change(psn_no, mdtrt_id, ipt_no, WARD_IN))
        if aligned.infcode != "0":
            raise SystemExit(f"2403 {aligned.code} {aligned.err_msg}")
        return psn_no, mdtrt_id


@contextmanager
def hospital() -> Iterator[tuple[Hospital, Simulator]]:
    """A gateway and its platform in a folder that goes away."""
    with tempfile.TemporaryDirectory(prefix="yibao-bench-") as place:
        folder = Path(place)
        logs.configure("ERROR", "json", folder / "bench.log")
        simulator = Simulator(mappings.data_root() / "mappings", seed=1)
        with serve(simulator) as server:
            config = folder / "gateway.toml"
            config.write_text(_CONFIG.format(url=server.url, folder=folder), encoding="utf-8")
            gateway = app.build(read_settings(config))
            try:
                yield Hospital(gateway), simulator
            finally:
                gateway.close()


def discharge_all(stays: int, callers: int) -> dict[str, Any]:
    """Times in milliseconds and counts of one run."""
    gates: list[float] = []
    rule = StayRules.rule

    def timed(self: StayRules, *given: Any) -> Any:
        begun = time.perf_counter()
        try:
            return rule(self, *given)
        finally:
            gates.append((time.perf_counter() - begun) * 1000)

    with hospital() as (his, simulator):
        admitted = [his.admitted(number) for number in track(range(stays), "registering", transient=True)]

        def discharge(job: tuple[str, str]) -> tuple[str, float]:
            begun = time.perf_counter()
            reply = his.call("2402", messages.discharge(*job), request_id=f"D{job[1]}")
            return reply.infcode, (time.perf_counter() - begun) * 1000

        with patch.object(StayRules, "rule", timed), ThreadPoolExecutor(callers) as pool:
            begun = time.perf_counter()
            told = list(pool.map(discharge, [job for job in admitted for _twin in range(2)]))
            seconds = time.perf_counter() - begun
        ledger = simulator.ledger()
        asked = Counter(ledger["executed"].values())
        return {
            "stays": stays,
            "callers": callers,
            "seconds": round(seconds, 1),
            "answers": dict(Counter(code for code, _ in told)),
            "platform_2402": asked["2402"],
            "discharged": sum(stay["state"] == "discharged" for stay in ledger["stays"]),
            "gate_ms": spread(gates),
            "call_ms": spread([took for _, took in told]),
        }


def spread(samples: Sequence[float]) -> dict[str, float]:
    """Median, 99th percentile and longest."""
    parts = statistics.quantiles(samples, n=100)
    return {"median": round(parts[49], 2), "p99": round(parts[98], 2), "max": round(max(samples), 2)}


def main() -> int:
    """Run once and tell."""
    parser = argparse.ArgumentParser(prog="python -m bench.discharges")
    parser.add_argument("--stays", type=int, default=1000)
    parser.add_argument("--callers", type=int, default=40)
    asked = parser.parse_args()
    found = discharge_all(asked.stays, asked.callers)
    Console().print(found)
    right = found["answers"] == {"0": 2 * asked.stays} and found["platform_2402"] == found["discharged"] == asked.stays
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
