"""This process among the others on one store: registration, signs of life, who is dead (design, "Safety classes").

A registration is a name and an epoch. What a process begins carries both, and right before the first byte leaves the
store is asked whether they are still in force. Others raise the epoch of whoever is silent for too long; in the same
commit what it had begun is in doubt. So a process that was paused, however long, sends nothing that others have taken
over, and nobody compares clocks: silence is counted on the own monotonic clock, and only while the own look at the
store succeeds. No thread in here: the process takes the turns of :meth:`Membership.turn` in one of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

from gateway.exchange.ports import (
    Clock,
    JournalUnavailable,
    Node,
    NodeFacts,
    NodeRegistry,
    NodeState,
    Outcome,
    Registration,
    State,
)
from gateway.faults import IN_DOUBT

log = structlog.get_logger(__name__)

TWINS_MAX: Final = 9
"""Processes of one name; the second is registered as ``name#2``."""
LOOKS_COUNTED: Final = 2.0
"""A gap between two looks counts as silence for at most so many heartbeats: who was paused itself, or had no store,
has not heard the others either."""
FRESH_S: Final = 1.0
"""An answer of the store that took longer may be out of date when it comes; it is asked again."""
ASKED_MAX: Final = 3


class NoName(Exception):
    """Every name that this process could take is in use; the text is for staff."""


@dataclass(slots=True)
class _Silence:
    """What was last seen of another node, and for how many seconds nothing new."""

    seen: tuple[Registration, int]
    seconds: float = 0.0


class Membership:
    """One process's place among the nodes.

    Args:
        registry: where the nodes of this store are known.
        name: of this node; a second process of the same name is registered as ``name#2``.
        facts: what the others are told about this process.
        clock: the time now, aware; for people.
        monotonic: seconds that no clock step changes.
        heartbeat_s: seconds between two turns.
        lives: whether the process with this number still runs on this machine.
    """

    def __init__(
        self,
        registry: NodeRegistry,
        name: str,
        facts: NodeFacts,
        *,
        clock: Clock,
        monotonic: Callable[[], float],
        heartbeat_s: float,
        lives: Callable[[int], bool],
    ) -> None:
        self._registry = registry
        self._name = name
        self._facts = facts
        self._clock = clock
        self._monotonic = monotonic
        self._heartbeat_s = heartbeat_s
        self._lives = lives
        self._registration = Registration(name)
        self._silent: dict[str, _Silence] = {}
        self._looked_at: float | None = None
        self._heard_at = monotonic()

    # -------------------------------------------------------- registration

    def start(self) -> Registration:
        """Register, before the first exchange.

        Raises:
            NoName: too many processes of this name.
            JournalUnavailable: the store cannot be written.
        """
        for name in [self._name, *(f"{self._name}#{twin}" for twin in range(2, TWINS_MAX + 1))]:
            claimed = self._claim(name)
            if claimed is None:
                continue
            self._registration, doubtful = claimed
            self._heard_at = self._monotonic()
            log.info("node_registered", node=name, epoch=self._registration.epoch)
            if name != self._name:
                log.warning("node_name_in_use", name=self._name, registered_as=name)
            if doubtful:
                log.error("in_doubt_after_restart", exchanges=doubtful)
            return self._registration
        raise NoName(f"节点名 {self._name} 已有 {TWINS_MAX} 个进程在用，请为各节点设置不同的 store.node")

    def _claim(self, name: str) -> tuple[Registration, int] | None:
        """Take the name unless somebody who may still live has it."""
        before = next((node for node in self._registry.nodes() if node.registration.name == name), None)
        if before is not None and before.state is NodeState.RUNNING and not self._has_ended(before):
            return None
        return self._registry.claim(name, before, self._facts, self._clock(), self._abandoned())

    def _has_ended(self, node: Node) -> bool:
        """Whether it is certain without waiting: the store admits one process, or its process is gone from here."""
        here = bool(self._facts.place) and node.facts.place == self._facts.place
        return self._registry.alone or (here and not self._lives(node.facts.pid))

    def _abandoned(self) -> Outcome:
        text = f"{IN_DOUBT.title}：网关在发送前后停止"
        return Outcome(State.IN_DOUBT, self._clock(), err_msg=text, code=IN_DOUBT.code)

    def current(self) -> Registration:
        """Under what this process begins exchanges now."""
        return self._registration

    def still_mine(self, registration: Registration) -> bool:
        """Whether ``registration`` is in force; asked right before the first byte. False when the store cannot tell.

        A store that admits one process is not asked: while this one has it open nobody else can have taken anything over.
        """
        if self._registry.alone:
            return registration == self._registration
        try:
            for _ in range(ASKED_MAX):
                asked_at = self._monotonic()
                if not self._registry.holds(registration):
                    log.error("not_mine_any_more", node=registration.name, epoch=registration.epoch)
                    return False
                if self._monotonic() - asked_at <= FRESH_S:
                    return True
            log.error("store_too_slow_to_send", node=registration.name)
        except JournalUnavailable:
            log.exception("not_sent_without_store", node=registration.name)
        return False

    def well(self) -> bool:
        """Whether the others take this node for living: its last heartbeat is not too long ago."""
        return self._monotonic() - self._heard_at < self._facts.silence_s

    def leave(self) -> None:
        """Last call: what is still open is in doubt at once, and others need not wait for silence."""
        try:
            if left := self._registry.leave(self._registration, self._abandoned()):
                log.error("in_doubt_at_end", exchanges=left)
        except JournalUnavailable:
            log.warning("node_left_unsaid", node=self._registration.name)

    # --------------------------------------------------------------- turns

    def heartbeat(self) -> None:
        """One turn; without a store it is left out, and the others count it as silence."""
        try:
            self.turn()
        except JournalUnavailable:
            log.warning("heartbeat_without_store", node=self._registration.name)

    def turn(self) -> None:
        """A sign of life, then a look at the others. Raises ``JournalUnavailable``."""
        if self._registry.beat(self._registration, self._clock()):
            self._heard_at = self._monotonic()
        else:
            log.error("node_declared_dead", node=self._registration.name, epoch=self._registration.epoch)
            self.start()
        for node in self._silent_nodes():
            self._declare_dead(node)
        if swept := self._registry.sweep(self._abandoned()):
            log.error("in_doubt_after_pause", exchanges=swept)

    def _silent_nodes(self) -> list[Node]:
        others = [
            node
            for node in self._registry.nodes()
            if node.state is NodeState.RUNNING and node.registration.name != self._registration.name
        ]
        gap_s = self._gap_s()
        self._silent = {node.registration.name: self._heard(node, gap_s) for node in others}
        return [
            node
            for node in others
            if self._has_ended(node) or self._silent[node.registration.name].seconds >= node.facts.silence_s
        ]

    def _gap_s(self) -> float:
        """Seconds since the last look, as far as they count."""
        now = self._monotonic()
        gap_s = 0.0 if self._looked_at is None else min(now - self._looked_at, LOOKS_COUNTED * self._heartbeat_s)
        self._looked_at = now
        return gap_s

    def _heard(self, node: Node, gap_s: float) -> _Silence:
        seen = (node.registration, node.beat)
        before = self._silent.get(node.registration.name)
        if before is None or before.seen != seen:
            return _Silence(seen)
        return _Silence(seen, before.seconds + gap_s)

    def _declare_dead(self, node: Node) -> None:
        doubtful = self._registry.declare_dead(node, self._abandoned())
        if doubtful is not None:
            name, epoch = node.registration.name, node.registration.epoch
            log.error("node_dead", node=name, epoch=epoch, address=node.facts.address, in_doubt=doubtful)
