"""The 日间手术病种目录 of a hospital: read as 1311 gives it, taken up anew, and what a change of category is judged by."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.files.layout import packed
from gateway.files.unpack import FileWrong
from gateway.stays.day_surgery import DaySurgeryFile, read_catalogue
from tests.commands.helpers import write_config, yibao


def row(entry: str, operation: str, valid: str = "1") -> list[str]:
    return ["L1", entry, "病种", valid, *[""] * 9, "手术", operation]


def write(path: Path, *rows: list[str], at: int = 1) -> Path:
    path.write_bytes(packed("1311.txt", rows))
    os.utime(path, ns=(at, at))
    return path


def test_an_entry_has_the_operations_of_all_its_valid_rows(tmp_path: Path) -> None:
    file = write(
        tmp_path / "1311.zip", row("D1", "51.2300"), row("D1", "47.0100、47.0101;47.0102"), row("D2", "x", "0")
    )
    found = read_catalogue(file)
    assert {entry: set(one.operations) for entry, one in found.items()} == {
        "D1": {"51.2300", "47.0100", "47.0101", "47.0102"}
    }
    plain = tmp_path / "1311.txt"
    plain.write_text("\t".join(row("D3", "04.4300")) + "\n", encoding="utf-8")
    assert list(read_catalogue(plain)) == ["D3"]


@pytest.mark.parametrize("content", [b"", b"D1\tonly\tthree\n", b"\xff\xfe", packed("a", [row("D1", "1", "0")])])
def test_what_is_no_catalogue_is_said(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "1311.txt"
    file.write_bytes(content)
    with pytest.raises(FileWrong):
        read_catalogue(file)
    ran = yibao("config", "check", "--config", write_config(tmp_path, listen_more=f'[rules]\nday_surgery = "{file}"'))
    assert (ran.code, "rules.day_surgery" in ran.err) == (1, True)


def test_a_new_file_is_taken_up_and_a_broken_one_leaves_the_last_in_force(tmp_path: Path) -> None:
    catalogue = DaySurgeryFile(tmp_path / "1311.zip")
    assert catalogue() is None
    write(tmp_path / "1311.zip", row("D1", "51.2300"))
    first = catalogue()
    assert first is not None
    assert catalogue() is first
    write(tmp_path / "1311.zip", row("D1", "51.2300"), row("D2", "47.0100"), at=2)
    assert set(catalogue() or ()) == {"D1", "D2"}
    (tmp_path / "1311.zip").write_bytes(b"half a fi")
    assert set(catalogue() or ()) == {"D1", "D2"}
    (tmp_path / "1311.zip").unlink()
    assert set(catalogue() or ()) == {"D1", "D2"}
