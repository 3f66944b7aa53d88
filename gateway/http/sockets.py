"""Addresses and listening sockets."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator

from gateway.settings import Listener


class ListenError(Exception):
    """A listener cannot be opened; the Chinese text says which and why."""


def check_address(listener: Listener) -> None:
    """Fail before anything is started, and in words; granian's SO_REUSEPORT would let two gateways share a port.

    Raises:
        ListenError: it cannot be bound.
    """
    try:
        family = socket.getaddrinfo(listener.host, listener.port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            if os.name == "posix":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((listener.host, listener.port))
            probe.listen(1)
    except OSError as error:
        raise ListenError(f"无法监听 {listener.address}：{error.strerror or error}") from error


@contextlib.contextmanager
def listening_socket(listener: Listener, backlog: int) -> Iterator[socket.socket]:
    """A socket that listens, for a server that takes one. Raises :class:`ListenError`."""
    check_address(listener)
    family = socket.getaddrinfo(listener.host, listener.port, type=socket.SOCK_STREAM)[0][0]
    with socket.create_server((listener.host, listener.port), family=family, backlog=backlog) as sock:
        keep_alive(sock)
        yield sock


def keep_alive(sock: socket.socket) -> None:
    """Notice a vanished peer after about two minutes instead of the system's two hours."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4)):
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
