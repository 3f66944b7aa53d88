"""What is checked before any transaction: envelope, tables, repeats, sign-in; and what the ledger and answers look like."""

from __future__ import annotations

import ast
import json
import sys
import threading
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import simulator as simulator_package
from gateway.simulator import Simulator, persons, wire
from gateway.simulator.registry import HANDLERS

from .conftest import INSTITUTION, MAPPINGS, NOW, Hospital, filled, table

EVERY = sorted(path.stem for path in (MAPPINGS / "transactions").glob("*.yaml"))
CALLBACKS = {"6204", "6302", "7108", "7109"}


# ------------------------------------------------------------------ envelope


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("msgid", ""), ("msgid", "H44080000001"), ("msgid", "H44080000002202611211030000001"),
        ("msgid", f"{INSTITUTION}202613211030000001"), ("msgid", f"{INSTITUTION}2026112110300000x1"), ("msgid", 17),
        ("mdtrtarea_admvs", None), ("mdtrtarea_admvs", "4408001"), ("recer_sys_code", ""), ("infver", "V1.0.0.0"),
        ("opter_type", "9"), ("opter", ""), ("opter_name", "名" * 51), ("inf_time", "20261121103000"),
        ("inf_time", "2026-02-30 00:00:00"), ("fixmedins_code", ""), ("fixmedins_name", ""), ("input", None),
        ("input", "text"), ("infno", ["2401"]),
    ],
)  # fmt: skip
def test_envelope(hospital: Hospital, name: str, value: Any) -> None:
    envelope = hospital.envelope("1101", filled("1101", {})) | {name: value}
    answer = json.loads(hospital.send("", json.dumps(envelope).encode()))
    assert answer["infcode"] == -1
    assert name in answer["err_msg"]


def test_answer_form(hospital: Hospital) -> None:
    answer = hospital.ask("9001")
    assert answer["infcode"] == 0
    assert len(answer["inf_refmsgid"]) == 30
    assert answer["inf_refmsgid"].startswith("44080020261121103000")
    assert answer["refmsg_time"] == answer["respond_time"] == "20261121103000000"
    assert answer["inf_refmsgid"] != hospital.ask("9001")["inf_refmsgid"]


def test_amounts_are_numbers_with_their_digits(simulator: Simulator, hospital: Hospital) -> None:
    body = json.dumps(hospital.envelope("1101", filled("1101", {"data": {"mdtrt_cert_type": "02"}}))).encode()
    text = simulator.handle("1101", {}, body).body.decode()
    balance = text.partition('"balc":')[2].partition(",")[0]
    assert Decimal(balance).as_tuple().exponent == -2


def test_unknown_transaction(hospital: Hospital) -> None:
    envelope = hospital.envelope("2999", {})
    assert "未知交易" in hospital.post(envelope)["err_msg"]


def test_address_and_body_disagree(simulator: Simulator, hospital: Hospital) -> None:
    body = json.dumps(hospital.envelope("1101", filled("1101", {}))).encode()
    assert "不符" in simulator.handle("2401", {}, body).body.decode()


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "JSON"), (b"{", "JSON"), (b"[]", "对象"), (b'"x"', "对象"), (b"{}", "infno"),
        ("{\"infno\": \"查询\"}".encode("gbk"), "UTF-8"), (b'{"a": NaN}', "NaN"), (b'{"a": 1, "a": 2}', "两次"),
        (b'{"a":' * 100_000, "嵌套"), (b'{"a":' * 60 + b"1" + b"}" * 60, "嵌套"), (b"[" * 200_000, "嵌套"),
        (b'{"a": ' + b"9" * 5000 + b"}", "数字"), (b"\xff\xfe\x00", "UTF-8"),
    ],
)  # fmt: skip
def test_unreadable_body(simulator: Simulator, body: bytes, text: str) -> None:
    response = simulator.handle("", {}, body)
    answer = json.loads(response.body)
    assert (response.status, answer["infcode"]) == (200, -1)
    assert text in answer["err_msg"]


@given(body=st.one_of(st.binary(max_size=200), st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["infno", "input", "msgid", "data"]), inner),
    max_leaves=8).map(lambda value: json.dumps(value).encode())))  # fmt: skip
def test_never_a_trace(body: bytes) -> None:
    response = SHARED.handle("", {}, body)
    assert response.status == 200
    assert json.loads(response.body)["infcode"] == -1


SHARED = Simulator(MAPPINGS, seed=1, clock=lambda: NOW)
CALLER = Hospital(lambda infno, body: SHARED.handle(infno, {}, body).body)


