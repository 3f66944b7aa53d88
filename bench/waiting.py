"""``python -m bench.waiting``: hundreds of calls wait for a slow platform; what that costs, and what others feel.

A gateway of its own process on SQLite, and a platform that answers 1101 at once and everything else after some seconds. Many
registrations (2401) are sent at the same moment; while they arrive and wait, one caller asks 1101 again and again. Told are
how many were in flight at most as the platform saw it, how they were answered, the memory of the gateway's processes before
and meanwhile, and the time of the queries: while the others arrive, and while they only wait. Exit 1 when a call was
refused, the memory went above 400 MiB or half of the queries took longer than 100 ms while the others only waited.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from bench.durable.platform import Platform
from tests.servers import free_ports
from tests.simulation import messages

MEMORY_MIB_MAX: Final = 400
QUERY_MS_MAX: Final = 100
_START_S_MAX: Final = 60
CONFIG = """\
production = false
[institution]
code = "H44080000001"
name = "演示医院"
area = "440800"
[platform]
province = "national"
url = "http://127.0.0.1:{platform}"
infno_in_url = true
pool_size = {threads}
[listen]
threads = {threads}
[listen.exchange]
address = "127.0.0.1:{port}"
[store]
url = "{store}"
[console]
enabled = false
[jobs]
enabled = false
[log]
file = "{folder}/yibao.log"
[[clients]]
name = "bench"
open = true
workstation = {{ opter = "0001", opter_name = "压测", mac = "00-00-00-00-00-00", ip = "127.0.0.1" }}
[[clients]]
name = "reader"
addresses = ["127.0.0.2/32"]
workstation = {{ opter = "0002", opter_name = "查询", mac = "00-00-00-00-00-00", ip = "127.0.0.2" }}
"""


class SlowPlatform(Platform):
    """Answers with success: 1101 at once, the rest after ``delay_s``; counts who came and who waits."""

    def __init__(self, delay_s: float) -> None:
        self._delay_s = delay_s
        self._waiting = 0
        self.waiting_max = 0
        self.came = 0

    async def answer(self, request: bytes) -> bytes:
        return json.dumps(await self._answer(json.loads(request))).encode()

    async def _answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        output: dict[str, Any] = {"result": {"mdtrt_id": request["msgid"]}}
        if request["infno"] == "1101":
            output = {"baseinfo": {"psn_no": "1"}}
        elif request["infno"] == "9001":
            output = {"signinoutb": {"sign_no": "1"}}
        else:
            self.came += 1
            self._waiting += 1
            self.waiting_max = max(self.waiting_max, self._waiting)
            await asyncio.sleep(self._delay_s)
            self._waiting -= 1
        return {"infcode": 0, "inf_refmsgid": request["msgid"], "err_msg": "", "output": output}


async def ask(port: int, infno: str, message: Any, source: str = "127.0.0.1") -> tuple[str, float]:
    """One call as JSON over a connection of its own: ``infcode`` or fault code, milliseconds."""
    body = json.dumps({"input": message}).encode()
    begun = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
    writer.write(
        b"POST /api/v1/transactions/%s HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
        b"Connection: close\r\nContent-Length: %d\r\n\r\n" % (infno.encode(), len(body))
    )
    writer.write(body)
    answer = (await reader.read()).partition(b"\r\n\r\n")[2]
    writer.close()
    took_ms = (time.perf_counter() - begun) * 1000
    told = json.loads(answer)
    return str(told["code"] or told["infcode"]), took_ms


async def wait_together(port: int, calls: int, platform: SlowPlatform) -> tuple[Counter[str], dict[str, list[float]]]:
    """Everybody registers at once while one asks; the answers, and the times of the queries."""
    waiting = [
        asyncio.ensure_future(ask(port, "2401", messages.admission(f"P{number}", f"ZY{number:06d}")))
        for number in range(calls)
    ]
    queries: dict[str, list[float]] = {"arriving": [], "waiting": []}
    while not any(task.done() for task in waiting):
        meanwhile = "waiting" if platform.came == calls else "arriving"
        _, took_ms = await ask(port, "1101", messages.person("440899198507241014"), "127.0.0.2")
        queries[meanwhile].append(took_ms)
        await asyncio.sleep(0.05)
    return Counter([(await task)[0] for task in waiting]), queries


async def measure(folder: Path, calls: int, delay_s: float) -> dict[str, Any]:
    """Start both sides, let the calls wait, tell."""
    platform = SlowPlatform(delay_s)
    server = await asyncio.start_server(platform.serve, "127.0.0.1", 0, backlog=1024)
    (port,) = free_ports(1)
    config = folder / "gateway.toml"
    config.write_text(
        CONFIG.format(
            platform=server.sockets[0].getsockname()[1],
            port=port,
            folder=folder,
            store=f"sqlite:///{folder}/yibao.db",
            threads=calls * 5 // 4,
        ),
        encoding="utf-8",
    )
    with running(config, folder) as process:
        await listening(port, process)
        await ask(port, "1101", messages.person("440899198507241014"))
        before = _memory_mib(process.pid)
        seen = [before]
        watching = asyncio.ensure_future(_watch(process.pid, seen))
        begun = time.perf_counter()
        answers, queries = await wait_together(port, calls, platform)
        seconds = time.perf_counter() - begun
        watching.cancel()
    server.close()
    return {
        "calls": calls,
        "platform_s": delay_s,
        "in_flight_max": platform.waiting_max,
        "answers": dict(answers),
        "seconds": round(seconds, 1),
        "memory_mib": {"before": round(before), "most": round(max(seen))},
        "query_ms": {meanwhile: _spread(times) for meanwhile, times in queries.items()},
    }


def _spread(times: Sequence[float]) -> dict[str, float]:
    if not times:
        return {"n": 0}
    return {"n": len(times), "median": round(statistics.median(times), 1), "max": round(max(times), 1)}


async def _watch(pid: int, seen: list[float]) -> None:
    while True:
        seen.append(_memory_mib(pid))
        await asyncio.sleep(0.2)


@contextmanager
def running(config: Path, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / "serve.out").open("wb") as out:
        command = [sys.executable, "-m", "gateway.cli", "serve", "--config", str(config)]
        process = subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


async def listening(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_S_MAX
    while time.monotonic() < deadline and process.poll() is None:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.1)
        else:
            writer.close()
            return
    raise SystemExit("the gateway does not listen")


def _memory_mib(group: int) -> float:
    """Resident memory of all processes of the gateway."""
    pages = 0
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if os.getpgid(int(entry.name)) == group:
                    pages += int((entry / "statm").read_text().split()[1])
            except OSError:
                continue
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> int:
    """Run once and tell."""
    parser = argparse.ArgumentParser(prog="python -m bench.waiting", description=__doc__)
    parser.add_argument("--calls", type=int, default=500)
    parser.add_argument("--delay", type=float, default=10.0, help="seconds the platform takes")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="yibao-bench-") as place:
        found = asyncio.run(measure(Path(place), asked.calls, asked.delay))
    Console().print(found)
    right = (
        found["answers"] == {"0": asked.calls}
        and found["memory_mib"]["most"] <= MEMORY_MIB_MAX
        and found["query_ms"]["waiting"].get("median", QUERY_MS_MAX + 1) <= QUERY_MS_MAX
    )
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
