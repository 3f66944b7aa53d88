"""Where the gateway and its console listen."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from gateway.settings.parts import Part


class Tls(Part):
    """Certificate of a listener; replaced files are taken up without a restart."""

    certificate: Path
    key: Path
    minimum: Literal["1.0", "1.1", "1.2", "1.3"] = Field("1.2", description="老 HIS 可降到 1.0，仅限该监听")


class Listener(Part):
    """One address. Without ``tls`` it speaks plain HTTP."""

    address: str = Field("127.0.0.1:8080", description="host:port")
    tls: Tls | None = Field(None, description="证书与私钥；不设则为明文 HTTP")

    @field_validator("address")
    @classmethod
    def _host_and_port(cls, value: str) -> str:
        host, _, port = value.rpartition(":")
        if not host or not port.isdigit() or not 0 < int(port) < 65536:
            raise ValueError(f"地址应为 host:port，现为 {value!r}")
        return value

    @property
    def host(self) -> str:
        return self.address.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    @property
    def loopback(self) -> bool:
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


class Listen(Part):
    """Where the gateway listens."""

    exchange: Listener = Listener()
    admin: Listener | None = Field(None, description="设置后 /healthz /readyz /metrics 只在此地址提供")
    callback: Listener | None = Field(None, description="设置后平台的回调只在此地址接收，此地址也只收回调")
    more: tuple[Listener, ...] = Field((), description="另外的 HIS 侧地址，例如给老 HIS 的低版本 TLS")
    threads: int = Field(
        64, ge=1, le=2000, description="同时办理的调用数；按平台时延估算：64 个线程、300 ms 约 210 次/秒"
    )
    backlog: int = Field(1024, ge=128, description="TCP 等待队列长度（granian 的下限为 128）")
    public_url: str = Field("", description="对外地址，例如 https://yibao.hospital；写入 WSDL 的 soap:address")
    trusted_proxies: tuple[str, ...] = Field((), description="可信代理的网段，其 X-Forwarded-* 才被采信")

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            ipaddress.ip_network(network)
        return value


class ConsoleSettings(Part):
    """The web console for staff."""

    enabled: bool = Field(True, description="由 yibao serve 带起控制台进程")
    listen: Listener = Listener(address="127.0.0.1:8081")
    public_url: str = Field("", description="对外地址，例如 https://yibao.hospital/console；https 时 Cookie 只走 HTTPS")
    rights: Path | None = Field(None, description="角色与权限文件；空则用随程序的 conf/rights.yaml")
    idle_s_max: int = Field(1800, ge=60, le=86400, description="多少秒没有操作即须重新登录")
    session_s_max: int = Field(43200, ge=300, le=604800, description="登录后最长多少秒须重新登录")
    attempts_max: int = Field(5, ge=1, le=100, description="连续输错几次密码后暂停该用户登录")
    refused_s: int = Field(900, ge=1, le=86400, description="暂停登录的秒数")
    password_chars_min: int = Field(10, ge=8, le=64, description="密码最短字符数")
    nice: int = Field(
        10, ge=0, le=19, description="控制台进程与报表进程让出处理器的程度（nice 值），0 为不让；Windows 上不起作用"
    )

    @property
    def https(self) -> bool:
        """Whether browsers reach it through TLS."""
        return self.listen.tls is not None or self.public_url.startswith("https://")
