from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gateway.contract.errors import MappingError
from gateway.mappings.documents import parse_yaml, write_yaml
from gateway.mappings.importing import import_tables
from tests.mapping_tree import CODES, ENVELOPE, QUERY, UNDO, UPLOAD

FILES = """\
"1301":
  name: 西药
  columns: 2
  confirmed_by_second_source: true
  order:
    - [1, med_list_codg, "医疗目录编码"]
    - [2, null, "药品商品名"]
  sources: [someone/his-client]
"""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    folder = tmp_path / "spec"
    (folder / "transactions").mkdir(parents=True)
    cited = "sources: [someone/his-client, other/idea]\n"
    doubts = (
        "doubts:\n"
        '  - "length 30 (his-client) or 20 (Hunan)"\n'
        '  - "Hunan and one his-client class agree; a later his-client class does not"\n'
        '  - "required in someone/his-client: an idea of Foshan/his-client"\n'
    )
    query = QUERY.replace("doubts: []\n", doubts + cited)
    for infno, text in {"1101": query, "2204": UPLOAD + cited, "2205": UNDO + cited}.items():
        (folder / "transactions" / f"{infno}.yaml").write_text(text, encoding="utf-8")
    (folder / "envelope.yaml").write_text(ENVELOPE + cited, encoding="utf-8")
    (folder / "codes.yaml").write_text(
        CODES.replace("  label: 科室\n", "  label: 科室\n  sources: [other/idea]\n"), encoding="utf-8"
    )
    (folder / "code_aliases.yaml").write_text("adm_caty: dept\n", encoding="utf-8")
    (folder / "directory_files.yaml").write_text(FILES, encoding="utf-8")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.yaml"))}


def parsed(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_import_keeps_the_facts_and_drops_the_sources(spec: Path, tmp_path: Path) -> None:
    target = tmp_path / "mappings"
    report = import_tables(spec, target)
    assert (report.transactions, report.code_lists, len(report.written), report.kept) == (3, 2, 7, ())
    before, after = parsed(spec / "transactions" / "1101.yaml"), parsed(target / "transactions" / "1101.yaml")
    assert {key: before[key] for key in before if key not in ("sources", "doubts")} == {
        key: after[key] for key in after if key != "doubts"
    }
    assert after["doubts"] == [
        "length 30 or 20 (Hunan)",
        "Hunan and one client class agree; a later client class does not",
        "required in one client: an idea of Foshan/one client",
    ]
    assert parsed(target / "codes" / "codes.yaml")["dept"] == {"label": "科室", "values": {"A01": "预防保健科"}}
    assert parsed(target / "directory_files.yaml")["1301"]["order"][1] == [2, None, "药品商品名"]
    assert all(b"sources" not in text and b"his-client" not in text for text in contents(target).values())


def test_import_writes_one_field_per_line(spec: Path, tmp_path: Path) -> None:
    import_tables(spec, tmp_path / "mappings")
    text = (tmp_path / "mappings" / "transactions" / "1101.yaml").read_text(encoding="utf-8")
    assert "      - {name: psn_no, label: 人员编号, type: string, length: 30, required: true}\n" in text
    assert text.startswith('infno: "1101"\nname: 人员查询\ngroup: person\n')


def test_a_second_import_changes_nothing(spec: Path, tmp_path: Path) -> None:
    target = tmp_path / "mappings"
    import_tables(spec, target)
    first = contents(target)
    report = import_tables(spec, target)
    assert report.written == ()
    assert contents(target) == first


def test_a_changed_table_is_written_alone_and_a_local_one_kept(spec: Path, tmp_path: Path) -> None:
    target = tmp_path / "mappings"
    import_tables(spec, target)
    local = target / "transactions" / "9999.yaml"
    local.write_text('infno: "9999"\n', encoding="utf-8")
    path = spec / "transactions" / "2204.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("length: 30", "length: 40"), encoding="utf-8")
    report = import_tables(spec, target)
    assert (report.written, report.kept) == (("transactions/2204.yaml",), ("transactions/9999.yaml",))
    assert local.read_text(encoding="utf-8") == 'infno: "9999"\n'


@pytest.mark.parametrize(
    ("name", "old", "new", "line", "words"),
    [
        ("transactions/1101.yaml", "type: string, length: 30", "type: strnig, length: 30", 11, "不在允许的取值中"),
        ("transactions/1101.yaml", 'infno: "1101"', 'infno: "1102"', 1, "与文件名 1101 不一致"),
        ("transactions/1101.yaml", "group: person", "group: person\ngroup: person", 4, "键 group 重复"),
        ("transactions/2204.yaml", "mutates: true", "", 1, "缺少 mutates"),
        ("codes.yaml", '"2": 女', '"2": 2', 5, "应为文字"),
        ("directory_files.yaml", "columns: 2", "columns: two", 3, "应为整数"),
    ],
)
def test_a_broken_table_is_named_and_nothing_is_written(
    spec: Path, tmp_path: Path, name: str, old: str, new: str, line: int, words: str
) -> None:
    path = spec / name
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(MappingError) as caught:
        import_tables(spec, tmp_path / "mappings")
    assert (caught.value.file, caught.value.line) == (str(path), line)
    assert words in caught.value.text
    assert not (tmp_path / "mappings").exists()


def test_missing_files_are_all_named(spec: Path, tmp_path: Path) -> None:
    (spec / "codes.yaml").unlink()
    (spec / "envelope.yaml").unlink()
    with pytest.raises(MappingError) as caught:
        import_tables(spec, tmp_path / "mappings")
    assert [(Path(error.file).name, error.text) for error in caught.value.all] == [
        ("codes.yaml", "文件不存在。"),
        ("envelope.yaml", "文件不存在。"),
    ]


def test_a_folder_without_tables_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match="没有交易表"):
        import_tables(tmp_path, tmp_path / "mappings")


# ------------------------------------------------------- the form it writes

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
scalars = st.one_of(
    texts,
    st.integers(-(10**15), 10**15),
    st.booleans(),
    st.none(),
    st.sampled_from(
        [
            "no",
            "Yes",
            "~",
            "null",
            "010",
            "1e3",
            "0x1F",
            "2024-01-01",
            "- a",
            "a: b",
            "a #b",
            "=",
            "<<",
            "\u2028",
            "12:30:00",
        ]
    ),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=12,
)


@given(st.dictionaries(texts, values, max_size=4))
def test_what_is_written_is_read_back(value: dict[str, Any]) -> None:
    text = write_yaml(value, "head\nof two lines")
    assert (parse_yaml(text, "f").value or {}) == value


@given(st.dictionaries(texts, values, min_size=1, max_size=4))
def test_any_yaml_reader_reads_the_same(value: dict[str, Any]) -> None:
    assert yaml.load(write_yaml(value), yaml.SafeLoader) == value
