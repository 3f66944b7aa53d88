"""Configuration, read once into one frozen object. The only reader of the environment.

Sources, the first wins: environment (``YIBAO_PLATFORM__URL=...``), the TOML file, the defaults written here.
A secret is written as ``file:/path``, ``env:NAME`` or, outside production, as plain text.
"""

from __future__ import annotations

import codecs
import ipaddress
import os
import re
import socket
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from gateway.hours import read_closing

NODE_NAME_MAX = 30


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


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Institution(_Part):
    """The designated institution (定点医药机构) that the gateway speaks for."""

    code: str = Field("H44080000001", min_length=12, max_length=12, description="定点医药机构编号，12 位")
    name: str = Field("演示医院", min_length=1, max_length=200, description="定点医药机构名称")
    area: str = Field("440800", min_length=6, max_length=6, description="就医地医保区划 mdtrtarea_admvs")
    patient_area: str = Field("", max_length=6, description="参保地医保区划的缺省值；空表示本地就医")


class Tls(_Part):
    """Certificate of a listener; replaced files are taken up without a restart."""

    certificate: Path
    key: Path
    minimum: Literal["1.0", "1.1", "1.2", "1.3"] = Field("1.2", description="老 HIS 可降到 1.0，仅限该监听")


class Listener(_Part):
    """One address. Without ``tls`` it speaks plain HTTP."""

    address: str = Field("127.0.0.1:8080", description="host:port")
    tls: Tls | None = None

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


class Listen(_Part):
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


class Breaker(_Part):
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


class OAuth(_Part):
    """Where the token of ``oauth-sm`` comes from."""

    token_url: str = Field("", description="令牌服务的完整地址")
    client_id: str = ""
    client_secret: Secret = SecretStr("")
    username: str = ""
    password: Secret = SecretStr("")
    scope: str = ""


class Sm(_Part):
    """Keys of sealed messages: ``oauth-sm`` and ``gm``."""

    private_key: Secret = Field(SecretStr(""), description="本机构的 SM2 私钥，十六进制或 Base64；空则 oauth-sm 不加密")
    platform_public_key: str = Field("", description="平台的 SM2 公钥，用来验签；空则不验签")
    sm4_key: Secret = Field(SecretStr(""), description="oauth-sm 的 SM4 密钥，16 个字符；空则用 client_id")
    sealed_answers: bool = Field(True, description="oauth-sm 的答复是否加密")
    app_id: str = Field("", description="gm 的 appId")
    app_secret: Secret = Field(SecretStr(""), description="gm 的 appSecret")


class Soap(_Part):
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
    account: str = ""
    password: Secret = SecretStr("")
    security: Literal["none", "text", "digest"] = Field("none", description="WS-Security UsernameToken：明文或摘要密码")


class Platform(_Part):
    """The way to the province."""

    province: str = Field("national", description="mappings/provinces/ 下的目录名")
    url: str = Field("http://127.0.0.1:8090", description="平台地址")
    signing: Literal["plain", "tif", "api-headers", "api-key", "oauth-sm", "gm", "soap"] = Field(
        "plain",
        description="plain 前置机；tif 广东、河北；api-headers 湖南、江西、江苏；api-key 内蒙古；"
        "oauth-sm 吉林；gm 电子处方的国密报文；soap 按 WSDL 文件调用的 SOAP 服务",
    )
    tif_paasid: str = ""
    tif_secret: Secret = SecretStr("")
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
    connect_timeout_s: float = Field(5, gt=0, le=60)
    read_timeout_s: float = Field(60, gt=0, le=600)
    closed: tuple[str, ...] = Field(
        (), description="停办时间：每天 23:30-00:30，或一次 2026-12-31 20:00/2027-01-01 08:00；答 GW-4005"
    )
    breaker: Breaker = Breaker()
    answer_bytes_max: int = Field(64 * 1024 * 1024, ge=1024)
    settle_time_s: float | None = Field(
        None, gt=0, description="平台收到请求后最长可能还在执行的秒数；空则取省份文件的值"
    )
    pool_size: int = Field(64, ge=1)
    idle_s_max: float = Field(4, ge=0, description="空闲超过此秒数的连接不再使用；0 为每次新建")
    ca_file: Path | None = None
    client_certificate: Path | None = None
    client_key: Path | None = None
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


class Callbacks(_Part):
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


