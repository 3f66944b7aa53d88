"""The demo's client is a stranger to the gateway, its people are invented, its sums exact."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from gateway.demo.client import _messages as messages
from gateway.demo.client import _people as people
from gateway.demo.client._desk import SUCCESS, Desk, Expectation, StoryBroken, adds_up_to, refusal, same_as
from gateway.demo.client._messages import Insured, Times
from gateway.demo.client._wire import Answer, LineBroken

CLIENT = Path(people.__file__).parent
NOW = datetime(2026, 11, 21, 0, 10, tzinfo=timezone(timedelta(hours=8)))
LIN = Insured(people.LIN, "44080012345678901234567890", "310", "440800")
TIMES = Times.before(NOW)


def test_it_imports_nothing_of_the_gateway_but_itself() -> None:
    for path in CLIENT.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            strange = [name for name in names if name.startswith(("gateway", "adapters"))]
            assert all(name.startswith("gateway.demo.client") for name in strange), (path.name, strange)


def test_its_process_loads_nothing_of_the_gateway() -> None:
    code = "import gateway.demo.client.__main__, sys, json; print(json.dumps([n for n in sys.modules if n.startswith(('gateway', 'adapters', 'spyne'))]))"
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, timeout=60, check=True, cwd=CLIENT.parents[2]
    )
    loaded = json.loads(out.stdout)
    assert {name for name in loaded if not name.startswith("gateway.demo.client")} == {"gateway", "gateway.demo"}


@pytest.mark.parametrize("patient", [people.LIN, people.CHEN, people.HUANG])
def test_identity_numbers_have_valid_checksums_and_an_unused_county(patient: people.Patient) -> None:
    # ISO 7064 MOD 11-2, reckoned the other way round: the weighted sum of all eighteen is 1 modulo 11
    values = [10 if char == "X" else int(char) for char in patient.certno]
    assert sum(value * 2 ** (17 - at) for at, value in enumerate(values)) % 11 == 1
    assert patient.certno.startswith("440899")
    datetime.strptime(patient.certno[6:14], "%Y%m%d")  # noqa: DTZ007 - a birthday has no zone


def test_fee_rows_are_exact_and_lie_between_ward_in_and_discharge() -> None:
    rows = messages.stay_fees(LIN, "M1", "ZY1", TIMES, people.WARD_ITEMS, 120)
    assert len({row["feedetl_sn"] for row in rows}) == 120
    for row in rows:
        assert abs(Decimal(row["cnt"]) * Decimal(row["pric"]) - Decimal(row["det_item_fee_sumamt"])) <= Decimal("0.005")
        assert messages.printed(TIMES.ward_in) < row["fee_ocur_time"] < messages.printed(TIMES.discharged)
    assert messages.total(rows) * 100 == sum(int(row["det_item_fee_sumamt"].replace(".", "")) for row in rows)


def test_2403_moves_the_admission_to_ward_in_and_changes_nothing_else() -> None:
    first = messages.admission(LIN, "ZY1", TIMES)["mdtrtinfo"]
    second = messages.change(LIN, "M1", "ZY1", TIMES)["adminfo"]
    assert TIMES.registered < TIMES.ward_in < TIMES.discharged < NOW
    assert second["begntime"] == messages.printed(TIMES.ward_in)
    assert {name for name in first.keys() & second.keys() if first[name] != second[name]} == {"begntime"}


# ------------------------------------------------------------------ expectations

SETTLED = Answer(
    "0",
    msgid="H1",
    output={
        "setlinfo": {"medfee_sumamt": "10.00", "fund_pay_sumamt": "6.00", "acct_pay": "1.00", "psn_cash_pay": "3.00"}
    },
)


def _with(answer: Answer, **amounts: str) -> Answer:
    return Answer("0", msgid=answer.msgid, output={"setlinfo": {**answer.node("setlinfo"), **amounts}})


@pytest.mark.parametrize(
    ("expectation", "good", "bad"),
    [
        (SUCCESS, SETTLED, Answer("-1", code="GW-4101")),
        (adds_up_to(Decimal("10.00")), SETTLED, _with(SETTLED, psn_cash_pay="3.01")),
        (adds_up_to(Decimal("10.00")), SETTLED, _with(SETTLED, medfee_sumamt="10.01", psn_cash_pay="3.01")),
        (same_as(SETTLED), SETTLED, Answer("0", msgid="H2", output=SETTLED.output)),
        (same_as(SETTLED), SETTLED, _with(SETTLED, acct_pay="0.00")),
        (
            refusal("GW-1101", "adm_bed"),
            Answer("-1", code="GW-1101", problems=[{"field": "adm_bed"}]),
            Answer("-1", code="GW-1101", problems=[{"field": "ipt_no"}]),
        ),
        (refusal("GW-1101", "adm_bed"), Answer("-1", code="GW-1101", problems=[{"field": "adm_bed"}]), SETTLED),
    ],
)
def test_an_expectation_tells_good_from_bad(expectation: Expectation, good: Answer, bad: Answer) -> None:
    assert expectation.problem(good) == ""
    assert expectation.problem(bad) != ""


class _Titles:
    def title(self, infno: str, group: str) -> str:
        return f"{group} {infno}"


class _Line:
    """A way whose other end is a function."""

    title = "线"

    def __init__(self, answer: Callable[[], Answer]) -> None:
        self._answer = answer

    def call(self, infno: str, head: Any, message: Any) -> Answer:
        return self._answer()


def _broken() -> Answer:
    raise LineBroken("连接被重置")


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (lambda: Answer("-1", code="GW-4001", err_msg="平台未连通"), "GW-4001 平台未连通"),
        (_broken, "没有可读的应答：连接被重置"),
    ],
)
def test_a_step_that_goes_wrong_is_told_and_ends_its_chapter(answer: Callable[[], Answer], problem: str) -> None:
    out = StringIO()
    desk = Desk(_Titles(), out, "1")  # type: ignore[arg-type]  # only titles are asked for
    with pytest.raises(StoryBroken):
        desk.call(_Line(answer), "inpatient", "2402", {"a": {"b": "1"}}, patient="林秀珍")
    line = json.loads(out.getvalue())
    assert (line["ok"], line["problem"], line["name"], line["patient"]) == (False, problem, "inpatient 2402", "林秀珍")
    assert (line["sent"], line["request_id"]) == ({"a": {"b": "1"}}, "DEMO-1-001")
