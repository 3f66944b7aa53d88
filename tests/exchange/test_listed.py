"""What the platform's detail list (3202) proves about a doubt, and what it does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.exchange.decide import Act, Facts, decide
from gateway.exchange.listed import listed, listed_line
from gateway.exchange.ports import ProofKind
from tests.exchange.kit import INTERFACE, START

PROOFS = INTERFACE.contract.proofs
SETTLES = PROOFS.of(INTERFACE.contract.transactions["2207"])
CANCELS = PROOFS.of(INTERFACE.contract.transactions["2208"])
UNSETTLED = Facts(reversible=True, settled=False)


@pytest.mark.parametrize(
    ("line", "reversible", "act"),
    [
        ({"setl_id": "S1", "psn_no": "P1"}, True, Act.CONFIRM),
        ({"psn_no": "P1"}, True, Act.REVERSE),
        ({"psn_no": "P1"}, False, Act.ESCALATE),
    ],
)
def test_a_listed_message_was_executed_and_waits_for_nothing(line: dict[str, str], reversible: bool, act: Act) -> None:
    assert decide(SETTLES, PROOFS, UNSETTLED).act is Act.WAIT
    decision = decide(SETTLES, PROOFS, replace(UNSETTLED, reversible=reversible, listed=line))
    assert decision.act is act
    assert decision.output == ({"setlinfo": line} if act is Act.CONFIRM else None)


def test_a_2601_that_has_begun_goes_on_whatever_is_listed() -> None:
    facts = replace(UNSETTLED, fence_begun=True, listed={"setl_id": "S1"})
    assert decide(SETTLES, PROOFS, facts).act is Act.REVERSE


def test_what_has_queries_of_its_own_goes_by_them() -> None:
    assert decide(CANCELS, PROOFS, replace(UNSETTLED, listed={"setl_id": "S1"})).act is Act.QUERY


def test_the_evidence_reads_back_and_other_evidence_is_none() -> None:
    proof = listed("M1", {"setl_id": "S1", "psn_no": ""}, START)
    assert listed_line([proof]) == {"setl_id": "S1"}
    assert listed_line([replace(proof, infno="5203")]) is None
    assert listed_line([replace(proof, kind=ProofKind.LATE_ANSWER)]) is None
