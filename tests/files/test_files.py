"""Files: laid out and read back, kept whole or not at all, opened without trusting them."""

from __future__ import annotations

import io
import os
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import clock
from gateway.files.layout import packed, rows
from gateway.files.shelf import Shelf
from gateway.files.unpack import FileWrong, Limits, texts

COLUMN = st.text(st.characters(exclude_characters="\t\r\n\ufeff", exclude_categories=["Cs"]), max_size=8).filter(
    lambda text: text != "null"
)


def zipped(members: dict[str, bytes], *, folder: Path, method: int = zipfile.ZIP_DEFLATED) -> Path:
    path = folder / "given.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(COLUMN, min_size=3, max_size=3).filter(lambda row: any(map(str.strip, row))), max_size=5))
def test_what_is_laid_out_is_read_back(tmp_path_factory: pytest.TempPathFactory, given_rows: list[list[str]]) -> None:
    path = tmp_path_factory.mktemp("layout") / "rows.zip"
    path.write_bytes(packed("rows.txt", given_rows))
    assert list(rows(path, (3,))) == given_rows


def test_a_column_that_holds_a_tab_stays_one_column(tmp_path: Path) -> None:
    path = tmp_path / "rows.zip"
    path.write_bytes(packed("rows.txt", [["甲\t乙\n丙", ""]]))
    assert list(rows(path, (2,))) == [["甲 乙 丙", ""]]


def test_a_plain_text_and_windows_line_ends_are_read_too(tmp_path: Path) -> None:
    path = tmp_path / "rows.txt"
    path.write_bytes("\ufeff甲\tnull\r\n乙\t1\r\n\r\n".encode())
    assert list(rows(path, (2,))) == [["甲", ""], ["乙", "1"]]


@pytest.mark.parametrize("name", ["../etc/passwd", "/etc/passwd", "..\\win.ini", "C:\\win.ini", "a/../../b"])
def test_a_member_that_leads_out_is_refused(name: str, tmp_path: Path) -> None:
    path = zipped({"good.txt": b"1", name: b"2"}, folder=tmp_path)
    with pytest.raises(FileWrong, match="指向别处"):
        list(texts(path))


def test_a_bomb_is_refused_by_what_comes_out(tmp_path: Path) -> None:
    path = zipped({"bomb.txt": (b"0" * 99 + b"\n") * 200_000}, folder=tmp_path)
    with pytest.raises(FileWrong, match="过大"):
        list(rows(path, (1,)))


def test_members_and_lines_are_bounded(tmp_path: Path) -> None:
    many = zipped({f"{number}.txt": b"1" for number in range(5)}, folder=tmp_path)
    with pytest.raises(FileWrong, match="5 个文件"):
        list(texts(many, Limits(members_max=4)))
    wide = zipped({"wide.txt": os.urandom(3000).hex().encode()}, folder=tmp_path)
    with pytest.raises(FileWrong, match="过长"):
        list(rows(wide, (1,), Limits(line_bytes_max=1000)))
    with pytest.raises(FileWrong, match="没有文件"):
        list(texts(zipped({}, folder=tmp_path)))


def test_damage_charset_and_width_are_named_with_their_line(tmp_path: Path) -> None:
    with pytest.raises(FileWrong, match="第 2 行不是 UTF-8"):
        list(rows(zipped({"a.txt": "好\n坏".encode("gb18030")[2:] + b""}, folder=tmp_path), (1,)))
    with pytest.raises(FileWrong, match="第 2 行有 3 列，应为 2 列"):
        list(rows(zipped({"a.txt": b"1\t2\n1\t2\t3\n"}, folder=tmp_path), (2,)))
    path = zipped({"a.txt": os.urandom(5000).hex().encode()}, folder=tmp_path)
    damaged = bytearray(path.read_bytes())
    damaged[1000] ^= 0xFF
    path.write_bytes(damaged)
    with pytest.raises(FileWrong, match="损坏"):
        list(rows(path, (1,)))


def test_a_file_is_kept_under_its_checksum_or_not_at_all(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "files", bytes_max=100)
    kept = shelf.receive("a", [b"abc", b"def"])
    assert shelf.find(kept.sha256) == kept.path
    assert kept.path.read_bytes() == b"abcdef"
    assert shelf.receive("a", [b"abcdef"]) == kept
    assert kept.path.stat().st_mode & 0o077 == 0
    cut = io.BytesIO()
    with zipfile.ZipFile(cut, "w") as archive:
        archive.writestr("a.txt", "1")
    for chunks in ([b"0" * 60, b"0" * 60], [], [cut.getvalue()[:-10]]):
        with pytest.raises(FileWrong):
            shelf.receive("a", chunks)
    assert [place.name for place in shelf.folder.iterdir()] == [kept.sha256]
    assert shelf.find("../" + kept.sha256) is None


def test_what_is_old_goes_and_what_is_not_ours_stays(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    old, new = shelf.receive("a", [b"old"]), shelf.receive("a", [b"new"])
    strange = tmp_path / "readme.txt"
    for place in (old.path, strange):
        place.touch()
        os.utime(place, (1, 1))
    assert shelf.sweep(clock.now() - timedelta(days=1)) == 1
    assert {place.name for place in tmp_path.iterdir()} == {new.sha256, "readme.txt"}