class Store(_Part):
    """Where the journal lives."""

    url: str = Field("sqlite:///var/yibao.db", description="SQLAlchemy 地址；SQLite 单机，PostgreSQL 多节点")
    node: str = Field("", max_length=NODE_NAME_MAX, description="本节点名，各节点不同；空则为 主机名:端口")


class Nodes(_Part):
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


class Protect(_Part):
    """How personal data is kept in the store. The keys themselves never stand in the configuration."""

    keys: str = Field(
        "",
        pattern=r"^((file|env):.+)?$",
        description="密钥：file:/路径 或 env:变量名；用 yibao keys new 生成。空则不加密，仅限非生产",
    )
    cipher: Literal["aes-gcm", "sm4-gcm"] = Field(
        "aes-gcm", description="新密钥的套件：aes-gcm 配 HMAC-SHA-256，sm4-gcm 配 HMAC-SM3（国密）"
    )


class Retention(_Part):
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


class Workstation(_Part):
    """What stands in the head of a client's calls when the caller leaves it out."""

    opter: str = ""
    opter_name: str = ""
    opter_type: str = "1"
    mac: str = ""
    ip: str = ""
    dev_no: str = ""
    insuplc_admdvs: str = ""


class ClientSettings(_Part):
    """A caller known by name, and by exactly one kind of proof (``addresses`` may narrow any of them)."""

    name: str = Field(min_length=1, max_length=30)
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


class Limits(_Part):
    """Limits on what comes in."""

    body_bytes_max: int = Field(16 * 1024 * 1024, ge=1024, description="一个请求的字节上限")
    body_read_s_max: float = Field(30, gt=0, description="读完一个请求的时限")
    twin_wait_s: float = Field(30, ge=0, le=300, description="同一请求或同一就诊正在办理时，后来的等待多少秒")
    turn_wait_s: float = Field(10, ge=0, le=300, description="等候发往平台的通道多少秒，轮不到即答 GW-4003")
    call_s_max: float | None = Field(None, gt=0, le=3600, description="一次调用总共多少秒；空则为平台时限加各项等待")
    calls_max: int = Field(700, ge=1, le=10000, description="在手的调用总数，含等候的；超出份额即答 GW-4003")
    sure_share: float = Field(0.25, ge=0, le=1, description="为各客户端平均保留的比例，其余先到先得")


class Resolve(_Part):
    """How patiently doubtful exchanges are settled before a person is called."""

    tries_max: int = Field(12, ge=1, le=1000, description="核实多少次仍无结果即转人工")
    pause_s: float = Field(5, gt=0, le=3600, description="第一次核实之后的间隔")
    factor: float = Field(2, ge=1, le=10, description="此后每次间隔放大的倍数")
    pause_s_max: float = Field(600, gt=0, le=86400, description="间隔的上限")


class ConsoleSettings(_Part):
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

    @property
    def https(self) -> bool:
        """Whether browsers reach it through TLS."""
        return self.listen.tls is not None or self.public_url.startswith("https://")


class ContractSettings(_Part):
    """How strictly the contract is held."""

    unknown_fields: Literal["warn", "refuse"] = Field("warn", description="未知字段：留在日志、不上传并提示，或拒绝")
    code_lists: Literal["refuse", "warn"] = Field("refuse", description="值域之外的代码：拒绝，或提示后照传")


class Wards(_Part):
    """Which of the hospital's wards are none in the sense of 入科."""

    not_wards: tuple[str, ...] = Field(
        (), description="不算入科的病区编码：手术室、复苏室、急诊抢救室、急诊留观等；ICU、NICU、日间病房是病区"
    )


