"""The institution, the way to the province, and the way back."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from gateway.hours import read_closing
from gateway.settings.parts import Part, Secret


class Institution(Part):
    """The designated institution (定点医药机构) that the gateway speaks for."""

    code: str = Field("H44080000001", min_length=12, max_length=12, description="定点医药机构编号，12 位")
    name: str = Field("演示医院", min_length=1, max_length=200, description="定点医药机构名称")
    area: str = Field("440800", min_length=6, max_length=6, description="就医地医保区划 mdtrtarea_admvs")
    patient_area: str = Field("", max_length=6, description="参保地医保区划的缺省值；空表示本地就医")


class Breaker(Part):
    """When a class of transactions is no longer sent to an address that does not answer (GW-4004)."""

    bad_min: int = Field(5, ge=1, le=100, description="window_s 秒内至少多少次失败才暂停")
    bad_share: float = Field(0.5, gt=0, le=1, description="且失败至少占这一比例")
    window_s: float = Field(60, gt=0, le=3600, description="只看最近多少秒")
    slow_s: float = Field(20, gt=0, le=600, description="答复慢于此秒数算失败")
    pause_s: float = Field(10, gt=0, le=3600, description="暂停多久后试探；试探失败则加倍")
    pause_s_max: float = Field(120, gt=0, le=3600, description="暂停的上限")


_NEEDED_BY = {
    "tif": ("tif_paasid", "tif_secret"),
    "api-headers": ("api_access_key", "api_secret_key"),
    "api-key": ("apikey",),
    "oauth-sm": ("oauth.token_url", "oauth.client_id", "oauth.client_secret", "oauth.username", "oauth.password"),
    "gm": ("sm.private_key", "sm.app_id", "sm.app_secret"),
    "soap": ("soap.wsdl", "soap.operation", "soap.arguments"),
}
"""What a way to a province cannot do without."""


class OAuth(Part):
    """Where the token of ``oauth-sm`` comes from."""

    token_url: str = Field("", description="令牌服务的完整地址")
    client_id: str = Field("", description="平台分配的 client_id")
    client_secret: Secret = Field(SecretStr(""), description="平台分配的 client_secret")
    username: str = Field("", description="取令牌的用户名")
    password: Secret = Field(SecretStr(""), description="取令牌的密码")
    scope: str = Field("", description="令牌的 scope；空则不带")


class Sm(Part):
    """Keys of sealed messages: ``oauth-sm`` and ``gm``."""

    private_key: Secret = Field(SecretStr(""), description="本机构的 SM2 私钥，十六进制或 Base64；空则 oauth-sm 不加密")
    platform_public_key: str = Field("", description="平台的 SM2 公钥，用来验签；空则不验签")
    sm4_key: Secret = Field(SecretStr(""), description="oauth-sm 的 SM4 密钥，16 个字符；空则用 client_id")
    sealed_answers: bool = Field(True, description="oauth-sm 的答复是否加密")
    app_id: str = Field("", description="gm 的 appId")
    app_secret: Secret = Field(SecretStr(""), description="gm 的 appSecret")


class Soap(Part):
    """The operation that a province offers as SOAP (``soap``)."""

    wsdl: Path | None = Field(None, description="WSDL 文件；所引用的文件放在旁边，不从网络读取")
    service: str = Field("", description="service 名称；空则取第一个")
    port: str = Field("", description="port 名称；空则取第一个")
    operation: str = Field("", description="操作名称")
    arguments: dict[str, str] = Field(
        default_factory=dict,
        description="参数名 -> 内容：{payload} 为报文，另可用 {account} {password} {infno} {msgid} 等；a.b 为下级元素",
    )
    result: str = Field("", description="答复中装报文的元素名；空则逐级取唯一的下级元素")
    payload: Literal["json", "xml"] = Field("json", description="报文写成 JSON 或 XML 文本")
    xml_root: str = Field("request", pattern=r"^[A-Za-z_][\w.-]*$", description="XML 报文的根元素名")
    charset: Literal["utf-8", "gbk", "gb18030"] = Field("utf-8", description="请求的字符集；答复没有声明时也按此读")
    account: str = Field("", description="平台分配的账号；用于 {account} 与 WS-Security")
    password: Secret = Field(SecretStr(""), description="上述账号的密码；日志中不保存")
    security: Literal["none", "text", "digest"] = Field("none", description="WS-Security UsernameToken：明文或摘要密码")


class Platform(Part):
    """The way to the province."""

    province: str = Field("national", description="mappings/provinces/ 下的目录名")
    url: str = Field("http://127.0.0.1:8090", description="平台地址")
    signing: Literal["plain", "tif", "api-headers", "api-key", "oauth-sm", "gm", "soap"] = Field(
        "plain",
        description="plain 前置机；tif 广东、河北；api-headers 湖南、江西、江苏；api-key 内蒙古；"
        "oauth-sm 吉林；gm 电子处方的国密报文；soap 按 WSDL 文件调用的 SOAP 服务",
    )
    tif_paasid: str = Field("", description="tif 的 x-tif-paasid")
    tif_secret: Secret = Field(SecretStr(""), description="tif 的密钥，不随请求发送")
    tif_upper_case: bool = Field(False, description="真：x-tif-signature 用大写十六进制")
    api_access_key: str = Field("", description="api-headers 的 _api_access_key")
    api_secret_key: Secret = Field(SecretStr(""), description="api-headers 的密钥，不随请求发送")
    api_version: str = Field("1.0.0", description="api-headers 的 _api_version")
    apikey: Secret = Field(SecretStr(""), description="api-key 的密钥，放在请求头里")
    apikey_header: str = Field("apikey", description="api-key 的请求头名称")
    oauth: OAuth = OAuth()
    sm: Sm = Sm()
    soap: Soap = Soap()
    infno_in_url: bool | None = Field(
        None,
        description="真：地址后加 /<infno>；假：全部发往 url；不设：tif、api-headers（地址不以 callService 结尾时），"
        "或 url 没有路径时为真",
    )
    paths: dict[str, str] = Field(default_factory=dict, description="按交易指定路径；覆盖省份文件中的服务路径（河北）")
    province_paths: bool = Field(
        True, description="使用省份文件中的服务路径；没有路径的交易不发送，除非设了 infno_in_url。假：只用 paths"
    )
    connect_timeout_s: float = Field(5, gt=0, le=60, description="多少秒连不上平台即为“未发出”")
    read_timeout_s: float = Field(60, gt=0, le=600, description="发出后多少秒没有答复即为“结果未知”（查询除外）")
    closed: tuple[str, ...] = Field(
        (), description="停办时间：每天 23:30-00:30，或一次 2026-12-31 20:00/2027-01-01 08:00；答 GW-4005"
    )
    breaker: Breaker = Breaker()
    answer_bytes_max: int = Field(64 * 1024 * 1024, ge=1024, description="平台一次答复的最大字节数")
    settle_time_s: float | None = Field(
        None, gt=0, description="平台收到请求后最长可能还在执行的秒数；空则取省份文件的值"
    )
    pool_size: int = Field(64, ge=1, description="同时连到平台的连接数")
    idle_s_max: float = Field(4, ge=0, description="空闲超过此秒数的连接不再使用；0 为每次新建")
    ca_file: Path | None = Field(None, description="平台为 https 时信任的 CA（PEM）；空则用系统的")
    client_certificate: Path | None = Field(None, description="平台要求双向认证时的证书（PEM）")
    client_key: Path | None = Field(None, description="上述证书的私钥（PEM）")
    file_upload: Literal["", "multipart", "base64"] = Field(
        "", description="9101 上传文件的形式：multipart 表单，或 base64 放在报文里；空则取省份文件的值"
    )
    receiver_system: str = Field("", description="recer_sys_code；空则取省份文件的值")
    interface_version: str = Field("", description="infver；空则取省份文件的值")

    @property
    def one_url_per_infno(self) -> bool:
        """Front machines are called at one path (``.../callService``); a bare host has a path per transaction."""
        if self.infno_in_url is not None:
            return self.infno_in_url
        path = urlsplit(self.url).path
        if self.signing == "soap":
            return False
        if self.signing == "api-headers":
            return not path.endswith("/callService")
        return self.signing == "tif" or not path

    @property
    def account_and_secret(self) -> tuple[str, SecretStr]:
        """What the configured way signs with; empty where it needs none."""
        return {
            "tif": (self.tif_paasid, self.tif_secret),
            "api-headers": (self.api_access_key, self.api_secret_key),
            "api-key": ("", self.apikey),
        }.get(self.signing, ("", SecretStr("")))

    @property
    def send_s_max(self) -> float:
        """What connecting and waiting for the answer may take."""
        return self.connect_timeout_s + self.read_timeout_s

    @field_validator("closed")
    @classmethod
    def _closings(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            read_closing(text)
        return value

    @field_validator("url")
    @classmethod
    def _http(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"平台地址应以 http:// 或 https:// 开头，现为 {value!r}")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _signing_has_keys(self) -> Self:
        for name in _NEEDED_BY.get(self.signing, ()):
            value: Any = self
            for part in name.split("."):
                value = getattr(value, part)
            if not (value.get_secret_value() if isinstance(value, SecretStr) else value):
                raise ValueError(f"signing = {self.signing} 需要 {' 与 '.join(_NEEDED_BY[self.signing])}")
        return self


class Callbacks(Part):
    """What the platform calls on the institution (``/callback/<infno>``)."""

    addresses: tuple[str, ...] = Field((), description="平台来源网段；空则不接受回调")
    proof: Literal["address", "tif", "api-headers", "api-key", "oauth-sm", "gm"] | None = Field(
        None, description="凭什么核对：不设则与 platform.signing 同；address 只看来源（plain、soap）"
    )
    bytes_max: int = Field(1024 * 1024, ge=1024, description="一个回调的字节上限")
    window_s: float = Field(300, gt=0, le=86400, description="时间戳可与本机相差的秒数")

    @field_validator("addresses")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            ipaddress.ip_network(network)
        return value
