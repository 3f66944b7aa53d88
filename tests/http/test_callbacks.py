"""Callbacks of the platform, from every family, and how the HIS takes them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from adapters.settlement.build import SmKeys, build_callbacks
from gateway import clock
from gateway.exchange.fake_platform import FakePlatform
from gateway.exchange.ports import Query, State
from gateway.http.callbacks import CallbackApi
from gateway.settings import Callbacks
from gateway.simulator import Simulator, serve
from gateway.simulator.sealing import EnvelopeSealing, GmSealing
from gateway.simulator.signature import signing_of
from tests.conformance.test_ways import ACCOUNT, APP_ID, APP_SECRET, CLIENT_ID, NOBODYS, OURS, SECRET, THEIRS, public
from tests.running import Answer, House, call, scripted_house

MAPPINGS = Path(__file__).parents[2] / "mappings"
SM = SmKeys(OURS, public(THEIRS), CLIENT_ID, app_id=APP_ID, app_secret=APP_SECRET)
FAMILIES: dict[str, Callable[[], dict[str, Any]]] = {
    "address": dict,
    "tif": lambda: {"signing": signing_of("tif", ACCOUNT, SECRET)},
    "api-headers": lambda: {"signing": signing_of("api-headers", ACCOUNT, SECRET)},
    "api-key": lambda: {"signing": signing_of("api-key", "", SECRET)},
    "oauth-sm": lambda: {"sealing": EnvelopeSealing(public(OURS), THEIRS, CLIENT_ID.encode())},
    "gm": lambda: {"sealing": GmSealing(APP_ID, APP_SECRET, public(OURS), THEIRS)},
}
FORGED = {
    "tif": lambda: {"signing": signing_of("tif", ACCOUNT, SECRET[:-1])},
    "api-headers": lambda: {"signing": signing_of("api-headers", ACCOUNT, SECRET[:-1])},
    "api-key": lambda: {"signing": signing_of("api-key", "", SECRET[:-1])},
    "oauth-sm": lambda: {"sealing": EnvelopeSealing(public(OURS), NOBODYS, CLIENT_ID.encode())},
    "gm": lambda: {"sealing": GmSealing(APP_ID, APP_SECRET, public(OURS), NOBODYS)},
}
INFNOS = ["6204", "6302", "7108", "7109"]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with scripted_house(tmp_path_factory.mktemp("callbacks"), FakePlatform()) as running:
        yield running


def api(gateway: House, family: str, **changes: Any) -> CallbackApi:
    line = build_callbacks(family, 300, tif=(ACCOUNT, SECRET), api=(ACCOUNT, SECRET), key=("apikey", SECRET),
                           client_id=CLIENT_ID, sm=SM)  # fmt: skip
    settings = Callbacks(addresses=("10.1.0.0/16",), **changes)
    return CallbackApi(gateway.gateway.reception, gateway.gateway.callbacks, line, settings)


def environ(infno: str, headers: dict[str, str], body: bytes, **more: Any) -> dict[str, Any]:
    import io

    given = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
    fixed = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": f"/callback/{infno}",
        "REMOTE_ADDR": "10.1.2.3",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
    }
    return {**given, **fixed, **more}


def hospital(gateway: House, operation: str, **arguments: Any) -> dict[str, Any]:
    told = gateway.http(f"/api/v1/hospital/{operation}", json.dumps(arguments).encode(), "application/json")
    answer: dict[str, Any] = json.loads(told.body)
    return answer


@pytest.fixture
def emptied(gateway: House) -> House:
    """Nothing waits."""
    while rows := hospital(gateway, "Callbacks", rows_max=200).get("callback"):
        for row in rows:
            hospital(gateway, "CallbackDone", callback_id=row["callback_id"])
    return gateway


def simulator(given: dict[str, Any], ahead: timedelta = timedelta(0)) -> Simulator:
    return Simulator(MAPPINGS, seed=clock.now().microsecond, clock=lambda: clock.now() + ahead, **given)


def rows_of(gateway: House, infno: str, state: State) -> list[Any]:
    return gateway.gateway.store.journal.search(Query(infno=infno, states=(state,), limit=100))


@pytest.mark.parametrize("infno", INFNOS)
@pytest.mark.parametrize("family", list(FAMILIES))
def test_every_family_is_taken_once_and_answered_the_same(emptied: House, family: str, infno: str) -> None:
    platform, served = simulator(FAMILIES[family]()), api(emptied, family)
    data = {"payOrdId": f"PAY{family}"} if infno.startswith("6") else {"hiRxno": f"RX{family}"}
    headers, body = platform.callback(infno, data)
    before = len(rows_of(emptied, infno, State.CONFIRMED))
    answers = [call(served, environ(infno, headers, body)) for _ in range(3)]
    assert {answer.status for answer in answers} == {200}
    assert len({answer.body for answer in answers}) == 1
    waiting = hospital(emptied, "Callbacks")
    assert (waiting["infcode"], waiting["waiting"], len(waiting["callback"])) == (0, "1", 1)
    (row,) = waiting["callback"]
    assert row["infno"] == infno
    assert data.items() <= row["content"]["data"].items()
    kept = rows_of(emptied, infno, State.CONFIRMED)
    assert len(kept) == before + 1
    assert emptied.bodies(kept[0]).caller_request == body
    assert emptied.bodies(kept[0]).platform_answer == answers[0].body


@pytest.mark.parametrize("family", list(FORGED))
def test_a_forgery_is_refused_and_journaled(emptied: House, family: str) -> None:
    headers, body = simulator(FORGED[family]()).callback("6302", {})
    answer = call(api(emptied, family), environ("6302", headers, body))
    assert answer.status == 401
    assert json.loads(answer.body)["code"] == "GW-2002"
    assert hospital(emptied, "Callbacks")["waiting"] == "0"
    assert emptied.bodies(rows_of(emptied, "6302", State.REFUSED)[0]).caller_request == body


@pytest.mark.parametrize("family", ["tif", "api-headers", "gm"])
@pytest.mark.parametrize("side", [-1, 1])
def test_an_old_or_early_one_is_refused(emptied: House, family: str, side: int) -> None:
    headers, body = simulator(FAMILIES[family](), side * timedelta(seconds=330)).callback("6302", {})
    answer = call(api(emptied, family), environ("6302", headers, body))
    assert (answer.status, "时间戳" in answer.text) == (401, True)
    assert hospital(emptied, "Callbacks")["waiting"] == "0"


def refused(gateway: House, infno: str = "6302", body: bytes = b"{}", **more: Any) -> Answer:
    answer = call(api(gateway, "address", bytes_max=4096), environ(infno, {}, body, **more))
    assert hospital(gateway, "Callbacks")["waiting"] == "0"
    return answer


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"REMOTE_ADDR": "10.2.0.1"}, "GW-2001"),
        ({"REMOTE_ADDR": "nonsense"}, "GW-2001"),
        ({"HTTP_X_FORWARDED_FOR": "10.1.2.3", "REMOTE_ADDR": "192.0.2.1"}, "GW-2001"),
        ({"infno": "2207"}, "GW-1017"),
        ({"infno": "nix"}, "GW-1017"),
        ({"REQUEST_METHOD": "GET"}, "GW-1009"),
        ({"body": b"x" * 5000}, "GW-1006"),
        ({"body": b"no json"}, "GW-2002"),
        ({"body": b"[]"}, "GW-2002"),
        ({"body": b'{"infno":"6204","input":{"data":{}}}'}, "GW-2002"),
        ({"body": b'{"infno":"6302","input":{"data":{}}}'}, "GW-1101"),
        ({"body": b'{"infno":"6302","input":[1]}'}, "GW-1101"),
        ({"body": b'{"infno":"6302","input":"x"}'}, "GW-1101"),
        ({"body": b"{}"}, "GW-1101"),
    ],
)
def test_whatever_is_wrong_has_a_code_and_waits_for_nobody(emptied: House, change: dict[str, Any], code: str) -> None:
    answer = refused(emptied, **change)
    assert json.loads(answer.body)["code"] == code
    newest = emptied.newest()
    assert newest is not None
    assert (newest.channel, newest.code) == ("callback", code)


def test_what_was_taken_is_not_given_again_even_when_the_platform_repeats(emptied: House) -> None:
    platform, served = simulator({}), api(emptied, "address")
    sent = [platform.callback("6302", {"payOrdId": f"TAKE{number}"}) for number in range(3)]
    first = [call(served, environ("6302", *one)).body for one in sent]
    ids = [row["callback_id"] for row in hospital(emptied, "Callbacks")["callback"]]
    assert ids == sorted(ids, key=int)
    assert hospital(emptied, "Callbacks", rows_max=2)["waiting"] == "3"
    assert hospital(emptied, "CallbackDone", callback_id=ids[0])["waiting"] == "2"
    assert hospital(emptied, "CallbackDone", callback_id=ids[0])["infcode"] == 0
    assert call(served, environ("6302", *sent[0])).body == first[0]
    assert [row["callback_id"] for row in hospital(emptied, "Callbacks")["callback"]] == ids[1:]
    assert hospital(emptied, "CallbackDone", callback_id="999999")["code"] == "GW-1012"
    assert hospital(emptied, "Callbacks", rows_max=0)["code"] == "GW-1012"


def test_soap_gives_the_content_as_xml(emptied: House) -> None:
    call(
        api(emptied, "address"),
        environ("7108", *simulator({}).callback("7108", {"hiRxno": "RX<1>", "rxChkOpnn": "同意"})),
    )
    envelope = "http://schemas.xmlsoap.org/soap/envelope/"
    body = f'<s:Envelope xmlns:s="{envelope}"><s:Body><Callbacks xmlns="urn:yibao:gateway:v1"/></s:Body></s:Envelope>'
    answer = ET.fromstring(emptied.http("/soap/hospital", body.encode()).body)
    content = answer.findtext(".//{urn:yibao:gateway:v1}content")
    assert content is not None
    assert ET.fromstring(content).findtext("data/hiRxno") == "RX<1>"
    assert ET.fromstring(content).findtext("data/rxChkOpnn") == "同意"


def test_a_crash_between_journal_and_queue_leaves_the_repeat_to_queue_it(
    emptied: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    served, sent = api(emptied, "address"), simulator({}).callback("6302", {"payOrdId": "CRASH"})
    with monkeypatch.context() as broken:
        broken.setattr(emptied.gateway.store.callbacks, "add", lambda *_: 1 / 0)
        assert call(served, environ("6302", *sent)).status == 500
    assert call(served, environ("6302", *sent)).status == 200
    assert hospital(emptied, "Callbacks")["waiting"] == "1"


def test_the_address_of_the_his_side_takes_callbacks_unless_they_have_their_own(emptied: House) -> None:
    headers, body = simulator({}).callback("6302", {"payOrdId": "ROUTE"})
    del headers
    assert emptied.http("/callback/6302", body, "application/json").status == 200
    router = emptied.gateway.router
    assert emptied.http("/callback/6302", body, "application/json", **{"yibao.platform_side": True}).status == 404
    own = replace_listen(router)
    try:
        assert emptied.http("/callback/6302", body, "application/json").status == 404
        assert emptied.http("/callback/6302", body, "application/json", **{"yibao.platform_side": True}).status == 200
        assert emptied.http("/soap/hospital?wsdl", **{"yibao.platform_side": True}).status == 404
    finally:
        router._listen = own


def replace_listen(router: Any) -> Any:
    before = router._listen
    router._listen = before.model_copy(update={"callback": before.exchange})
    return before


def test_keys_that_are_missing_are_told(gateway: House) -> None:
    nothing = {"tif": ("", ""), "api": ("", ""), "key": ("apikey", ""), "client_id": CLIENT_ID}
    for family in FORGED:
        with pytest.raises(ValueError, match="需要"):
            build_callbacks(family, 300, sm=replace(SM, platform_public_key=""), **nothing)  # type: ignore[arg-type]


def test_the_simulator_sends_one_when_told(emptied: House) -> None:
    platform = simulator({})
    with serve(platform, port=0) as server:
        import http.client

        line = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=10)
        for wish, status in (
            ({"infno": "2207", "url": "http://127.0.0.1:1/callback"}, 400),
            ({"infno": "6302", "url": "http://127.0.0.1:1/callback"}, 400),
            ({"infno": "6302", "url": "ftp://127.0.0.1/callback"}, 400),
            ({"infno": "6302", "url": server.url}, 200),
        ):
            line.request("POST", "/_sim/callback", json.dumps(wish))
            response = line.getresponse()
            told = json.loads(response.read())
            assert response.status == status, told
        line.close()
