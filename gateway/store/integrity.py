"""What must hold in every store, and what is wrong where it does not (``yibao db check``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import Connection, Select, exists, func, select

from gateway.exchange.msgid import INSTITUTION_LENGTH, slot_of
from gateway.exchange.ports import State
from gateway.exchange.states import OPEN
from gateway.store import statements as sql
from gateway.store._backend import Backend
from gateway.store._migrate import revision, shut_out
from gateway.store.restore import read_gap
from gateway.store.tables import busy, exchange, msgid_high

_OPEN = [state.value for state in OPEN]
_ended_by = exchange.alias("ended_by")

BUSY_WITHOUT_OPEN = (
    select(func.count())
    .select_from(busy.join(exchange, exchange.c.id == busy.c.exchange_id))
    .where(exchange.c.state.not_in(_OPEN))
)
OPEN_WITHOUT_BUSY = (
    select(func.count())
    .select_from(exchange)
    .where(exchange.c.state.in_(_OPEN), exchange.c.business_key.is_not(None))
    .where(~exists().where(busy.c.exchange_id == exchange.c.id))
)
UNDONE_BY_NOBODY = (
    select(func.count())
    .select_from(exchange.outerjoin(_ended_by, _ended_by.c.id == exchange.c.undone_by))
    .where(exchange.c.undone_by.is_not(None), _ended_by.c.id.is_(None))
)
UNDONE_THOUGH_NOT_CONFIRMED = (
    select(func.count())
    .select_from(exchange)
    .where(exchange.c.undone_by.is_not(None), exchange.c.state != State.CONFIRMED.value)
)
CLOSED_WITHOUT_TIME = (
    select(func.count())
    .select_from(exchange)
    .where(exchange.c.finished_at.is_(None), exchange.c.state.not_in([*_OPEN, State.RECEIVED.value]))
)
LAST_MSGIDS = (
    select(exchange.c.institution, func.max(exchange.c.msgid).label("last_msgid"), msgid_high.c.next_slot)
    .select_from(exchange.outerjoin(msgid_high, msgid_high.c.institution == exchange.c.institution))
    .where(func.char_length(exchange.c.msgid) == INSTITUTION_LENGTH + 18)
    .group_by(exchange.c.institution, msgid_high.c.next_slot)
)

COUNTED: tuple[tuple[Select[Any], str], ...] = (
    (sql.SENT_WITHOUT_BYTES, "有 {} 笔已发送的交易缺少请求原文"),
    (BUSY_WITHOUT_OPEN, "有 {} 个占用标记属于已了结的交易，其就诊无法再办理"),
    (OPEN_WITHOUT_BUSY, "有 {} 笔未了结的交易没有占用标记"),
    (UNDONE_BY_NOBODY, "有 {} 笔交易标为已撤销，但撤销它的交易不存在"),
    (UNDONE_THOUGH_NOT_CONFIRMED, "有 {} 笔没有成交的交易被标为已撤销"),
    (CLOSED_WITHOUT_TIME, "有 {} 笔已了结的交易没有了结时间"),
)
"""Each counts rows that must not be."""


def check(backend: Backend, told: Callable[[int, int], None] = lambda _done, _total: None) -> list[str]:
    """What is wrong with the store, in sentences for staff; empty when all is well.

    Args:
        backend: the store; it may be in use.
        told: is told how many steps are done, of how many.

    Raises:
        JournalUnavailable: the database cannot be read.
    """
    steps: list[Callable[[], list[str]]] = [backend.check, lambda: backend.read(_version)]
    wrong: list[str] = []
    total = len(steps) + len(COUNTED) + 2
    for done, step in enumerate(steps, 1):
        wrong += step()
        told(done, total)
    if wrong:
        # what follows asks tables that are not there, or not as they should be
        return wrong
    for done, look in enumerate((*map(_counting, COUNTED), _msgids, _gap), len(steps) + 1):
        wrong += backend.read(look)
        told(done, total)
    return wrong


def _version(connection: Connection) -> list[str]:
    reason = shut_out(connection, revision(connection))
    return [reason] if reason else []


def _counting(what: tuple[Select[Any], str]) -> Callable[[Connection], list[str]]:
    question, sentence = what

    def count(connection: Connection) -> list[str]:
        found = connection.execute(question).scalar_one()
        return [sentence.format(found)] if found else []

    return count


def _msgids(connection: Connection) -> list[str]:
    return list(_used_again(connection))


def _used_again(connection: Connection) -> Iterator[str]:
    for row in connection.execute(LAST_MSGIDS):
        used = slot_of(row.last_msgid)
        if used is not None and used >= (row.next_slot or 0):
            yield f"机构 {row.institution} 的 msgid 会重复：已用到 {row.last_msgid}，编号的起点却在它之前"


def _gap(connection: Connection) -> list[str]:
    gap = read_gap(connection)
    return [f"数据库由备份恢复后尚未核对（{gap}），网关只办理查询：见 yibao db reconcile"] if gap else []