# ------------------------------------------------------------------ tables


@pytest.mark.parametrize(
    ("node", "change", "text"),
    [
        ("mdtrtinfo", {"begntime": ""}, "begntime(开始时间)必填"),
        ("mdtrtinfo", {"begntime": "2026-11-10"}, "应为 yyyy-MM-dd HH:mm:ss"),
        ("mdtrtinfo", {"begntime": "2026-11-31 00:00:00"}, "不是有效的时间"),
        ("mdtrtinfo", {"ipt_no": 17}, "应为字符串"),
        ("mdtrtinfo", {"adm_dept_name": "科" * 101}, "长度 101 超过 100"),
        ("mdtrtinfo", {"geso_val": "x"}, "应为整数"),
        ("mdtrtinfo", {"geso_val": 100}, "位数超过 2"),
        ("mdtrtinfo", {"geso_val": ""}, "应填 0"),
        ("mdtrtinfo", {"geso_val": True}, "应为整数"),
        ("diseinfo", {"diag_name": None}, "diseinfo[1].diag_name"),
        ("diseinfo", {"diag_srt_no": "1.5"}, "应为整数"),
    ],
)
def test_field_checks(hospital: Hospital, node: str, change: dict[str, Any], text: str) -> None:
    psn_no = hospital.person()
    message = filled("2401", {"mdtrtinfo": {"psn_no": psn_no}})
    row = message[node][0] if node == "diseinfo" else message[node]
    row.update(change)
    assert text in hospital.post(hospital.envelope("2401", message))["err_msg"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("12.345", "小数位"),
        (Decimal("1e20"), "整数位"),
        ("abc", "数值"),
        ("1e9999999", "数值"),
        ([], "数值"),
        ("NaN", "数值"),
    ],
)
def test_amount_checks(hospital: Hospital, value: Any, text: str) -> None:
    row = filled("2304", {})["data"] | {"medfee_sumamt": value if not isinstance(value, Decimal) else 10**20}
    assert text in hospital.post(hospital.envelope("2304", {"data": row}))["err_msg"]


@pytest.mark.parametrize(
    ("message", "text"),
    [({}, "必填"), ({"feedetail": []}, "必填"), ({"feedetail": {}}, "必填"), ({"feedetail": {"cnt": 1}}, "应为数组"),
     ({"feedetail": ["x"]}, "应为对象"), ([], "应为对象")],
)  # fmt: skip
def test_shape_checks(hospital: Hospital, message: Any, text: str) -> None:
    assert text in hospital.post(hospital.envelope("2301", message))["err_msg"]


@pytest.mark.parametrize("infno", [infno for infno in EVERY if infno not in CALLBACKS])
def test_every_transaction_is_answered_in_the_shape_of_its_table(infno: str) -> None:
    hospital = CALLER
    psn_no = hospital.person()
    wanted: dict[str, Any] = {}
    for node in table(infno)["input"]:
        if not node.get("parent") and not node.get("optional"):
            names = {field["name"] for field in node["fields"]} & {"psn_no"}
            wanted[node["node"]] = [dict.fromkeys(names, psn_no)] if node["repeat"] else dict.fromkeys(names, psn_no)
    message = filled(infno, wanted)
    answer = hospital.post(
        hospital.envelope(infno, message.pop("_root", {}) | message if "_root" in message else message)
    )
    if answer["infcode"] == -1:
        assert infno in HANDLERS, answer["err_msg"]  # it has an order of its own, tested elsewhere
        return
    repeated_root = any(node.get("root") and node["repeat"] for node in table(infno)["output"])
    output = answer["output"][0] if repeated_root else answer["output"]
    for node in table(infno)["output"]:
        if node.get("root"):
            assert {field["name"] for field in node["fields"] if field["required"]} <= output.keys()
        elif not node.get("parent"):
            assert isinstance(output[node["node"]], list if node["repeat"] else dict)


@pytest.mark.parametrize("infno", sorted(CALLBACKS))
def test_callbacks_are_not_for_calling(hospital: Hospital, infno: str) -> None:
    assert "未知交易" in hospital.post(hospital.envelope(infno, {"data": {}}))["err_msg"]


def test_query_without_a_required_field(hospital: Hospital) -> None:
    row = filled("5201", {})["data"]
    del row["med_type"]
    assert "med_type(医疗类别)必填" in hospital.post(hospital.envelope("5201", {"data": row}))["err_msg"]


