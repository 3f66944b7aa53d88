from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from gateway import mappings
from gateway.contract.model import Contract
from gateway.published.service_table import service_table

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def contract() -> Contract:
    return mappings.load_all(ROOT)["national"]


def rows(page: str) -> Mapping[str, tuple[str, list[str]]]:
    """Heading and other cells by number."""
    found: dict[str, tuple[str, list[str]]] = {}
    heading = ""
    for line in page.splitlines():
        if line.startswith("## "):
            heading = line.removeprefix("## ")
        elif re.match(r"\| [0-9D]", line):
            number, *cells = [cell.strip() for cell in line.strip("|").split("|")]
            assert number not in found
            found[number] = (heading, cells)
    return found


def test_the_page_is_up_to_date(contract: Contract) -> None:
    page = (ROOT / "docs" / "using" / "transactions.md").read_text(encoding="utf-8")
    assert page == service_table(contract)


def test_every_transaction_stands_once_under_its_service(contract: Contract) -> None:
    found = rows(service_table(contract))
    assert found.keys() == contract.transactions.keys()
    for infno, transaction in contract.transactions.items():
        heading, cells = found[infno]
        assert cells[0] == transaction.name
        if not transaction.callback:
            assert heading == transaction.group
            assert cells[1].startswith(f"`{transaction.safety}`")


@pytest.mark.parametrize(
    ("infno", "safety", "undone"),
    [("2304", "money", "2305、2601"), ("2402", "state", "2405"), ("2301", "repeatable", "2302"), ("1101", "read", "")],
)
def test_class_and_undoing(contract: Contract, infno: str, safety: str, undone: str) -> None:
    """By hand from transactions/2304.yaml, 2402.yaml, 2301.yaml, 1101.yaml and the safety rule of the design."""
    _, cells = rows(service_table(contract))[infno]
    assert (cells[1].split("`")[1], cells[2]) == (safety, undone)


def test_callbacks_stand_apart(contract: Contract) -> None:
    found = rows(service_table(contract))
    assert {infno for infno, (heading, _) in found.items() if "由平台发起" in heading} == {
        "6204",
        "6302",
        "7108",
        "7109",
    }


def test_a_name_cannot_break_the_table(contract: Contract) -> None:
    odd = replace(contract.transactions["1101"], name="a|b<c")
    assert r"| 1101 | a\|b&lt;c |" in service_table(replace(contract, transactions={"1101": odd}))
