"""The demo: simulator, gateway and a hospital's client as processes of this machine, and the proof that they agree."""

from __future__ import annotations

from pathlib import Path


def run(keep: bool, config: Path | None = None, *, day: bool = True) -> int:
    """Run the demo (contract, "Two commands").

    Args:
        keep: go on serving until Ctrl-C.
        config: configuration of the gateway; None takes the demo's own.
        day: with ``keep``, a lively day is added after the proof, for whoever looks at the console.

    Returns:
        0 only if every exchange had the outcome it should and client, journal and ledger agree.
    """
    # the demo's client is below this package and must not load the gateway by being imported
    from gateway.demo.show import run_demo

    return run_demo(keep=keep, config=config, day=day)
