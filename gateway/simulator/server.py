"""The simulator on the line: HTTP/1.1 with keep-alive, the control calls, and every way a line can go wrong."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from gateway.simulator import page
from gateway.simulator.faults import KINDS, FaultWrong, Kind
from gateway.simulator.platform import Request, Simulator
from gateway.simulator.signature import TOKEN_PATH
from gateway.simulator.soap import PATH as SOAP_PATH
from gateway.simulator.soap import SoapFront
from gateway.simulator.wire import BODY_BYTES_MAX, Response, Unreadable, encode, read_object

IDLE_S_MAX = 60
_DRAIN_BYTES_MAX = 4 * BODY_BYTES_MAX
_CHUNK = 64 * 1024


class SimulatorServer:
    """A running simulator; ``url`` is its address, :meth:`close` stops it."""

    def __init__(self, simulator: Simulator, host: str, port: int) -> None:
        self.simulator = simulator
        self._http = _Server((host, port), simulator)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), name="simulator", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return self._http.url

    def close(self) -> None:
        """Stop listening; answers and executions that still wait are dropped."""
        self._http.stopping.set()
        self._http.shutdown()
        self._http.server_close()
        self._http.hang_up()
        self._thread.join()

    def __enter__(self) -> SimulatorServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def serve(simulator: Simulator, host: str = "127.0.0.1", port: int = 8090) -> SimulatorServer:
    """Start serving in a thread of its own.

    Args:
        simulator: the platform behind the line.
        host: address to bind.
        port: 0 takes a free one.
    """
    return SimulatorServer(simulator, host, port)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], simulator: Simulator) -> None:
        self.simulator = simulator
        self.stopping = threading.Event()
        self._open: set[socket.socket] = set()
        super().__init__(address, _Handler)

    @property
    def url(self) -> str:
        host, port = self.server_address[:2]
        return f"http://{host if isinstance(host, str) else host.decode()}:{port}"

    def get_request(self) -> tuple[socket.socket, Any]:
        """Remember the line, so that :meth:`hang_up` can end it."""
        line, address = super().get_request()
        self._open.add(line)
        return line, address

    def close_request(self, request: Any) -> None:
        """Forget the line as it ends."""
        self._open.discard(request)
        super().close_request(request)

    def hang_up(self) -> None:
        """End the lines that callers keep alive; a stopped platform answers nobody."""
        for line in list(self._open):
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that hangs up in the middle is its own affair."""

    def later(self, seconds: float, request: Request) -> None:
        """Execute a request after ``seconds`` that nobody waits for any more."""
        threading.Thread(target=self._wait_and_execute, args=(seconds, request), daemon=True).start()

    def _wait_and_execute(self, seconds: float, request: Request) -> None:
        if not self.stopping.wait(seconds):
            self.simulator.execute(request)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "yibao-simulator"
    sys_version = ""
    timeout = IDLE_S_MAX
    disable_nagle_algorithm = True
    server: _Server
    _soap: SoapFront | None = None
    """Set while a SOAP request is answered."""

    def do_GET(self) -> None:
        """The page, the ledger, the pending faults."""
        soap = self.server.simulator.soap
        if soap is not None and self._path == SOAP_PATH:
            self._send(soap.wsdl(self.server.url))
            return
        answer = _GETS.get(self._path)
        self._send(answer(self) if answer else _said(404, "没有这个地址"))

    def do_DELETE(self) -> None:
        """Clear the pending faults, or the planted differences."""
        clear = _DELETES.get(self._path)
        if clear is None:
            self._send(_said(404, "没有这个地址"))
            return
        clear(self.server.simulator)
        self._send(_json(200, []))

    def do_POST(self) -> None:
        """A transaction, or a control call."""
        body = self._body()
        if body is None:
            return
        control = _POSTS.get(self._path)
        if control:
            self._send(_controlled(control, self.server.simulator, body))
            return
        if self._path.endswith(TOKEN_PATH):
            self._send(self.server.simulator.token(dict(self.headers.items()), body))
            return
        if self.server.simulator.soap is not None and self._path == SOAP_PATH:
            self._transact_soap(self.server.simulator.soap, body)
            return
        named = self.server.simulator.named_by(self._path)
        if named is None:
            self._send(_said(404, "没有这个地址"))
            return
        self._transact(named, dict(self.headers.items()), body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the name of the method overridden)
        """Stay silent: requests are in the ledger, and addresses are no news."""

    @property
    def _path(self) -> str:
        return self.path.partition("?")[0]

    # -------------------------------------------------------------- one transaction

    def _transact_soap(self, soap: SoapFront, body: bytes) -> None:
        self._soap = soap
        try:
            unwrapped = soap.unwrap(body)
        except Unreadable as error:
            self._answer(Response(500, encode({"code": 500, "message": str(error)})))
            return
        self._transact(unwrapped.infno, unwrapped.headers, unwrapped.body)

    def _transact(self, path_infno: str, headers: Mapping[str, str], body: bytes) -> None:
        request = self.server.simulator.receive(path_infno, headers, body)
        fault = request.fault
        kind = KINDS[fault.kind] if fault else _WELL
        seconds = fault.seconds if fault else 0.0
        if kind.waits == "before" and self.server.stopping.wait(seconds):
            self.close_connection = True
            return
        if kind.executes == "later":
            self.server.later(seconds, request)
        response = self.server.simulator.execute(request) if kind.executes == "now" else _NOTHING
        if kind.waits == "after" and self.server.stopping.wait(seconds):
            self.close_connection = True
            return
        _LINES[kind.line](self, response)

    # -------------------------------------------------------------- the line

    def _body(self) -> bytes | None:
        """The request body; None when there is nothing to act on (refused, or the caller hung up)."""
        length = self._length()
        if length is None:
            return None
        body = self.rfile.read(length)
        if len(body) < length:
            self.close_connection = True
            return None
        return body

    def _length(self) -> int | None:
        """Content-Length, or None after a refusal has been answered."""
        given = self.headers.get("Content-Length", "")
        if "Transfer-Encoding" in self.headers or not given:
            self._refuse(411, "请求须带 Content-Length")
            return None
        if not (given.isascii() and given.isdigit() and len(given) <= 18):
            self._refuse(400, "Content-Length 不是数字")
            return None
        if int(given) > BODY_BYTES_MAX:
            self._refuse(413, f"报文超过 {BODY_BYTES_MAX // 1024 // 1024} MiB")
            self._drain(min(int(given), _DRAIN_BYTES_MAX))
            return None
        return int(given)

    def _refuse(self, status: int, text: str) -> None:
        self.close_connection = True
        self._send(_said(status, text))

    def _drain(self, length: int) -> None:
        """Read what the caller is still sending, so that it gets to read the answer instead of a broken pipe."""
        while length > 0:
            piece = self.rfile.read(min(length, _CHUNK))
            if not piece:
                return
            length -= len(piece)

    def _worn(self, response: Response) -> Response:
        """The answer as this platform writes it."""
        return response if self._soap is None else self._soap.wrap(response)

    def _answer(self, response: Response) -> None:
        self._send(self._worn(response))

    def _send(self, response: Response, *, claimed: int | None = None) -> None:
        self.send_response(response.status)
        self.send_header("Content-Type", response.content_type)
        self.send_header("Content-Length", str(len(response.body) if claimed is None else claimed))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(response.body)

    def _close(self, _: Response) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _reset(self, _: Response) -> None:
        """Closing with a linger of zero seconds sends RST instead of FIN."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.server.close_request(self.connection)

    def _server_error(self, _: Response) -> None:
        self._send(Response(500, b"<html><body>Internal Server Error</body></html>", "text/html"))

    def _garbage(self, response: Response) -> None:
        worn = self._worn(response)
        half = worn.body[: len(worn.body) // 2]
        self._send(Response(200, b"\x00\x01<<<" + half + b"\xff\xfe", response.content_type))

    def _wrong_charset(self, response: Response) -> None:
        if "json" not in response.content_type:  # a file has no charset
            self._garbage(response)
            return
        # many answers are pure ASCII, where GBK and UTF-8 agree; a Chinese warn_msg makes the bytes differ
        text = response.body.decode()[:-1] + ',"warn_msg":"演练：本答复的编码与声明不符"}'
        worn = self._worn(Response(response.status, text.encode()))
        said = "utf-8" if self._soap is None else self._soap.charset
        meant = "gb18030" if said == "utf-8" else "utf-8"
        self._send(Response(worn.status, worn.body.decode(said).encode(meant), worn.content_type))

    def _truncated(self, response: Response) -> None:
        self.close_connection = True
        worn = self._worn(response)
        half = worn.body[: len(worn.body) // 2]
        self._send(Response(worn.status, half, worn.content_type), claimed=len(worn.body))

    def _wrong_length(self, response: Response) -> None:
        """More comes than was announced; what is left over stays on the line."""
        self.close_connection = True
        worn = self._worn(response)
        self._send(worn, claimed=len(worn.body) // 2)

    def _twice(self, response: Response) -> None:
        """The line stays open, so a caller that reuses it reads the old answer again."""
        worn = self._worn(response)
        self._send(worn)
        self._send(worn)


_WELL = Kind("now", "answer", "")
_NOTHING = Response(0, b"")
_LINES: dict[str, Callable[[_Handler, Response], None]] = {
    "answer": _Handler._answer,
    "close": _Handler._close,
    "reset": _Handler._reset,
    "http-500": _Handler._server_error,
    "garbage": _Handler._garbage,
    "wrong-charset": _Handler._wrong_charset,
    "truncated": _Handler._truncated,
    "wrong-length": _Handler._wrong_length,
    "twice": _Handler._twice,
}


# ------------------------------------------------------------------ control calls


def _json(status: int, value: Any) -> Response:
    return Response(status, encode(value) + b"\n")


def _said(status: int, text: str) -> Response:
    return _json(status, {"error": text})


def _page(handler: _Handler) -> Response:
    simulator = handler.server.simulator
    shown = page.render(handler.server.url, simulator.ledger(), simulator.faults())
    return Response(200, shown, "text/html; charset=utf-8")


def _controlled(
    control: Callable[[Simulator, Mapping[str, Any]], Response], simulator: Simulator, body: bytes
) -> Response:
    try:
        return control(simulator, read_object(body) if body.strip() else {})
    except (Unreadable, FaultWrong) as wrong:
        return _said(400, str(wrong))


def _add_fault(simulator: Simulator, wish: Mapping[str, Any]) -> Response:
    return _json(200, simulator.add_fault(wish))


def _plant(simulator: Simulator, wish: Mapping[str, Any]) -> Response:
    return _json(200, simulator.plant(wish))


def _reset(simulator: Simulator, wish: Mapping[str, Any]) -> Response:
    seed = wish.get("seed")
    if wish.keys() - {"seed"} or isinstance(seed, bool) or not isinstance(seed, int | None):
        raise FaultWrong('应为 {} 或 {"seed": 整数}')
    simulator.reset(seed)
    return _json(200, {"seed": seed})


_GETS: dict[str, Callable[[_Handler], Response]] = {
    "/": _page,
    "/_sim/ledger": lambda handler: _json(200, handler.server.simulator.ledger()),
    "/_sim/faults": lambda handler: _json(200, handler.server.simulator.faults()),
    "/_sim/differences": lambda handler: _json(200, handler.server.simulator.planted()),
    "/_sim/catalogs": lambda handler: _json(200, handler.server.simulator.catalogs()),
    "/_sim/lists": lambda handler: _json(200, handler.server.simulator.lists()),
}
_DELETES: dict[str, Callable[[Simulator], None]] = {
    "/_sim/faults": Simulator.clear_faults,
    "/_sim/differences": Simulator.clear_planted,
}
_POSTS: dict[str, Callable[[Simulator, Mapping[str, Any]], Response]] = {
    "/_sim/faults": _add_fault,
    "/_sim/differences": _plant,
    "/_sim/lists": lambda simulator, wish: _json(200, simulator.review(wish)),
    "/_sim/reset": _reset,
    "/_sim/catalogs": lambda simulator, wish: _json(200, simulator.command_catalogs(wish)),
    "/_sim/callback": lambda simulator, wish: _json(200, simulator.call_back(wish)),
}