class Rules(_Part):
    """Switches of the entry-time rules (ET-01 to ET-13); each default is the reading of the customer's text."""

    future_limit_s: int = Field(90, ge=0, le=3600, description="入科时间晚于当前时间超过多少秒即拒绝使用")
    require_2403_call: bool = Field(False, description="真：登记时间本就等于入科时间的，也须办理过入院信息变更才能出院")
    early_fees_in_change: Literal["warn", "refuse"] = Field("warn", description="入院信息变更时有早于入科的已上传费用")
    early_fees_in_discharge: Literal["warn", "refuse"] = Field("refuse", description="出院办理时有早于入科的已上传费用")
    ward_before_registration_h_max: int | None = Field(
        None, ge=1, description="入科最多可早于入院登记多少小时（须写明原因）；空为不限"
    )
    require_record: bool = Field(False, description="真：院内没有上报诊断记录的，拒绝上传诊断；假：记为未核对")
    surplus_diagnosis: Literal["warn", "refuse"] = Field("warn", description="平台多余诊断：出院时提示，或拒绝")
    verify_before_discharge: bool = Field(True, description="出院办理前再向平台查询一次就诊信息（5201）")
    verify_unanswered: Literal["refuse", "warn"] = Field(
        "refuse", description="上述查询没有得到答复时：拒绝出院办理（可重试），或提示后照办"
    )
    emergency_look_back_h: int | None = Field(None, ge=1, description="急诊费用最多追溯入科前多少小时；空为整次急诊")
    emergency_observation: bool = Field(True, description="急诊留观费用是否计入")
    listed_settlement: Literal["refuse", "allow"] = Field(
        "refuse", description="清单已提交或通过时撤销结算：拒绝，或放行"
    )
    reverse_category_change: bool = Field(False, description="真：出院前可由日间手术改回普通住院")
    category_changes: tuple[tuple[str, str], ...] = Field(
        (), description="本地另外允许的医疗类别变更，如 [['21', '52']]"
    )
    day_surgery: Path | None = Field(
        None, description="日间手术病种目录文件（1311，ZIP 或文本），改为日间手术时据此核对主手术；空则提示未核对"
    )
    day_surgery_warn_h: int = Field(24, ge=1, le=240, description="改为日间手术时住院超过多少小时予以提示")
    days_min: int = Field(1, ge=0, le=1, description="当日出院的住院天数")
    paper_precision: Literal["minute", "day"] = Field("minute", description="各种凭证上入院时间的精度：到分，或到日")
    go_live: AwareDatetime | None = Field(None, description="网关启用时间；此前已出院的，凭证按结算快照打印，不作核对")


class His(_Part):
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


class Files(_Part):
    """Where files of the platform (9102) are kept."""

    folder: Path | None = Field(None, description="目录；空则为数据库文件旁的 files，或 var/files")
    bytes_max: int = Field(512 * 1024 * 1024, ge=1024, description="一个下载文件的字节上限")
    inline_bytes_max: int = Field(
        8 * 1024 * 1024, ge=0, description="不超过此字节数的文件，连同答复以 Base64 交给调用方"
    )
    keep_days: int = Field(30, ge=1, le=3650, description="保留多少天，过期即删")


class Vouchers(_Part):
    """What vouchers are drawn with."""

    fonts: tuple[Path, ...] = Field(
        (), description="随程序的字体没有的字（姓名中的生僻字、自造字）依次到这些 TrueType 字体文件中找"
    )


class Alignment(_Part):
    """In whose name the gateway itself sends 2403 after a ward-in."""

    workstation: Workstation = Field(
        Workstation(opter="alignment", opter_name="医保接口网关", opter_type="2"),
        description="自动办理入院信息变更（2403）时报文头中的经办人等",
    )


class Reconcile(_Part):
    """What is compared with the platform every day (3201, 3202)."""

    setl_optins: str = Field("", max_length=6, description="结算经办机构；空则取 institution.area")
    insutypes: tuple[str, ...] = Field(("310", "390"), description="险种：日志中没有的也每天对一次")
    clr_types: tuple[str, ...] = Field(("11", "21", "41"), description="清算类别：日志中没有的也每天对一次")
    workstation: Workstation = Field(
        Workstation(opter="reconcile", opter_name="医保接口网关", opter_type="2"), description="对账报文头中的经办人等"
    )


