"""Evidence from the platform's detail list (3202): it names messages that it has executed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from gateway.contract.jsontext import dumps, loads
from gateway.exchange.ports import Proof, ProofKind

LIST: Final = "3202"


def listed(msgid: str, line: Mapping[str, str], now: datetime) -> Proof:
    """The evidence that a line of the result is about a doubtful exchange; the resolver decides what follows.

    Args:
        msgid: of the doubtful exchange, as the line tells it.
        line: national names -> text; what is empty is left out.
        now: when it was read.
    """
    kept = {name: value for name, value in line.items() if value}
    detail = f"对明细账结果列有此 msgid：平台已办理{'，结算编号 ' + kept['setl_id'] if kept.get('setl_id') else ''}"
    return Proof(ProofKind.QUERY, now, detail, LIST, msgid, answer=dumps(kept))


def listed_line(proofs: Sequence[Proof]) -> dict[str, Any] | None:
    """The newest line that names the doubtful exchange; None when no list has."""
    for proof in reversed(proofs):
        if proof.kind is ProofKind.QUERY and proof.infno == LIST and proof.answer:
            line = loads(proof.answer)
            return line if isinstance(line, dict) else None
    return None
