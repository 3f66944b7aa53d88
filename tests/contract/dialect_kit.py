"""A small contract and a small dialect, for tests that are about one verb."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lxml import etree

from gateway.contract.dialect import Dialect, DialectCall, DialectFlawed, Flaw, build_dialect
from gateway.contract.model import Contract, EnvelopeField, Field, Node, Side, Transaction

ROW = Node(
    "rows",
    "明细",
    repeat=True,
    fields=(Field("sn", "流水号", "string"), Field("amt", "金额", "decimal", precision=16, scale=2)),
    children=(Node("subs", "子项", repeat=True, fields=(Field("no", "序号", "string"),)),),
)
DATA = Node(
    "data",
    "数据",
    repeat=False,
    fields=(
        Field("name", "姓名", "string"),
        Field("gend", "性别", "string"),
        Field("brdy", "出生日期", "date"),
        Field("begntime", "开始时间", "datetime"),
        Field("amt", "金额", "decimal", precision=16, scale=2),
        Field("memo", "备注", "string"),
    ),
)
SIDE = Side(root=(Field("top", "根字段", "string"),), nodes=(DATA, ROW))
LIST = Side(root=(Field("sn", "流水号", "string"),), root_repeat=True)


def transaction(infno: str, side: Side, *, callback: bool = False) -> Transaction:
    return Transaction(infno, infno, "test", side, side, "read", mutates=False, money=False, callback=callback)


CONTRACT = Contract(
    province="test",
    version="v1",
    transactions={
        "9100": transaction("9100", SIDE),
        "9200": transaction("9200", LIST),
        "6204": transaction("6204", SIDE, callback=True),
    },
    codes={},
    request_envelope=(
        EnvelopeField("opter", "经办人", "string", 30, required=True),
        EnvelopeField("infno", "交易编号", "string", 6, required=True),
    ),
    response_envelope=(),
)


def header(**changes: Any) -> dict[str, Any]:
    """A dialect of the shape ``Do(no, xml) -> out``."""
    document: dict[str, Any] = {
        "name": "kit",
        "title": "测试",
        "wsdl": "kit.wsdl",
        "namespace": "urn:kit",
        "payload": {"forms": ["xml", "json"], "packings": ["plain", "base64"], "charset": "gbk", "root": "out"},
        "codes": {"sex": {"男": 1, "M": 1, "女": 2}},
        "tables": {"dept": {"101": {"code": "A03", "name": "内科"}, "102": {"code": "A04"}}},
        "operations": [
            {
                "name": "Do",
                "request": {
                    "parameters": {"no": "text", "xml": "payload"},
                    "transaction": "no",
                    "body": "xml/data",
                    "head": [{"rename": {"from": "xml", "fields": {"user": "opter"}}}],
                },
                "answer": {
                    "element": "DoResponse",
                    "parts": {"out": "payload", "code": "text"},
                    "body": "out/data",
                    "success": [
                        {"constant": {"to": "code", "value": 0}},
                        {"rename": {"fields": {"warn_msg": "out/msg"}}},
                    ],
                    "failure": [
                        {"constant": {"to": "code", "value": -1}},
                        {"rename": {"fields": {"err_msg": "out/msg"}}},
                    ],
                },
            }
        ],
    }
    return {**document, **changes}


def dialect(
    request: Sequence[Mapping[str, Any]] = (),
    answer: Sequence[Mapping[str, Any]] = (),
    *,
    infno: str = "9100",
    **more: Any,
) -> Dialect:
    document = {"infno": infno, "his": "T1", "request": list(request), "answer": list(answer), **more}
    return build_dialect(header(), {"transactions/t.yaml": document}, CONTRACT, "v")


def flaws(
    request: Sequence[Mapping[str, Any]] = (), answer: Sequence[Mapping[str, Any]] = (), **more: Any
) -> list[Flaw]:
    try:
        dialect(request, answer, **more)
    except DialectFlawed as error:
        return list(error.flaws)
    return []


def operation(payload: str, number: str = "T1") -> etree._Element:
    element = etree.Element("{urn:kit}Do", nsmap={None: "urn:kit"})  # type: ignore[dict-item]
    etree.SubElement(element, "{urn:kit}no").text = number
    etree.SubElement(element, "{urn:kit}xml").text = payload
    return element


def read(steps: Sequence[Mapping[str, Any]], data: str, **more: Any) -> DialectCall:
    """What the steps make of ``<data>`` content."""
    return dialect(steps, **more).read(operation(f"<in><data>{data}</data></in>"), "utf-8")
