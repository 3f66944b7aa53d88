"""``python -m gateway.simulator``: the simulator as a process of its own."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from gateway.simulator import Simulator, serve
from gateway.simulator.signature import KINDS, signing_of


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or Ctrl-C; prints one line when ready.

    Args:
        arguments: of the command line; None takes the process's own.
    """
    given = _parser().parse_args(arguments)
    try:
        signing = signing_of(given.signing, given.account, given.secret)
    except ValueError as error:
        sys.stderr.write(f"--signing {given.signing} needs --account and --secret: {error}\n")
        return 2
    try:
        simulator = Simulator(
            given.mappings,
            institutions=dict(given.institution),
            signing=signing,
            path_per_service=given.path_per_service,
            seed=given.seed,
            require_sign_in=given.require_sign_in,
            one_sign_in=given.one_sign_in,
            discharge_first=given.discharge_first,
        )
        server = serve(simulator, given.host, given.port)
    except OSError as error:
        sys.stderr.write(f"simulator: {error}\n")
        return 1
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    sys.stdout.write(f"simulator ready at {server.url}\n")
    sys.stdout.flush()
    # a wait without a limit would keep signals from being handled on Windows
    while not stop.wait(0.5):
        pass
    server.close()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m gateway.simulator", description=main.__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8090, help="0 takes a free one")
    parser.add_argument("--seed", type=int, help="fixes what it invents, identifiers included")
    parser.add_argument("--signing", choices=KINDS, default="plain")
    parser.add_argument("--path-per-service", action="store_true", help="a path per service, as in Hebei, and no other")
    parser.add_argument("--account", "--tif-paasid", default="", help="paasid or access key")
    parser.add_argument("--secret", "--tif-secret", default="")
    parser.add_argument(
        "--mappings", type=Path, default=Path("mappings"), help="folder with envelope.yaml and transactions/"
    )
    parser.add_argument("--institution", type=_institution, action="append", default=[], metavar="CODE=NAME",
                        help="only these may call; may be given several times")  # fmt: skip
    parser.add_argument("--require-sign-in", action="store_true", help="refuse what carries no running sign_no")
    parser.add_argument("--one-sign-in", action="store_true", help="a new 9001 ends the operator's number before")
    parser.add_argument("--discharge-first", action="store_true", help="refuse a final 2304 before 2402")
    return parser


def _institution(text: str) -> tuple[str, str]:
    code, equals, name = text.partition("=")
    if not (code and equals):
        raise argparse.ArgumentTypeError("expected CODE=NAME")
    return code, name


if __name__ == "__main__":
    sys.exit(main())
