"""Oracle and SQL Server, as far as there is none: up to the connection. With one: tests/conformance."""

from __future__ import annotations

import socket
import threading

import pytest
from sqlalchemy.exc import DBAPIError

from gateway.store import StoreError, _mssql, _oracle, open_store
from tests.servers import free_ports

URLS = {
    "oracle": "oracle+oracledb://his:secret@127.0.0.1:{port}/?service_name=yibao",
    "cx_oracle": "oracle+cx_oracle://his:secret@127.0.0.1:{port}/?service_name=yibao",
    "mssql": "mssql+pymssql://his:secret@127.0.0.1:{port}/yibao",
}


@pytest.mark.parametrize("kind", URLS)
def test_a_refused_connection_is_told_in_chinese(kind: str) -> None:
    (port,) = free_ports(1)
    with pytest.raises(StoreError, match=rf"连接不上数据库 (oracle|mssql) 127.0.0.1:{port}/") as caught:
        open_store(URLS[kind].format(port=port), node="n1")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("kind", ["oracle", "mssql"])
def test_a_listener_that_hangs_up(kind: str) -> None:
    """The driver speaks first, in its own protocol; then the line breaks."""
    heard: list[bytes] = []

    def hang_up(listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(30)
                heard.append(connection.recv(4096))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        answering = threading.Thread(target=hang_up, args=(listener,))
        answering.start()
        with pytest.raises(StoreError, match="连接不上数据库"):
            open_store(URLS[kind].format(port=listener.getsockname()[1]), node="n1")
        listener.shutdown(socket.SHUT_RDWR)
        answering.join(30)
    assert heard[0]


class _Code:
    def __init__(self, code: int) -> None:
        self.code = code


def _error(*arguments: object) -> DBAPIError:
    return DBAPIError("SELECT 1", {}, Exception(*arguments))


@pytest.mark.parametrize(
    ("vendor", "argument", "again", "waited"),
    [
        (_oracle.VENDOR, _Code(60), True, False),
        (_oracle.VENDOR, _Code(8177), True, False),
        (_oracle.VENDOR, _Code(54), False, True),
        (_oracle.VENDOR, _Code(942), False, False),
        (_mssql.VENDOR, 1205, True, False),
        (_mssql.VENDOR, (1222, b"Lock request time out"), False, True),
        (_mssql.VENDOR, "(208, b'Invalid object name')", False, False),
    ],
)
def test_what_may_be_run_again(vendor: object, argument: object, again: bool, waited: bool) -> None:
    error = _error(argument)
    assert (vendor.again(error), vendor.waited_for_lock(error)) == (again, waited)  # type: ignore[attr-defined]
