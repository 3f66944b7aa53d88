"""The way to the hospital's own records."""

from __future__ import annotations

import codecs
import re
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from gateway.settings.parts import Part, Secret


class His(Part):
    """The hospital's own records, read from the HIS's database or asked of its services."""

    url: str = Field("", description="HIS 数据库的 SQLAlchemy 地址，不含密码；与 service 都空为不读 HIS")
    password: Secret | None = Field(None, description="数据库用户或服务账号的密码；该用户应只有查询权限")
    statements: Path | None = Field(
        None, description="查询语句 *.sql 或服务说明 *.toml 的目录；空则用随程序的 conf/his（只适用于示例 HIS）"
    )
    service: str = Field("", description="HIS 以 SOAP 服务提供记录的：服务地址；此时不设 url")
    wsdl: Path | None = Field(None, description="该服务的 WSDL 文件，它引用的文件放在旁边；不从网络取")
    user: str = Field("", description="服务的账号，用于参数中的 {user} 与 WS-Security")
    security: Literal["none", "text", "digest"] = Field("none", description="WS-Security UsernameToken 的密码形式")
    service_charset: str = Field("utf-8", description="服务请求的字符集，以及没有说明字符集的答复的字符集")
    ca_file: Path | None = Field(None, description="服务为 https 时信任的 CA（PEM）；空则用系统的")
    answer_bytes_max: int = Field(
        64 * 1024 * 1024, ge=1024, le=1024**3, description="服务的一个答复的字节上限，解压后计"
    )
    pool_size: int = Field(2, ge=1, le=8, description="同时连到 HIS 的连接数")
    wait_s_max: float = Field(5, gt=0, le=60, description="等候一个空闲连接的秒数")
    statement_s_max: float = Field(20, gt=0, le=600, description="一条语句最多执行多少秒")
    oracle_client: Path | None = Field(None, description="Oracle 客户端目录：thick 方式，Oracle 11g 必须；空为 thin")
    bytes_charset: str = Field("gb18030", description="以字节给出的文本的字符集（US7ASCII 库的 CAST_TO_RAW）")

    @field_validator("url")
    @classmethod
    def _without_password(cls, value: str) -> str:
        if re.search(r"://[^/@]*:[^/]*@", value):
            raise ValueError("地址中不能写密码，请写在 his.password（file:/路径 或 env:变量名）")
        return value

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.url and self.service:
            raise ValueError("url 与 service 只能设置一个")
        if self.security != "none" and not (self.user and self.password):
            raise ValueError("security 需要 user 与 password")
        return self

    @property
    def there(self) -> bool:
        """Whether there is a way to the HIS."""
        return bool(self.url or self.service)

    @field_validator("bytes_charset", "service_charset")
    @classmethod
    def _known_charset(cls, value: str) -> str:
        try:
            codecs.lookup(value)
        except LookupError:
            raise ValueError(f"没有名为 {value} 的字符集") from None
        return value
