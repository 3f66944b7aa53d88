"""What every part of the configuration is made of."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr


class SettingsError(Exception):
    """The configuration cannot be used; the text says what to set."""


def _read_secret(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    kind, _, rest = text.partition(":")
    if kind == "file":
        path = Path(rest)
        if not path.is_file():
            raise ValueError(f"密钥文件不存在：{path}")
        return SecretStr(path.read_text(encoding="utf-8").strip())
    if kind == "env":
        if rest not in os.environ:
            raise ValueError(f"环境变量 {rest} 未设置")
        return SecretStr(os.environ[rest])
    return value


Secret = Annotated[SecretStr, AfterValidator(_read_secret)]


class Part(BaseModel):
    """A table of the configuration: it does not change, and a key that is none is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Workstation(Part):
    """What stands in the head of a client's calls when the caller leaves it out."""

    opter: str = Field("", description="经办人编号，报文没有给出时使用")
    opter_name: str = Field("", description="经办人姓名，报文没有给出时使用")
    opter_type: str = Field("1", description="经办人类别：1 经办人，2 自助终端，3 移动终端")
    mac: str = Field("", description="签到（9001）用的 MAC 地址")
    ip: str = Field("", description="签到（9001）用的 IP 地址")
    dev_no: str = Field("", description="设备编号，报文没有给出时使用")
    insuplc_admdvs: str = Field("", description="参保地医保区划，报文没有给出时使用；空则同机构所在地")
