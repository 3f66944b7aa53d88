"""Whatever stands in a field, page and PDF hold it as text, whole."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import html
from pypdf import PdfReader

from gateway.contract.jsontext import dumps, loads
from gateway.rules.vouchers import KINDS, VoucherKind
from gateway.vouchers.page import page
from gateway.vouchers.pdf import pdf
from gateway.vouchers.sheet import ADMITTED, TITLES, Column, Group, Item, Print, Sheet, Table, sheet_of
from gateway.vouchers.typefaces import FontUnusable, Typefaces

HOSTILE = "<script>alert(1)</script>&\"'{{ 7*7 }}</dd>"
ROW = ("2026-03-02 08:00", "XJ01", "1,234.50")


@pytest.fixture(scope="module")
def faces() -> Typefaces:
    return Typefaces()


def printed(name: str, kind: VoucherKind = "receipt", rows: int = 2) -> Print:
    columns = (Column("at", "费用时间"), Column("code", "编码"), Column("sum", "金额", number=True))
    sheet = Sheet(
        kind,
        TITLES[kind],
        name,
        (Group("", (Item("psn_name", "姓名", name), Item(ADMITTED, "入院时间", "2026-03-01 10:05"))),),
        (Table("fees", "费用明细", columns, (ROW,) * rows), Table("funds", "基金", columns[1:], ((name, "1.00"),))),
        notes=(name,),
        signatures=("收款人",),
    )
    return Print(sheet, 7, 2, "2026-03-05 10:00", name, "2026-03-04 10:00", ("重打",), (name,))


def pages(content: bytes) -> list[str]:
    return [one.extract_text() for one in PdfReader(io.BytesIO(content)).pages]


@pytest.mark.parametrize("kind", KINDS)
def test_a_hostile_name_is_text(faces: Typefaces, kind: VoucherKind) -> None:
    shown = printed(HOSTILE, kind)
    found = html.fromstring(page(shown))
    assert found.xpath("//div[dt='姓名']/dd/text()") == [HOSTILE]
    assert found.xpath("//script") == []
    assert HOSTILE in "".join(pages(pdf(shown, faces))).replace("\n", "")


def test_characters_of_names_are_there_and_what_no_font_has_is_named(faces: Typefaces) -> None:
    name = "㙍䶮·阿不都𠮷喆"
    text = "".join(pages(pdf(printed(name), faces)))
    assert "㙍䶮·阿不都〔U+20BB7〕喆" in text
    assert faces.missing(name) == ("𠮷",)
    assert name in page(printed(name))


def test_the_bundled_font_has_every_character_of_gbk(faces: Typefaces) -> None:
    written = bytes(byte for high in range(0x81, 0xFF) for low in range(0x40, 0xFF) for byte in (high, low))
    characters = [one for one in written.decode("gbk", "ignore") if not 0xE000 <= ord(one) < 0xF900]
    assert len(set(characters)) > 21_000
    assert set(faces.missing("".join(characters))) <= {"≒", "\x7f"}


def test_a_long_list_goes_over_pages_with_its_head_on_each(faces: Typefaces) -> None:
    found = pages(pdf(printed("张三", "fee_list", rows=200), faces))
    assert len(found) > 2
    assert sum(text.count(ROW[2]) for text in found) == 200
    for number, text in enumerate(found[:-1], 1):
        assert "费用时间" in text
        assert f"第 {number} 页" in text


def test_marks_and_the_number_stand_on_both(faces: Typefaces) -> None:
    shown = printed("张三")
    assert "【重打】" in pages(pdf(shown, faces))[0]
    assert html.fromstring(page(shown)).xpath("//*[@class='mark']/text()") == ["重打"]
    for text in (page(shown), pages(pdf(shown, faces))[0]):
        assert "凭证号 7　第 2 次打印" in text


@settings(max_examples=25)
@given(st.text(max_size=60).filter(lambda text: not any(0xD800 <= ord(one) < 0xE000 for one in text)))
def test_any_text_is_drawn(faces: Typefaces, text: str) -> None:
    shown = printed(text)
    assert pages(pdf(shown, faces))
    assert page(shown)
    assert sheet_of(loads(dumps(shown.sheet.as_json()))) == shown.sheet


def test_a_font_that_is_none_is_named(tmp_path: Path) -> None:
    file = tmp_path / "name.ttf"
    file.write_bytes(b"not a font")
    for path in (file, tmp_path / "missing.ttf"):
        with pytest.raises(FontUnusable, match=path.name):
            Typefaces([path])