class Catalogs(_Part):
    """Which catalogs (13xx) are kept, and how careful an update is."""

    infnos: tuple[str, ...] = Field(
        (), description="目录编号，如 ['1301', '1306']；空则按省份文件，再缺省为两处来源一致的"
    )
    versions_kept: int = Field(3, ge=1, le=100, description="每个目录保留几个版本的明细，更早的只留条数")
    wrong_rows_max: int = Field(
        0, ge=0, le=10000, description="一个文件中不能用的行，不超过此数即略去并报告，否则整个不导入"
    )
    other_columns: Literal["report", "refuse"] = Field(
        "report", description="末尾列数与所知不同：报告后照常导入，或拒绝导入"
    )
    missing_percent_max: int = Field(
        20, ge=0, le=100, description="全量更新时，现有条目在文件中没有的超过百分之几即不当作全量"
    )
    workstation: Workstation = Field(
        Workstation(opter="catalogs", opter_name="医保接口网关", opter_type="2"),
        description="下载目录时报文头中的经办人等",
    )

    @field_validator("infnos")
    @classmethod
    def _numbers(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for infno in value:
            if not re.fullmatch(r"13[0-9]{2}[A-Z]?", infno):
                raise ValueError(f"{infno!r} 不是目录的交易编号，应形如 1301")
        return value


class SettlementList(_Part):
    """The settlement list (4101, 4101A) and its quality rules."""

    transaction: Literal["", "4101A", "4101"] = Field(
        "", description="网关自己填写清单时用的交易：4101A，或 4101（全项）；空则按省份文件，省份文件没有写的为 4101A"
    )
    submit: bool = Field(True, description="网关上传的清单随即提交（4102，未提交改为已提交）")
    follow_days: int = Field(180, ge=1, le=3650, description="入院之后多少天之内跟踪已提交清单的审核结果")
    levels: dict[str, Literal["refuse", "warn", "hint", "off"]] = Field(
        {}, description="改变某条质控规则的级别：refuse 拒绝、warn 提示、hint 提醒、off 停用"
    )

    @field_validator("levels")
    @classmethod
    def _rule_numbers(cls, value: dict[str, str]) -> dict[str, str]:
        if wrong := [name for name in value if not re.fullmatch(r"SL-[0-9]{3}[A-Z]?", name)]:
            raise ValueError(f"规则编号应形如 SL-048：{'、'.join(wrong)}")
        return value


class JobTimes(_Part):
    """When a job runs, and from when on its silence is an alarm."""

    enabled: bool = Field(True, description="按时运行；false 则只能人工运行（yibao jobs run）")
    when: str = Field("every 1h", description="every 5m（s、m、h）或 cron 五段“分 时 日 月 周”，北京时间，周写 mon-sun")
    grace_s: float = Field(3600, ge=1, le=7 * 86400, description="错过了时间，多少秒之内仍补办一次")
    silent_after_s: float = Field(7200, ge=60, le=60 * 86400, description="多少秒没有一次办成即告警")

    @field_validator("when")
    @classmethod
    def _readable(cls, value: str) -> str:
        if not (_EVERY.fullmatch(value) or _cron_works(value)):
            raise ValueError(f"{value!r} 应形如 every 5m，或 cron 五段“分 时 日 月 周”（周写 mon-sun，不写数字）")
        return value

    @property
    def every_s(self) -> int | None:
        """Seconds between two runs; None for times of the clock."""
        found = _EVERY.fullmatch(self.when)
        return int(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]] if found else None


_EVERY = re.compile(r"every ([1-9][0-9]{0,5})([smh])")


def _cron_works(text: str) -> bool:
    # slow to import, and most configurations keep the defaults
    from apscheduler.triggers.cron import CronTrigger

    parts = text.split()
    if len(parts) != 5 or re.search(r"[0-9]", parts[4]):  # its 0 is Monday, cron's is Sunday
        return False
    try:
        CronTrigger.from_crontab(text, timezone="Asia/Shanghai")
    except ValueError:
        return False
    return True


class AlignmentTimes(JobTimes):
    """2403 after the ward-in."""

    when: str = "every 5m"
    grace_s: float = 300
    silent_after_s: float = 3600


class DoubtTimes(JobTimes):
    """How the settling of doubts stands; they are settled whether this runs or not."""

    when: str = "every 5m"
    grace_s: float = 300
    silent_after_s: float = 1200


class SignInTimes(JobTimes):
    """9001 of every workstation, on each day that people work."""

    when: str = "*/10 6-22 * * *"
    grace_s: float = 3600
    silent_after_s: float = 86400
    operators: tuple[Workstation, ...] = Field((), description="除各客户端的 workstation 之外，另要签到的操作员")


class SignOutTimes(JobTimes):
    """9002 of every workstation."""

    enabled: bool = Field(False, description="缺省不签退：夜间急诊还要用签到编号，而签到当日有效")
    when: str = "50 23 * * *"
    silent_after_s: float = 172800


class HisSyncTimes(JobTimes):
    """What the HIS has recorded of inpatients, told to the gateway."""

    enabled: bool = Field(False, description="HIS 自己上报入出转、诊断、手术（/soap/hospital）的，不要启用")
    when: str = "every 2m"
    grace_s: float = 300
    silent_after_s: float = 1800
    overlap_s: int = Field(
        600, ge=0, le=86400, description="每次从上次读到处往回多少秒读起，以免漏掉改动时间早、提交晚的行"
    )
    first_days: int = Field(60, ge=1, le=3650, description="第一次运行时从多少天前读起（changed_at 为时间的）")


