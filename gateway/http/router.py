"""Which address is served by what."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol
from urllib.parse import parse_qs

from gateway.contract.jsontext import dumps
from gateway.dip.api import PREFIX as DIP
from gateway.exchange.call import Reply
from gateway.faults import ADDRESS_UNKNOWN
from gateway.http.callbacks import PREFIX as CALLBACK
from gateway.http.identity import public_url
from gateway.http.index_page import index_page
from gateway.http.json_api import HOSPITAL
from gateway.http.json_api import PREFIX as JSON_PREFIX
from gateway.http.papers import PREFIX as PAPERS
from gateway.http.reception import LAST_REPLY, PLATFORM_SIDE, Environ, Receipt, StartResponse, respond
from gateway.http.stays_api import PREFIX as STAYS
from gateway.settings import Listen

WsgiApp = Callable[[Any, Any], Iterable[bytes]]
SOAP: Final = "/soap/"
OPENAPI: Final = "/api/v1/openapi.json"


class Told(Protocol):
    """What became of a reply."""

    def __call__(self, reply: Reply, *, written: bool) -> None: ...


class Lazily:
    """Services by name, each built on its first call: a hospital uses a few of the thirty."""

    def __init__(self, names: Callable[[], Iterable[str]], build: Callable[[str], WsgiApp]) -> None:
        self.names = names
        self._build = build
        self._built: dict[str, WsgiApp] = {}
        self._lock = threading.Lock()

    def get(self, name: str) -> WsgiApp | None:
        found = self._built.get(name)
        if found is None and name in self.names():
            with self._lock:
                found = self._built.get(name) or self._built.setdefault(name, self._build(name))
        return found

    def forget(self) -> None:
        """Build anew on the next call, after a reload."""
        with self._lock:
            self._built = {}


class Router:
    """The WSGI application of the HIS side.

    Args:
        papers: vouchers to print.
        services: lanes by the part of the address after ``/soap/``.
        dip: the feed for the DIP system.
        stays: what the pages about stays show.
        schema: bytes of a published file (``xsd/2401.xsd``, ``openapi.json``), or None.
        callbacks: what the platform calls; None: nothing is taken.
        told: hears whether a reply that tells of confirmed money went out (``Receipts.told``).
    """

    def __init__(
        self,
        services: Lazily,
        json_api: WsgiApp,
        papers: WsgiApp,
        dip: WsgiApp,
        stays: WsgiApp,
        schema: Callable[[str], bytes | None],
        listen: Listen,
        titles: Mapping[str, str],
        told: Told,
        callbacks: WsgiApp | None = None,
    ) -> None:
        self._services = services
        self._json_api = json_api
        self._papers = papers
        self._dip = dip
        self._stays = stays
        self._schema = schema
        self._listen = listen
        self._titles = titles
        self._told = told
        self._callbacks = callbacks

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        LAST_REPLY.set(None)
        body = self._routed(environ, start_response)
        reply = LAST_REPLY.get()
        if reply is None or reply.receipt is None:
            return body
        return Receipt(body, lambda whole: self._told(reply, written=whole))

    def _routed(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        path = str(environ.get("PATH_INFO") or "/")
        if path.startswith(CALLBACK) or PLATFORM_SIDE in environ:
            return self._callback(path, environ, start_response)
        if path.startswith(SOAP):
            return self._soap(path.removeprefix(SOAP).rstrip("/"), environ, start_response)
        if path.startswith((JSON_PREFIX, HOSPITAL)):
            return self._json_api(environ, start_response)
        if path.startswith(PAPERS):
            return self._papers(environ, start_response)
        if path.startswith(DIP):
            return self._dip(environ, start_response)
        if path.startswith(STAYS):
            return self._stays(environ, start_response)
        if path == OPENAPI:
            return self._file("openapi.json", "application/json; charset=utf-8", start_response)
        if path == "/" and environ["REQUEST_METHOD"] in ("GET", "HEAD"):
            return respond(start_response, 200, "text/html; charset=utf-8", self._index(environ).encode())
        return _unknown(start_response)

    def _callback(self, path: str, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Callbacks have a listener of their own, or share ours; where they have one, nothing else is there."""
        here = path.startswith(CALLBACK) and (PLATFORM_SIDE in environ) is (self._listen.callback is not None)
        return self._callbacks(environ, start_response) if here and self._callbacks else _unknown(start_response)

    def _soap(self, name: str, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        query = parse_qs(str(environ.get("QUERY_STRING") or ""), keep_blank_values=True)
        if environ["REQUEST_METHOD"] == "GET" and (numbers := query.get("xsd")):
            return self._file(f"xsd/{numbers[0]}.xsd", "text/xml; charset=utf-8", start_response)
        lane = self._services.get(name)
        return lane(environ, start_response) if lane else _unknown(start_response)

    def _file(self, name: str, content_type: str, start_response: StartResponse) -> list[bytes]:
        content = self._schema(name)
        return _unknown(start_response) if content is None else respond(start_response, 200, content_type, content)

    def _index(self, environ: Environ) -> str:
        base = public_url(environ, self._listen)
        return index_page(base, self._services.names(), self._titles, OPENAPI)


def _unknown(start_response: StartResponse) -> list[bytes]:
    fault = ADDRESS_UNKNOWN
    body = dumps({"infcode": -1, "code": fault.code, "err_msg": f"{fault.title}：{fault.action}", "retry": fault.retry})
    return respond(start_response, fault.http_status, "application/json; charset=utf-8", body)
