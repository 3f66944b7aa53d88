"""What tells operators how the gateway is."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from gateway.settings.parts import Part


class AlertSettings(Part):
    """From when on somebody should look (console: 运行; ``yibao alerts list``)."""

    window_min: int = Field(15, ge=1, le=180, description="错误占比与耗时看最近多少分钟")
    calls_min: int = Field(20, ge=1, description="这段时间至少有多少笔才判断错误占比与耗时")
    error_share: float = Field(0.2, gt=0, le=1, description="未成功的占比超过多少即告警（网关自己拒绝的不算）")
    slow_s: float = Field(10, gt=0, description="某一交易 95% 的耗时超过多少秒即告警")
    doubts: int = Field(5, ge=1, description="结果未知的交易达到多少笔即告警；待人工核对的有一笔即告警")
    platform_s: float = Field(60, ge=1, description="连不上省平台多少秒即告警")
    certificate_days: int = Field(60, ge=1, description="证书剩余不足多少天即告警；不足 30 天、7 天时再告警")
    disk_mb: int = Field(1024, ge=1, description="存储、文件与备份所在磁盘剩余不足多少 MB 即告警")


class Log(Part):
    """Structured logs; personal data is always masked."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="记到哪一级")
    format: Literal["json", "console"] = Field("json", description="json 供采集；console 供人看")
    file: Path | None = Field(None, description="写入的文件；空则写到标准错误")