def test_generic_change_is_recorded_and_repeated_once(hospital: Hospital, simulator: Simulator) -> None:
    psn_no = hospital.person()
    envelope = hospital.envelope("2501", filled("2501", {"refmedin": {"psn_no": psn_no}}))
    assert hospital.post(envelope)["infcode"] == 0
    assert "msgid 重复" in hospital.post(envelope)["err_msg"]
    assert [one["infno"] for one in simulator.ledger()["records"]] == ["2501"]


# ------------------------------------------------------------------ repeats


def test_msgid_takes_effect_once(hospital: Hospital, simulator: Simulator) -> None:
    psn_no, msgid = hospital.person(), hospital.msgid()
    info = {"psn_no": psn_no, "ipt_no": "A"}
    hospital.do("2401", {"mdtrtinfo": info, "diseinfo": [{}]}, msgid=msgid)
    other = {"mdtrtinfo": info | {"ipt_no": "B"}, "diseinfo": [{}]}
    assert "msgid 重复" in hospital.refused("2401", other, msgid=msgid)
    assert len(simulator.ledger()["stays"]) == 1
    assert simulator.ledger()["requests"][msgid] == 2
    assert simulator.ledger()["executed"][msgid] == "2401"


def test_refused_request_may_come_again(hospital: Hospital) -> None:
    msgid = hospital.msgid()
    hospital.refused("2401", {"mdtrtinfo": {"psn_no": "nobody"}}, msgid=msgid)
    psn_no = hospital.person()
    hospital.do("2401", {"mdtrtinfo": {"psn_no": psn_no}}, msgid=msgid)


