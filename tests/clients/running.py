"""The platform simulator and the gateway as processes of their own, reached over sockets only."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.servers import free_ports

REPOSITORY = Path(__file__).parents[2]
START_S_MAX = 60
STOP_S_MAX = 15
SECRET = "clients-only-not-a-secret"
PASSWORD = "口令-Passw0rd"

_CONFIG = """\
production = false

[institution]
code = "H44080000001"
name = "演示医院"
area = "440800"
patient_area = "440800"

[platform]
province = "national"
url = "{simulator}"
signing = "tif"
tif_paasid = "clients"
tif_secret = "{secret}"
read_timeout_s = 30

[listen.exchange]
address = "127.0.0.1:{port}"

[store]
url = "sqlite:///{folder}/yibao.db"

[[clients]]
name = "demo"
open = true
addresses = ["127.0.0.0/8"]
workstation = {{ opter = "0001", opter_name = "演示操作员", opter_type = "1", mac = "00-00-00-00-00-00", ip = "127.0.0.1" }}

[[clients]]
name = "his"
password = "{password}"
workstation = {{ opter = "0002", opter_name = "住院处", opter_type = "1", mac = "00-00-00-00-00-01", ip = "127.0.0.1" }}

[log]
level = "info"
format = "json"
file = "{folder}/yibao.log"
"""


@dataclass(frozen=True)
class Running:
    """Both processes, ready."""

    gateway_url: str
    simulator_url: str

    def ledger(self) -> dict[str, Any]:
        """What the platform has on its books; amounts exact as printed."""
        with urllib.request.urlopen(f"{self.simulator_url}/_sim/ledger", timeout=10) as answer:
            found: dict[str, Any] = json.loads(answer.read(), parse_float=str)
        return found

    def stay(self, mdtrt_id: str) -> dict[str, Any]:
        """The one stay of that number in the ledger."""
        (found,) = [stay for stay in self.ledger()["stays"] if stay["mdtrt_id"] == mdtrt_id]
        return dict(found)

    def json_call(self, infno: str, data: Mapping[str, Any]) -> dict[str, Any]:
        """One exchange over the JSON API, which must succeed."""
        body = json.dumps({"input": data}).encode()
        request = urllib.request.Request(
            f"{self.gateway_url}/api/v1/transactions/{infno}", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            reply: dict[str, Any] = json.loads(answer.read())
        assert str(reply["infcode"]) == "0", reply
        return dict(reply["output"])


@contextmanager
def running(folder: Path) -> Iterator[Running]:
    """Start the simulator and the gateway on free ports, with their files under ``folder``; stop both at the end."""
    simulator_port, gateway_port = free_ports(2)
    simulator, gateway = f"http://127.0.0.1:{simulator_port}", f"http://127.0.0.1:{gateway_port}"
    config = folder / "clients.toml"
    config.write_text(
        _CONFIG.format(simulator=simulator, port=gateway_port, folder=folder, secret=SECRET, password=PASSWORD),
        encoding="utf-8",
    )
    signing = ["--signing", "tif", "--tif-paasid", "clients", "--tif-secret", SECRET]
    python = sys.executable
    with (
        _process([python, "-m", "gateway.simulator", "--port", str(simulator_port), *signing], folder / "simulator.out")
        as simulated,
        _process([str(Path(python).with_name("yibao")), "serve", "--config", str(config)], folder / "gateway.out")
        as served,
    ):  # fmt: skip
        _wait_until_answering(f"{simulator}/_sim/ledger", simulated, folder / "simulator.out")
        _wait_until_answering(f"{gateway}/readyz", served, folder / "gateway.out")
        yield Running(gateway, simulator)


@contextmanager
def _process(command: list[str], output: Path) -> Iterator[subprocess.Popen[bytes]]:
    with output.open("wb") as out:
        process = subprocess.Popen(command, cwd=REPOSITORY, stdout=out, stderr=subprocess.STDOUT)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(STOP_S_MAX)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_answering(url: str, process: subprocess.Popen[bytes], output: Path) -> None:
    def told() -> str:
        return output.read_text(encoding="utf-8", errors="replace")[-3000:]

    deadline = time.monotonic() + START_S_MAX
    while not _answers(url):
        assert process.poll() is None, f"{url}: the process ended with {process.returncode}\n{told()}"
        assert time.monotonic() < deadline, f"{url}: not ready after {START_S_MAX} s\n{told()}"
        time.sleep(0.05)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
