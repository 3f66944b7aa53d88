"""Rare characters: found in a font of the hospital, or told before anything is printed; never a box, never a silent gap."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader

from gateway.vouchers.press import Press, sort_out, texts_of
from gateway.vouchers.sheet import Group, Item, Print, Sheet
from gateway.vouchers.typefaces import Typefaces
from tests.vouchers.rare import font

FIRST, SECOND, OWN, NOWHERE = "𠮷", "𪚥", "\ue000", "\U00020000"


def printed(name: str) -> Print:
    sheet = Sheet("eligibility", "住院资格确认单", "演示医院", (Group("", (Item("psn_name", "姓名", name),)),))
    return Print(sheet, 1, 1, "2026-03-05 10:00", "收费员甲", "2026-03-05 10:00")


def text_of(content: bytes) -> str:
    return "".join(page.extract_text() for page in PdfReader(io.BytesIO(content), strict=True).pages)


@pytest.fixture(scope="module")
def press(tmp_path_factory: pytest.TempPathFactory) -> Press:
    folder = tmp_path_factory.mktemp("fonts")
    return Press([font(folder / "first.ttf", FIRST), font(folder / "second.ttf", FIRST + SECOND + OWN)])


def test_each_character_comes_from_the_first_font_that_has_it(press: Press) -> None:
    name = f"张{FIRST}三{SECOND}{OWN}李{NOWHERE}"
    assert f"张{FIRST}三{SECOND}{OWN}李〔U+20000〕" in text_of(press.pdf(printed(name)))
    assert press.missing([name, name, NOWHERE]) == (NOWHERE,)


def test_what_no_font_has_is_told_once_with_its_code(press: Press) -> None:
    told = press.warnings(texts_of(printed(f"{FIRST}{NOWHERE}").sheet))
    assert [NOWHERE in text and "〔U+20000〕" in text and FIRST not in text for text in told] == [True]
    assert press.warnings(texts_of(printed("欧阳㙍䶮·阿不都").sheet)) == ()


def test_common_names_open_no_font() -> None:
    press = Press()
    assert press.warnings(["张三", "Zhang San · 1,234.50 ￥"]) == ()
    assert press._faces is None


def test_what_is_taken_for_common_is_in_the_bundled_font() -> None:
    faces = Typefaces()
    written = bytes(byte for high in range(0xA1, 0xFF) for low in range(0xA1, 0xFF) for byte in (high, low))
    characters = set(written.decode("gbk", "ignore"))
    assert len(characters) > 7_000
    assert faces.missing("".join(characters)) == ()
    assert faces.missing("".join(map(chr, range(0x20, 0x7F)))) == ()


def test_a_font_that_cannot_be_used_stops_nothing_and_is_named(tmp_path: Path) -> None:
    broken, absent, good = tmp_path / "broken.ttf", tmp_path / "absent.ttf", font(tmp_path / "good.ttf", FIRST)
    broken.write_bytes(good.read_bytes()[:200])
    usable, problems = sort_out([broken, absent, good])
    assert usable == [good]
    assert [name in text for name, text in zip(("broken.ttf", "absent.ttf"), problems, strict=True)] == [True, True]
    press = Press([broken, absent, good])
    assert FIRST in text_of(press.pdf(printed(FIRST)))
    told = "；".join(press.warnings([SECOND]))
    assert "〔U+2A6A5〕" in told
    assert "broken.ttf" in told
    assert "absent.ttf" in told


@settings(max_examples=20, deadline=None)
@given(st.text(st.characters(min_codepoint=0x20, exclude_categories=("Cs",)), max_size=20))
def test_a_text_without_a_warning_is_whole_on_paper(press: Press, text: str) -> None:
    missing = press.missing([text])
    assert bool(missing) == bool(press.warnings([text]))
    assert all(one in text for one in missing)
    assert set(missing) == set(Typefaces().missing(text)) - {FIRST, SECOND, OWN}
