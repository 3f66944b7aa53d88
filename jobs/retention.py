"""Retention by itself (``gateway/store/retention.py``; docs/operating/retention.md)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from gateway.exchange.ports import NodeRegistry, NodeState
from gateway.store.retention import Limits, Retention
from jobs.job import JobFailed, Result, Run, Stopped

OPERATOR: Final = "yibao"


@dataclass(frozen=True, slots=True)
class Retaining:
    """What the job needs.

    Args:
        version: of this program.
        sweep_files: removes files of the platform whose time is over, and counts them.
    """

    retention: Retention
    limits: Limits
    nodes: NodeRegistry
    version: str
    clock: Callable[[], datetime]
    sweep_files: Callable[[], int]

    def work(self, run: Run) -> Result:
        """The job ``retention``.

        Raises:
            JobFailed: a node runs another version, which may not know that bodies can be in an archive; or files cannot be
                removed.
            StoreError: it may not be done now, or an archive cannot be written or read back.
        """
        running = [node for node in self.nodes.nodes() if node.state is NodeState.RUNNING]
        if other := [one.registration.name for one in running if one.facts.version != self.version]:
            raise JobFailed(f"节点 {'、'.join(other)} 的程序版本不同，请先把各节点升级到同一版本")
        removed = self._sweep()
        stop = threading.Event()

        def told(_what: str, done: int, total: int) -> None:
            try:
                run.advance(done, total)
            except Stopped:
                stop.set()

        done = self.retention.run(self.limits, self.clock(), OPERATOR, told, stop)
        if done.stopped:
            raise Stopped
        counts = {
            "删除查询报文": done.reads,
            "归档": done.archived,
            "删除归档文件": done.files_removed,
            "删除操作日志": done.log_rows,
            "暂留": done.held,
            "删除文件": removed,
        }
        return Result(counts, detail={"warnings": done.warnings})

    def _sweep(self) -> int:
        try:
            return self.sweep_files()
        except OSError as error:
            raise JobFailed(f"平台文件的目录不能清理：{error.strerror}") from error
