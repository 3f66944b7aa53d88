"""Where things are kept, by which nodes, how protected and for how long."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from gateway.settings.parts import Part

NODE_NAME_MAX = 30


class Store(Part):
    """Where the journal lives."""

    url: str = Field("sqlite:///var/yibao.db", description="SQLAlchemy 地址；SQLite 单机，PostgreSQL 多节点")
    node: str = Field("", max_length=NODE_NAME_MAX, description="本节点名，各节点不同；空则为 主机名:端口")


class Nodes(Part):
    """How the gateways on one store watch each other."""

    heartbeat_s: float = Field(3, gt=0, le=60, description="每隔多少秒向数据库报一次平安")
    dead_after_s: float = Field(
        15, gt=0, le=600, description="多久没有平安即由其他节点接管；至少为 heartbeat_s 的 3 倍"
    )

    @model_validator(mode="after")
    def _patient(self) -> Self:
        if self.dead_after_s < 3 * self.heartbeat_s:
            raise ValueError("dead_after_s 至少应为 heartbeat_s 的 3 倍，否则偶尔一次慢就会被接管")
        return self


class Protect(Part):
    """How personal data is kept in the store. The keys themselves never stand in the configuration."""

    keys: str = Field(
        "",
        pattern=r"^((file|env):.+)?$",
        description="密钥：file:/路径 或 env:变量名；用 yibao keys new 生成。空则不加密，仅限非生产",
    )
    cipher: Literal["aes-gcm", "sm4-gcm"] = Field(
        "aes-gcm", description="新密钥的套件：aes-gcm 配 HMAC-SHA-256，sm4-gcm 配 HMAC-SM3（国密）"
    )


class Retention(Part):
    """What is kept for how long (docs/operating/retention.md); nothing unresolved is ever removed."""

    archive: Path | None = Field(
        None, description="归档文件夹，各节点须为同一个；空则医保结算与状态类报文一直留在数据库里"
    )
    in_store_days: int = Field(365, ge=30, le=3650, description="结算与状态类报文在数据库里放多少天，之后移入归档")
    archive_years: int = Field(15, ge=1, le=100, description="归档文件保存多少年，之后删除")
    reads_days: int = Field(180, ge=1, le=36500, description="查询类报文保存多少天，之后删除")
    log_days: int = Field(184, ge=184, le=36500, description="操作日志保存多少天，不得少于六个月")

    @model_validator(mode="after")
    def _archive_outlives_store(self) -> Self:
        if self.in_store_days >= self.archive_years * 365:
            raise ValueError("in_store_days 应小于 archive_years：归档前就已到期")
        return self


class Files(Part):
    """Where files of the platform (9102) are kept."""

    folder: Path | None = Field(None, description="目录；空则为数据库文件旁的 files，或 var/files")
    bytes_max: int = Field(512 * 1024 * 1024, ge=1024, description="一个下载文件的字节上限")
    inline_bytes_max: int = Field(
        8 * 1024 * 1024, ge=0, description="不超过此字节数的文件，连同答复以 Base64 交给调用方"
    )
    keep_days: int = Field(30, ge=1, le=3650, description="保留多少天，过期即删")
