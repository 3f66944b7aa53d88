"""The operator's command for tests: in this process where nothing else is needed, else as a real process."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from gateway import clock
from gateway.cli import main
from gateway.desks.doubts import DoubtsDesk
from gateway.desks.store import StoreDesk
from gateway.exchange.ports import State
from gateway.http.admin import Admin
from gateway.metrics import Metrics
from gateway.retention_run import RetentionRun
from gateway.store.retention import Limits

if TYPE_CHECKING:
    from gateway.desks.alignment import AlignmentDesk
    from gateway.desks.console import ConsoleDesk
    from gateway.desks.jobs import JobsDesk
    from gateway.desks.lists import ListsDesk
    from gateway.desks.reconcile import ReconcileDesk
    from gateway.desks.resend import ResendDesk
    from gateway.desks.stays import StaysDesk
    from gateway.desks.vouchers import VouchersDesk
    from gateway.exchange.resolver import Resolver
    from gateway.store import Store

REPOSITORY = Path(__file__).parents[2]
END_S_MAX = 40
WITHOUT = {"YIBAO_CONSOLE__ENABLED": "false", "YIBAO_JOBS__ENABLED": "false"}
"""A console beside each gateway would cost more than what these tests look at, and jobs would send behind their backs;
one that wants them clears this."""

CONFIG = """\
production = false

[platform]
url = "{platform}"
read_timeout_s = 10
{platform_more}

[listen.exchange]
address = "127.0.0.1:{port}"
{listen_more}

[store]
url = "sqlite:///{folder}/yibao.db"

[[clients]]
name = "his"
password = "{password}"
workstation = {{ opter = "0001", opter_name = "操作员", opter_type = "1", mac = "00-00-00-00-00-00", ip = "127.0.0.1" }}

[log]
file = "{folder}/yibao.log"
"""


def administration(store: Store, wake: Callable[[], None] = lambda: None) -> Admin:
    """The administration side of a gateway as far as it is about the store."""
    return Admin(
        Metrics((), (), State),
        checks={},
        told={},
        reload=list,
        measure=lambda: None,
        doubts=DoubtsDesk(cast("Resolver", None), store.operator_log),
        stays=cast("StaysDesk", None),
        store=StoreDesk(store, wake, RetentionRun(store.retention, Limits(), clock.now)),
        alignment=cast("AlignmentDesk", None),
        reconcile=cast("ReconcileDesk", None),
        lists=cast("ListsDesk", None),
        jobs=cast("JobsDesk", None),
        vouchers=cast("VouchersDesk", None),
        resend=cast("ResendDesk", None),
        console=(cast("ConsoleDesk", None), ""),
    )


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str


def yibao(*arguments: object) -> Ran:
    """Run the command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main([str(argument) for argument in arguments])
    return Ran(code, out.getvalue(), err.getvalue())


def yibao_process(*arguments: object, stdin: bytes = b"") -> Ran:
    """Run the command as a process of its own, as a shell would."""
    done = subprocess.run(
        [sys.executable, "-m", "gateway.cli", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        timeout=END_S_MAX,
        cwd=REPOSITORY,
        env=environment(),
        check=False,
    )
    return Ran(done.returncode, done.stdout.decode("utf-8"), done.stderr.decode("utf-8"))


def environment() -> dict[str, str]:
    """Ours without settings of the gateway, and with UTF-8 on the pipes."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("YIBAO_")}
    return kept | {"PYTHONIOENCODING": "utf-8", "PYTHONWARNINGS": "default"} | WITHOUT


def write_config(
    folder: Path,
    *,
    platform: str = "http://127.0.0.1:9",
    port: int = 9,
    password: str = "口令-Passw0rd",
    platform_more: str = "",
    listen_more: str = "",
) -> Path:
    """A configuration whose files lie in ``folder``."""
    path = folder / "yibao.toml"
    text = CONFIG.format(
        folder=folder,
        platform=platform,
        port=port,
        password=password,
        platform_more=platform_more,
        listen_more=listen_more,
    )
    path.write_text(text, encoding="utf-8")
    return path


@dataclass
class Running:
    """A command that keeps running; ``ready`` is the line it printed when it was ready."""

    process: subprocess.Popen[str]
    ready: str
    errors: Path

    @property
    def out(self) -> IO[str]:
        assert self.process.stdout is not None
        return self.process.stdout

    def stop(self) -> int:
        """Ask it to end; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(END_S_MAX)


@contextmanager
def talking(errors: Path, *arguments: object) -> Iterator[None]:
    """:func:`running` for a command that goes on printing: a full pipe would stop it after some hundred lines."""
    with running(errors, *arguments) as started:
        listening = threading.Thread(target=lambda: deque(started.out, maxlen=0))
        listening.start()
        try:
            yield
        finally:
            started.stop()
            listening.join(END_S_MAX)


@contextmanager
def running(errors: Path, *arguments: object) -> Iterator[Running]:
    """Start a command and wait for its first line."""
    with errors.open("w", encoding="utf-8") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway.cli", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=stderr,
            encoding="utf-8",
            cwd=REPOSITORY,
            env=environment() | {"PYTHONUNBUFFERED": "1"},
        )
    try:
        assert process.stdout is not None
        ready = process.stdout.readline()  # pytest's own limit bounds the wait
        assert ready, f"the command ended with {process.wait(END_S_MAX)}: {errors.read_text(encoding='utf-8')}"
        yield Running(process, ready, errors)
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(END_S_MAX)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        assert process.stdout is not None
        process.stdout.close()
