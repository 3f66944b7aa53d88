"""All settings together, and what follows from several of them."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Self

from pydantic import Field, ValidationInfo, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from gateway.settings.clients import ClientSettings, Limits, Resolve
from gateway.settings.his import His
from gateway.settings.jobs import Jobs
from gateway.settings.listen import ConsoleSettings, Listen
from gateway.settings.operating import AlertSettings, Log
from gateway.settings.platform import Callbacks, Institution, Platform
from gateway.settings.rules import ContractSettings, Rules, Wards
from gateway.settings.store import NODE_NAME_MAX, Files, Nodes, Protect, Retention, Store
from gateway.settings.work import Alignment, Catalogs, Reconcile, SettlementList, Vouchers


class Settings(BaseSettings):
    """Everything the gateway can be told."""

    model_config = SettingsConfigDict(
        env_prefix="YIBAO_", env_nested_delimiter="__", frozen=True, extra="forbid", validate_default=True
    )

    production: bool = Field(True, description="生产环境：拒绝 open 客户端与明文密钥")
    institution: Institution = Institution()
    platform: Platform = Platform()
    callbacks: Callbacks = Callbacks()
    listen: Listen = Listen()
    store: Store = Store()
    protect: Protect = Protect()
    retention: Retention = Retention()
    nodes: Nodes = Nodes()
    clients: tuple[ClientSettings, ...] = ()
    limits: Limits = Limits()
    resolve: Resolve = Resolve()
    contract: ContractSettings = ContractSettings()
    console: ConsoleSettings = ConsoleSettings()
    wards: Wards = Wards()
    rules: Rules = Rules()
    his: His = His()
    settlement_list: SettlementList = SettlementList()
    alignment: Alignment = Alignment()
    jobs: Jobs = Jobs()
    files: Files = Files()
    vouchers: Vouchers = Vouchers()
    reconcile: Reconcile = Reconcile()
    catalogs: Catalogs = Catalogs()
    alerts: AlertSettings = AlertSettings()
    log: Log = Log()
    test_die_at: str = Field(
        "",
        pattern=r"^((before|after)_(intent|send|outcome|told|mark)(:[0-9A-Za-z_]+)?)?$",
        description="仅测试：到达该处时进程自尽，如 after_send:2304、before_mark:ward_events",
    )
    test_stop_at: str = Field(
        "",
        pattern=r"^((before|after)_(intent|send|outcome)(:[0-9A-Z]+)?)?$",
        description="仅测试：第一次到达该处时进程停住（SIGSTOP），如 before_send:2304",
    )

    @property
    def node(self) -> str:
        """Name of this node: as configured, else host and port."""
        if self.store.node:
            return self.store.node
        port = f":{self.listen.exchange.port}"
        return socket.gethostname()[: NODE_NAME_MAX - len(port)] + port

    @model_validator(mode="after")
    def _clients_are_known(self, _: ValidationInfo) -> Self:
        names = [client.name for client in self.clients]
        if "console" in names:
            raise ValueError("clients 中不能有名为 console 的客户端：这是控制台自己的名字")
        if len(set(names)) != len(names):
            raise ValueError("clients 中有重名")
        if not self.clients:
            raise ValueError("没有配置任何客户端：请在 [[clients]] 中写明 name 与 password、api_key 或 addresses")
        opened = [client.name for client in self.clients if client.open]
        given = {"limits.call_s_max": self.limits.call_s_max}
        given |= {f"客户端 {client.name} 的 call_s_max": client.call_s_max for client in self.clients}
        for name, seconds in given.items():
            if seconds is not None and seconds < self.platform.send_s_max:
                raise ValueError(
                    f"{name} 不能小于 platform 的 connect_timeout_s + read_timeout_s（{self.platform.send_s_max:g} 秒）"
                )
        if self.production and (self.test_die_at or self.test_stop_at):
            raise ValueError("test_die_at 与 test_stop_at 只用于测试，生产环境不能设置")
        if self.production and not self.protect.keys:
            raise ValueError(
                "生产环境须加密存储：先运行 yibao keys new /etc/yibao/keys.toml 生成密钥，"
                '再设置 [protect] keys = "file:/etc/yibao/keys.toml"，并把密钥文件另行备份'
            )
        if self.production and opened:
            raise ValueError(
                f"生产环境不允许 open 客户端（{'、'.join(opened)}）：请为其设置 password、api_key 或 addresses"
            )
        return self

    @property
    def certificates(self) -> dict[str, Path]:
        """The certificate files in use, by what they are for."""
        files = {"platform_ca": self.platform.ca_file, "platform_client": self.platform.client_certificate}
        listeners = {"exchange": self.listen.exchange, "admin": self.listen.admin, "callback": self.listen.callback}
        listeners |= {"console": self.console.listen}
        listeners |= {f"more_{number}": listener for number, listener in enumerate(self.listen.more, 1)}
        served = {
            f"listen_{name}": listener.tls.certificate
            for name, listener in listeners.items()
            if listener and listener.tls
        }
        return {name: file for name, file in {**files, **served}.items() if file is not None}

    @property
    def store_folder(self) -> Path | None:
        """Where the SQLite file is; None with a database server."""
        path = self.store.url.removeprefix("sqlite:///")
        return Path(path).parent if path != self.store.url else None

    @property
    def files_folder(self) -> Path:
        """Where received files are kept."""
        path = self.store.url.removeprefix("sqlite:///")
        beside = Path(path).parent if path != self.store.url else Path("var")
        return self.files.folder or beside / "files"

    @property
    def backup_folder(self) -> Path | None:
        """Where the job ``backup`` writes; None where that must be said first."""
        path = self.store.url.removeprefix("sqlite:///")
        return self.jobs.backup.folder or (Path(path).parent / "backups" if path != self.store.url else None)

    @property
    def call_s_max(self) -> float:
        """Seconds a call may take in all."""
        waits = self.limits.twin_wait_s + self.limits.turn_wait_s
        return self.limits.call_s_max or self.platform.send_s_max + waits

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del init_settings, dotenv_settings, file_secret_settings
        return env_settings, TomlConfigSettingsSource(settings_cls)
