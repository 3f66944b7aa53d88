"""The compiled readers say what the full rule says, for any field and any value."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from gateway.contract import leaves
from gateway.contract.leaves import Wrong, reader
from gateway.contract.model import Field

_RULES = {
    "string": leaves._string,
    "text": leaves._string,
    "integer": leaves._integer,
    "decimal": leaves._decimal,
    "date": leaves._date,
    "datetime": leaves._datetime,
}

FIELDS = st.builds(
    lambda kind, length, precision, scale: Field(
        "f",
        "字段",
        kind,
        length=length,
        precision=precision,
        scale=None if scale is None else min(scale, precision or scale),
    ),
    st.sampled_from(sorted(_RULES)),
    st.none() | st.integers(1, 20),
    st.none() | st.integers(1, 18),
    st.none() | st.integers(0, 6),
)
NUMBERS = st.from_regex(r"-?[0-9]{1,20}(\.[0-9]{1,8})?", fullmatch=True)
MOMENTS = st.from_regex(
    r"20[0-9]{2}-[01][0-9]-[0-3][0-9]([ T][0-2][0-9]:[0-5][0-9]:[0-5][0-9](Z|\+08:00)?)?", fullmatch=True
)
VALUES = st.one_of(
    NUMBERS, MOMENTS, st.text(max_size=24), st.integers(), st.decimals(), st.booleans(), st.just({}), st.just([])
)


def _told(read: Any, *arguments: Any) -> tuple[str, ...]:
    try:
        value = read(*arguments)
    except Wrong as wrong:
        return "wrong", wrong.rule, wrong.text
    return type(value).__name__, str(value)


@given(FIELDS, VALUES)
@example(Field("f", "字段", "decimal", precision=2, scale=2), "0.12")
@example(Field("f", "字段", "decimal", precision=4, scale=0), "1.0")
@example(Field("f", "字段", "integer", length=3), "٣")
@example(Field("f", "字段", "integer", length=3), "0012")
@example(Field("f", "字段", "string", length=2), "a\x0b")
@example(Field("f", "字段", "decimal"), Decimal("1E-999999999"))
def test_the_fast_way_is_the_rule(spec: Field, value: Any) -> None:
    assert _told(reader(spec), value) == _told(_RULES[spec.type], spec, value)
