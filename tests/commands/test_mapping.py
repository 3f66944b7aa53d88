"""``yibao mapping``, on the tables of the tree and on copies that are broken on purpose."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

from gateway.mappings import data_root
from tests.commands.helpers import write_config, yibao


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of everything, so that a broken file never stands in the tree."""
    root = tmp_path_factory.mktemp("root")
    shutil.copytree(data_root() / "mappings", root / "mappings")
    shutil.copytree(data_root() / "wsdl" / "legacy", root / "wsdl" / "legacy")
    return root


def sample_of(golden: Path, folder: Path) -> Path:
    """The request of a golden as the hospital sends it."""
    document = yaml.safe_load(golden.read_text(encoding="utf-8"))
    payload = document["request_payload"].strip().replace("&", "&amp;").replace("<", "&lt;")
    file = folder / "sample.xml"
    file.write_text(document["request"].replace("{payload}", payload).strip(), encoding="utf-8")
    return file


def test_the_files_of_the_tree_are_right() -> None:
    ran = yibao("mapping", "check")
    assert (ran.code, ran.out, ran.err) == (0, "映射文件没有错误。\n", "")


def test_provinces_are_listed() -> None:
    found = {row["province"]: row for row in json.loads(yibao("mapping", "provinces", "--json").out)}
    assert {"national", "guangdong", "hunan", "jiangsu"} <= set(found)
    assert all(row["transactions"] > 200 and len(row["version"]) == 16 for row in found.values())
    assert "guangdong" in yibao("mapping", "provinces").out


def test_a_wrong_table_is_named_once_with_its_line(whole: Path) -> None:
    file = whole / "mappings" / "transactions" / "1101.yaml"
    kept = file.read_text(encoding="utf-8")
    file.write_text(kept.replace("mutates: false", "mutates: maybe", 1), encoding="utf-8")
    line = kept[: kept.index("mutates: false")].count("\n") + 1
    try:
        ran = yibao("mapping", "check", "--root", whole, "--json")
    finally:
        file.write_text(kept, encoding="utf-8")
    (problem,) = json.loads(ran.out)["problems"]
    assert (ran.code, problem["place"]) == (1, f"mappings/transactions/1101.yaml:{line}")
    assert "maybe" in problem["text"]


def test_a_dialect_that_fails_its_golden_is_named(whole: Path) -> None:
    file = whole / "mappings" / "his" / "transservice" / "golden" / "1101.yaml"
    kept = file.read_text(encoding="utf-8")
    file.write_text(kept.replace("psn_name: 陈玥, certno", "psn_name: 陈月, certno"), encoding="utf-8")
    try:
        ran = yibao("mapping", "check", "--dialect", "transservice", "--root", whole)
        other = yibao("mapping", "check", "--dialect", "callfun", "--root", whole)
    finally:
        file.write_text(kept, encoding="utf-8")
    assert (ran.code, ran.out) == (1, "")
    assert "golden/1101.yaml" in ran.err
    assert "应为 “陈月”，实为 “陈玥”" in ran.err
    assert other.code == 0


def test_try_shows_both_sides(tmp_path: Path) -> None:
    golden = data_root() / "mappings" / "his" / "transservice" / "golden" / "1101.yaml"
    sample = sample_of(golden, tmp_path)
    ran = yibao("mapping", "try", "transservice", sample)
    assert ran.code == 0, ran.err
    assert "GR01 → 1101" in ran.out
    (line,) = [line for line in ran.out.splitlines() if "data/psn_name" in line]
    assert line.count("陈玥") == 2
    assert "xm" in line
    found = json.loads(yibao("mapping", "try", golden.parents[1], sample, "--json").out)
    assert found["message"]["data"]["certno"] == "440102198001010013"
    assert found["problems"] == []


def test_try_reports_what_the_contract_would_refuse(tmp_path: Path) -> None:
    golden = data_root() / "mappings" / "his" / "transservice" / "golden" / "1101.yaml"
    sample = sample_of(golden, tmp_path)
    text = sample.read_text(encoding="utf-8")
    sample.write_text(text.replace("陈玥", "陈" * 60), encoding="utf-8")
    ran = yibao("mapping", "try", "transservice", sample)
    assert ran.code == 1
    assert "psn_name" in ran.err
    assert ran.err.rstrip().endswith("处不符合接口规范。")


@pytest.mark.parametrize(
    ("dialect", "content", "code", "said"),
    [
        ("nowhere", "<a/>", 2, "没有方言 nowhere；现有："),
        ("transservice", "<a/>", 1, "不是 SOAP 信封"),
        ("transservice", "no xml", 1, "不是可读的 XML"),
        ("transservice", None, 1, "文件或目录不存在"),
    ],
)
def test_try_of_what_cannot_be_tried(tmp_path: Path, dialect: str, content: str | None, code: int, said: str) -> None:
    file = tmp_path / "sample.xml"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    ran = yibao("mapping", "try", dialect, file)
    assert (ran.code, ran.out) == (code, "")
    assert said in ran.err


def test_import_writes_what_is_sound_and_names_what_is_not(tmp_path: Path) -> None:
    spec, to = tmp_path / "spec", tmp_path / "mappings"
    (spec / "transactions").mkdir(parents=True)
    source = data_root() / "mappings"
    for name, of in (
        ("envelope.yaml", "envelope.yaml"),
        ("codes.yaml", "codes/codes.yaml"),
        ("code_aliases.yaml", "codes/aliases.yaml"),
        ("directory_files.yaml", "directory_files.yaml"),
        ("transactions/1101.yaml", "transactions/1101.yaml"),
    ):
        shutil.copy(source / of, spec / name)
    ran = yibao("mapping", "import", spec, "--to", to, "--json")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["transactions"] == 1
    assert (to / "transactions" / "1101.yaml").is_file()
    assert yibao("mapping", "import", spec, "--to", to).out.endswith("写入 0 个文件。\n")
    (spec / "transactions" / "1101.yaml").write_text("infno: [\n", encoding="utf-8")
    broken = yibao("mapping", "import", spec, "--to", tmp_path / "other")
    assert (broken.code, broken.out) == (1, "")
    assert "1101.yaml" in broken.err
    assert not (tmp_path / "other").exists()


def test_reload_needs_a_gateway(tmp_path: Path) -> None:
    ran = yibao("mapping", "reload", "--config", write_config(tmp_path))
    assert ran.code == 1
    assert ran.err.startswith("网关没有在 http://127.0.0.1:9 应答")
