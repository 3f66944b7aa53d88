"""Misbehaviour on demand: which kinds there are, and which are pending."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Executes = Literal["now", "no", "later"]
Line = Literal["answer", "close", "reset", "http-500", "garbage", "wrong-charset", "truncated", "wrong-length", "twice"]
TIMES_MAX = 1_000_000
SECONDS_MAX = 3600.0
PENDING_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Kind:
    """What a fault does: whether the platform executes the request, and what the caller sees on the line."""

    executes: Executes
    line: Line
    text: str
    waits: Literal["", "before", "after"] = ""
    """``seconds`` pass before the execution, or between it and the answer."""


KINDS: dict[str, Kind] = {
    "refuse": Kind("now", "answer", "平台以 infcode -1 拒绝，未执行"),
    "delay": Kind("now", "answer", "seconds 秒后才执行并答复", "before"),
    "lose-request": Kind("no", "close", "请求丢失：连接关闭，未执行"),
    "late-request": Kind("later", "close", "连接立即断开，seconds 秒后平台才执行"),
    "lose-reply": Kind("now", "close", "已执行，答复丢失：连接关闭"),
    "late-reply": Kind("now", "answer", "已执行，seconds 秒后才答复", "after"),
    "drop-row": Kind("now", "answer", "悄悄丢掉重复节点的最后一行，其余执行"),
    "reset": Kind("no", "reset", "读完请求后 TCP RST，未执行"),
    "http-500": Kind("no", "http-500", "HTTP 500，未执行"),
    "garbage": Kind("now", "garbage", "已执行，答复不是 JSON"),
    "wrong-charset": Kind("now", "wrong-charset", "已执行，答复为 GBK 字节却声明 UTF-8"),
    "truncated": Kind("now", "truncated", "已执行，答复比 Content-Length 短"),
    "wrong-length": Kind("now", "wrong-length", "已执行，答复比 Content-Length 长：照长度读就少了后半"),
    "duplicate-reply": Kind("now", "twice", "已执行，同一答复在连接上来两次"),
    "bad-signature": Kind("now", "answer", "签名校验失败，网关答 HTTP 401，未执行"),
}


class FaultWrong(Exception):
    """A fault was asked for that cannot be; the text (Chinese) says why."""


@dataclass(slots=True)
class Fault:
    """One pending misbehaviour; ``times`` counts down, ``seconds`` as the kind uses it."""

    infno: str
    kind: str
    times: int = 1
    seconds: float = 0.0


class FaultBoard:
    """The pending faults in the order they were asked for; the caller holds the simulator's lock."""

    def __init__(self) -> None:
        self._pending: list[Fault] = []

    def add(self, wish: Mapping[str, Any], known_infno: Any) -> Fault:
        """Take ``{"infno", "kind", "times", "seconds"}``; raises :class:`FaultWrong`."""
        if len(self._pending) >= PENDING_MAX:
            raise FaultWrong(f"待发生的故障已达 {PENDING_MAX} 条，请先 DELETE /_sim/faults")
        fault = _read(wish, known_infno)
        self._pending.append(fault)
        return fault

    def take(self, infno: str) -> Fault | None:
        """The first pending fault for ``infno`` or ``*``, one time less."""
        for fault in self._pending:
            if fault.infno in (infno, "*"):
                fault.times -= 1
                if fault.times == 0:
                    self._pending.remove(fault)
                return fault
        return None

    def listed(self) -> list[dict[str, Any]]:
        """What is pending, as JSON."""
        return [asdict(fault) for fault in self._pending]

    def clear(self) -> None:
        """Nothing is pending any more."""
        self._pending.clear()


def _read(wish: Mapping[str, Any], known_infno: Any) -> Fault:
    unknown = wish.keys() - {"infno", "kind", "times", "seconds"}
    if unknown:
        raise FaultWrong(f"不认识的键：{'、'.join(sorted(unknown))}")
    infno, kind = wish.get("infno", "*"), wish.get("kind")
    if not isinstance(infno, str) or (infno != "*" and infno not in known_infno):
        raise FaultWrong(f"infno 应为已知交易编号或 *，收到 {infno!r}")
    if not isinstance(kind, str) or kind not in KINDS:
        raise FaultWrong(f"kind 不认识：{kind!r}；可用：{'、'.join(KINDS)}")
    times, seconds = wish.get("times", 1), wish.get("seconds", 0)
    if not isinstance(times, int) or isinstance(times, bool) or not 1 <= times <= TIMES_MAX:
        raise FaultWrong(f"times 应为 1 到 {TIMES_MAX} 的整数")
    return Fault(infno, kind, times, _seconds(seconds))


def _seconds(value: Any) -> float:
    try:
        seconds = math.nan if isinstance(value, bool | str) else float(value)
    except (TypeError, ValueError, OverflowError):
        seconds = math.nan
    if not 0 <= seconds <= SECONDS_MAX:
        raise FaultWrong(f"seconds 应为 0 到 {SECONDS_MAX:g} 的数")
    return seconds
