"""What the operator's command asks of the process that owns the store: rotate keys, clear out what is due, tell how far, keep a look in mind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from gateway.contract.jsontext import loads_strict
from gateway.exchange.ports import JournalUnavailable
from gateway.faults import Unreadable
from gateway.protect import KeyringError, KeysMissing
from gateway.retention_run import RetentionRun
from gateway.store import Store, StoreError


class StoreDesk:
    """Answers ``POST /-/store/<act>``; every answer is an object, with ``error`` when nothing was done.

    Args:
        wake: lets the work with new keys begin at once.
        retention: removes what is due, in a thread of its own.
    """

    def __init__(self, store: Store, wake: Callable[[], None], retention: RetentionRun) -> None:
        self._store = store
        self._wake = wake
        self._retention = retention
        self._acts = {
            "rotate": self._rotate,
            "keys": self._keys,
            "log": self._log,
            "retain": self._retain,
            "retained": self._retained,
        }

    def do(self, act: str, body: bytes) -> dict[str, Any]:
        """Do ``act`` with the wish in ``body``, a JSON object."""
        try:
            wish = loads_strict(body.decode("utf-8"))
            return self._acts[act](wish)
        except (KeyError, TypeError, AttributeError, Unreadable, UnicodeDecodeError):
            return {"error": f"须为 {'、'.join(self._acts)} 之一，并带齐各项"}
        except (StoreError, KeysMissing, KeyringError, ValueError) as error:
            return {"error": str(error)}
        except JournalUnavailable:
            return {"error": "网关存储不可用，没有改动"}

    def _rotate(self, wish: dict[str, Any]) -> dict[str, Any]:
        data, hashes = bool(wish["data"]), bool(wish["hash"])
        self._store.operator_log.append(str(wish["operator"]), "keys.rotate", "store", f"data={data} hash={hashes}")
        self._store.resealing.rotate(data=data, hashes=hashes)
        self._wake()
        return self._keys(wish)

    def _keys(self, _wish: dict[str, Any]) -> dict[str, Any]:
        found = self._store.resealing.progress()
        return {"progress": None if found is None else asdict(found)}

    def _retain(self, wish: dict[str, Any]) -> dict[str, Any]:
        if wish["dry_run"]:
            return {"retained": asdict(self._retention.plan())}
        self._retention.begin(str(wish["operator"]))
        return self._retained(wish)

    def _retained(self, _wish: dict[str, Any]) -> dict[str, Any]:
        return self._retention.progress()

    def _log(self, wish: dict[str, Any]) -> dict[str, Any]:
        fields = [str(wish[name]) for name in ("operator", "act", "subject", "detail")]
        return {"seq": self._store.operator_log.append(*fields)}
