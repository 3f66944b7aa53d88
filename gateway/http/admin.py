"""``/healthz`` alive, ``/readyz`` ready, ``/metrics`` for Prometheus, ``/-/reload`` for the operator's command."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from gateway.contract.jsontext import dumps
from gateway.desks.alignment import AlignmentDesk
from gateway.desks.console import TOKEN_HEADER, ConsoleDesk, answer_posted
from gateway.desks.doubts import DoubtsDesk
from gateway.desks.jobs import JobsDesk
from gateway.desks.lists import ListsDesk
from gateway.desks.reconcile import ReconcileDesk
from gateway.desks.resend import ResendDesk
from gateway.desks.stays import StaysDesk
from gateway.desks.store import StoreDesk
from gateway.desks.vouchers import VouchersDesk
from gateway.exchange.ports import JournalUnavailable
from gateway.faults import ADDRESS_UNKNOWN
from gateway.http.reception import Environ, StartResponse, respond
from gateway.metrics import Metrics

_JSON: Final = "application/json; charset=utf-8"
RELOAD: Final = "/-/reload"
DOUBTS: Final = "/-/doubts/"
STORE: Final = "/-/store/"
ALIGNMENT: Final = "/-/alignment/"
LISTS: Final = "/-/lists/"
RECONCILE: Final = "/-/reconcile/"
JOBS: Final = "/-/jobs/"
VOUCHERS: Final = "/-/vouchers/print"
STAYS: Final = "/-/stays/adopt"
RESEND: Final = "/-/resend/"
CONSOLE: Final = "/-/console/"
_TOKEN: Final = "HTTP_" + TOKEN_HEADER.upper().replace("-", "_")
BODY_BYTES_MAX: Final = 1024 * 1024
CHECKED_FOR_S: Final = 3.0
"""An answer of ``/readyz`` stands this long, so that probes do not become load on the platform."""


class Admin:
    """The WSGI application of the administration side.

    Args:
        checks: what must hold to be ready, by name.
        told: what is only told (``sign_in`` where the province does not ask for it, ``breaker`` by safety class).
        measure: sets the gauges; may fail when the journal cannot be read.
        doubts: settles a doubt on a person's word.
        stays: takes over a stay that the gateway did not register.
        store: what only the process that owns the store can do for the operator's command.
        alignment: sends 2403 where a stay differs from its ward-in.
        reconcile: compares days with the platform.
        lists: uploads settlement lists and moves them.
        jobs: runs a job now.
        vouchers: prints a voucher for the command.
        resend: sends again what was not done, on a person's word.
        console: what the console asks for, and the token it must bring; without a token nobody is let in.
        reload: takes up changed mapping files; returns what is wrong with them, empty when they are in force.
    """

    def __init__(
        self,
        metrics: Metrics,
        checks: Mapping[str, Callable[[], bool]],
        told: Mapping[str, Callable[[], object]],
        reload: Callable[[], list[str]],
        measure: Callable[[], None],
        doubts: DoubtsDesk,
        stays: StaysDesk,
        store: StoreDesk,
        console: tuple[ConsoleDesk, str],
        alignment: AlignmentDesk,
        reconcile: ReconcileDesk,
        lists: ListsDesk,
        jobs: JobsDesk,
        vouchers: VouchersDesk,
        resend: ResendDesk,
    ) -> None:
        self._metrics = metrics
        self._checks = checks
        self._told = told
        self._reload = reload
        self._measure = measure
        self._desks: dict[str, Callable[[str, bytes], dict[str, Any]]] = {
            RELOAD: lambda _, __: self._reloaded(),
            DOUBTS: doubts.resolve,
            STAYS: lambda _, body: stays.adopt(body),
            STORE: store.do,
            ALIGNMENT: lambda act, body: alignment.do(act, body),
            RECONCILE: lambda act, body: reconcile.do(act, body),
            LISTS: lambda act, body: lists.do(act, body),
            JOBS: lambda act, body: jobs.do(act, body),
            VOUCHERS: lambda _, body: vouchers.print(body),
            RESEND: lambda number, body: resend.do(number, body),
        }
        self._console, self._token = console
        self._checked_at = float("-inf")
        self._found: dict[str, bool] = {}

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO")
        if path == "/healthz":
            return respond(start_response, 200, _JSON, b'{"alive":true}')
        if path == "/readyz":
            return self._ready(start_response)
        if path == "/metrics":
            return self._metrics_page(start_response)
        if str(path).startswith(CONSOLE) and environ["REQUEST_METHOD"] == "POST":
            given = str(environ.get(_TOKEN, ""))
            done = answer_posted(self._console, self._token, given, str(path)[len(CONSOLE) :], _body(environ))
            if done is not None:
                return respond(start_response, 200, _JSON, dumps(done))
        if environ["REQUEST_METHOD"] == "POST" and _from_here(environ):
            answer = self._local(str(path), environ)
            if answer is not None:
                return respond(start_response, 200, _JSON, dumps(answer))
        return respond(start_response, 404, _JSON, dumps({"code": ADDRESS_UNKNOWN.code}))

    def _local(self, path: str, environ: Environ) -> dict[str, Any] | None:
        """What only this machine may ask for; None for an address that is not there."""
        for place, desk in self._desks.items():
            if path == place or (place.endswith("/") and path.startswith(place)):
                return desk(path[len(place) :], _body(environ))
        return None

    def _reloaded(self) -> dict[str, Any]:
        errors = self._reload()
        return {"reloaded": not errors, "errors": errors}

    def _metrics_page(self, start_response: StartResponse) -> list[bytes]:
        with contextlib.suppress(JournalUnavailable):
            self._measure()
        content, content_type = self._metrics.render()
        return respond(start_response, 200, content_type, content)

    def _ready(self, start_response: StartResponse) -> list[bytes]:
        if time.monotonic() - self._checked_at > CHECKED_FOR_S:
            self._found = {name: check() for name, check in self._checks.items()}
            self._checked_at = time.monotonic()
        ready = all(self._found.values())
        told: dict[str, Any] = {name: check() for name, check in self._told.items()}
        body = {"ready": ready, **self._found, **told}
        return respond(start_response, 200 if ready else 503, _JSON, dumps(body))


def _body(environ: Environ) -> bytes:
    body: bytes = environ["wsgi.input"].read(min(int(environ.get("CONTENT_LENGTH") or 0), BODY_BYTES_MAX))
    return body


def _from_here(environ: Environ) -> bool:
    """What changes anything without the console's token is asked for on this machine only, and not through a proxy."""
    return environ.get("REMOTE_ADDR") in ("127.0.0.1", "::1") and "HTTP_X_FORWARDED_FOR" not in environ
