"""Which field became which: held against what the dialects really write, for every golden of every dialect."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.contract.dialect import Carried, Dialect, DialectCall, Spot, leaves
from gateway.exchange.call import Reply
from gateway.mappings import data_root, load
from gateway.mappings.dialect_goldens import _envelope, soap_operation
from gateway.mappings.dialects import load_dialects
from tests.contract.dialect_kit import dialect, operation

HIS = data_root() / "mappings" / "his"
GOLDENS = [path for path in sorted(HIS.glob("*/golden/*.yaml")) if "\nnational:" in path.read_text(encoding="utf-8")]


@pytest.fixture(scope="module")
def dialects() -> dict[str, Dialect]:
    return load_dialects(data_root(), load("national"))


def at(tree: Any, spot: Spot) -> Any:
    """What stands at a place, looked up without the code under test."""
    for part in spot:
        tree = tree[part - 1] if isinstance(part, int) else tree[part]
    return tree.get("#text", "") if isinstance(tree, dict) else tree


def there(tree: Any) -> set[Spot]:
    return {spot for spot, _ in leaves(tree)}


@pytest.mark.parametrize("file", GOLDENS, ids=lambda path: f"{path.parts[-3]}/{path.stem}")
def test_every_field_of_a_golden_has_its_source(dialects: dict[str, Dialect], file: Any) -> None:
    golden, his = yaml.safe_load(file.read_text(encoding="utf-8")), dialects[file.parts[-3]]
    call = his.read(*soap_operation(_envelope(golden, "request")))
    found = his.asked(call)
    assert {one.target for one in found} >= there(call.message)
    for one in found:
        for spot, text in one.sources:
            assert str(at(call.body, spot)) == text, spot
    output = golden.get("reply", {}).get("output")
    body, handed = his.told(call, Reply(infcode="0", output=output))
    assert {one.target for one in handed} >= there(body)
    assert all(str(at(output, spot)) == text for one in handed for spot, text in one.sources)


STEPS: list[dict[str, Any]] = [
    {"rename": {"to": "data", "fields": {"xm": "name"}}},
    {"code": {"from": "xb", "to": "data/gend", "table": "sex"}},
    {"default": {"to": "data/gend", "value": "9"}},
    {"date": {"from": "rq", "to": "data/begntime", "pattern": "yyyyMMddHHmmss"}},
    {"concat": {"from": ["a", "b"], "to": "data/memo", "with": "-"}},
    {"constant": {"to": "top", "value": "T"}},
    {"each": {"from": "mx/r", "to": "rows", "steps": [
        {"rename": {"fields": {"xh": "sn"}}},
        {"unit": {"from": "je", "to": "amt", "factor": "0.01", "scale": 2}},
        {"each": {"from": "zx", "to": "subs", "steps": [{"rename": {"fields": {"@n": "no"}}}]}},
    ]}},
]  # fmt: skip
SUB = '<zx n="s"/>'
FIELDS = {"name": "xm", "gend": "xb", "begntime": "rq"}


def asked(xml: str) -> tuple[DialectCall, dict[Spot, list[Carried]]]:
    his = dialect(STEPS)
    call = his.read(operation(f"<in><data>{xml}</data></in>"), "utf-8")
    found: dict[Spot, list[Carried]] = {}
    for one in his.asked(call):
        found.setdefault(one.target, []).append(one)
    return call, found


def test_each_verb_says_where_its_values_stood() -> None:
    call, found = asked(
        "<xm>张三</xm><xb>男</xb><rq>20261121083000</rq><b>y</b>"
        "<mx><r><xh>1</xh><je>120</je></r><r><xh>2</xh><zx n='a'>x</zx><zx n='b'/></r></mx>"
    )
    sources = {target: ones[0].sources for target, ones in found.items()}
    assert sources["data", "begntime"] == ((("rq",), "20261121083000"),)
    assert sources["data", "memo"] == ((("b",), "y"),), "what is absent is no source"
    assert sources[("top",)] == ()
    assert sources["rows", 1, "amt"] == ((("mx", "r", 1, "je"), "120"),)
    assert sources["rows", 2, "subs", 2, "no"] == ((("mx", "r", 2, "zx", 2, "@n"), "b"),)
    assert ("rows", 2, "amt") not in sources
    assert [one.sources for one in found["data", "gend"]] == [((("xb",), "男"),), ()], "the default comes last"
    assert set(found) == there(call.message)


rows = st.lists(st.tuples(st.text("123", min_size=1, max_size=3), st.lists(st.just("s"), max_size=3)), max_size=4)


@settings(max_examples=30, deadline=None)
@given(rows=rows, given_=st.sets(st.sampled_from(sorted(FIELDS.values()))))
def test_rows_keep_their_places_however_many_there_are(rows: list[tuple[str, list[str]]], given_: set[str]) -> None:
    values = {"xm": "张三", "xb": "女", "rq": "20261121083000"}
    fields = "".join(f"<{name}>{values[name]}</{name}>" for name in sorted(given_))
    listed = "".join(f"<r><xh>{sn}</xh>{SUB * len(subs)}</r>" for sn, subs in rows)
    call, found = asked(f"{fields}<mx>{listed}</mx>")
    assert there(call.message) <= set(found)
    for number, (sn, _) in enumerate(rows, 1):
        ((spot, text),) = found["rows", number, "sn"][0].sources
        assert text == sn
        assert at(call.body, spot) == sn
    for name, his in FIELDS.items():
        assert (("data", name) in found and bool(found["data", name][0].sources)) == (his in given_)


def test_an_answer_is_followed_on_its_way_back() -> None:
    his = dialect(
        [{"rename": {"to": "data", "fields": {"xm": "name"}}}],
        [{"rename": {"from": "data", "fields": {"name": "xm"}}}, {"move": {"from": "rows", "to": "mx"}}],
    )
    call = his.read(operation("<in><data><xm>张三</xm></data></in>"), "utf-8")
    output = {"data": {"name": "李四", "gend": "1"}, "rows": [{"sn": "1", "amt": 12}, {"sn": "2"}]}
    body, handed = his.told(call, Reply(infcode="0", output=output))
    pairs = {one.sources[0][0]: one.target for one in handed}
    assert pairs == {
        ("data", "name"): ("xm",), ("rows", 1, "sn"): ("mx", 1, "sn"), ("rows", 1, "amt"): ("mx", 1, "amt"),
        ("rows", 2, "sn"): ("mx", 2, "sn"),
    }  # fmt: skip
    assert {at(body, target) for target in pairs.values()} == {"李四", "1", 12, "2"}
    assert his.told(call, Reply(infcode="-1"))[1] == []
