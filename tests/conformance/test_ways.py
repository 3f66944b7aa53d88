"""Every way to a province against the simulator, which verifies with another implementation: one suite over all."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
import yaml

from adapters.settlement import build
from adapters.settlement._post import HttpPost
from adapters.settlement.build import OAuth, SmKeys, build_platform
from adapters.settlement.signing.sm import Sm2PrivateKey
from gateway import clock
from gateway.exchange.ports import NoAnswer, NoPath, NotSent, PlatformRequest, Rejected, SettlementPlatform
from gateway.simulator import Simulator, SimulatorServer, serve
from gateway.simulator.sealing import EnvelopeSealing, GmSealing
from gateway.simulator.signature import TokenSigning, signing_of
from gateway.simulator.soap import PATH as SOAP_PATH
from gateway.simulator.soap import WsseSigning
from tests.simulator.conftest import filled

MAPPINGS = Path(__file__).parents[2] / "mappings"
INSTITUTION = "H44080000001"
ACCOUNT, SECRET = "ACCOUNT-TEST", "SECRET-FOR-TEST-0001"
OURS, THEIRS, NOBODYS = (f"{number:064x}" for number in (11**50, 13**50, 17**50))
CLIENT_ID = "CLIENT-ID-16BYTE"
APP_ID, APP_SECRET = "TESTAPPID0000000000001", "TESTAPPSECRET000000000002"
SIGN_IN = {"signIn": {"opter_no": "0001", "mac": "00-11", "ip": "127.0.0.1"}}


def public(private: str) -> str:
    return Sm2PrivateKey(private).public


class Clock:
    """The platform's clock, which a test may set off."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return clock.now() + self.ahead


@dataclass
class Way:
    """A way to a province: how the gateway is told of it, and how the simulator is."""

    name: str
    given: dict[str, Any]
    simulated: Callable[[], dict[str, Any]]
    path: str = "/callService"
    signing: str = ""
    """The family, where the way has a name of its own."""
    wrong: dict[str, Any] = field(default_factory=dict)
    """Settings with which the platform must refuse the request before it is executed."""
    window: timedelta | None = None
    """How far the clocks may be apart; None: time is not looked at."""
    infno: str = "9001"
    message: Callable[[], Any] = lambda: SIGN_IN

    @property
    def family(self) -> str:
        """As ``platform.signing`` names it."""
        return self.signing or self.name


def header_way(name: str, window: timedelta | None, path: str = "", account: str = ACCOUNT) -> Way:
    return Way(
        name,
        {"account": account, "secret": SECRET},
        lambda: {"signing": signing_of(name, account, SECRET)},
        path,
        wrong={"secret": SECRET[:-1]},
        window=window,
    )


def service_way() -> Way:
    """A path per service: the gateway's table is its province's file, the simulator has one of its own."""
    file = MAPPINGS / "provinces" / "hebei" / "province.yaml"
    settings = yaml.safe_load(file.read_text(encoding="utf-8"))["settings"]
    way = header_way("tif", timedelta(seconds=300), "/ebus/rio_fsi")
    return replace(
        way,
        name="tif-paths",
        signing=settings["transport"],
        given={**way.given, "paths": settings["paths"], "only_paths": True},
        simulated=lambda: {**way.simulated(), "path_per_service": True},
    )


def token_way(name: str, **sm: Any) -> Way:
    """The token service stands where the simulator does, so its address is known only when that runs."""
    keys = SmKeys(OURS, public(THEIRS), CLIENT_ID, **sm) if sm else None
    oauth = OAuth("", CLIENT_ID, "CLIENT-SECRET-TEST", "hospital", "PASSWORD-TEST", "all")
    return Way(
        name,
        {"oauth": oauth, "sm": keys},
        lambda: {
            "signing": TokenSigning(CLIENT_ID, "CLIENT-SECRET-TEST", "hospital", "PASSWORD-TEST"),
            "sealing": EnvelopeSealing(public(OURS), THEIRS, CLIENT_ID.encode()) if keys else None,
        },
        "/mbs/fmi/fsi/api/callFsiService/callService",
        wrong={"sm": replace(keys, private_key=NOBODYS)} if keys else {"oauth": replace(oauth, password="WRONG-TEST")},
    )


