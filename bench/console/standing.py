"""What stands behind the pages that are measured: 5,000 patients, the years beside the journal, the console in this process."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from argon2 import PasswordHasher
from starlette.testclient import TestClient

from bench.console.years import lived
from bench.search.rows import Past, person
from gateway import clock, mappings
from gateway.catalogs.day_surgery import day_surgery
from gateway.configured import rules_policy, sign_in_policy
from gateway.console.application import build_application
from gateway.console.areas import RIGHTS
from gateway.console.flashes import Flashes
from gateway.console.parts import Parts
from gateway.console.passwords import Passwords
from gateway.console.rights import Role
from gateway.console_process import stay_reader
from gateway.contract.interface import Interface
from gateway.desks.console import ConsoleDesk
from gateway.episodes import Episodes
from gateway.figures import FigureBook
from gateway.protect import KeyFile
from gateway.settings import read_settings
from gateway.soap.reread import Reread
from gateway.stays.history import Adopted, WardEvent
from gateway.stays.ports import StayRef
from gateway.store import Store, open_store
from gateway.store.accounts import User
from gateway.store.stay_feed import EpisodeQuery

PATIENTS: Final = 5000
_WRITERS: Final = 8
_ROLE: Final = "everything"
_WORD: Final = "Morning-Ward-Round-7"
_CONFIG: Final = """\
production = false
[institution]
code = "H44080300018"
name = "演示医院"
area = "440800"
[platform]
province = "national"
url = "http://127.0.0.1:9"
[[clients]]
name = "his"
open = true
[[clients]]
name = "pacs"
api_key = "only-in-this-bench"
"""


class _Line:
    """Nothing listens: the lamps are red, which costs a page the same."""

    def ready(self) -> dict[str, Any]:
        return {"ready": False, "process": False}

    def call(self, path: str, body: bytes, content_type: str) -> tuple[int, bytes]:
        raise OSError((path, len(body), content_type))

    def simulator(self, path: str, body: bytes | None = None) -> None:
        del path, body


def settle(store: Store, past: Past, patients: int = PATIENTS) -> None:
    """Patients of whom the journal knows exchanges, each adopted and received in a ward; those that are there stay."""
    known = store.stay_feed.episodes(EpisodeQuery(limit=patients))
    with ThreadPoolExecutor(_WRITERS) as threads:
        list(threads.map(lambda number: _patient(store, past, number), range(len(known), patients)))


def _patient(store: Store, past: Past, number: int) -> None:
    ref, psn_no = StayRef(f"ZY{number:06d}", f"4408001100000{number:013d}"), person("psn_no", number % past.patients)
    day = number % 20 + 1
    facts = {
        "mdtrt_id": ref.mdtrt_id,
        "psn_no": psn_no,
        "ipt_no": ref.ipt_no,
        "in_hospital": "1" if number % 3 else "0",
    }
    facts["begntime"] = f"2026-11-{day:02d} 08:12:00"
    store.journal.stays.adopt(ref, psn_no, Adopted("import", clock.now(), facts=facts))
    if number % 5:
        at = f"2026-11-{day:02d} {8 + number % 4:02d}:12:00"
        event = WardEvent(
            "E1", "ward_in", clock.now(), at, ward_code=f"N{number % 40:02d}", ward_name="内科", operator="护士"
        )
        store.journal.stays.tell(ref.ipt_no, ref.mdtrt_id, event, "his")


@contextmanager
def console(url: str, keys: KeyFile, folder: Path, past: Past, patients: int = PATIENTS) -> Iterator[TestClient]:
    """Somebody signed in to the console over the store at ``url``, which has its patients by then."""
    config = folder / "console.toml"
    config.write_text(_CONFIG, encoding="utf-8")
    settings, store = read_settings(config), open_store(url, node="bench", keys=keys)
    try:
        settle(store, past, patients)
        lived(store, url, patients)
        Episodes(store.stay_feed, store.journal.stays, rules_policy(settings)).catch_up()
        passwords = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        if store.accounts.user(_ROLE) is None:
            store.accounts.add(User(_ROLE, "测", _ROLE, passwords.make(_WORD), clock.now()))
        figures = FigureBook(store.figures, clock.now)
        figures.catch_up()
        interface = Interface(mappings.load("national"))
        parts = Parts(
            settings=settings,
            config=None,
            store=store,
            stays=stay_reader(settings, store, clock.now),
            day_surgery=day_surgery(settings.rules.day_surgery, store.catalogs, clock.now),
            desk=ConsoleDesk(store, clock.now, sign_in_policy(settings)),
            line=_Line(),
            interface=interface,
            reread=Reread(lambda: interface, dict),
            roles={_ROLE: Role(_ROLE, "看到一切的人", frozenset(RIGHTS))},
            figures=figures,
            passwords=passwords,
            clock=clock.now,
            flashes=Flashes(),
        )
        with TestClient(build_application(parts), "http://console", follow_redirects=False) as client:
            _sign_in(client)
            yield client
    finally:
        store.close()


def _sign_in(client: TestClient) -> None:
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', client.get("/sign-in").text)
    assert found
    form = {"csrf": found[1], "name": _ROLE, "password": _WORD, "next": ""}
    assert client.post("/sign-in", data=form).status_code == 303