class FeeUploadTimes(JobTimes):
    """2301 of what the HIS has charged."""

    enabled: bool = Field(False, description="HIS 自己上传费用（2301）的，不要启用")
    when: str = "*/30 6-22 * * *"
    grace_s: float = 1800
    silent_after_s: float = 86400
    overlap_s: int = Field(3600, ge=0, le=86400, description="每次住院从上次读到处往回多少秒读起")
    whole_every_h: float = Field(12, ge=0, le=168, description="每次住院至少多少小时整份读一次；0 则每次都整份读")
    workstation: Workstation = Field(
        Workstation(opter="fee_upload", opter_name="医保接口网关", opter_type="2"),
        description="费用上传（2301）时报文头中的经办人等",
    )


class SettlementListTimes(JobTimes):
    """4101A, 4102 and 4103 of final settlements."""

    enabled: bool = Field(False, description="HIS 自己上传结算清单（4101、4101A）的，不要启用")
    when: str = "30 20 * * *"
    grace_s: float = 10800
    silent_after_s: float = 129600
    workstation: Workstation = Field(
        Workstation(opter="settle_list", opter_name="医保接口网关", opter_type="2"),
        description="结算清单（4101A、4102、4103）报文头中的经办人等",
    )


class DipTimes(JobTimes):
    """The DIP system's export beside the settlements (ET-09)."""

    enabled: bool = Field(False, description="DIP 系统每晚导出 CSV 的，设置 file 后启用")
    when: str = "50 6 * * *"
    grace_s: float = 43200
    silent_after_s: float = 129600
    file: Path | None = Field(None, description="DIP 系统导出的 CSV；文件名可含日期，如 /mnt/dip/%Y%m%d.csv")
    age_max_h: float = Field(30, gt=0, le=8760, description="文件超过多少小时没有更新即不核对、告警")
    days: int = Field(60, ge=1, le=3650, description="最近多少天出院的须在文件中，即导出包含的天数")


class ReportTimes(JobTimes):
    """Yesterday in figures."""

    when: str = "20 6 * * *"
    grace_s: float = 43200
    silent_after_s: float = 129600


class ReconcileTimes(JobTimes):
    """Yesterday against the platform's books (``[reconcile]``)."""

    when: str = "40 6 * * *"
    grace_s: float = 43200
    silent_after_s: float = 129600


class CatalogTimes(JobTimes):
    """Catalogs (``[catalogs]``)."""

    enabled: bool = Field(False, description="缺省不自动下载：何时开放下载由省里规定")
    when: str = "30 0 * * *"
    grace_s: float = 14400
    silent_after_s: float = 259200


class BackupTimes(JobTimes):
    """A copy of the store."""

    when: str = "10 2 * * *"
    grace_s: float = 21600
    silent_after_s: float = 129600
    folder: Path | None = Field(None, description="备份目录；空则在 SQLite 文件旁的 backups，其他数据库须设置")
    keep: int = Field(14, ge=1, le=1000, description="留几份，其余删去最早的")


class RetentionTimes(JobTimes):
    """What is kept for how long (``[retention]``)."""

    when: str = "30 3 * * *"
    grace_s: float = 10800
    silent_after_s: float = 345600


class Jobs(_Part):
    """What runs by itself; exactly one node runs jobs at any time."""

    enabled: bool = Field(True, description="本节点参与运行作业")
    alignment: AlignmentTimes = AlignmentTimes()
    doubts: DoubtTimes = DoubtTimes()
    sign_in: SignInTimes = SignInTimes()
    sign_out: SignOutTimes = SignOutTimes()
    his_sync: HisSyncTimes = HisSyncTimes()
    fee_upload: FeeUploadTimes = FeeUploadTimes()
    settlement_lists: SettlementListTimes = SettlementListTimes()
    reconcile: ReconcileTimes = ReconcileTimes()
    dip_differences: DipTimes = DipTimes()
    catalogs: CatalogTimes = CatalogTimes()
    daily_report: ReportTimes = ReportTimes()
    backup: BackupTimes = BackupTimes()
    retention: RetentionTimes = RetentionTimes()

    @property
    def times(self) -> dict[str, JobTimes]:
        """Every job's times, by its name."""
        return {name: value for name in type(self).model_fields if isinstance(value := getattr(self, name), JobTimes)}