OPEN_TOKEN, SEALED_TOKEN = token_way("oauth-sm"), token_way("oauth-sm", sealed_answers=True)
GM = Way(
    "gm",
    {"sm": SmKeys(OURS, public(THEIRS), app_id=APP_ID, app_secret=APP_SECRET)},
    lambda: {"sealing": GmSealing(APP_ID, APP_SECRET, public(OURS), THEIRS)},
    "/epc/api/fixmedins",
    wrong={"sm": SmKeys(NOBODYS, public(THEIRS), app_id=APP_ID, app_secret=APP_SECRET)},
    window=timedelta(seconds=600),
    infno="7101",
    message=lambda: filled("7101", {}),
)


def soap_way(payload: str, charset: str) -> Way:
    call = {
        "operation": "Call",
        "arguments": {"infno": "{infno}", "request": "{payload}"},
        "payload": payload,
        "charset": charset,
        "account": ACCOUNT,
        "password": SECRET,
        "security": "digest",
    }
    return Way(
        "soap",
        {"soap": call},
        lambda: {"soap": (payload, charset), "signing": WsseSigning({ACCOUNT: SECRET})},
        SOAP_PATH,
        wrong={"soap": call | {"password": SECRET[:-1]}},
        window=timedelta(seconds=300),
    )


SERVICES = service_way()
WAYS = [
    Way("plain", {}, dict),
    header_way("tif", timedelta(seconds=300)),
    SERVICES,
    header_way("api-headers", timedelta(minutes=30)),
    header_way("api-key", None, "/api/medical/service/callService", ""),
    OPEN_TOKEN,
    SEALED_TOKEN,
    GM,
    soap_way("json", "utf-8"),
    soap_way("xml", "gb18030"),
]
SIGNED = [way for way in WAYS if way.wrong]
SEALED = [SEALED_TOKEN, GM]
TIMED = [way for way in WAYS if way.window]


