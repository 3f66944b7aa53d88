"""A whole gateway in this process: real mappings, a SQLite journal in a folder, the real simulator on a loopback socket."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from gateway import app, clock, configured
from gateway.exchange.fake_platform import FakePlatform
from gateway.exchange.ports import Bodies, Exchange, Query
from gateway.settings import read_settings
from gateway.simulator import Simulator, serve
from gateway.stays.history import Adopted, WardEvent
from gateway.stays.ports import StayRef
from tests.sqlite import new_sqlite

MAPPINGS = Path(__file__).parents[1] / "mappings"
BODY_BYTES_MAX = 2 * 1024 * 1024
"""Limit of the gateway under test: a body above it need not be 64 MiB to be too large."""

READ_BACK_S_MAX: Final = 60
_CONFIG = """\
production = false

[institution]
code = "H44080000001"
name = "演示医院"
area = "440800"

[platform]
province = "national"
url = "{simulator}"
infno_in_url = true
read_timeout_s = 30

[store]
url = "sqlite:///{folder}/yibao.db"

[limits]
body_bytes_max = {body_bytes_max}

[rules]
verify_before_discharge = {verify}

[jobs]
enabled = false

[callbacks]
addresses = ["127.0.0.0/8"]

[[clients]]
name = "his"
open = true
{his}
workstation = {{ opter = "0001", opter_name = "演示操作员", mac = "00-00-00-00-00-00", ip = "127.0.0.1" }}

[[clients]]
name = "query"
api_key = "only-queries"
transactions = ["1101", "5*"]
workstation = {{ opter = "0002", opter_name = "查询员" }}
"""


@dataclass(frozen=True)
class Answer:
    """One HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def content_type(self) -> str:
        return self.headers.get("Content-Type", "")

    @property
    def text(self) -> str:
        """The body by the charset that its header tells; fails when the header lies."""
        return self.body.decode(self.content_type.rpartition("charset=")[2])


@dataclass(frozen=True)
class House:
    """The gateway and what tells how many requests its platform has seen."""

    gateway: app.Gateway
    sent: Callable[[], int]
    simulator: Simulator | None = None

    def http(
        self, path: str, body: bytes = b"", content_type: str | None = "text/xml; charset=utf-8", **environ: Any
    ) -> Answer:
        """One request to the HIS side.

        Args:
            path: of the address, with ``?query``.
            body: the bytes sent.
            content_type: None leaves the header out.
            environ: more of the WSGI environ (``REQUEST_METHOD``, ``HTTP_X_API_KEY``); ``CONTENT_LENGTH`` to lie.
        """
        path, _, query = path.partition("?")
        given: dict[str, Any] = {
            "REQUEST_METHOD": "POST",
            "SCRIPT_NAME": "",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "8080",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": "127.0.0.1:8080",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "wsgi.version": (1, 0),
        }
        if content_type is not None:
            given["CONTENT_TYPE"] = content_type
        given.update(environ)
        return call(self.gateway.router, given)

    def lies_in_ward(self, mdtrt_id: str, psn_no: str, ipt_no: str, since: str) -> None:
        """Let a stay that nobody registered here be known, received in the ward at the insurance's own time of admission."""
        stays = self.gateway.store.journal.stays
        facts = {"mdtrt_id": mdtrt_id, "psn_no": psn_no, "ipt_no": ipt_no, "begntime": since, "in_hospital": "1"}
        stays.adopt(StayRef(ipt_no, mdtrt_id), psn_no, Adopted("import", clock.now(), facts=facts))
        event = WardEvent("E1", "ward_in", clock.now(), event_time=since, ward_code="A03", operator="护士")
        stays.tell(ipt_no, mdtrt_id, event, "his")

    def newest(self) -> Exchange | None:
        """The last row written to the journal; a list goes by the time of receipt, so it need not be its first."""
        found = self.gateway.store.journal.search(Query(limit=100))
        return max(found, key=lambda row: row.id, default=None)

    def since(self, last: Exchange | None) -> list[Exchange]:
        """Rows written after ``last``, oldest first."""
        found = self.gateway.store.journal.search(Query(limit=100))
        return sorted((row for row in found if last is None or row.id > last.id), key=lambda row: row.id)

    def bodies(self, row: Exchange) -> Bodies:
        """The bytes of a row."""
        found = self.gateway.store.journal.bodies(row.id)
        assert found is not None
        return found


def call(application: Any, environ: dict[str, Any]) -> Answer:
    """Call a WSGI application the way a server does: status and headers once, then the body."""
    told: list[tuple[int, dict[str, str]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], *_: object) -> None:
        told.append((int(status.split()[0]), dict(headers)))

    body = b"".join(application(environ, start_response))
    assert len(told) == 1, "the answer must begin exactly once"
    status, headers = told[0]
    assert headers["Content-Length"] == str(len(body))
    return Answer(status, headers, body)


@contextmanager
def house(folder: Path) -> Iterator[House]:
    """A gateway that speaks to the simulator over a socket; files under ``folder``."""
    simulator = Simulator(MAPPINGS, seed=11)
    with serve(simulator, port=0) as server, _built(folder, server.url) as gateway:

        def sent() -> int:
            gateway.background.submit(int).result(READ_BACK_S_MAX)  # behind what is still to be read back (5202)
            return sum(simulator.ledger()["requests"].values())

        yield House(gateway, sent, simulator)


@contextmanager
def scripted_house(folder: Path, platform: FakePlatform, his: str = "") -> Iterator[House]:
    """A gateway whose platform answers what the test tells it to; ``his``: more settings of that client.

    What the platform is asked besides (5201 before a discharge) no test writes answers for, so that is left out.
    """
    with _built(folder, "http://127.0.0.1:9", platform, his, verify="false") as gateway:
        yield House(gateway, lambda: len(platform.requests))


@contextmanager
def _built(
    folder: Path, url: str, platform: FakePlatform | None = None, his: str = "", verify: str = "true"
) -> Iterator[app.Gateway]:
    config = folder / "gateway.toml"
    text = _CONFIG.format(simulator=url, folder=folder, body_bytes_max=BODY_BYTES_MAX, his=his, verify=verify)
    config.write_text(text, encoding="utf-8")
    if not (folder / "yibao.db").exists():  # else it is begun again on what it had
        new_sqlite(folder / "yibao.db")
    # patched for the building alone: a fixture may live longer than others that build gateways of their own
    with patch.object(configured, "build_line", lambda *_: platform) if platform else nullcontext():
        gateway = app.build(read_settings(config))
    try:
        yield gateway
    finally:
        gateway.close()
