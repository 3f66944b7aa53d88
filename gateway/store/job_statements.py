"""Every statement about jobs, built once so that each is compiled once."""

from __future__ import annotations

from sqlalchemy import and_, bindparam, delete, exists, insert, not_, select, update

from gateway.exchange.ports import NodeState
from gateway.store.job_tables import job_run, job_slot
from gateway.store.tables import node

RUNNING = "running"

_HOLDER_LIVES = exists(
    select(node.c.name).where(
        node.c.name == job_slot.c.node, node.c.epoch == job_slot.c.epoch, node.c.state == NodeState.RUNNING.value
    )
)
_I_LIVE = exists(
    select(node.c.name).where(
        node.c.name == bindparam("my_name"),
        node.c.epoch == bindparam("my_epoch"),
        node.c.state == NodeState.RUNNING.value,
    )
)

SLOT = select(job_slot, _HOLDER_LIVES.label("held")).where(job_slot.c.slot == bindparam("wanted"))
SLOTS = select(job_slot, _HOLDER_LIVES.label("held")).order_by(job_slot.c.slot)
INSERT_SLOT = insert(job_slot)
TAKE_SLOT = (
    update(job_slot)
    .where(job_slot.c.slot == bindparam("of_slot"), job_slot.c.term == bindparam("of_term"))
    .where(not_(_HOLDER_LIVES), _I_LIVE)
    .values(node=bindparam("new_node"), epoch=bindparam("new_epoch"), term=job_slot.c.term + 1)
)
HOLDS_SLOT = select(job_slot.c.term).where(
    job_slot.c.slot == bindparam("wanted"), job_slot.c.term == bindparam("of_term"), _HOLDER_LIVES
)
FREE_SLOT = (
    update(job_slot)
    .where(job_slot.c.slot == bindparam("of_slot"), job_slot.c.term == bindparam("of_term"))
    .values(node=None, epoch=None)
)
ABANDONED = select(job_slot.c.slot, job_slot.c.term).where(job_slot.c.node.is_not(None), not_(_HOLDER_LIVES))

INSERT_RUN = insert(job_run)
LOSE_RUNS = (
    update(job_run)
    .where(job_run.c.job == bindparam("of_job"), job_run.c.outcome == RUNNING, job_run.c.term < bindparam("of_term"))
    .values(outcome=bindparam("new_outcome"), finished_at=bindparam("new_finished_at"))
)
ADVANCE_RUN = (
    update(job_run)
    .where(job_run.c.id == bindparam("of_id"), job_run.c.outcome == RUNNING)
    .values(items_done=bindparam("new_done"), items_total=bindparam("new_total"))
)
FINISH_RUN = (
    update(job_run)
    .where(job_run.c.id == bindparam("of_id"), job_run.c.outcome == RUNNING)
    .values(outcome=bindparam("new_outcome"), finished_at=bindparam("new_finished_at"), packed=bindparam("new_packed"))
)
RUN = select(job_run).where(job_run.c.id == bindparam("number"))
_NEWEST = select(job_run).order_by(job_run.c.id.desc()).limit(bindparam("count"))
RUNS = _NEWEST.where(job_run.c.id < bindparam("before_id"))
RUNS_OF_JOB = RUNS.where(job_run.c.job == bindparam("wanted"))
RUNS_OF_JOB_THAT = _NEWEST.where(
    and_(job_run.c.job == bindparam("wanted"), job_run.c.outcome.in_(bindparam("outcomes", expanding=True)))
)
SCHEDULED_RUNS = _NEWEST.where(job_run.c.job == bindparam("wanted"), job_run.c.begun_by == bindparam("begun"))
DROP_RUNS = delete(job_run).where(
    job_run.c.job == bindparam("of_job"), job_run.c.id < bindparam("below"), job_run.c.outcome != RUNNING
)
