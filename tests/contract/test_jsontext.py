"""JSON of callers, read strictly, and of the platform, read leniently; both exact."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.contract.jsontext import DEPTH_MAX, dumps, loads, loads_strict
from gateway.faults import Unreadable


def both(text: str) -> tuple[Any, Any]:
    return loads(text.encode()), loads_strict(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [("1.50", Decimal("1.50")), ("0.1", Decimal("0.1")), ("-0", 0), ("1E+2", Decimal("1E+2")), ("7", 7), ('"7"', "7"),
     ("123456789012345678901234567890", 123456789012345678901234567890), ("null", None), ("true", True), ("[]", []),
     ('"\\u5f20\\ud83d\\ude00"', "张😀")],
)  # fmt: skip
def test_values_are_exact(text: str, value: Any) -> None:
    for found in both(text):
        assert (found, type(found)) == (value, type(value))
        assert str(found) == str(value), "the digits too"


@pytest.mark.parametrize(
    ("text", "code"),
    [("", "GW-1008"), ("{", "GW-1008"), ("NaN", "GW-1008"), ("Infinity", "GW-1008"), ("{'a': 1}", "GW-1008"),
     ("01", "GW-1008"), ("1 2", "GW-1008"), ('"\x01"', "GW-1008"), ("[" * 100_000, "GW-1007"),
     ("[" * 65 + "]" * 65, "GW-1007"), ('{"a":' * 65 + "1" + "}" * 65, "GW-1007")],
)  # fmt: skip
def test_what_is_none_is_named_by_both(text: str, code: str) -> None:
    assert code_of(lambda: loads(text.encode())) == code
    assert code_of(lambda: loads_strict(text)) == code


def test_as_deep_as_allowed() -> None:
    text = "[" * (DEPTH_MAX - 1) + "]" * (DEPTH_MAX - 1)
    assert all(isinstance(value, list) for value in both(text))


def test_a_key_twice_is_refused_of_a_caller_and_the_last_of_the_platform_counts() -> None:
    assert loads(b'{"a": 1, "a": 2}') == {"a": 2}
    with pytest.raises(Unreadable) as caught:
        loads_strict('{"x": [{"a": 1, "b": 0, "a": 2}]}')
    assert caught.value.fault.code == "GW-1008"
    assert "'a'" in caught.value.text


@pytest.mark.parametrize(
    "text", ['"\\ud800"', '"\\udc00x"', '{"\\ud83d": 1}', '["\\ude00\\ud83d", 99999999999999999999]']
)
def test_half_a_character_is_named(text: str) -> None:
    with pytest.raises(Unreadable) as caught:
        loads_strict(text)
    assert caught.value.fault.code == "GW-1008"
    assert "代理" in caught.value.text


def test_a_backslash_before_u_is_no_half_character() -> None:
    assert loads_strict('"\\\\ud800"') == "\\ud800"


def test_bytes_that_are_no_utf_8_are_named() -> None:
    with pytest.raises(Unreadable) as caught:
        loads('"张三"'.encode("gbk"))
    assert caught.value.fault.code in ("GW-1003", "GW-1008")


def test_positions_are_told() -> None:
    with pytest.raises(Unreadable) as caught:
        loads_strict('{"a": 1,\n "b": }')
    assert "第 2 行第 7 列" in caught.value.text


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8"))
    | st.decimals(allow_nan=False, allow_infinity=False, places=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), inner, max_size=3),
    max_leaves=12,
)  # fmt: skip


@given(VALUES)
def test_what_is_written_is_read_back_exactly(value: Any) -> None:
    body = dumps(value)
    assert loads(body) == value
    assert loads_strict(body.decode()) == value
    assert json.loads(body, parse_float=Decimal) == value


def code_of(read: Callable[[], Any]) -> str:
    """The code of the fault it raises, empty when it is read."""
    try:
        read()
    except Unreadable as error:
        return error.fault.code
    return ""


@given(st.binary(max_size=60))
def test_any_bytes_are_a_value_or_a_named_fault(body: bytes) -> None:
    assert code_of(lambda: loads(body)) in ("", "GW-1003", "GW-1007", "GW-1008")


@given(st.text(max_size=60))
def test_any_text_is_a_value_or_a_named_fault(text: str) -> None:
    assert code_of(lambda: loads_strict(text)) in ("", "GW-1007", "GW-1008")
