"""suds: typed and string service over SOAP 1.1, the only version it knows."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from decimal import Decimal
from typing import Any

import pytest
import suds
from suds.cache import NoCache
from suds.client import Client
from suds.transport.http import HttpAuthenticated

from tests.clients.running import Running
from tests.clients.story import HEAD, ROWS, Patient, admission, check_ledger, expected_sum, fees, request_text


def client(running: Running, service: str, **options: Any) -> Client:
    return Client(f"{running.gateway_url}/soap/{service}?wsdl", cache=NoCache(), timeout=60, **options)


@pytest.fixture(scope="module")
def inpatient(both: Running) -> Client:
    return client(both, "inpatient")


@pytest.fixture(scope="module")
def exchange(both: Running) -> Client:
    return client(both, "exchange")


def test_the_first_port_is_soap_11(inpatient: Client) -> None:
    (definition,) = inpatient.sd
    operations = {method[0] for method in definition.ports[0][1]}
    assert {"Txn2401", "Txn2301", "Txn2304"} <= operations


def test_typed(inpatient: Client, both: Running, patient: Patient) -> None:
    message = admission(patient)
    admitted = inpatient.service.Txn2401(HEAD, message["mdtrtinfo"], message["diseinfo"])
    assert admitted.infcode == "0", admitted.err_msg
    mdtrt_id = str(admitted.output.result.mdtrt_id)
    answer = inpatient.service.Txn2301(HEAD, fees(patient, mdtrt_id))
    assert answer.infcode == "0", answer.err_msg
    amounts = [Decimal(row.det_item_fee_sumamt) for row in answer.output.result]
    assert (len(amounts), sum(amounts)) == (ROWS, expected_sum())
    check_ledger(both, patient, mdtrt_id)


def test_string(exchange: Client, both: Running, patient: Patient) -> None:
    def call(infno: str, message: dict[str, Any]) -> ElementTree.Element:
        answer = ElementTree.fromstring(exchange.service.Call(infno, request_text(message)))
        assert answer.findtext("infcode") == "0", ElementTree.tostring(answer, "unicode")
        return answer

    mdtrt_id = call("2401", admission(patient)).findtext("output/result/mdtrt_id")
    assert mdtrt_id
    answer = call("2301", {"feedetail": fees(patient, mdtrt_id)})
    amounts = [Decimal(element.text or "") for element in answer.iterfind("output/result/det_item_fee_sumamt")]
    assert (len(amounts), sum(amounts)) == (ROWS, expected_sum())
    check_ledger(both, patient, mdtrt_id)


def test_a_refusal_is_a_reply(inpatient: Client, patient: Patient) -> None:
    message = admission(patient)
    del message["mdtrtinfo"]["atddr_no"]
    reply = inpatient.service.Txn2401(HEAD, message["mdtrtinfo"], message["diseinfo"])
    assert (reply.infcode, reply.code) == ("-1", "GW-1101")
    assert "主治医生编码" in reply.err_msg
    assert [problem.field for problem in reply.problem] == ["atddr_no"]


def test_a_wrong_password_is_a_fault(both: Running) -> None:
    service = client(both, "exchange", transport=HttpAuthenticated(username="his", password="wrong")).service
    with pytest.raises(suds.WebFault) as caught:
        service.Call("1101", "<request/>")
    assert "GW-2002" in caught.value.fault.faultstring
    assert "凭据错误" in caught.value.fault.faultstring
    assert caught.value.fault.detail.fault.code == "GW-2002"
