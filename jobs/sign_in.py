"""9001 and 9002 for the configured workstations: each operator is signed in on each day that people work."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from gateway.contract.jsontext import dumps
from gateway.exchange.call import Call, Client, Reply
from gateway.exchange.exchange import Exchange
from gateway.exchange.sign_in import SIGN_IN, SIGN_OUT, SignIns
from jobs.job import JobFailed, Result, Run

CLIENT: Final = Client("sign_in", transactions=(SIGN_IN, SIGN_OUT))
CHANNEL: Final = "jobs"
NEEDED: Final = ("opter", "mac", "ip")
HOURLY: Final = timedelta(minutes=50)


class SignInDesk:
    """Signs operators in and out.

    Args:
        exchange: carries 9001 and 9002.
        sign_ins: knows who is signed in.
        operators: workstation fields of each; those without number, MAC or IP cannot sign in.
        clock: the gateway's clock, aware.
    """

    def __init__(
        self,
        exchange: Exchange,
        sign_ins: SignIns,
        operators: Sequence[Mapping[str, str]],
        clock: Callable[[], datetime],
    ) -> None:
        self._exchange = exchange
        self._sign_ins = sign_ins
        found = {one["opter"]: one for one in reversed(operators) if all(one.get(name) for name in NEEDED)}
        self._operators = [found[opter] for opter in sorted(found)]
        self._clock = clock

    def sign_in(self, run: Run) -> Result:
        """The job ``sign_in``: 9001 for every operator who has not signed in today (this hour, where the province says so).

        Raises:
            JobFailed: somebody could not be signed in.
        """
        self._sign_ins.look(self._clock())  # another node may have kept the timetable until now
        how = str(self._exchange.interface.contract.settings.get("sign_in", "none"))
        waiting = [] if how == "none" else [one for one in self._operators if self._is_due(one["opter"], how)]
        counts = {"已签到": len(waiting), "无需签到": len(self._operators) - len(waiting)}
        self._each(run, waiting, SIGN_IN, lambda _: {"signIn": {}})
        return Result(counts)

    def sign_out(self, run: Run) -> Result:
        """The job ``sign_out``: 9002 for every operator who is signed in.

        Raises:
            JobFailed: somebody could not be signed out.
        """
        now = self._clock()
        self._sign_ins.look(now)
        numbers = {one["opter"]: own[1] for one in self._operators if (own := self._sign_ins.own(one["opter"], now))}
        signed_in = [one for one in self._operators if one["opter"] in numbers]
        self._each(run, signed_in, SIGN_OUT, lambda opter: _sign_out(opter, numbers[opter]))
        return Result({"已签退": len(signed_in)})

    def _is_due(self, opter: str, how: str) -> bool:
        now = self._clock()
        own = self._sign_ins.own(opter, now)
        if own is None:
            return True
        return now - own[0] >= HOURLY if how == "hourly" else own[0].astimezone(now.tzinfo).date() != now.date()

    def _each(
        self, run: Run, operators: Sequence[Mapping[str, str]], infno: str, message: Callable[[str], Mapping[str, Any]]
    ) -> None:
        wrong = []
        for done, one in enumerate(operators):
            run.advance(done, len(operators))
            reply = self._sent(run, one, infno, message(one["opter"]))
            if reply.infcode != "0":
                wrong.append(f"{one['opter']}：{reply.err_msg}")
        if wrong:
            raise JobFailed(f"{infno} 有 {len(wrong)} 位操作员没有办成：{'；'.join(wrong[:5])}")

    def _sent(self, run: Run, one: Mapping[str, str], infno: str, message: Mapping[str, Any]) -> Reply:
        head = {name: text for name, text in one.items() if text}
        return self._exchange.handle(
            Call(CLIENT, infno, message, dumps(message), CHANNEL, head, under=run.registration)
        )


def _sign_out(opter: str, number: str) -> dict[str, Any]:
    return {"signOut": {"sign_no": number, "opter_no": opter}}
