"""The shipped dialects against their goldens and real clients; loading, checking, trying, reloading folders of one's own."""

from __future__ import annotations

import base64
import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import suds.client
import suds.transport
import zeep
from lxml import etree
from requests import Response
from zeep.transports import Transport

from gateway.contract.dialect import Dialect
from gateway.contract.errors import MappingError
from gateway.contract.model import Contract
from gateway.mappings import data_root, load
from gateway.mappings.dialect_goldens import GoldenReply
from gateway.mappings.dialects import DialectLibrary, SampleError, check_dialect, load_dialects, try_dialect
from gateway.mappings.documents import read_yaml

ROOT = data_root()
NAMES = ["bytes", "callfun", "transservice"]
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"


@pytest.fixture(scope="module")
def contract() -> Contract:
    return load()


@pytest.fixture(scope="module")
def shipped(contract: Contract) -> dict[str, Dialect]:
    return load_dialects(ROOT, contract)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the dialects to spoil."""
    shutil.copytree(ROOT / "mappings" / "his", tmp_path / "mappings" / "his")
    shutil.copytree(ROOT / "wsdl" / "legacy", tmp_path / "wsdl" / "legacy")
    return tmp_path


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert text.count(old) >= 1, f"{old!r} is not in {path.name}"
    path.write_text(text.replace(old, new, 1), "utf-8")


# ------------------------------------------------------------------------- goldens


def test_three_dialects_are_shipped(shipped: dict[str, Dialect]) -> None:
    assert sorted(shipped) == NAMES
    assert len({dialect.version for dialect in shipped.values()}) == 3


@pytest.mark.parametrize("name", NAMES)
def test_goldens(name: str, contract: Contract) -> None:
    assert check_dialect(ROOT / "mappings" / "his" / name, contract) == []


@pytest.mark.parametrize("name", NAMES)
def test_every_core_transaction_and_a_refusal_have_a_golden(name: str) -> None:
    goldens = [
        read_yaml(path, path.name).value for path in (ROOT / "mappings" / "his" / name / "golden").glob("*.yaml")
    ]
    numbers = {golden["national"]["infno"] for golden in goldens if "national" in golden}
    assert {"1101", "2401", "2301", "2304", "2207"} <= numbers
    assert any(golden.get("national", {}).get("problems") for golden in goldens)


@pytest.mark.parametrize(
    ("name", "file", "old", "new", "where"),
    [
        ("transservice", "2401", "zyh>ZY20260001", "zyh>ZY20260002", "national message mdtrtinfo/ipt_no"),
        ("transservice", "2401", "<jzid>MD0001", "<jzid>MD0002", "response"),
        ("transservice", "2304", "张&#180265;", "张?", "response"),
        ("transservice", "2304", 'encoding="GBK"?>\n  <outdata>', 'encoding="UTF-8"?>\n  <outdata>', "response"),
        (
            "transservice",
            "2301",
            '"-100.00", bilg',
            '"-100", bilg',
            "national message feedetail[3]/det_item_fee_sumamt",
        ),
        ("transservice", "2401", "unknown: [Inxml/data/hyzk]", "unknown: []", "national unknown"),
        ("transservice", "refusal", "his: xzlx", "his: xzlb", "national problems[2]/his"),
        ("transservice", "unreadable", "refused: GW-1001", "refused: GW-1002", "refused"),
        ("callfun", "1101", '"balc": 1203.50', '"balc": "1203.50"', "response"),
        ("callfun", "1101", "opter_name: 张三", "opter_name: 李四", "national head opter_name"),
        ("callfun", "1101", 'infno: "1101"', 'infno: "1201"', "national infno"),
        ("bytes", "1101", 'type="UEBMI"', 'type="x"', "response"),
        ("bytes", "2207-declined", "<syscode>-1<", "<syscode>1<", "response"),
    ],
)
def test_a_golden_notices(tree: Path, contract: Contract, name: str, file: str, old: str, new: str, where: str) -> None:
    edit(tree / "mappings" / "his" / name / "golden" / f"{file}.yaml", old, new)
    differences = check_dialect(tree / "mappings" / "his" / name, contract)
    assert differences
    for difference in differences:
        assert difference.golden == f"mappings/his/{name}/golden/{file}.yaml"
        assert difference.where.startswith(where)
        assert difference.expected != difference.actual


# -------------------------------------------------------------------- real clients


def _answer(dialect: Dialect, envelope: bytes) -> bytes:
    """What the hospital gets for an envelope when the platform says yes to an admission."""
    body = etree.fromstring(envelope).find(f"{{{SOAP}}}Body")
    assert body is not None
    call = dialect.read(body[0], "utf-8")
    assert call.infno == "2401"
    assert call.message["mdtrtinfo"]["ipt_no"] == "ZY1"
    assert call.message["mdtrtinfo"]["dscg_maindiag_name"] == "肺炎"
    root = etree.Element(f"{{{SOAP}}}Envelope")
    reply = GoldenReply("0", msgid="M1", output={"result": {"mdtrt_id": "MD0001"}})
    etree.SubElement(root, f"{{{SOAP}}}Body").append(dialect.write(call, reply))
    return etree.tostring(root, encoding="utf-8", xml_declaration=True)


class _ZeepLine(Transport):  # type: ignore[misc]
    def __init__(self, dialect: Dialect) -> None:
        super().__init__()
        self.dialect = dialect

    def post(self, address: str, message: bytes, headers: dict[str, str]) -> Response:
        response = Response()
        response.status_code = 200
        response.headers["Content-Type"] = "text/xml; charset=utf-8"
        response._content = _answer(self.dialect, message)
        return response


class _SudsLine(suds.transport.Transport):  # type: ignore[misc]
    def __init__(self, dialect: Dialect) -> None:
        super().__init__()
        self.dialect = dialect

    def open(self, request: Any) -> io.BytesIO:
        return io.BytesIO(Path(request.url.removeprefix("file://")).read_bytes())

    def send(self, request: Any) -> suds.transport.Reply:
        return suds.transport.Reply(200, {}, _answer(self.dialect, request.message))


def _zeep(dialect: Dialect) -> Any:
    path = ROOT / "wsdl" / "legacy" / dialect.wsdl
    return zeep.Client(str(path), transport=_ZeepLine(dialect)).service


def _suds(dialect: Dialect) -> Any:
    path = ROOT / "wsdl" / "legacy" / dialect.wsdl
    return suds.client.Client(path.as_uri(), transport=_SudsLine(dialect), cache=None).service


CLIENTS = pytest.mark.parametrize("client", [_zeep, _suds])
Connect = Callable[[Dialect], Any]


@CLIENTS
def test_transservice_from_a_client(client: Connect, shipped: dict[str, Dialect]) -> None:
    xml = "<indata><data><zyh>ZY1</zyh><zzdmc>肺炎</zzdmc></data></indata>"
    answer = client(shipped["transservice"]).TransService("ZY01", xml)
    assert etree.fromstring(answer.partition("?>")[2]).findtext("data/jzid") == "MD0001"


@CLIENTS
@pytest.mark.parametrize("packed", [True, False])
def test_callfun_from_a_client(client: Connect, packed: bool, shipped: dict[str, Dialect]) -> None:
    text = '{"transNo":"2401","data":{"mdtrtinfo":{"ipt_no":"ZY1","dscg_maindiag_name":"肺炎"}}}'
    payload = base64.b64encode(text.encode()).decode() if packed else text
    answer = str(client(shipped["callfun"]).CallFun(payload))
    shown = base64.b64decode(answer).decode() if packed else answer
    assert '"mdtrt_id":"MD0001"' in shown


@CLIENTS
def test_bytes_from_a_client(client: Connect, shipped: dict[str, Dialect]) -> None:
    xml = '<?xml version="1.0" encoding="GBK"?><r><Body><Admission no="ZY1"><MainName>肺炎</MainName></Admission></Body></r>'
    raw = xml.encode("gbk")
    answer = client(shipped["bytes"]).TransByBytes("I2401", raw if client is _zeep else base64.b64encode(raw).decode())
    assert (answer.syscode, answer.sysmsg or "") == ("1", "")
    outxml = answer.outxml if isinstance(answer.outxml, bytes) else base64.b64decode(answer.outxml)
    assert b"<VisitId>MD0001</VisitId>" in outxml
    assert outxml.startswith(b'<?xml version="1.0" encoding="GBK"?>')


# ---------------------------------------------------------------------- wrong files


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("dialect.yaml", "title: Trans", "titel: Trans", "有不认识的键：titel"),
        ("dialect.yaml", "name: transservice", "name: other", "name 应与目录名 transservice 一致"),
        ("dialect.yaml", "wsdl: transservice.wsdl", "wsdl: nope.wsdl", "wsdl/legacy/nope.wsdl 不存在"),
        ("dialect.yaml", "namespace: http://tempuri.org/", "namespace: urn:x", "没有命名空间 urn:x"),
        ("dialect.yaml", "qualified: true", "qualified: false", "qualified: true"),
        ("dialect.yaml", "element: TransServiceResponse", "element: Nope", "没有元素 Nope"),
        ("dialect.yaml", "parameters: {TransNo", "parameters: {transno: text, TransNo", "TransService 中没有 transno"),
        ("dialect.yaml", "charset: gbk", "charset: klingon", "不在允许的取值中"),
        ("dialect.yaml", "czybh: opter,", "czybh: optr,", "是否为 opter"),
        ("dialect.yaml", "xb: {男: 1", "xb: {男: true", "dialect.yaml"),
        ("transactions/2401.yaml", "zyh: ipt_no", "zyh: ipt_nr", "mdtrtinfo/ipt_nr 不在国家接口中，是否为 ipt_no"),
        ("transactions/2401.yaml", "to: diseinfo", "to: disinfo", "disinfo 不在国家接口中，是否为 diseinfo"),
        (
            "transactions/2401.yaml",
            "mdtrt_id: jzid",
            "mdtrt_ID: jzid",
            "result/mdtrt_ID 不在国家接口中，是否为 mdtrt_id",
        ),
        ("transactions/2401.yaml", "table: kzlx", "table: kzlb", "没有对照表“kzlb”"),
        ("transactions/2401.yaml", "yyyyMMddHHmmss]", "yyyymmdd]", "缺少月 MM"),
        ("transactions/2401.yaml", "- code: {from: xzlx,", "- kode: {from: xzlx,", "有不认识的键：kode"),
        ("transactions/2401.yaml", "- code: {from: xzlx,", "- code: {frm: xzlx,", "frm"),
        ("transactions/2401.yaml", 'infno: "2401"', 'infno: "6204"', "没有可由院内调用的交易 6204"),
        ("transactions/2401.yaml", "his: ZY01", "his: ZY05", "院内交易号“ZY05”已用于"),
        ("transactions/2401.yaml", "ignored: [bz]", "ignored: [bz]\nignored: [bz]", "键 ignored 重复"),
        ("transactions/2401.yaml", "answer:", "answer: [", "YAML 写法有误"),
        ("golden/2401.yaml", "title:", "titel:", "titel"),
    ],
)
def test_a_wrong_file_is_named_with_its_line(
    tree: Path, contract: Contract, file: str, old: str, new: str, said: str
) -> None:
    path = tree / "mappings" / "his" / "transservice" / file
    line = path.read_text("utf-8").partition(old)[0].count("\n") + 1
    edit(path, old, new)
    with pytest.raises(MappingError) as caught:
        load_dialects(tree, contract)
    found = [error for error in caught.value.all if said in error.sentence]
    assert found, caught.value
    assert found[0].file.startswith("mappings/his/transservice/")
    assert abs(found[0].line - line) <= 2, found[0]


def test_two_verbs_in_one_step(tree: Path, contract: Contract) -> None:
    path = tree / "mappings" / "his" / "transservice" / "transactions" / "2401.yaml"
    edit(path, "answer:\n", "answer:\n  - {constant: {to: a, value: 1}, default: {to: b, value: 1}}\n")
    with pytest.raises(MappingError, match="每个步骤只能写一个动词，这里有：constant、default"):
        load_dialects(tree, contract)


def test_mistakes_in_several_files_are_told_together(tree: Path, contract: Contract) -> None:
    folder = tree / "mappings" / "his"
    edit(folder / "transservice" / "transactions" / "2401.yaml", "zyh: ipt_no", "zyh: a")
    edit(folder / "transservice" / "transactions" / "2304.yaml", "fph: invono", "fph: b")
    edit(folder / "bytes" / "dialect.yaml", "wsdl: bytes.wsdl", "wsdl: c.wsdl")
    with pytest.raises(MappingError) as caught:
        load_dialects(tree, contract)
    assert len(caught.value.all) == 3


def test_a_broken_wsdl_and_one_with_imported_schemas(tree: Path, contract: Contract) -> None:
    wsdl = tree / "wsdl" / "legacy" / "bytes.wsdl"
    wsdl.write_text("<wsdl>", "utf-8")
    with pytest.raises(MappingError, match=r"wsdl/legacy/bytes.wsdl:1"):
        load_dialects(tree, contract)
    imported = '<s:schema xmlns:s="http://www.w3.org/2001/XMLSchema"><s:import schemaLocation="?xsd=1"/></s:schema>'
    wsdl.write_text(imported, "utf-8")
    assert sorted(load_dialects(tree, contract)) == NAMES


def test_a_folder_without_dialects_is_fine(tmp_path: Path, contract: Contract) -> None:
    assert load_dialects(tmp_path, contract) == {}


# --------------------------------------------------------------------------- trying


def test_try_shows_both_sides(tmp_path: Path, contract: Contract) -> None:
    payload = (
        "<indata><czybh>01</czybh><data><jzid>J1</jzid><x>1</x>"
        "<mxs><mx><lsh>A</lsh><je>150</je></mx><mx><lsh>B</lsh><je>x</je></mx></mxs></data></indata>"
    )
    sample = tmp_path / "sample.xml"
    sample.write_bytes(_envelope("ZY05", payload).encode("gbk"))
    trial = try_dialect(ROOT / "mappings" / "his" / "transservice", sample, contract)
    assert (trial.infno, trial.his_transaction, trial.refused) == ("2301", "ZY05", "")
    rows = {row.national_path: (row.his_path, row.his_value, row.national_value) for row in trial.rows}
    assert rows["feedetail[1]/det_item_fee_sumamt"] == ("mxs/mx/je", "150", "1.50")
    assert rows["feedetail[2]/feedetl_sn"] == ("mxs/mx/lsh", "B", "B")
    assert rows["feedetail[2]/mdtrt_id"] == ("jzid", "J1", "J1")
    assert rows["feedetail[1]/hosp_appr_flag"] == ("", "", "1")
    assert [(p.row, p.rule) for p in trial.problems] == [("2", "type")]
    assert trial.unknown == ("Inxml/data/x",)
    assert trial.head == {"opter": "01", "opter_type": "1"}


def test_try_says_why_a_payload_cannot_be_read(tmp_path: Path, contract: Contract) -> None:
    sample = tmp_path / "sample.xml"
    sample.write_bytes(_envelope("ZY99", "<a/>").encode("gbk"))
    assert "GW-1005" in try_dialect(ROOT / "mappings" / "his" / "transservice", sample, contract).refused


@pytest.mark.parametrize(
    "content", [b"", b"<a/>", b"hello", b"\xff\xfe", b'<Envelope xmlns="urn:x"><Body><a/></Body></Envelope>']
)
def test_try_of_something_that_is_no_envelope(tmp_path: Path, contract: Contract, content: bytes) -> None:
    sample = tmp_path / "sample.xml"
    sample.write_bytes(content)
    with pytest.raises(SampleError):
        try_dialect(ROOT / "mappings" / "his" / "transservice", sample, contract)


def _envelope(number: str, payload: str) -> str:
    inner = payload.replace("&", "&amp;").replace("<", "&lt;")
    return (
        f'<?xml version="1.0" encoding="GBK"?><e:Envelope xmlns:e="{SOAP}"><e:Body><TransService xmlns="http://tempuri.org/">'
        f"<TransNo>{number}</TransNo><Inxml>{inner}</Inxml></TransService></e:Body></e:Envelope>"
    )


# -------------------------------------------------------------------------- reloading


def test_reload_takes_a_good_edit_and_keeps_what_was_not_edited(tree: Path, contract: Contract) -> None:
    library = DialectLibrary(tree, contract)
    before = library.current
    edit(tree / "mappings" / "his" / "bytes" / "dialect.yaml", "title: TransBy", "title: 新 TransBy")
    assert library.reload() == ()
    after = library.current
    assert after.dialects["bytes"].title.startswith("新")
    assert after.dialects["bytes"].version != before.dialects["bytes"].version
    assert after.dialects["callfun"] is before.dialects["callfun"]
    assert before.dialects["bytes"].title.startswith("TransBy")


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("transactions/2301.yaml", 'factor: "0.01"', 'factor: "0.1"', "feedetail[1]/det_item_fee_sumamt：应为 “37.04”"),
        ("transactions/2301.yaml", "sl: cnt", "sl: cntt", "不在国家接口中"),
        ("golden/2301.yaml", "je>3704", "je>3705", "应为"),
    ],
)
def test_reload_refuses_a_bad_edit_as_a_whole(
    tree: Path, contract: Contract, file: str, old: str, new: str, said: str
) -> None:
    library = DialectLibrary(tree, contract)
    before = library.current
    path = tree / "mappings" / "his" / "transservice" / file
    good = path.read_text("utf-8")
    edit(path, old, new)
    edit(tree / "mappings" / "his" / "bytes" / "dialect.yaml", "title: TransBy", "title: 新 TransBy")
    errors = library.reload()
    assert any(said in error.sentence for error in errors)
    assert library.current is before
    path.write_text(good, "utf-8")
    assert library.reload() == ()
    assert library.current.dialects["bytes"].title.startswith("新")


def test_a_library_does_not_start_on_a_failing_golden(tree: Path, contract: Contract) -> None:
    edit(tree / "mappings" / "his" / "bytes" / "golden" / "2401.yaml", "VisitId>MD0001", "VisitId>MD0002")
    with pytest.raises(MappingError, match=r"golden/2401.yaml: response .*应为 “MD0002”，实为 “MD0001”"):
        DialectLibrary(tree, contract)


def test_dialects_come_and_go_with_a_reload(tree: Path, contract: Contract) -> None:
    library = DialectLibrary(tree, contract)
    shutil.rmtree(tree / "mappings" / "his" / "callfun")
    assert library.reload() == ()
    assert sorted(library.current.dialects) == ["bytes", "transservice"]


def test_a_new_contract_is_checked_against_every_dialect(tree: Path, contract: Contract) -> None:
    library = DialectLibrary(tree, contract)
    fewer = {infno: transaction for infno, transaction in contract.transactions.items() if infno != "2207"}
    changed = Contract("x", "v2", fewer, contract.codes, contract.request_envelope, contract.response_envelope)
    errors = library.reload(changed)
    assert {error.file for error in errors} == {
        "mappings/his/bytes/transactions/2207.yaml",
        "mappings/his/callfun/golden/2207-in-doubt.yaml",
        "mappings/his/transservice/transactions/2207.yaml",
    }
    assert library.current.contract_version == contract.version