class AlertSettings(_Part):
    """From when on somebody should look (console: 运行; ``yibao alerts list``)."""

    window_min: int = Field(15, ge=1, le=180, description="错误占比与耗时看最近多少分钟")
    calls_min: int = Field(20, ge=1, description="这段时间至少有多少笔才判断错误占比与耗时")
    error_share: float = Field(0.2, gt=0, le=1, description="未成功的占比超过多少即告警（网关自己拒绝的不算）")
    slow_s: float = Field(10, gt=0, description="某一交易 95% 的耗时超过多少秒即告警")
    doubts: int = Field(5, ge=1, description="结果未知的交易达到多少笔即告警；待人工核对的有一笔即告警")
    platform_s: float = Field(60, ge=1, description="连不上省平台多少秒即告警")
    certificate_days: int = Field(60, ge=1, description="证书剩余不足多少天即告警；不足 30 天、7 天时再告警")
    disk_mb: int = Field(1024, ge=1, description="存储、文件与备份所在磁盘剩余不足多少 MB 即告警")


class Log(_Part):
    """Structured logs; personal data is always masked."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "console"] = "json"
    file: Path | None = None


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


SECRET_FIELDS = (
    "tif_secret",
    "api_secret_key",
    "apikey",
    "client_secret",
    "private_key",
    "sm4_key",
    "app_secret",
    "password",
    "api_key",
)


def _plain_secrets(document: Any, path: str = "") -> list[str]:
    """Paths of secrets written as plain text in a configuration document."""
    if isinstance(document, list):
        return [hit for index, item in enumerate(document) for hit in _plain_secrets(item, f"{path}[{index}]")]
    if not isinstance(document, dict):
        return []
    hits: list[str] = []
    for key, value in document.items():
        where = f"{path}.{key}" if path else key
        if key in SECRET_FIELDS and isinstance(value, str) and value and not value.startswith(("file:", "env:")):
            hits.append(where)
        hits += _plain_secrets(value, where)
    return hits


def read_settings(path: Path | None = None) -> Settings:
    """Read the configuration.

    Args:
        path: TOML file; without it ``YIBAO_CONFIG``, else defaults and environment alone.

    Raises:
        SettingsError: names every setting that is wrong and what to set.
    """
    path = path or (Path(os.environ["YIBAO_CONFIG"]) if os.environ.get("YIBAO_CONFIG") else None)
    if path is not None and not path.is_file():
        raise SettingsError(f"配置文件不存在：{path}")
    document = _read_toml(path) if path else {}
    settings_class = type("Settings", (Settings,), {"model_config": Settings.model_config | {"toml_file": path}})
    try:
        settings: Settings = settings_class()
    except ValidationError as error:
        raise SettingsError(_explain(error, path)) from None
    plain = _plain_secrets(document)
    if settings.production and plain:
        raise SettingsError(f"生产环境的密钥不能写在配置文件里：{'、'.join(plain)}；请写成 file:/路径 或 env:变量名")
    return settings


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"配置文件 {path} 不是合法的 TOML：{error}") from None


def _explain(error: ValidationError, path: Path | None) -> str:
    lines = [f"配置错误（{path or '环境变量与缺省值'}）："]
    for item in error.errors(include_url=False, include_input=False):
        where = ".".join(str(part) for part in item["loc"]) or "（整体）"
        lines.append(f"  {where}: {item['msg'].removeprefix('Value error, ')}")
    return "\n".join(lines)


def sources(path: Path | None) -> dict[str, str]:
    """For ``yibao config show --why``: dotted setting -> ``environment`` or the file; what is absent is a default."""
    document = _read_toml(path) if path else {}
    found = dict.fromkeys(_leaves(document), str(path))
    for name in os.environ:
        if name.startswith("YIBAO_") and name != "YIBAO_CONFIG":
            found[name.removeprefix("YIBAO_").lower().replace("__", ".")] = f"environment {name}"
    return found


def _leaves(document: dict[str, Any], prefix: str = "") -> list[str]:
    names: list[str] = []
    for key, value in document.items():
        names += _leaves(value, f"{prefix}{key}.") if isinstance(value, dict) else [f"{prefix}{key}"]
    return names
