"""The line of a hospital's systems to the gateway: JSON over a socket, each wish asked for until its outcome is known."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Mapping
from random import Random
from typing import Any, Final

from tests.kills.house import CALL_S_MAX, LOOK_EVERY_S, asked

FINAL_S_MAX: Final = 120.0
_AGAIN: Final = ("GW-40", "GW-41", "GW-142", "GW-5")
"""Not done yet, or not now: the same wish is asked for again."""
MONEY_MOVES: Final = frozenset({"2207", "2208", "2304", "2305"})
_KINDS: Final = (
    "refuse", "delay", "lose-request", "late-request", "lose-reply", "late-reply", "reset", "http-500", "garbage",
    "wrong-charset", "truncated", "duplicate-reply",
)  # fmt: skip


class Refused(Exception):
    """The gateway has refused for good."""


class Weather:
    """What the platform will do wrong, drawn from a seed.

    Args:
        chance: of a fault before a call.
    """

    def __init__(self, seed: str, chance: float, plant: Callable[[Mapping[str, Any]], Any]) -> None:
        self._dice = Random(seed)
        self._chance = chance
        self._plant = plant
        self.planted = 0

    def before(self, infno: str) -> None:
        """Now and then a fault for the next request of this kind."""
        if self._dice.random() < self._chance:
            self.fault(infno)

    def fault(self, infno: str) -> None:
        """One fault for the next request of this kind."""
        self.planted += 1
        self._plant({"infno": infno, "kind": self._dice.choice(_KINDS), "times": 1, "seconds": 0.2})


class Line:
    """One desk's connection; not shared by threads."""

    def __init__(self, port: int, name: str, weather: Weather) -> None:
        self._http = http.client.HTTPConnection("127.0.0.1", port, timeout=CALL_S_MAX)
        self._name = name
        self._weather = weather
        self._requests = 0
        self.calls = 0

    def done(self, infno: str, message: Mapping[str, Any]) -> Any:
        """The output of a transaction that must succeed; raises :class:`Refused`."""
        self._weather.before(infno)
        self._requests += 1
        request_id = f"{self._name}-{self._requests}"
        deadline = time.monotonic() + FINAL_S_MAX
        while True:
            answer = self.call(infno, message, request_id)
            if str(answer["infcode"]) == "0":
                return answer.get("output")
            code = str(answer["code"])
            by_weather = code == "GW-3000" and "演练" in str(answer["err_msg"])
            if not (code.startswith(_AGAIN) or by_weather) or time.monotonic() > deadline:
                raise Refused(f"{infno} {code} {answer['err_msg']}")
            time.sleep(LOOK_EVERY_S)  # what a person at a desk does

    def call(self, infno: str, message: Mapping[str, Any], request_id: str) -> dict[str, Any]:
        """One request and its answer."""
        path, body = asked(infno, message, request_id)
        self.calls += 1
        self._http.request("POST", path, body, {"Content-Type": "application/json"})
        answer: dict[str, Any] = json.loads(self._http.getresponse().read())
        return answer

    def close(self) -> None:
        self._http.close()
