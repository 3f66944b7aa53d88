"""Bringing every row to the keys in use, in small batches, while others serve.

The same work seals what was written in plain before there were keys, follows a new data key and a new hash key. Both
versions are read and searched until a whole pass has found nothing left, and that pass began later than any writer
with the old keys can still be at work.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog
from sqlalchemy import Connection

from gateway.exchange.ports import JournalUnavailable
from gateway.protect import KeyringError, KeysMissing, Sealing
from gateway.store import _sealed as protection
from gateway.store import resealing_statements as sql
from gateway.store import statements
from gateway.store._backend import Backend, StoreError
from gateway.store._keys import GONE, KNOWN, PLAIN_VERSION, READ, WRITTEN, Keys, StoreKey, sealing_of
from gateway.store._veil_past import reseal_stays

log = structlog.get_logger(__name__)

BATCH: Final = 100
"""Exchanges per transaction: SQLite's one writer is held for some 20 ms."""
GRACE_S: Final = 180.0
"""Longer than any write with keys taken up before can last: look for keys 5 s, wait for the writer 30 s, idle in a
transaction 60 s, statements 30 s."""
IDLE_S: Final = 60.0
"""How soon a process sees that another has put new keys to use."""
BREATH_S: Final = 0.02
"""Between two batches: the writer belongs to the exchanges."""
FINISHED: Final = -1
_NAME: Final = "all"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the rows are: ``done`` of ``total`` in this pass; ``finished`` once none is left with older keys."""

    data_version: int
    hash_version: int
    done: int
    total: int
    changed: int
    finished: bool


class Resealing:
    """The work, one batch at a time; several nodes may do it at once.

    Args:
        backend: whose jobs work with the keys.
        monotonic: a clock that no one sets, in seconds.
        grace_s: see :data:`GRACE_S`.
    """

    def __init__(
        self,
        backend: Backend,
        keys: Keys,
        monotonic: Callable[[], float] = time.monotonic,
        grace_s: float = GRACE_S,
    ) -> None:
        self._backend = backend
        self._keys = keys
        self._monotonic = monotonic
        self._grace_s = grace_s
        self._target = (0, 0)
        self._seen_at = 0.0
        self._pass_at = 0.0

    def nobody_else_writes(self) -> None:
        """The store is this process's alone (SQLite, no gateway running): there is no writer to wait for."""
        self._grace_s = 0.0

    def rotate(self, *, data: bool, hashes: bool) -> None:
        """Put the newest versions of the keyring to use.

        Raises:
            StoreError: there are no keys, or none newer than those in use.
        """
        self._keys.look_again()
        source = self._keys.source
        if source is None:
            raise StoreError("没有启用加密：请先设置 [protect] keys")
        wanted = [purpose for purpose, chosen in (("data", data), ("hash", hashes)) if chosen]

        def job(connection: Connection) -> None:
            self._keys.register(connection)
            rows = self._keys.read(connection)
            for purpose in wanted:
                _put_to_use(connection, [row for row in rows if row.purpose == purpose])

        try:
            self._backend.write(job)
            self._keys.refresh()
        except (KeysMissing, KeyringError) as error:
            raise StoreError(str(error)) from error

    def progress(self) -> Progress | None:
        """Where the work stands; None where nothing is protected."""
        sealing = self._keys.refresh()
        if sealing.data_version is None:
            return None

        def job(connection: Connection) -> Progress:
            row = _state(connection)
            last: int = connection.execute(sql.LAST_EXCHANGE).scalar() or 0
            return _progress(sealing, row, last)

        return self._backend.read(job)

    def turn(self) -> float:
        """What the thread beside the exchanges does: one batch, or nothing while keys or store are not to be had.

        Returns:
            Seconds until the next turn.
        """
        try:
            due = self.step()
        except (JournalUnavailable, KeysMissing, KeyringError) as error:
            log.warning("resealing_waits", reason=str(error))
            return IDLE_S
        return IDLE_S if due is None else max(due, BREATH_S)

    def step(self) -> float | None:
        """Do one batch.

        Returns:
            Seconds until the next one is due, 0 for at once; None when nothing is left to do.
        """
        sealing = self._keys.refresh()
        if sealing.data_version is None or sealing.hash_version is None:
            return None
        target = sealing.data_version, sealing.hash_version
        if target != self._target:
            self._target, self._seen_at = target, self._monotonic()
            self._pass_at = self._seen_at
        due = self._backend.write(lambda connection: self._batch(connection, target))
        if due is None:
            self._keys.look_again()
        return due

    def _batch(self, connection: Connection, target: tuple[int, int]) -> float | None:
        row = _state(connection, lock=True)
        if row is None or (row.data_version, row.hash_version) != target:
            self._pass_at = self._monotonic()
            _begin(connection, row, target)
            return 0
        if row.done_below == FINISHED:
            return None
        ids = connection.execute(sql.NEXT_IDS, {"after": row.done_below, "count": BATCH}).scalars().all()
        if ids:
            changed = reseal(connection, list(ids))
            changed += reseal_stays(connection, sealing_of(connection), list(ids), row.done_below, ids[-1])
            _move(connection, row, ids[-1], row.changed + changed)
            return 0
        return self._end_of_pass(connection, row)

    def _end_of_pass(self, connection: Connection, row: Any) -> float | None:
        changed = row.changed + _fence_plain(connection)
        changed += reseal_stays(connection, sealing_of(connection), [], row.done_below, None)
        settled = self._pass_at >= self._seen_at + self._grace_s
        if changed == 0 and settled:
            _move(connection, row, FINISHED, 0)
            _forget_older(connection)
            log.info("resealing_finished", data_version=row.data_version, hash_version=row.hash_version)
            return None
        left = self._seen_at + self._grace_s - self._monotonic()
        if left > 0:
            # whoever still writes with older keys would only make a further pass necessary
            return min(left, 5.0)
        self._pass_at = self._monotonic()
        _move(connection, row, 0, 0)
        return 0


