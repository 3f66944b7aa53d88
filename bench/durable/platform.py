"""A platform that answers at once: ``python -m bench.durable.platform PORT``. It checks nothing and keeps nothing."""

from __future__ import annotations

import asyncio
import contextlib
import re
import sys
from typing import Final, Protocol

from bench.messages import fees, small
from bench.parts import Parts

_MSGID: Final = re.compile(rb'"msgid":"([^"]*)"')
_INFNO: Final = re.compile(rb'"infno":"([^"]*)"')
_VISIT: Final = b"MDTR000000000001"


class Platform(Protocol):
    """HTTP as far as the gateway speaks it: JSON both ways, connections kept."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until the other side hangs up or the run is over."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
                answer = await self.answer(await reader.readexactly(int(length.split(b":")[1])))
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
                writer.write(b"Content-Length: %d\r\n\r\n" % len(answer) + answer)
                await writer.drain()
        writer.close()

    async def answer(self, request: bytes) -> bytes:
        """To one message."""
        ...


class InstantPlatform(Platform):
    """Success with one row, and a visit of its own for each message."""

    def __init__(self) -> None:
        interface = Parts().interface
        self._answers = {case.infno.encode(): case.short_answer for case in (small(interface), fees(interface, 1))}

    async def answer(self, request: bytes) -> bytes:
        """To any request; what it does not know succeeds without output."""
        msgid, infno = _MSGID.search(request), _INFNO.search(request)
        known = self._answers.get(infno[1] if infno else b"", b'{"infcode":0,"err_msg":"","output":{}}')
        return known.replace(_VISIT, msgid[1] if msgid else _VISIT)


async def main(port: int) -> None:
    """Until killed."""
    server = await asyncio.start_server(InstantPlatform().serve, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
