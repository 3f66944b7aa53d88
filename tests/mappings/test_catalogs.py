"""The catalogs of every province load, and what is wrong is told with file and line."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from gateway import mappings
from gateway.contract.errors import MappingError
from gateway.mappings.catalogs import load_catalogs

NATIONAL = mappings.load("national")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A tree with the files that the loader reads itself."""
    folder = tmp_path / "mappings"
    own = mappings.data_root() / "mappings"
    folder.mkdir()
    for name in ("catalogs.yaml", "directory_files.yaml"):
        shutil.copy(own / name, folder / name)
    (folder / "provinces" / "national").mkdir(parents=True)
    shutil.copy(own / "provinces" / "national" / "province.yaml", folder / "provinces" / "national")
    return tmp_path


def changed(root: Path, name: str, old: str, new: str) -> str:
    path = root / "mappings" / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(MappingError) as error:
        load_catalogs(NATIONAL, root)
    return str(error.value)


@pytest.mark.parametrize("province", mappings.provinces())
def test_every_province_has_them(province: str) -> None:
    contract = NATIONAL if province == "national" else mappings.load(province)
    found = load_catalogs(contract)
    assert len(found) == 28
    assert {infno: len(one.columns) for infno, one in found.items()} | {"1301": 97, "1306": 71, "1313": 11} == {
        infno: len(one.columns) for infno, one in found.items()
    }
    assert found["1301"].first_version == ("v0000" if province == "hunan" else "0")


def test_an_unknown_column_is_told_with_file_and_line(root: Path) -> None:
    text = changed(root, "catalogs.yaml", "pinyin: pinyin, begin", "pinyin: py, begin")
    assert re.search(r"mappings/catalogs\.yaml:\d+: 1301 pinyin 所指的列 py 不在列中。", text)
    line = int(text.split(":")[1])
    assert '"1301"' in (root / "mappings" / "catalogs.yaml").read_text(encoding="utf-8").splitlines()[line - 1]


def test_an_unknown_key_and_a_wrong_type_are_told_by_the_schema(root: Path) -> None:
    assert "有不认识的键：kin" in changed(
        root, "catalogs.yaml", "kind: file, columns_min: 92", "kin: file, columns_min: 92"
    )


def test_two_orders_of_columns_must_agree(root: Path) -> None:
    text = changed(root, "directory_files.yaml", "[4, drug_genname, 药品通用名]", "[4, drug_genname, 药品名]")
    assert re.search(r"mappings/directory_files\.yaml:\d+: 1301 第 4 列为 药品名", text)


def test_a_wrong_pattern_is_told(root: Path) -> None:
    assert "不是合法的正则" in changed(root, "catalogs.yaml", '"无可下载"', '"无可下载("')


def own_file(root: Path, text: str) -> None:
    (root / "mappings" / "provinces" / "national" / "catalogs.yaml").write_text(text, encoding="utf-8")


def test_a_province_writes_its_own_columns(root: Path) -> None:
    own_file(
        root,
        'catalogs:\n  "1313": {columns: [rid, mpy_type_code, mpy_type, vali_flag, ver, [shengji, 省级编码]], columns_min: 6, code_columns: [shengji, mpy_type_code], name_columns: [mpy_type]}\n',
    )
    catalog = load_catalogs(NATIONAL, root)["1313"]
    assert [column.name for column in catalog.columns] == [
        "rid",
        "mpy_type_code",
        "mpy_type",
        "vali_flag",
        "ver",
        "shengji",
    ]
    assert [column.label for column in catalog.columns][-1] == "省级编码"
    assert (catalog.key, catalog.codes[0]) == (("rid",), "shengji")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('catalogs:\n  "1313": {columns: [rid, nobody]}\n', "表中没有列 nobody"),
        ('catalogs:\n  "1313": {columns: [rid, vali_flag]}\n', "所指的列 mpy_type_code 不在列中"),
        ('catalogs:\n  "1313": {columns: [rid, rid]}\n', "重复的列名"),
        ('catalogs:\n  "1313": {columns_min: 12}\n', "columns_min 12 大于列数 11"),
        ('catalogs:\n  "1399": {kind: file}\n', "没有交易 1399"),
        ('catalogs:\n  "1312": {kind: file}\n', "没有 file_layout"),
        ('catalogs:\n  "1301": {kind: query}\n', "没有 data 节点"),
    ],
)
def test_what_a_province_writes_wrongly(root: Path, text: str, why: str) -> None:
    own_file(root, text)
    with pytest.raises(MappingError, match=why) as error:
        load_catalogs(NATIONAL, root)
    assert "provinces/national/catalogs.yaml:2" in str(error.value)
