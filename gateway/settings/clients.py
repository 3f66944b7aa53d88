"""Who calls, how much may come in, and how long doubts are looked into."""

from __future__ import annotations

import ipaddress
from typing import Self

from pydantic import Field, field_validator, model_validator

from gateway.settings.parts import Part, Secret, Workstation


class ClientSettings(Part):
    """A caller known by name, and by exactly one kind of proof (``addresses`` may narrow any of them)."""

    name: str = Field(min_length=1, max_length=30, description="客户端的名称，记在每笔交易上")
    password: Secret | None = Field(
        None, description="WS-Security UsernameToken（明文或摘要）与 HTTP Basic，用户名即 name"
    )
    api_key: Secret | None = Field(None, description="HTTP 头 X-Api-Key")
    addresses: tuple[str, ...] = Field((), description="来源网段；没有密码和 api_key 时即凭来源识别")
    open: bool = Field(False, description="任何人；仅用于演示，生产环境拒绝")
    transactions: tuple[str, ...] = Field(("*",), description="允许的交易，如 2*、5201、*")
    workstation: Workstation = Workstation()
    concurrent_max: int | None = Field(None, ge=1, description="同时进行的调用上限，超出即答 GW-4003；空则只受份额约束")
    call_s_max: float | None = Field(
        None, gt=0, le=3600, description="这个调用方最多等多少秒；空则取 limits.call_s_max"
    )

    @field_validator("addresses")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            ipaddress.ip_network(network)
        return value

    @model_validator(mode="after")
    def _one_proof(self) -> Self:
        proofs = sum((self.password is not None, self.api_key is not None, self.open))
        if proofs > 1:
            raise ValueError(f"客户端 {self.name} 只能设置 password、api_key、open 之一")
        if proofs == 0 and not self.addresses:
            raise ValueError(f"客户端 {self.name} 须设置 password、api_key、addresses、open 之一")
        return self


class Limits(Part):
    """Limits on what comes in."""

    body_bytes_max: int = Field(16 * 1024 * 1024, ge=1024, description="一个请求的字节上限")
    body_read_s_max: float = Field(30, gt=0, description="读完一个请求的时限")
    twin_wait_s: float = Field(30, ge=0, le=300, description="同一请求或同一就诊正在办理时，后来的等待多少秒")
    turn_wait_s: float = Field(10, ge=0, le=300, description="等候发往平台的通道多少秒，轮不到即答 GW-4003")
    call_s_max: float | None = Field(None, gt=0, le=3600, description="一次调用总共多少秒；空则为平台时限加各项等待")
    calls_max: int = Field(700, ge=1, le=10000, description="在手的调用总数，含等候的；超出份额即答 GW-4003")
    sure_share: float = Field(0.25, ge=0, le=1, description="为各客户端平均保留的比例，其余先到先得")


class Resolve(Part):
    """How patiently doubtful exchanges are settled before a person is called."""

    tries_max: int = Field(12, ge=1, le=1000, description="核实多少次仍无结果即转人工")
    pause_s: float = Field(5, gt=0, le=3600, description="第一次核实之后的间隔")
    factor: float = Field(2, ge=1, le=10, description="此后每次间隔放大的倍数")
    pause_s_max: float = Field(600, gt=0, le=86400, description="间隔的上限")
