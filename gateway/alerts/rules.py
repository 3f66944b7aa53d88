"""What is an alert: facts against thresholds. Nothing is read here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.certificates import step_of
from gateway.exchange.ports import State
from gateway.figures import Tally
from gateway.settings import AlertSettings
from gateway.store.alerts import Found, Kind

STILL_BAD: Final = 0.8
"""An alert by a measure is cleared below this part of its threshold, so that it does not come and go at the edge."""
NOT_DONE: Final = frozenset({State.DECLINED, State.NOT_SENT, State.IN_DOUBT, State.ESCALATED, State.NOT_DONE})
"""What counts as an error: what the gateway refuses by its own rules does not."""
CERTIFICATE_BAD_DAYS: Final = 7


@dataclass(frozen=True, slots=True)
class Rule:
    """What a kind of alert is called, and the way out."""

    title: str
    advice: str
    path: str
    """Page of the console where one goes on."""
    right: str
    """Who may open it."""


RULES: Final[Mapping[str, Rule]] = {
    "errors": Rule("未成功的交易过多", "按结果查看未成功的交易；多为同一原因时先处理这一原因。", "/exchanges?state=DECLINED", "exchange.see"),
    "slow": Rule("交易过慢", "看各交易的耗时；只有平台慢时联系省平台，全部都慢时请信息科查看服务器。", "/running?window=1h", "running.see"),
    "escalated": Rule("有交易待人工核对", "在平台侧查清后，在“疑问交易”中了结。", "/doubts", "doubt.see"),
    "doubts": Rule("结果未知的交易过多", "网关正在核实；长时间不减少时联系省平台。", "/doubts", "doubt.see"),
    "platform": Rule("连不上省平台", "请信息科检查专线与平台地址；恢复后交易自动继续。", "/running", "running.see"),
    "jobs": Rule("自动任务没有办成", "看该任务最近一次的原因；改正后可立即运行。", "/jobs", "job.see"),
    "dip": Rule("DIP 系统与医保结算不同", "逐例看差异；以医保结算为准，改 DIP 系统。", "/lists/dip", "list.see"),
    "certificate": Rule("证书将到期", "请信息科更换证书文件；换好即生效。平台自己的证书（platform）请联系省平台。", "/running", "running.see"),
    "disk": Rule("磁盘空间不足", "请信息科清理或扩容；写满后新的交易会被拒绝。", "/running", "running.see"),
    "untold": Rule("已成交而院内未收到答复", "请院内按原请求号再查结果，或核对是否已入账。", "/doubts?untold=1", "doubt.see"),
}  # fmt: skip
"""Every rule, in the order in which it is shown."""


def thresholds(given: AlertSettings) -> dict[str, str]:
    """Each rule's threshold in words, with its setting."""
    return {
        "errors": f"{given.window_min} 分钟内超过 {given.error_share:.0%}，且至少 {given.calls_min} 笔",
        "slow": f"{given.window_min} 分钟内某一交易 95% 超过 {given.slow_s:g} 秒，且至少 {given.calls_min} 笔",
        "escalated": "有一笔即告警",
        "doubts": f"达到 {given.doubts} 笔",
        "platform": f"连续 {given.platform_s:g} 秒",
        "jobs": "最近一次没有办成，或久未办成（各任务的 silent_after_s）",
        "dip": "最近一次核对有一处不同即告警",
        "certificate": f"剩余不足 {given.certificate_days} 天，不足 30 天、{CERTIFICATE_BAD_DAYS} 天时再告警",
        "disk": f"剩余不足 {given.disk_mb} MB",
        "untold": "有一笔即告警",
    }


def error_share(tally: Tally) -> float:
    """The part that was not done; what the gateway itself refuses is no error, nor that a catalog has nothing newer.

    What of a catalog did not come, the job ``catalogs`` tells.
    """
    failed = sum(count for state, count in tally.states.items() if state in NOT_DONE) - tally.no_news
    return failed / tally.count if tally.count else 0.0


def of_figures(given: AlertSettings, window: Mapping[str, Tally]) -> Iterator[Found]:
    """Error share and durations of the last minutes, per transaction and in all."""
    total = Tally()
    for tally in window.values():
        total.merge(tally)
    share = error_share(total)
    failed = round(share * total.count)
    if total.count >= given.calls_min and share > given.error_share * STILL_BAD:
        told = f"最近 {given.window_min} 分钟 {total.count} 笔中 {failed} 笔未成功（{share:.0%}）"
        yield Found("errors", "bad", told, keeps=share <= given.error_share)
    for infno, tally in window.items():
        spent = (tally.quantile_ms(0.95) or 0) / 1000
        if tally.count >= given.calls_min and spent > given.slow_s * STILL_BAD:
            told = f"{infno} 最近 {given.window_min} 分钟 95% 的交易用到 {spent:.1f} 秒"
            yield Found("slow", "warn", told, subject=infno, keeps=spent <= given.slow_s)


def of_doubts(given: AlertSettings, escalated: int, in_doubt: int, untold: int) -> Iterator[Found]:
    """Doubts, and money whose reply reached nobody."""
    if escalated:
        yield Found("escalated", "bad", f"{escalated} 笔交易网关无法自行证明结果，待人工核对")
    if in_doubt > given.doubts * STILL_BAD:
        yield Found("doubts", "bad", f"{in_doubt} 笔交易结果未知", keeps=in_doubt < given.doubts)
    if untold:
        yield Found("untold", "warn", f"{untold} 笔成交的结算，院内没有收到答复")


def of_platform(given: AlertSettings, silent_s: float, node: str) -> Iterator[Found]:
    """The line to the platform, as this node has it.

    Args:
        silent_s: since it could last be reached, 0 when it can.
    """
    if silent_s >= given.platform_s:
        yield Found("platform", "bad", f"节点 {node} 连不上省平台", node=node)


def of_certificates(given: AlertSettings, days_left: Mapping[str, int], node: str) -> Iterator[Found]:
    """Certificates that end soon: raised at ``certificate_days`` (60), and anew at 30, 7 and when it has ended."""
    for name, days in days_left.items():
        step = step_of(days, given.certificate_days)
        if step is not None:
            kind: Kind = "bad" if days < CERTIFICATE_BAD_DAYS else "warn"
            told = f"{name} 已到期" if days < 0 else f"{name} 还有 {days} 天到期"
            yield Found("certificate", kind, told, subject=name, node=node, step=str(step))


def of_disk(given: AlertSettings, free_mb: Mapping[str, int], node: str) -> Iterator[Found]:
    """Room where the gateway writes."""
    for folder, free in free_mb.items():
        if free < given.disk_mb / STILL_BAD:
            told = f"节点 {node} 的 {folder} 只剩 {free} MB"
            yield Found("disk", "bad", told, subject=folder, node=node, keeps=free >= given.disk_mb)


def of_jobs(alerts: Sequence[tuple[str, str, str]]) -> Iterator[Found]:
    """Jobs that have failed or are silent: name, title, sentence."""
    for name, title, _text in alerts:
        yield Found("jobs", "warn", f"{title}：没有办成，或太久没有办成", subject=name)


def of_dip(differences: int) -> Iterator[Found]:
    """What the newest difference list has."""
    if differences:
        yield Found("dip", "warn", f"DIP 系统与医保结算有 {differences} 处不同")