def named(ways: list[Way]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("way", ways, ids=[way.name for way in ways])


class Province:
    """A simulator that speaks one way, and the gateway's platforms that speak to it."""

    def __init__(self, way: Way, folder: Path) -> None:
        self.way = way
        self.folder = folder
        self.clock = Clock()
        self.simulator = Simulator(MAPPINGS, seed=5, clock=self.clock, **way.simulated())
        self.server: SimulatorServer = serve(self.simulator, port=0)
        self._made: list[SettlementPlatform] = []
        self._numbers = 0

    def platform(self, **changes: Any) -> SettlementPlatform:
        options = {**self.way.given, **changes}
        url = self.server.url
        if "oauth" in options:
            options["oauth"] = replace(options["oauth"], token_url=f"{url}/auth/oauth/token")
        if "soap" in options:
            options["soap"] = {"wsdl": self._wsdl(url), **options["soap"]}
        self._made.append(build_platform(url + self.way.path, self.way.family, read_timeout_s=20, **options))  # type: ignore[arg-type]
        return self._made[-1]

    def _wsdl(self, url: str) -> Path:
        """The description that the service gives of itself, kept as a file."""
        file = self.folder / "settlement.wsdl"
        with urlopen(f"{url}{SOAP_PATH}?wsdl", timeout=20) as response:
            file.write_bytes(response.read())
        return file

    def request(self, message: Any = None) -> PlatformRequest:
        infno = self.way.infno
        self._numbers += 1
        msgid = f"{INSTITUTION}20261122090000{self._numbers:04d}"
        envelope = {
            "infno": infno,
            "msgid": msgid,
            "mdtrtarea_admvs": "440800",
            "insuplc_admdvs": "440800",
            "recer_sys_code": "MBS_LOCAL",
            "infver": "V1.0",
            "opter_type": "1",
            "opter": "0001",
            "opter_name": "张三",
            "inf_time": "2026-11-22 09:00:00",
            "fixmedins_code": INSTITUTION,
            "fixmedins_name": "湛江模拟医院",
            "sign_no": "",
            "input": self.way.message() if message is None else message,
        }
        return PlatformRequest(infno, msgid, json.dumps(envelope, ensure_ascii=False).encode())

    @property
    def executed(self) -> dict[str, Any]:
        executed: dict[str, Any] = self.simulator.ledger()["executed"]
        return executed

    def close(self) -> None:
        for platform in self._made:
            platform.close()
        self.server.close()


@pytest.fixture
def province(way: Way, tmp_path: Path) -> Iterator[Province]:
    running = Province(way, tmp_path)
    yield running
    running.close()


def test_every_way_that_can_be_built_is_tried_here() -> None:
    assert {way.family for way in WAYS} == set(build.Signing.__args__)  # type: ignore[attr-defined]


@named(WAYS)
def test_a_transaction_is_executed_and_answered_in_the_national_envelope(province: Province) -> None:
    platform = province.platform()
    for _ in range(3):
        answer = json.loads(platform.send(province.request()).body)
        assert str(answer["infcode"]) == "0", answer
        assert [node for node in answer["output"] if node in ("signinoutb", "data")]
    assert len(province.executed) == 3


@named(WAYS)
def test_the_bytes_that_were_prepared_are_those_that_leave(province: Province, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the journal holds before the first byte: the envelope, and what wraps or seals it."""
    left: list[bytes] = []
    post = HttpPost.post

    def noted(self: HttpPost, path: str, headers: Any, body: bytes, *given: Any) -> Any:
        left.append(body)
        return post(self, path, headers, body, *given)

    monkeypatch.setattr(HttpPost, "post", noted)
    platform, asked = province.platform(), province.request()
    prepared = platform.prepare(asked)
    assert province.executed == {}
    answer = platform.send(replace(asked, prepared=prepared))
    assert str(json.loads(answer.body)["infcode"]) == "0"
    assert left[-1] == (prepared.body if prepared else asked.body)  # a token is fetched before
    wrapped = province.way in SEALED or province.way.name == "soap"
    assert (prepared is not None, answer.wire is not None) == (wrapped, wrapped)
    if prepared and answer.wire:
        assert SECRET.encode() not in prepared.kept
        assert answer.wire.request is None, "kept once"


@named(WAYS)
def test_what_the_platform_declines_comes_back_as_declined(province: Province) -> None:
    answer = json.loads(province.platform().send(province.request({"data": {}})).body)
    assert str(answer["infcode"]) != "0"
    assert "错误" in answer["err_msg"]


@named(SIGNED)
def test_a_wrong_secret_is_rejected_and_nothing_is_executed(province: Province) -> None:
    with pytest.raises(NotSent):
        province.platform(**province.way.wrong).send(province.request())
    assert province.executed == {}


@named(SIGNED)
def test_nothing_of_the_secret_shows(province: Province, caplog: pytest.LogCaptureFixture) -> None:
    platform = province.platform(**province.way.wrong)
    with pytest.raises(NotSent) as caught:
        platform.send(province.request())
    shown = (
        repr(platform)
        + str(caught.value)
        + caplog.text
        + repr([province.way.given.get(part) for part in ("oauth", "sm")])
        + repr(getattr(platform, "_call", ""))
    )
    given = [SECRET, OURS, NOBODYS, APP_SECRET, "CLIENT-SECRET-TEST", "PASSWORD-TEST"]
    assert not [value for value in given if value in shown]


@named(TIMED)
@pytest.mark.parametrize("side", [-1, 1])
def test_a_clock_that_is_off_is_rejected(province: Province, side: int) -> None:
    platform, window = province.platform(), province.way.window
    assert window
    province.clock.ahead = side * (window + timedelta(seconds=30))
    with pytest.raises(Rejected, match="时间戳"):
        platform.send(province.request())
    province.clock.ahead = side * (window - timedelta(seconds=30))
    assert platform.send(province.request()).body
    assert len(province.executed) == 1


@named(WAYS)
def test_a_recorded_exchange_that_is_posted_again_is_refused(
    province: Province, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Address, headers and bytes as they went: a spent nonce where the way has one, else a msgid that has taken effect."""
    left: list[tuple[str, dict[str, str], bytes]] = []
    post = HttpPost.post

    def noted(self: HttpPost, path: str, headers: Any, body: bytes, *given: Any) -> Any:
        left.append((path, dict(headers), body))
        return post(self, path, headers, body, *given)

    monkeypatch.setattr(HttpPost, "post", noted)
    assert province.platform().send(province.request()).body
    path, headers, body = left[-1]
    status, said = posted(province.server, path, headers, body)
    assert len(province.executed) == 1
    if province.way.window is None:
        assert (status, "msgid 重复" in said) == (200, True)
    else:
        assert (status, "重复" in said) == (500 if province.way.name == "soap" else 401, True)
        assert province.way.name != "soap" or "wsse:FailedAuthentication" in said


def posted(server: SimulatorServer, path: str, headers: dict[str, str], body: bytes) -> tuple[int, str]:
    """A request made by hand; status and text of its answer."""
    line = HTTPConnection(urlsplit(server.url).netloc, timeout=20)
    try:
        line.request("POST", path, body, headers)
        answer = line.getresponse()
        return answer.status, answer.read().decode(answer.headers.get_content_charset("utf-8"))
    finally:
        line.close()


@named(WAYS)
def test_what_is_no_longer_ours_is_not_sent(province: Province) -> None:
    with pytest.raises(Exception, match="接管"):
        province.platform().send(replace(province.request(), still_mine=lambda: False))
    assert province.executed == {}


@named(SEALED)
def test_nothing_of_the_message_is_readable_on_the_line(province: Province, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []
    read = province.simulator.receive

    def receive(path: str, headers: Any, body: bytes) -> Any:
        seen.append(body)
        return read(path, headers, body)

    monkeypatch.setattr(province.simulator, "receive", receive)
    request = province.request()
    province.platform().send(request)
    assert b"input" in request.body
    assert not [name for name in (b"signIn", b"opter_no", b"mdtrtCertType") if name in seen[0]]


@named(SEALED)
def test_an_answer_signed_by_another_is_never_a_success(province: Province) -> None:
    """The platform has acted; what it said cannot be believed."""
    sm = replace(province.way.given["sm"], platform_public_key=public(NOBODYS))
    with pytest.raises(NoAnswer, match="签名"):
        province.platform(sm=sm).send(province.request())
    assert len(province.executed) == 1


def refusing_answers(answer: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """What may happen to a sealed success on its way."""
    sealed = "encData" if "encData" in answer else "output"
    signed = "signData" if "signData" in answer else "cainfo"
    other = "A" if answer[sealed][0] != "A" else "B"
    return [
        ("another first block", answer | {sealed: other + answer[sealed][1:]}),
        ("cut", answer | {sealed: answer[sealed][:-4]}),
        ("no cipher text", answer | {sealed: "明文"}),
        ("no signature", {name: value for name, value in answer.items() if name != signed}),
        ("signature is no Base64", answer | {signed: "***"}),
        ("signature of 63 bytes", answer | {signed: "AAAA"}),
    ]


@named(SEALED)
def test_a_tampered_answer_is_never_a_success(province: Province) -> None:
    request = province.request()
    platform: Any = province.platform()
    sealer = platform._sealer
    wire = province.simulator.handle(
        "uploadChk" if province.way is GM else "", token(province), sealer.seal(request.body)
    )
    answer = json.loads(wire.body)
    assert json.loads(sealer.open(request.body, wire.body))["output"]
    for name, wrong in refusing_answers(answer):
        with pytest.raises(ValueError, match=r"签名|SM4|Base64|十六进制|加密|JSON"):
            pytest.fail(f"{name}: {sealer.open(request.body, json.dumps(wrong).encode())!r}")


def token(province: Province) -> dict[str, str]:
    signing = province.simulator._signing
    if not isinstance(signing, TokenSigning):
        return {}
    province.platform().send(province.request())
    return {"Authorization": f"Bearer {next(iter(signing._tokens))}"}


# ------------------------------------------------------------ tokens


@named([OPEN_TOKEN])
def test_one_token_serves_many_and_one_that_is_refused_is_fetched_anew(province: Province) -> None:
    platform, signing = province.platform(), province.simulator._signing
    assert isinstance(signing, TokenSigning)
    platform.send(province.request())
    platform.send(province.request())
    assert len(signing._tokens) == 1
    signing.expire()
    with pytest.raises(Rejected):
        platform.send(province.request())
    assert platform.send(province.request()).body
    assert len(province.executed) == 3


@named([OPEN_TOKEN])
def test_without_a_token_nothing_is_sent(province: Province) -> None:
    platform = province.platform()
    token_service: Any = platform
    province.server.close()
    with pytest.raises(NotSent, match="令牌"):
        token_service.send(province.request())
    assert province.executed == {}


# ------------------------------------------------------------ a path per service


@named([SERVICES])
def test_a_transaction_without_a_path_is_not_sent_and_says_what_to_do(province: Province) -> None:
    """An address that does not exist answers 404, which would leave a payment in doubt."""
    asked = replace(province.request(), infno="5201")
    platform = province.platform()
    for attempt in (platform.prepare, platform.send):
        with pytest.raises(NoPath, match=r"5201 .*platform\.paths"):
            attempt(asked)
    platform = province.platform(only_paths=False)
    with pytest.raises(NoAnswer, match="404"):
        platform.send(asked)


@named([SERVICES])
def test_one_transaction_at_the_address_of_another_is_refused(province: Province) -> None:
    paths = province.way.given["paths"]
    platform = province.platform(paths={**paths, "9001": paths["2304"]})
    answer = json.loads(platform.send(province.request()).body)
    assert "地址中的交易编号 2304 与报文 infno 9001 不符" in answer["err_msg"]
    assert province.executed == {}
