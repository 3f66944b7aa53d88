"""HIS -> national -> HIS keeps every value for the verbs that can be turned round."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from gateway.mappings.dialect_goldens import GoldenReply
from tests.contract.dialect_kit import dialect, operation

REQUEST: list[dict[str, Any]] = [
    {"rename": {"from": "br", "to": "data", "fields": {"xm": "name"}}},
    {"move": {"from": "bz", "to": "data/memo"}},
    {"code": {"from": "br/xb", "to": "data/gend", "table": "sex"}},
    {"date": {"from": "br/csrq", "to": "data/brdy", "pattern": "yyyyMMdd"}},
    {"date": {"from": "rysj", "to": "data/begntime", "pattern": "yyyy/M/d'T'H:m:s"}},
    {"unit": {"from": "je", "to": "data/amt", "factor": "0.01", "scale": 2}},
    {
        "each": {
            "from": "ms/m",
            "to": "rows",
            "steps": [
                {"rename": {"fields": {"@h": "sn"}}},
                {"unit": {"from": "je", "to": "amt", "factor": "0.01", "scale": 2}},
                {"each": {"from": "z", "to": "subs", "steps": [{"rename": {"fields": {"n": "no"}}}]}},
            ],
        }
    },
]
ANSWER: list[dict[str, Any]] = [
    {"rename": {"from": "data", "to": "br", "fields": {"name": "xm"}}},
    {"code": {"from": "data/gend", "to": "br/xb", "table": "sex"}},
    {"date": {"from": "data/brdy", "to": "br/csrq", "pattern": "yyyyMMdd"}},
    {"move": {"from": "data/memo", "to": "bz"}},
    {"date": {"from": "data/begntime", "to": "rysj", "pattern": "yyyy/M/d'T'H:m:s"}},
    {"unit": {"from": "data/amt", "to": "je", "factor": 100, "scale": 0}},
    {
        "each": {
            "from": "rows",
            "to": "ms/m",
            "steps": [
                {"rename": {"fields": {"sn": "@h"}}},
                {"unit": {"from": "amt", "to": "je", "factor": 100, "scale": 0}},
                {"each": {"from": "subs", "to": "z", "steps": [{"rename": {"fields": {"no": "n"}}}]}},
            ],
        }
    },
]
KIT = dialect(REQUEST, ANSWER)

# What XML itself keeps: no control characters (a carriage return is turned into a line feed by every parser).
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=12)
MOMENT = st.datetimes(min_value=datetime(1000, 1, 1))  # noqa: DTZ001  hospitals write local time
CENTS = st.integers(-(10**15), 10**15).map(str)
SUBS = st.lists(TEXT, max_size=3)
ROWS = st.lists(st.tuples(TEXT, CENTS, SUBS), max_size=4)


@st.composite
def bodies(draw: st.DrawFn) -> etree._Element:
    body = etree.Element("data")
    person = etree.SubElement(body, "br")
    etree.SubElement(person, "xm").text = draw(TEXT)
    etree.SubElement(person, "xb").text = draw(st.sampled_from(["男", "女"]))
    etree.SubElement(person, "csrq").text = draw(MOMENT).strftime("%Y%m%d")
    etree.SubElement(body, "bz").text = draw(TEXT)
    moment = draw(MOMENT)
    time = f"{moment.year}/{moment.month}/{moment.day}T{moment.hour}:{moment.minute}:{moment.second}"
    etree.SubElement(body, "rysj").text = time
    etree.SubElement(body, "je").text = draw(CENTS)
    rows = draw(ROWS)
    if rows:
        _add_rows(etree.SubElement(body, "ms"), rows)
    return body


def _add_rows(parent: etree._Element, rows: list[tuple[str, str, list[str]]]) -> None:
    for number, cents, subs in rows:
        row = etree.SubElement(parent, "m", h=number)
        etree.SubElement(row, "je").text = cents
        for sub in subs:
            etree.SubElement(etree.SubElement(row, "z"), "n").text = sub


@given(bodies(), st.sampled_from(["gbk", "gb18030", "utf-8"]))
def test_values_survive_the_way_there_and_back(body: etree._Element, charset: str) -> None:
    declaration = f'<?xml version="1.0" encoding="{charset}"?>'
    text = f"{declaration}<in>{etree.tostring(body, encoding='unicode')}</in>"
    call = KIT.read(operation(text), "utf-8")
    assert call.problems == ()
    assert call.unknown == ()
    answer = KIT.write(call, GoldenReply("0", output=call.message))[0].text or ""
    answer.encode(charset)
    back = etree.fromstring(answer.partition("?>")[2]).find("data")
    assert back is not None
    assert etree.tostring(back, method="c14n") == etree.tostring(body, method="c14n")


@given(st.integers(-(10**20), 10**20))
def test_cents_become_yuan_exactly(cents: int) -> None:
    call = KIT.read(operation(f"<in><data><je>{cents}</je></data></in>"), "utf-8")
    assert Decimal(call.message["data"]["amt"]) * 100 == cents