def reseal(connection: Connection, ids: list[int]) -> int:
    """Bring exchanges with their keys, bodies and evidence to the keys in use; how many rows were changed."""
    sealing, which = sealing_of(connection), {"ids": ids}
    rows = connection.execute(sql.LOCK_EXCHANGES, which).mappings().all()
    by_exchange: dict[int, list[Any]] = {row["id"]: [] for row in rows}
    for key in connection.execute(sql.KEYS, {"ids": list(by_exchange)}) if rows else ():
        by_exchange[key.exchange_id].append(key)
    # a row that another holds is met again in the next pass
    changed = len(ids) - len(rows)
    changed += sum(_reseal_row(connection, sealing, row, by_exchange[row["id"]]) for row in rows)
    older = {**which, "data_version": sealing.data_version}
    for body in connection.execute(sql.OLDER_BODIES, older).all():
        changed += _reseal_body(connection, sealing, body)
    for proof in connection.execute(sql.OLDER_PROOFS, older).all():
        changed += _reseal_proof(connection, sealing, proof)
    return changed


def _reseal_row(connection: Connection, sealing: Sealing, row: Any, kept: Sequence[Any]) -> int:
    texts, sealed_keys = protection.opened(sealing, row)
    keys = sorted((key.kind, key.value) for key in kept) if sealed_keys is None else sealed_keys
    changed = 0
    if row["key_version"] != sealing.data_version:
        values = {**row, **texts}
        made = protection.sealed_columns(sealing, values, keys)
        connection.execute(
            sql.SEAL_EXCHANGE, {f"new_{name}": value for name, value in made.items()} | {"of_id": row["id"]}
        )
        changed = 1
    if any(key.hash_version != sealing.hash_version for key in kept):
        connection.execute(sql.DROP_KEYS, {"of_id": row["id"]})
        connection.execute(statements.INSERT_KEY, protection.key_rows(sealing, row, keys))
        changed = 1
    return changed


