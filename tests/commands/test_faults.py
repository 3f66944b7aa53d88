from __future__ import annotations

import json
from pathlib import Path

from gateway.faults import FAULTS
from gateway.published.fault_table import markdown
from tests.commands.helpers import REPOSITORY, yibao


def test_the_published_table_is_the_program_s() -> None:
    ran = yibao("faults", "--check", REPOSITORY / "docs/using/fault-codes.md")
    assert (ran.code, ran.err) == (0, "")


def test_every_fault_has_a_line_with_its_words() -> None:
    lines = markdown().splitlines()
    for fault in FAULTS.values():
        (line,) = [line for line in lines if line.startswith(f"| {fault.code} |")]
        assert all(text.replace("<", "&lt;") in line for text in (fault.title, fault.cause, fault.action, fault.retry))


def test_json_lists_the_same_faults() -> None:
    found = json.loads(yibao("faults", "--json").out)
    assert {row["code"] for row in found} == set(FAULTS)
    assert {row["retry"] for row in found} == {"yes", "same", "no"}


def test_a_table_for_people() -> None:
    assert "结果未知，核实中" in yibao("faults").out


def test_a_file_that_has_drifted_is_named(tmp_path: Path) -> None:
    file = tmp_path / "codes.md"
    assert yibao("faults", "--write", file).code == 0
    assert yibao("faults", "--check", file).code == 0
    file.write_text(file.read_text(encoding="utf-8") + "x", encoding="utf-8")
    ran = yibao("faults", "--check", file)
    assert (ran.code, ran.err) == (1, f"{file} 与程序不一致，请运行 yibao faults --write {file}\n")
