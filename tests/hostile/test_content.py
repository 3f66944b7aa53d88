"""Content that breaks the contract: the same problems, at the same node, row and field, on every way in."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

import pytest

from tests.hostile.ways import JSON_TYPE, NAMESPACE, Watch, envelope, json_answer, parsed
from tests.running import House

VISIT = {
    "psn_no": "P1", "insutype": "310", "begntime": "2026-11-10 08:10:00", "mdtrt_cert_type": "02", "med_type": "21",
    "ipt_no": "ZY1", "atddr_no": "D1", "chfpdr_name": "李四", "adm_diag_dscr": "阑尾炎", "adm_dept_codg": "A03",
    "adm_dept_name": "外科", "adm_bed": "1", "dscg_maindiag_code": "K35.900", "dscg_maindiag_name": "急性阑尾炎",
}  # fmt: skip
DIAGNOSIS = {
    "psn_no": "P1", "diag_type": "1", "maindiag_flag": "1", "diag_srt_no": "1", "diag_code": "K35.900",
    "diag_name": "急性阑尾炎", "diag_dept": "外科", "dise_dor_no": "D1", "dise_dor_name": "李四",
    "diag_time": "2026-11-10 08:10:00",
}  # fmt: skip
SETTLEMENT = {
    "psn_no": "P1", "mdtrt_cert_type": "02", "medfee_sumamt": "10.00", "psn_setlway": "01", "mdtrt_id": "M1",
    "insutype": "310", "acct_used_flag": "0", "mid_setl_flag": "0",
}  # fmt: skip


def admission(row: int, **change: str) -> dict[str, Any]:
    rows = [dict(DIAGNOSIS), dict(DIAGNOSIS, diag_srt_no="2", maindiag_flag="0")]
    if row:
        rows[row - 1] |= change
        return {"mdtrtinfo": VISIT, "diseinfo": rows}
    return {"mdtrtinfo": VISIT | change, "diseinfo": rows}


WRONG: dict[str, tuple[str, str, dict[str, Any], tuple[str, str, str, str]]] = {
    "text for a number": ("2401", "inpatient", admission(2, diag_srt_no="二"), ("diseinfo", "2", "diag_srt_no", "type")),
    "fraction for a whole number": ("2401", "inpatient", admission(1, diag_srt_no="1.5"), ("diseinfo", "1", "diag_srt_no", "scale")),
    "too many digits": ("2401", "inpatient", admission(0, geso_val="123"), ("mdtrtinfo", "", "geso_val", "length")),
    "code outside its list": ("2401", "inpatient", admission(0, med_type="99999"), ("mdtrtinfo", "", "med_type", "code")),
    "name too long": ("2401", "inpatient", admission(0, chfpdr_name="赵" * 51), ("mdtrtinfo", "", "chfpdr_name", "length")),
    "no such day": ("2401", "inpatient", admission(2, diag_time="2026-02-30 00:00:00"), ("diseinfo", "2", "diag_time", "date")),
    "date of another form": ("2401", "inpatient", admission(0, begntime="2026/11/10"), ("mdtrtinfo", "", "begntime", "date")),
    "required field": ("2401", "inpatient", admission(1, diag_name=""), ("diseinfo", "1", "diag_name", "required")),
    "too many decimals": ("2304", "inpatient", {"data": SETTLEMENT | {"medfee_sumamt": "10.005"}}, ("data", "", "medfee_sumamt", "scale")),
    "too large": ("2304", "inpatient", {"data": SETTLEMENT | {"medfee_sumamt": "9" * 15}}, ("data", "", "medfee_sumamt", "precision")),
    "node missing": ("2304", "inpatient", {}, ("data", "", "", "required")),
}  # fmt: skip


def to_xml(message: dict[str, Any]) -> str:
    parts = []
    for name, value in message.items():
        for item in value if isinstance(value, list) else [value]:
            inner = to_xml(item) if isinstance(item, dict) else escape(item)
            parts.append(f"<{name}>{inner}</{name}>")
    return "".join(parts)


def by_typed(gateway: House, infno: str, group: str, message: dict[str, Any]) -> tuple[bytes, list[dict[str, str]]]:
    body = envelope(f'<Txn{infno} xmlns="{NAMESPACE}">{to_xml(message)}</Txn{infno}>').encode()
    return body, _problems(parsed(gateway.http(f"/soap/{group}", body)))


def by_string(gateway: House, infno: str, group: str, message: dict[str, Any]) -> tuple[bytes, list[dict[str, str]]]:
    inner = f"<request><input>{to_xml(message)}</input></request>"
    body = envelope(f"<Call><infno>{infno}</infno><request>{escape(inner)}</request></Call>").encode()
    result = parsed(gateway.http("/soap/exchange", body)).find(".//{*}CallResult")
    assert result is not None
    return body, _problems(ET.fromstring(result.text or ""))


def by_json(gateway: House, infno: str, group: str, message: dict[str, Any]) -> tuple[bytes, list[dict[str, str]]]:
    body = json.dumps({"input": message}).encode()
    answer = gateway.http(f"/api/v1/transactions/{infno}", body, JSON_TYPE)
    assert answer.status == 200
    found = json_answer(answer)
    assert (found["infcode"], found["code"], found["retry"]) == (-1, "GW-1101", "no")
    return body, found["problem"]


def _problems(root: Any) -> list[dict[str, str]]:
    assert [root.find(f".//{{*}}{name}").text for name in ("infcode", "code", "retry")] == ["-1", "GW-1101", "no"]
    return [
        {part.tag.rpartition("}")[2]: part.text or "" for part in problem} for problem in root.findall(".//{*}problem")
    ]


@pytest.mark.parametrize("by", [by_typed, by_string, by_json])
@pytest.mark.parametrize("kind", WRONG)
def test_is_reported_where_it_is(gateway: House, kind: str, by: Any) -> None:
    infno, group, message, (node, row, name, rule) = WRONG[kind]
    watch = Watch(gateway)
    body, problems = by(gateway, infno, group, message)
    (problem,) = problems
    assert (problem["node"], problem["row"], problem["field"], problem["rule"]) == (node, row, name, rule)
    assert problem["label"]
    assert problem["label"] in problem["text"] or problem["label"] in problem["node"]
    watch.refused(body, "GW-1101", by.__name__.removeprefix("by_"))


@pytest.mark.parametrize(
    ("number", "rule"),
    [("1E999999999", "precision"), ("1E-999999999", "precision"), ("-0E999999999", "precision"), ("1e2", None),
     ("true", "type"), ('"1e2"', "type"), ('" 10"', "type"), ('"１０"', "type"), ('"+5"', "type"), ("[1]", "shape")],
)  # fmt: skip
def test_numbers_of_json_are_exact_or_refused(gateway: House, number: str, rule: str | None) -> None:
    gateway.lies_in_ward("M1", "P1", "Z1", "2026-03-01 10:05:00")
    data = json.dumps(SETTLEMENT | {"medfee_sumamt": None}).replace(
        '"medfee_sumamt": null', f'"medfee_sumamt": {number}'
    )
    body = f'{{"input": {{"data": {data}}}}}'.encode()
    found = json_answer(gateway.http("/api/v1/transactions/2304", body, JSON_TYPE))
    if rule is None:
        row = gateway.newest()
        assert row is not None
        assert b'"medfee_sumamt":100' in (gateway.bodies(row).platform_request or b"")
    else:
        assert [(item["field"], item["rule"]) for item in found["problem"]] == [("medfee_sumamt", rule)]


def test_every_problem_is_told_at_once(gateway: House) -> None:
    message = {"mdtrtinfo": VISIT | {"med_type": "x", "begntime": "x"}, "diseinfo": [DIAGNOSIS, {}]}
    _, problems = by_typed(gateway, "2401", "inpatient", message)
    told = [(problem["node"], problem["row"], problem["field"], problem["rule"]) for problem in problems]
    assert told[:2] == [("mdtrtinfo", "", "begntime", "date"), ("mdtrtinfo", "", "med_type", "code")]
    assert told[2:] == [("diseinfo", "2", name, "required") for name in DIAGNOSIS]


def test_a_control_character_in_the_message_or_head_is_refused(gateway: House) -> None:
    for document, node in (
        ({"input": {"data": SETTLEMENT | {"psn_no": "P\x0b1"}}}, "data"),
        ({"head": {"opter_name": "张\x0b三"}, "input": {"data": SETTLEMENT}}, "head"),
    ):
        answer = gateway.http("/api/v1/transactions/2304", json.dumps(document).encode(), JSON_TYPE)
        (problem,) = json_answer(answer)["problem"]
        assert (problem["node"], problem["rule"]) == (node, "character")


@pytest.mark.parametrize("charset", ["GBK", "GB2312", "US-ASCII"])
def test_what_the_callers_charset_cannot_write_comes_as_a_reference(gateway: House, charset: str) -> None:
    wrong = VISIT | {"insutype": "😀𠮷"}
    text = envelope(f'<Txn2401 xmlns="{NAMESPACE}">{to_xml({"mdtrtinfo": wrong, "diseinfo": [DIAGNOSIS]})}</Txn2401>')
    declared = f'<?xml version="1.0" encoding="{charset}"?>{text}'
    answer = gateway.http("/soap/inpatient", declared.encode(charset, "xmlcharrefreplace"), "text/xml")
    assert answer.content_type == f"text/xml; charset={charset.lower()}"
    assert b"&#128512;&#134071;" in answer.body
    assert b"?" not in answer.body.partition(b"?>")[2]
    value = parsed(answer).find(".//{*}problem/{*}value")
    assert value is not None
    assert value.text == "😀𠮷"
