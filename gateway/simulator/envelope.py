"""The common envelope (envelope.yaml): what a request must carry, and how an answer is made."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from gateway.simulator.tables import Tables, column_problem

_MSGID_TAIL = re.compile(r"(\d{14})\d{4}")
ERR_MSG_LENGTH = 200
_OPTER_TYPES = ("1", "2", "3")


def envelope_problems(envelope: Mapping[str, Any], tables: Tables, institutions: Mapping[str, str]) -> Iterator[str]:
    """Every problem of the outer fields, in Chinese.

    Args:
        envelope: the request as read.
        tables: holds the envelope's field table.
        institutions: code -> name of those that may call; empty lets every institution call.
    """
    broken = False
    for column in tables.envelope:
        problem = column_problem(column, envelope.get(column.name))
        if problem:
            broken = True
            yield f"{column.name}({column.label}){problem}"
    if not isinstance(envelope.get("input"), dict | list):
        yield "input(交易输入)必填，且应为对象"
    if broken:
        return
    if envelope["opter_type"] not in _OPTER_TYPES:
        yield "opter_type(经办人类别)应为 1、2 或 3"
    if institutions and envelope["fixmedins_code"] not in institutions:
        yield f"定点医药机构 {envelope['fixmedins_code']} 未登记"
    if not _is_msgid(envelope["msgid"], envelope["fixmedins_code"]):
        yield "msgid(发送方报文ID)应为 机构编号12位 + yyyyMMddHHmmss + 4位顺序号"


def answer(
    refmsgid: str, received: datetime, responded: datetime, *, output: Any = None, refusal: str = ""
) -> dict[str, Any]:
    """A national answer: success with its output, or a refusal with its text."""
    return {
        "infcode": -1 if refusal else 0,
        "inf_refmsgid": refmsgid,
        "refmsg_time": _stamp(received),
        "respond_time": _stamp(responded),
        "err_msg": _cut(refusal),
        "output": output,
    }


def _is_msgid(msgid: str, institution: str) -> bool:
    tail = _MSGID_TAIL.fullmatch(msgid[12:])
    if len(msgid) != 30 or not msgid.startswith(institution) or tail is None:
        return False
    try:
        datetime.strptime(tail[1], "%Y%m%d%H%M%S")  # noqa: DTZ007 (local time without a zone, as printed)
    except ValueError:
        return False
    return True


def _stamp(moment: datetime) -> str:
    return f"{moment:%Y%m%d%H%M%S}{moment.microsecond // 1000:03d}"


def _cut(text: str) -> str:
    return text if len(text) <= ERR_MSG_LENGTH else text[: ERR_MSG_LENGTH - 1] + "…"
