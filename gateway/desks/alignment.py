"""What the operator's command asks of the process that may send: align stays, tell what is left to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from gateway.contract.jsontext import loads_strict
from gateway.exchange.ports import JournalUnavailable
from gateway.faults import Unreadable
from gateway.stays.ports import StayRef
from gateway.store.operator_log import OperatorLog
from gateway.store.stay_feed import StayFeed, WorkEntry
from jobs.alignment import Alignment


class AlignmentDesk:
    """Answers ``POST /-/alignment/<act>``; every answer is an object, with ``error`` when nothing was done.

    ``run``: ``{"operator"}``; ``one``: ``{"operator", "ipt_no", "mdtrt_id"}``; ``list``: ``{}``.
    """

    def __init__(self, alignment: Alignment, feed: StayFeed, operator_log: OperatorLog) -> None:
        self._alignment = alignment
        self._feed = feed
        self._operator_log = operator_log
        self._acts: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "run": self._run,
            "one": self._one,
            "list": lambda _: {"left": [*map(_shown, self._feed.work())]},
        }

    def do(self, act: str, body: bytes) -> dict[str, Any]:
        """Do ``act`` with the wish in ``body``, a JSON object."""
        try:
            return self._acts[act](loads_strict(body.decode("utf-8")))
        except (KeyError, TypeError, AttributeError, Unreadable, UnicodeDecodeError):
            return {"error": f"须为 {'、'.join(self._acts)} 之一，并带齐各项"}
        except JournalUnavailable:
            return {"error": "网关存储不可用，没有办理"}

    def _run(self, wish: dict[str, Any]) -> dict[str, Any]:
        self._operator_log.append(str(wish["operator"]), "alignment.run", "stays")
        done = self._alignment.run()
        return {"aligned": list(done.aligned), "left": [*map(_shown, done.left)]}

    def _one(self, wish: dict[str, Any]) -> dict[str, Any]:
        ref = StayRef(str(wish["ipt_no"]), str(wish["mdtrt_id"]))
        if not str(ref):
            raise KeyError("ipt_no")
        self._operator_log.append(str(wish["operator"]), "alignment.one", f"stay {ref}")
        left = self._alignment.one(ref)
        return {"aligned": left is None, "left": [] if left is None else [_shown(left)]}


def _shown(entry: WorkEntry) -> dict[str, Any]:
    return {**asdict(entry), "tried_at": entry.tried_at.isoformat(timespec="seconds")}