def _reseal_body(connection: Connection, sealing: Sealing, body: Any) -> int:
    place = protection.body_place(body.exchange_id, body.kind)
    packed = sealing.seal(place, sealing.open(place, body.packed, body.key_version))
    values = {"of_id": body.exchange_id, "of_kind": body.kind, "new_packed": packed}
    done = connection.execute(sql.SEAL_BODY, {**values, "new_key_version": sealing.data_version})
    return int(done.rowcount)


def _reseal_proof(connection: Connection, sealing: Sealing, proof: Any) -> int:
    plain = {**proof._mapping, **protection.opened_proof(sealing, proof)}
    made = protection.sealed_proof(sealing, proof.exchange_id, proof.seq, plain)
    names = ("detail", "sealed", "request", "answer", "key_version")
    values = {f"new_{name}": made[name] for name in names}
    done = connection.execute(sql.SEAL_PROOF, {**values, "of_id": proof.exchange_id, "of_seq": proof.seq})
    return int(done.rowcount)


def _fence_plain(connection: Connection) -> int:
    """What is held since before there were keys: under a fence from now on."""
    sealing, changed = sealing_of(connection), 0
    for key in connection.execute(sql.PLAIN_BUSY).scalars().all():
        values = {"of_key": key, "new_key": sealing.fence(key)}
        changed += int(connection.execute(sql.FENCE_BUSY, values).rowcount)
    return changed


def _put_to_use(connection: Connection, rows: Sequence[StoreKey]) -> None:
    newest = max(rows, key=lambda row: row.version)
    if newest.state != KNOWN:
        raise StoreError(
            f"密钥文件里没有比在用的版本 {newest.version} 更新的 {newest.purpose} 密钥：请先 yibao keys add"
        )
    for row in rows:
        if row.state == WRITTEN:
            _set(connection, row, READ)
    _set(connection, newest, WRITTEN)


def _set(connection: Connection, row: StoreKey, state: str) -> None:
    values = {"of_purpose": row.purpose, "of_version": row.version, "new_state": state}
    connection.execute(statements.SET_STORE_KEY, values)


def _forget_older(connection: Connection) -> None:
    for row in connection.execute(statements.STORE_KEYS).all():
        if row.state == READ:
            _set(connection, StoreKey(row.purpose, row.version, row.fingerprint or "", row.state), GONE)


def _state(connection: Connection, *, lock: bool = False) -> Any:
    return connection.execute(sql.LOCK_STATE if lock else sql.STATE, {"of_name": _NAME}).one_or_none()


def _begin(connection: Connection, row: Any, target: tuple[int, int]) -> None:
    values = {"data_version": target[0], "hash_version": target[1], "done_below": 0, "changed": 0}
    if row is None:
        connection.execute(sql.INSERT_STATE, {**values, "name": _NAME})
        return
    connection.execute(sql.BEGIN, {f"new_{name}": value for name, value in values.items()} | {"of_name": _NAME})


def _move(connection: Connection, row: Any, done_below: int, changed: int) -> None:
    values = {"of_name": _NAME, "was_below": row.done_below, "new_done_below": done_below, "new_changed": changed}
    # of two nodes at the same batch one moves on; the rows are the same for both
    connection.execute(sql.MOVE, values)


def _progress(sealing: Sealing, row: Any, last: int) -> Progress:
    data_version, hash_version = sealing.data_version or PLAIN_VERSION, sealing.hash_version or PLAIN_VERSION
    begun = row is not None and (row.data_version, row.hash_version) == (data_version, hash_version)
    finished = begun and row.done_below == FINISHED
    done = last if finished else row.done_below if begun else 0
    return Progress(data_version, hash_version, done, last, row.changed if begun else 0, finished)
