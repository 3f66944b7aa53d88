"""Every function of the registry, by name."""

from __future__ import annotations

import pytest

from gateway.contract.dialect.functions import FUNCTIONS

# Identity numbers made up by hand; check digits computed on paper after GB 11643.
CASES = {
    "certno_to_18": [
        ("440102800101001", "440102198001010013"),
        ("440102198001010013", "440102198001010013"),
        ("11010519491231002x", "11010519491231002X"),
    ],
    "birth_date_from_certno": [("440102198001010013", "1980-01-01"), ("440102800101001", "1980-01-01")],
    "gender_from_certno": [("440102198001010013", "1"), ("11010519491231002X", "2")],
}


def test_every_function_has_cases() -> None:
    assert set(CASES) == set(FUNCTIONS)


@pytest.mark.parametrize(("name", "given", "expected"), [(n, g, e) for n, rows in CASES.items() for g, e in rows])
def test_function(name: str, given: str, expected: str) -> None:
    assert FUNCTIONS[name](given) == expected


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
@pytest.mark.parametrize(
    "given", ["", "1", "44010219800101001X", "４４０１０２１９８００１０１００１３", "a" * 18, "4401021980010100132"]
)
def test_functions_refuse_what_is_no_identity_number(name: str, given: str) -> None:
    with pytest.raises(ValueError, match="身份证号"):
        FUNCTIONS[name](given)


def test_a_birthday_that_never_was() -> None:
    with pytest.raises(ValueError, match="出生日期“19800231”不存在"):
        FUNCTIONS["birth_date_from_certno"](FUNCTIONS["certno_to_18"]("440102800231001"))
