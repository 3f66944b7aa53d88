"""What happens to real gateways under constant load: the store is upgraded, its server dies, its disk is full."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from gateway.exchange.ports import Query, State
from gateway.store import open_store
from gateway.store._migrate import head, revision
from tests.commands.helpers import END_S_MAX, REPOSITORY, environment
from tests.kills.house import house
from tests.nodes.two import Two, two, until
from tests.pg import PgServer
from tests.upgrades.load import Load, check_books

NEXT_PROGRAM = REPOSITORY / "tests" / "store" / "next_version" / "program"
BYTES_LEFT = 400_000


def next_version() -> dict[str, str]:
    """The environment in which every process is a program of the next version."""
    paths = [str(NEXT_PROGRAM), str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {"PYTHONPATH": os.pathsep.join(paths)}


@pytest.fixture
def place(tmp_path: Path, pg_server: PgServer) -> Iterator[Two]:
    with two(tmp_path, pg_server.fresh()) as built:
        for one in built.houses.values():
            # a machine that is busy with the tests must not look like a silent platform or a dead node
            text = one.config.read_text(encoding="utf-8")
            for quick, patient in (("read_timeout_s = 10", "read_timeout_s = 60"), ("after_s = 5", "after_s = 60")):
                assert quick in text
                text = text.replace(quick, patient)
            one.config.write_text(text, encoding="utf-8")
        yield built


@pytest.mark.timeout(300)
def test_no_call_is_refused_while_the_store_is_upgraded(place: Two) -> None:
    """Two nodes of this version; the next version upgrades; then one node is replaced by it and serves beside the other."""
    assert place.store._backend.read(revision) == head()
    with ExitStack() as nodes:
        first, second = (nodes.enter_context(place.houses[name].gateway()) for name in ("a", "b"))
        load = Load([first, second])
        with load.running():
            load.until_more(2)
            _upgrade(place)
            load.until_more(3)
            load.gateways = [first]
            second.end()
            replaced = nodes.enter_context(place.houses["b"].gateway(environ=next_version()))
            load.gateways = [first, replaced]
            load.until_more(3)
    assert load.refused == []
    check_books(place.store, place.ledger(), load.stays)


def _upgrade(place: Two) -> None:
    """``yibao db upgrade`` of the next version."""
    done = subprocess.run(
        [sys.executable, "-m", "gateway.cli", "db", "upgrade", "--config", str(place.houses["a"].config)],
        env=environment() | next_version(),
        capture_output=True,
        text=True,
        timeout=2 * END_S_MAX,
        cwd=REPOSITORY,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert place.store._backend.read(revision) == "9002" > head()


def unavailable(answer: dict[str, Any]) -> bool:
    """The journal cannot be written, or what was sent is not known yet: asked again."""
    return str(answer["code"]).startswith(("GW-40", "GW-41", "GW-142", "GW-5001"))


@pytest.mark.timeout(300)
def test_a_database_that_is_killed_loses_nothing(place: Two, pg_server: PgServer) -> None:
    with place.houses["a"].gateway() as first, place.houses["b"].gateway() as second:
        load = Load([first, second], unavailable)
        with load.running():
            load.until_more(2)
            pg_server.crash()
            until(lambda: len(load.refused) >= 2, "nobody noticed")
            pg_server.start()
            load.until_more(3)
        _until_settled(place)
    assert any(answer["code"] == "GW-5001" for answer in load.refused)
    check_books(place.store, place.ledger(), load.stays)


def _until_settled(place: Two) -> None:
    open_states = (State.INTENDED, State.IN_DOUBT)
    until(lambda: place.store.journal.search(Query(states=open_states, limit=1)) == [], "something stays in doubt")


@pytest.mark.timeout(300)
def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    with house(tmp_path) as built, built.gateway() as gateway:
        load = Load([gateway], unavailable)
        look = open_store(f"sqlite:///{tmp_path}/yibao.db", node="look", read_only=True)
        with load.running():
            load.until_more(2)
            (node,) = look.nodes.nodes()
            # not by the longest file: a write-ahead log that has been round once is written from its beginning again
            full = ((tmp_path / "yibao.db").stat().st_size + BYTES_LEFT, resource.RLIM_INFINITY)
            resource.prlimit(node.facts.pid, resource.RLIMIT_FSIZE, full)
            until(lambda: any(answer["code"] == "GW-5001" for answer in load.refused), "the disk is never full", 120)
            resource.prlimit(node.facts.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
            load.until_more(3)
        assert look.check() == []
        check_books(look, built.ledger(), load.stays)
        look.close()
