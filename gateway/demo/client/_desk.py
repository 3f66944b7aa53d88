"""Carries one call after another and tells of each in a line of JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, TextIO

from gateway.demo.client._messages import Insured
from gateway.demo.client._wire import Answer, Hospital, LineBroken, Services, Way

HEAD: Final = {"opter": "0001", "opter_name": "演示操作员", "opter_type": "1"}
Problem = str
"""What is not as expected, in Chinese; empty when all is."""


class StoryBroken(Exception):
    """A step went otherwise than expected, so what follows from it cannot be told."""


@dataclass(frozen=True)
class Expectation:
    """What an answer should be: ``title`` for people, ``problem`` tells what is wrong with it."""

    title: str
    problem: Callable[[Answer], Problem]


def _success(answer: Answer) -> Problem:
    return "" if answer.infcode == "0" else f"{answer.code} {answer.err_msg}"


SUCCESS: Final = Expectation("成功", _success)


def success_and(title: str, holds: Callable[[Answer], Problem]) -> Expectation:
    """Success whose output also passes ``holds``."""
    return Expectation(f"成功，{title}", lambda answer: _success(answer) or holds(answer))


def same_as(first: Answer) -> Expectation:
    """The confirmed answer again: same message number, same output, nothing new at the platform."""
    return success_and(
        "由日志重答，不再结算",
        lambda again: "" if (again.msgid, again.output) == (first.msgid, first.output) else "与第一次的应答不同",
    )


def refusal(code: str, name: str) -> Expectation:
    """Refused by the gateway with ``code``, naming the field ``name``."""

    def problem(answer: Answer) -> Problem:
        if answer.infcode == "0" or answer.code != code:
            return f"应被拒绝（{code}），却得到 {answer.code or '成功'} {answer.err_msg}"
        named = [found.get("field") for found in answer.problems]
        return "" if named == [name] else f"应指明字段 {name}，却是 {named}"

    return Expectation(f"拒绝 {code}，指明 {name}", problem)


def refused(code: str) -> Expectation:
    """Refused by the gateway with ``code``; the platform never hears of it."""

    def problem(answer: Answer) -> Problem:
        expected = answer.infcode != "0" and answer.code == code
        return "" if expected else f"应被拒绝（{code}），却得到 {answer.code or '成功'} {answer.err_msg}"

    return Expectation(f"拒绝 {code}", problem)


def amounts(answer: Answer) -> dict[str, Decimal]:
    """Total, fund, account and cash of a settlement answer, exact; 2208 spells cash its own way."""
    info = answer.node("setlinfo")
    cash = info.get("psn_cash_pay", info.get("pdn_cash_pay", "0"))
    named = {name: info.get(name, "0") for name in ("medfee_sumamt", "fund_pay_sumamt", "acct_pay")}
    return {name: Decimal(str(value)) for name, value in {**named, "psn_cash_pay": cash}.items()}


def adds_up_to(total: Decimal) -> Expectation:
    """Fund + account + cash = total = what was charged."""

    def problem(answer: Answer) -> Problem:
        told = amounts(answer)
        paid = told["fund_pay_sumamt"] + told["acct_pay"] + told["psn_cash_pay"]
        if told["medfee_sumamt"] != total:
            return f"医疗费总额应为 {total}，应答为 {told['medfee_sumamt']}"
        return "" if paid == total else f"基金+账户+现金={paid}，不等于总额 {total}"

    return success_and("分毫不差", problem)


def as_reckoned(before: Answer) -> Expectation:
    """The settlement gives what the trial computation gave."""
    return success_and(
        "与预结算一致",
        lambda answer: (
            "" if amounts(answer) == amounts(before) else f"{amounts(answer)} 与预结算 {amounts(before)} 不同"
        ),
    )


@dataclass
class Desk:
    """Where calls are made.

    Args:
        services: the gateway.
        out: takes one JSON object per line and exchange.
        run: makes request ids of this run differ from every other's.
        prefix: of its request ids.
    """

    services: Services
    out: TextIO
    run: str
    prefix: str = "DEMO"
    steps: int = field(default=0, init=False)

    def request_id(self) -> str:
        """A new one, as a HIS stores it before it sends."""
        return f"{self.prefix}-{self.run}-{self.steps + 1:03d}"

    def call(
        self,
        way: Way,
        group: str,
        infno: str,
        message: Mapping[str, Any],
        *,
        patient: str = "",
        insured: Insured | None = None,
        expect: Expectation = SUCCESS,
        request_id: str = "",
    ) -> Answer:
        """One exchange.

        Args:
            group: service whose WSDL names the transaction.
            patient: whom it is about, when nobody is insured yet.
            request_id: of an earlier call that this one repeats; a new one when empty.

        Raises:
            StoryBroken: the answer is not the expected one.
        """
        request_id = request_id or self.request_id()
        self.steps += 1
        head = {**HEAD, "request_id": request_id}
        if insured is not None:
            head["insuplc_admdvs"] = insured.insuplc_admdvs
            patient = insured.patient.name
        title = self.services.title(infno, group)
        begun = time.perf_counter()
        try:
            answer = way.call(infno, head, message)
            problem = expect.problem(answer)
        except LineBroken as broken:
            answer, problem = Answer(infcode=""), f"没有可读的应答：{broken}"
        self._tell(
            infno=infno, name=title, patient=patient, via=way.title, expected=expect.title, problem=problem,
            seconds=round(time.perf_counter() - begun, 4), request_id=request_id, sent=message, answer=answer,
        )  # fmt: skip
        if problem:
            raise StoryBroken(problem)
        return answer

    def tell(
        self, operation: str, arguments: Mapping[str, Any], insured: Insured, expect: Expectation = SUCCESS
    ) -> Answer:
        """One thing told or asked of the gateway itself; nothing goes to the platform.

        Raises:
            StoryBroken: the answer is not the expected one.
        """
        self.steps += 1
        way = Hospital(self.services)
        title = self.services.title(operation, "hospital")
        begun = time.perf_counter()
        try:
            answer = way.call(operation, arguments)
            problem = expect.problem(answer)
        except LineBroken as broken:
            answer, problem = Answer(infcode=""), f"没有可读的应答：{broken}"
        self._tell(
            infno=operation, name=title, patient=insured.patient.name, via=way.title, expected=expect.title,
            problem=problem, seconds=round(time.perf_counter() - begun, 4), request_id="", sent=arguments,
            answer=answer,
        )  # fmt: skip
        if problem:
            raise StoryBroken(problem)
        return answer

    def _tell(self, *, answer: Answer, problem: Problem, **told: Any) -> None:
        line = {
            "step": self.steps,
            **told,
            "ok": not problem,
            "problem": problem,
            "infcode": answer.infcode,
            "code": answer.code,
            "err_msg": answer.err_msg,
            "msgid": answer.msgid,
            "output": answer.output,
        }
        self.out.write(json.dumps(line) + "\n")
        self.out.flush()
