"""Every statement about changes of stays and what is made of them, built once so that each is compiled once."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Executable, bindparam, delete, func, insert, or_, select, union, update

from gateway.store.stay_tables import (
    adoption,
    alignment_work,
    episode_time,
    stay_change,
    stay_fact,
    stay_reader,
    ward_event,
)

WORK_MAX: Final = 10_000

READER = select(stay_reader.c.seq_no, stay_reader.c.mark).where(stay_reader.c.reader == bindparam("reader"))
LOCK_READER = select(stay_reader.c.seq_no).where(stay_reader.c.reader == bindparam("reader")).with_for_update()
INSERT_READER = insert(stay_reader)
MOVE_READER = (
    update(stay_reader)
    .where(stay_reader.c.reader == bindparam("of_reader"), stay_reader.c.seq_no == bindparam("old_seq_no"))
    .values(seq_no=bindparam("new_seq_no"))
)
DELETE_READER = delete(stay_reader).where(stay_reader.c.reader == bindparam("reader"))
UNNUMBERED = (
    select(stay_change.c.id).where(stay_change.c.seq_no == 0).order_by(stay_change.c.id).limit(bindparam("count"))
)
GIVE_NUMBER = (
    update(stay_change).where(stay_change.c.id == bindparam("change_id")).values(seq_no=bindparam("new_seq_no"))
)
CHANGES = (
    select(stay_change)
    .where(stay_change.c.seq_no > bindparam("after"))
    .order_by(stay_change.c.seq_no)
    .limit(bindparam("count"))
)
CHANGES_OF = (
    select(stay_change)
    .where(
        or_(
            stay_change.c.ipt_no.in_(bindparam("ipt_nos", expanding=True)),
            stay_change.c.mdtrt_id == bindparam("mdtrt_id"),
        ),
        stay_change.c.seq_no > 0,
    )
    .order_by(stay_change.c.seq_no)
)
LAST_NUMBER = select(func.max(stay_change.c.seq_no))
EVERY_STAY = union(
    select(stay_fact.c.ipt_no, stay_fact.c.mdtrt_id).where(
        or_(stay_fact.c.ipt_no.is_not(None), stay_fact.c.mdtrt_id.is_not(None))
    ),
    select(ward_event.c.ipt_no, ward_event.c.mdtrt_id),
    select(adoption.c.ipt_no, adoption.c.mdtrt_id).where(
        or_(adoption.c.ipt_no.is_not(None), adoption.c.mdtrt_id.is_not(None))
    ),
)

SAME_NUMBERS = select(episode_time.c.ipt_no, episode_time.c.mdtrt_id).where(
    episode_time.c.ipt_no.in_(bindparam("ipt_nos", expanding=True)), episode_time.c.mdtrt_id.is_not(None)
)
DELETE_EPISODE = delete(episode_time).where(episode_time.c.stay_key == bindparam("stay_key"))
DELETE_EPISODES = delete(episode_time)
INSERT_EPISODE = insert(episode_time)

WORK = select(alignment_work).order_by(alignment_work.c.tried_at.desc(), alignment_work.c.mdtrt_id).limit(WORK_MAX)
WORK_OF = select(alignment_work.c.tries).where(alignment_work.c.mdtrt_id == bindparam("mdtrt_id"))
DELETE_WORK = delete(alignment_work).where(alignment_work.c.mdtrt_id == bindparam("mdtrt_id"))
INSERT_WORK = insert(alignment_work)


# at the end of the file, so that no statement is left out
CONSTANT = frozenset(value for value in tuple(globals().values()) if isinstance(value, Executable))
"""Every statement above: each is rendered once (``_connection.py``)."""
