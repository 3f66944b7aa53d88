"""What every part of the configuration is made of."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, SecretStr


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

    opter: str = ""
    opter_name: str = ""
    opter_type: str = "1"
    mac: str = ""
    ip: str = ""
    dev_no: str = ""
    insuplc_admdvs: str = ""
