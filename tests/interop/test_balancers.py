"""The balancers of docs/operating/nodes.md, with the very files that it shows, in front of two gateways on one PostgreSQL."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.kills.house import Gateway
from tests.nodes.story import both_nodes_had_calls, every_twin_is_one_call
from tests.nodes.two import two, until
from tests.pg import PgServer
from tests.servers import free_ports, wait_for_port
from tests.simulation import messages

pytestmark = [pytest.mark.interop, pytest.mark.timeout(240)]

EXAMPLES = Path(__file__).parents[2] / "docs" / "operating" / "examples"
COMMANDS = {
    "nginx": ("nginx.conf", ["nginx", "-p", "{folder}", "-c", "{config}", "-g", "daemon off;"]),
    "haproxy": ("haproxy.cfg", ["haproxy", "-db", "-f", "{config}"]),
}


@contextmanager
def balancer(name: str, folder: Path, ports: list[int]) -> Iterator[int]:
    """The example with its addresses put in place of ours; its port."""
    example, command = COMMANDS[name]
    front = free_ports(1)[0]
    text = (EXAMPLES / example).read_text(encoding="utf-8")
    for shown, ours in zip(("8000", "8080", "8180"), (front, *ports), strict=True):
        text, count = re.subn(rf"127\.0\.0\.1:{shown}\b", f"127.0.0.1:{ours}", text)
        assert count == 1, f"{example} has {count} times 127.0.0.1:{shown}"
    config = folder / example
    config.write_text(text, encoding="utf-8")
    # nginx runs its workers as another user, who must reach its folder
    folder.chmod(0o755)
    with (folder / "balancer.out").open("wb") as output:
        process = subprocess.Popen(
            [part.format(folder=folder, config=config) for part in command], stdout=output, stderr=output
        )
    try:
        wait_for_port(front, process)  # type: ignore[arg-type]  # only whether it runs is asked
        yield front
    finally:
        process.terminate()
        process.wait(20)


@pytest.mark.parametrize("name", list(COMMANDS))
def test_a_balancer_in_front_of_two_nodes(name: str, tmp_path: Path, pg_server: PgServer) -> None:
    """Equal requests over both nodes are one call; with one node gone calls go on."""
    with two(tmp_path, pg_server.fresh()) as place:
        ports = [place.houses[node].port for node in ("a", "b")]
        with balancer(name, tmp_path, ports) as front, place.houses["b"].gateway():
            balanced = Gateway(None, front)  # type: ignore[arg-type]  # no process of ours
            with place.houses["a"].gateway():
                seen: set[str] = set()
                until(lambda: seen.add(_answering(front)) or seen >= {"a", "b"}, "the balancer does not see both")
                every_twin_is_one_call(place, balanced)
                both_nodes_had_calls(place)
            for number in range(8):
                answer = balanced.final("1101", messages.person("440899198507241014"), f"A{number}")
                assert str(answer["infcode"]) == "0"


def _answering(port: int) -> str:
    """Which node a call through the balancer reaches now; empty for none."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/readyz")
        told = connection.getresponse()
        return str(json.load(told).get("registered_as", "")) if told.status == 200 else ""
    finally:
        connection.close()
