"""The smallest balancer: each connection goes to the next address that takes it."""

from __future__ import annotations

import itertools
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress


@contextmanager
def relay(ports: Sequence[int]) -> Iterator[int]:
    """A port in front of ``ports`` of this machine, until the block ends."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    turns = itertools.cycle(range(len(ports)))
    threads = [threading.Thread(target=_accept, args=(listener, ports, turns))]
    threads[0].start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        threads[0].join(20)


def _accept(listener: socket.socket, ports: Sequence[int], turns: Iterator[int]) -> None:
    while True:
        try:
            caller, _ = listener.accept()
        except OSError:
            return
        first = next(turns)
        threading.Thread(target=_carry, args=(caller, [*ports[first:], *ports[:first]]), daemon=True).start()


def _carry(caller: socket.socket, ports: Sequence[int]) -> None:
    """Both ways until both sides have ended."""
    with caller, suppress(OSError):
        gateway = _connected(ports)
        if gateway is None:
            return
        with gateway:
            back = threading.Thread(target=_copy, args=(gateway, caller), daemon=True)
            back.start()
            _copy(caller, gateway)
            back.join()


def _connected(ports: Sequence[int]) -> socket.socket | None:
    for port in ports:
        with suppress(OSError):
            return socket.create_connection(("127.0.0.1", port), timeout=5)
    return None


def _copy(source: socket.socket, target: socket.socket) -> None:
    source.settimeout(60)
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
