"""zeep: typed and string service, SOAP 1.1 and 1.2, UTF-8 and GBK, WS-Security."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import requests
import zeep
from lxml import etree
from requests.auth import HTTPBasicAuth
from zeep.transports import Transport
from zeep.wsse.username import UsernameToken

from tests.clients.running import PASSWORD, Running
from tests.clients.story import (
    HEAD,
    ROWS,
    Patient,
    admission,
    check_ledger,
    expected_sum,
    fees,
    new_patient,
    request_text,
)

VERSIONS = {"1.1": "http://schemas.xmlsoap.org/soap/envelope/", "1.2": "http://www.w3.org/2003/05/soap-envelope"}


class GbkTransport(Transport):  # type: ignore[misc]
    """What a program does whose wire is GBK: zeep itself writes and reads UTF-8 only."""

    def post(self, address: str, message: bytes, headers: dict[str, str]) -> requests.Response:
        text = message.decode("utf-8").replace("utf-8", "GBK", 1)
        headers = headers | {"Content-Type": headers["Content-Type"].replace("utf-8", "gbk")}
        answer: requests.Response = super().post(address, text.encode("gbk"), headers)
        assert "charset=gbk" in answer.headers["Content-Type"].lower()
        prolog, rest = re.split(rb"(?<=\?>)", answer.content, maxsplit=1)
        assert b"GBK" in prolog.upper()
        answer._content = rest.decode("gbk").encode("utf-8")
        answer.headers["Content-Type"] = answer.headers["Content-Type"].lower().replace("gbk", "utf-8")
        return answer


class Wire(zeep.Plugin):  # type: ignore[misc]
    """Which envelope versions went out and came back."""

    def __init__(self) -> None:
        self.seen: set[str] = set()

    def egress(self, envelope: etree._Element, headers: Any, _operation: Any, _options: Any) -> Any:
        self.seen.add(etree.QName(envelope).namespace)
        return envelope, headers

    def ingress(self, envelope: etree._Element, headers: Any, _operation: Any) -> Any:
        self.seen.add(etree.QName(envelope).namespace)
        return envelope, headers


class Services:
    """The proxies of one zeep set-up, made once."""

    def __init__(self, base: str, version: str, transport: Transport) -> None:
        self.wire = Wire()
        self.inpatient = self._proxy(base, "inpatient", version, transport)
        self.exchange = self._proxy(base, "exchange", version, transport)

    def _proxy(self, base: str, name: str, version: str, transport: Transport) -> Any:
        client = zeep.Client(f"{base}/soap/{name}?wsdl", transport=transport, plugins=[self.wire])
        service = next(iter(client.wsdl.services.values()))
        port = next(
            port.name
            for port in service.ports.values()
            if isinstance(port.binding, zeep.wsdl.bindings.Soap12Binding) == (version == "1.2")
        )
        return client.bind(service.name, port)

    def call(self, infno: str, message: dict[str, Any]) -> etree._Element:
        """One exchange through the string service, which must succeed."""
        answer = etree.fromstring(self.exchange.Call(infno=infno, request=request_text(message)))
        assert answer.findtext("infcode") == "0", etree.tostring(answer, encoding="unicode")
        return answer


@pytest.fixture(scope="module", params=["1.1-utf-8", "1.2-utf-8", "1.1-gbk", "1.2-gbk"])
def services(request: pytest.FixtureRequest, both: Running) -> Iterator[Services]:
    version, _, charset = request.param.partition("-")
    with requests.Session() as session:
        transport = (GbkTransport if charset == "gbk" else Transport)(session=session, timeout=20, operation_timeout=60)
        made = Services(both.gateway_url, version, transport)
        yield made
    assert made.wire.seen == {VERSIONS[version]}


def told(amounts: list[str]) -> tuple[int, Decimal]:
    return len(amounts), sum(map(Decimal, amounts), Decimal(0))


def test_typed(services: Services, both: Running, patient: Patient) -> None:
    admitted = services.inpatient.Txn2401(head=HEAD, **admission(patient))
    assert admitted.infcode == "0", admitted.err_msg
    mdtrt_id = admitted.output.result.mdtrt_id
    answer = services.inpatient.Txn2301(head=HEAD, feedetail=fees(patient, mdtrt_id))
    assert answer.infcode == "0", answer.err_msg
    assert told([row.det_item_fee_sumamt for row in answer.output.result]) == (ROWS, expected_sum())
    check_ledger(both, patient, mdtrt_id)


def test_string(services: Services, both: Running, patient: Patient) -> None:
    mdtrt_id = services.call("2401", admission(patient)).findtext("output/result/mdtrt_id")
    assert mdtrt_id
    answer = services.call("2301", {"feedetail": fees(patient, mdtrt_id)})
    amounts = [element.text or "" for element in answer.iterfind("output/result/det_item_fee_sumamt")]
    assert told(amounts) == (ROWS, expected_sum())
    check_ledger(both, patient, mdtrt_id)


def test_chinese_comes_back(services: Services, patient: Patient) -> None:
    # the JSON API told the name in UTF-8 when the patient was made; here it comes in the charset of this wire
    data = {"data": {"mdtrt_cert_type": "02", "mdtrt_cert_no": patient.certno}}
    assert services.call("1101", data).findtext("output/baseinfo/psn_name") == patient.psn_name


def test_a_refusal_is_a_reply(services: Services, both: Running, patient: Patient) -> None:
    request = admission(patient)
    del request["mdtrtinfo"]["atddr_no"]
    request["diseinfo"][1]["diag_srt_no"] = "第二"
    reply = services.inpatient.Txn2401(head=HEAD, **request)
    assert (reply.infcode, reply.code, reply.retry) == ("-1", "GW-1101", "no")
    assert "主治医生编码" in reply.err_msg
    assert reply.output is None
    found = {(problem.node, problem.row or "", problem.field) for problem in reply.problem}
    assert found == {("mdtrtinfo", "", "atddr_no"), ("diseinfo", "2", "diag_srt_no")}
    assert patient.ipt_no not in [stay["ipt_no"] for stay in both.ledger()["stays"]]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_wrong_password_is_a_fault(both: Running, version: str) -> None:
    with requests.Session() as session:
        services = Services(both.gateway_url, version, Transport(session=session, timeout=20, operation_timeout=60))
        session.auth = HTTPBasicAuth("his", "wrong")
        with pytest.raises(zeep.exceptions.Fault) as caught:
            services.exchange.Call(infno="1101", request="<request/>")
    fault = caught.value
    assert "GW-2002" in fault.message
    assert "凭据错误" in fault.message
    assert fault.code.endswith(":Client" if version == "1.1" else ":Sender")
    assert b"GW-2002" in etree.tostring(fault.detail)


@pytest.mark.parametrize("digest", [False, True], ids=["text", "digest"])
def test_ws_security_names_the_caller(both: Running, digest: bool) -> None:
    def answer(password: str) -> Any:
        token = UsernameToken("his", password, use_digest=digest)
        with requests.Session() as session:
            transport = Transport(session=session, timeout=20, operation_timeout=60)
            client = zeep.Client(f"{both.gateway_url}/soap/inpatient?wsdl", transport=transport, wsse=token)
            return client.service.Txn2401(head=HEAD, **admission(new_patient(both)))

    assert answer(PASSWORD).infcode == "0"
    with pytest.raises(zeep.exceptions.Fault, match="GW-2002"):
        answer(PASSWORD + "?")