def test_many_threads_one_effect(hospital: Hospital, simulator: Simulator) -> None:
    psn_no = hospital.person()
    body = json.dumps(hospital.envelope("2401", filled("2401", {"mdtrtinfo": {"psn_no": psn_no}}))).encode()
    codes: list[int] = []
    threads = [
        threading.Thread(target=lambda: codes.append(json.loads(simulator.handle("2401", {}, body).body)["infcode"]))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(codes) == [-1] * 7 + [0]


# ------------------------------------------------------------------ who may call


def test_sign_in_when_asked_for() -> None:
    strict = Simulator(MAPPINGS, seed=1, clock=lambda: NOW, require_sign_in=True)
    hospital = Hospital(lambda infno, body: strict.handle(infno, {}, body).body)
    assert "9001" in hospital.refused("1101")
    sign_no = hospital.do("9001", {"signIn": {"opter_no": "0001"}})["signinoutb"]["sign_no"]
    hospital.do("1101", sign_no=sign_no)
    hospital.do("9002", {"signOut": {"opter_no": "0001", "sign_no": sign_no}}, sign_no=sign_no)
    assert "9001" in hospital.refused("1101", sign_no=sign_no)


@pytest.mark.parametrize("one", [True, False])
def test_a_new_sign_in_ends_the_one_before_where_asked_for(one: bool) -> None:
    strict = Simulator(MAPPINGS, seed=1, clock=lambda: NOW, require_sign_in=True, one_sign_in=one)
    hospital = Hospital(lambda infno, body: strict.handle(infno, {}, body).body)
    first, other, second = (
        hospital.do("9001", {"signIn": {"opter_no": opter}})["signinoutb"]["sign_no"]
        for opter in ("0001", "0002", "0001")
    )
    for sign_no in (other, second):
        hospital.do("1101", sign_no=sign_no)
    if one:
        assert "9001" in hospital.refused("1101", sign_no=first)
    else:
        hospital.do("1101", sign_no=first)


def test_sign_out_of_another(hospital: Hospital) -> None:
    sign_no = hospital.do("9001", {"signIn": {"opter_no": "0001"}})["signinoutb"]["sign_no"]
    assert "不属于" in hospital.refused("9002", {"signOut": {"opter_no": "0002", "sign_no": sign_no}})


def test_only_registered_institutions() -> None:
    closed = Simulator(MAPPINGS, seed=1, clock=lambda: NOW, institutions={"H44080000009": "别院"})
    hospital = Hospital(lambda infno, body: closed.handle(infno, {}, body).body)
    assert "未登记" in hospital.refused("9001")


def test_missing_mappings(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no transaction tables"):
        Simulator(tmp_path)


# ------------------------------------------------------------------ persons and ledger


def test_ready_made_persons(simulator: Simulator) -> None:
    ready = simulator.ledger()["persons"]
    assert len(ready) == persons.READY_MADE
    assert [one["insutype"] for one in ready] == sorted(one["insutype"] for one in ready)
    assert all(one["balc"].as_tuple().exponent == -2 for one in ready)
    for one in ready:
        assert persons.check_digit(one["certno"][:17]) == one["certno"][17]
        assert one["brdy"].replace("-", "") == one["certno"][6:14]
        assert one["gend"] == ("1" if int(one["certno"][16]) % 2 else "2")


def test_published_check_digit() -> None:
    assert persons.check_digit("11010519491231002") == "X"  # the example of GB 11643-1999


def test_same_certno_same_person_whatever_the_seed(hospital: Hospital, simulator: Simulator) -> None:
    first = hospital.person("440802199001011234")
    simulator.reset(99)
    assert hospital.person("440802199001011234") == first
    output = hospital.do("1101", {"data": {"mdtrt_cert_type": "02", "mdtrt_cert_no": first}})
    assert output["baseinfo"]["psn_no"] == first
    assert output["baseinfo"]["brdy"] == "1990-01-01"


def test_token_stands_for_one_person(hospital: Hospital) -> None:
    asked = {"data": {"mdtrt_cert_type": "01", "mdtrt_cert_no": "TOKEN-1"}}
    one, again = hospital.do("1101", asked)["baseinfo"], hospital.do("1101", asked)["baseinfo"]
    assert one == again
    assert persons.check_digit(one["certno"][:17]) == one["certno"][17]
    other = hospital.do("1101", {"data": {"mdtrt_cert_type": "01", "mdtrt_cert_no": "TOKEN-2"}})["baseinfo"]
    assert other["psn_no"] != one["psn_no"]


def test_card_needs_its_number(hospital: Hospital) -> None:
    assert "card_sn" in hospital.refused("1101", {"data": {"mdtrt_cert_type": "03"}})


@given(certno=st.text(min_size=1, max_size=20), seed=st.integers())
def test_anybody_can_be_invented(certno: str, seed: int) -> None:
    day = date(2026, 11, 21)
    one = persons.invent(certno, seed=seed, admdvs="440800", today=day)
    assert one == persons.invent(certno, seed=seed, admdvs="440800", today=day)
    assert 0 <= one.age_on(day) < 130
    assert one.balance >= 0
    assert len(one.psn_no) == 26


def test_institution_query(hospital: Hospital) -> None:
    found = hospital.do("1201", {"medinsinfo": {"fixmedins_code": INSTITUTION}})["medinsinfo"]
    assert [one["fixmedins_name"] for one in found] == ["湛江模拟医院"]
    assert hospital.do("1201", {"medinsinfo": {"fixmedins_name": "别院"}})["medinsinfo"] == []
    assert "至少" in hospital.refused("1201")


def test_eligibility(hospital: Hospital) -> None:
    psn_no = hospital.person()
    (row,) = hospital.do("2001", {"data": {"psn_no": psn_no, "insutype": "390"}})["trtinfo"]
    assert (row["trt_enjymnt_flag"], row["fund_pay_type"]) == ("1", "390100")


def test_reset_with_a_seed_repeats_itself(hospital: Hospital, simulator: Simulator) -> None:
    def run() -> tuple[str, list[Any]]:
        simulator.reset(5)
        return hospital.admit(hospital.person()), simulator.ledger()["persons"]

    assert run() == run()


def test_reset_without_a_seed_gives_new_identifiers(hospital: Hospital, simulator: Simulator) -> None:
    before = hospital.admit(hospital.person())
    known = simulator.ledger()["persons"][: persons.READY_MADE]
    simulator.reset()
    assert simulator.ledger()["stays"] == []
    assert simulator.ledger()["persons"] == known
    assert hospital.admit(hospital.person()) != before


# ------------------------------------------------------------------ apart from the gateway


def test_shares_no_code_with_the_gateway() -> None:
    imported = set()
    for path in Path(simulator_package.__file__ or "").parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {name.name for name in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(node.module or "")
    others = {name for name in imported if name != "gateway.simulator" and not name.startswith("gateway.simulator.")}
    assert {name.partition(".")[0] for name in others} - sys.stdlib_module_names == {"yaml", "gmssl"}


# ------------------------------------------------------------------ JSON


leaves = st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False, allow_infinity=False) | st.text()


@given(st.dictionaries(st.text(), st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10)))  # fmt: skip
def test_what_is_written_reads_back(value: dict[str, Any]) -> None:
    assert wire.read_object(wire.encode(value)) == value
