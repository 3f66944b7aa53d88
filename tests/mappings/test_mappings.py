from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.contract.model import Contract, Node, Side
from gateway.mappings import check_shape, data_root, load, provinces
from gateway.mappings.documents import read_yaml
from tests.mapping_tree import MappingTree

MAPPINGS = data_root() / "mappings"
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@pytest.fixture
def tree(tmp_path: Path) -> MappingTree:
    return MappingTree(tmp_path)


@pytest.fixture(scope="module")
def national() -> Contract:
    return load()


@pytest.fixture(scope="module")
def raw() -> dict[str, Any]:
    """The tables read by PyYAML's own loader, not by ours."""
    files = sorted((MAPPINGS / "transactions").glob("*.yaml"))
    return {path.stem: yaml.load(path.read_text(encoding="utf-8"), LOADER) for path in files}


def count_fields(side: Side) -> int:
    def below(node: Node) -> int:
        return len(node.fields) + sum(below(child) for child in node.children)

    return len(side.root) + sum(below(node) for node in side.nodes)


def count_nodes(nodes: tuple[Node, ...]) -> int:
    return sum(1 + count_nodes(node.children) for node in nodes)


# ------------------------------------------------------- what is shipped


def test_every_table_arrives_whole(national: Contract, raw: dict[str, Any]) -> None:
    assert len(raw) == 241
    assert set(national.transactions) == set(raw)
    for infno, table in raw.items():
        built = national.transactions[infno]
        for name, side in (("input", built.input), ("output", built.output)):
            rows = table[name]
            assert count_fields(side) == sum(len(row["fields"]) for row in rows), infno
            inner = [row for row in rows if row["node"] != "_root" and not row.get("root")]
            assert count_nodes(side.nodes) == len(inner), infno
            assert side.root_repeat == any(row["repeat"] for row in rows if row not in inner), infno
        assert (built.name, built.group, built.confidence) == (table["name"], table["group"], table["confidence"])
        assert built.doubts == tuple(table["doubts"])
        assert built.rules == tuple(table.get("rules", ()))
        assert [field.name for field in built.file_layout] == [row["name"] for row in table.get("file_layout", ())]


def test_field_facts_survive(national: Contract) -> None:
    data = national.transactions["2304"].input.nodes[0]
    amount = next(field for field in data.fields if field.name == "medfee_sumamt")
    assert (amount.label, amount.type, amount.precision, amount.scale, amount.required) == (
        "医疗费总额",
        "decimal",
        16,
        2,
        True,
    )
    assert next(field for field in data.fields if field.name == "insutype").codes == "insutype"


def test_code_lists_are_found_by_name_alias_and_snake_case(national: Contract, raw: dict[str, Any]) -> None:
    codes = yaml.load((MAPPINGS / "codes" / "codes.yaml").read_text(encoding="utf-8"), LOADER)
    aliases = yaml.load((MAPPINGS / "codes" / "aliases.yaml").read_text(encoding="utf-8"), LOADER)
    assert set(national.codes) == set(codes)
    seen = {"name": 0, "alias": 0, "snake": 0, "none": 0}
    for infno, table in raw.items():
        built: dict[str, str | None] = {}
        for side in (national.transactions[infno].input, national.transactions[infno].output):
            stack = list(side.nodes)
            fields = list(side.root)
            while stack:
                node = stack.pop()
                fields += node.fields
                stack += node.children
            built |= {field.name: field.codes for field in fields if field.codes}
        for row in (row for side in ("input", "output") for node in table[side] for row in node["fields"]):
            if not row.get("code"):
                continue
            name = row["name"]
            snake = re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()
            if name in codes:
                expected, how = name, "name"
            elif name in aliases:
                expected, how = aliases[name], "alias"
            elif snake in codes:
                expected, how = snake, "snake"
            else:
                expected, how = aliases.get(snake), "none"
            assert built.get(name) == expected, (infno, name)
            seen[how] += 1
    assert seen["name"] > 500
    assert seen["alias"] > 10
    assert seen["snake"] > 10


@pytest.mark.parametrize("name", ["national", "guangdong", "hebei", "hunan", "jiangsu"])
def test_every_shipped_province_loads(name: str) -> None:
    contract = load(name)
    assert contract.province == name
    assert contract.label not in ("", name), "people have another name for it"
    assert {"infver", "recer_sys_code", "settle_time_s", "transport", "reversible_by_2601"} <= set(contract.settings)
    assert len(contract.transactions) >= 241
    assert re.fullmatch(r"[0-9a-f]{16}", contract.version)


def test_shipped_provinces_are_listed() -> None:
    assert {"guangdong", "hebei", "hunan", "jiangsu", "national"} <= set(provinces())


def test_provincial_facts() -> None:
    guangdong, hunan, jiangsu = load("guangdong"), load("hunan"), load("jiangsu")
    assert guangdong.settings["lines_per_call"] == {"2204": 100, "2301": 100}
    assert guangdong.transactions["3301"].row_key[0] == "catalogcompin/fixmedins_hilist_id"
    assert guangdong.transactions["3301"].safety == "repeatable"
    assert "payinfo" not in [node.name for node in guangdong.transactions["4101A"].input.nodes]
    assert hunan.settings["reversible_by_2601"] == ["2102", "2207", "2304", "2401"]
    assert not hunan.transactions["2305"].reversible_by_2601
    assert hunan.transactions["2305"].safety == "money"
    assert "39905" in hunan.codes["insutype"].values
    assert "39905" not in guangdong.codes["insutype"].values
    assert hunan.transactions["4101"].input.nodes[0].fields[0].name == "psn_no"
    assert hunan.transactions["4101"].row_key == ("setlinfo/setl_id",)
    assert jiangsu.transactions["2207"].send_as == "2207A"
    assert "fixmedins_soft_fcty" in [field.name for field in jiangsu.request_envelope]


def test_safety_follows_the_rule_but_for_the_reviewed_deviations(national: Contract, raw: dict[str, Any]) -> None:
    safety = yaml.load((MAPPINGS / "safety.yaml").read_text(encoding="utf-8"), LOADER)
    for infno, table in raw.items():
        if infno in safety["deviations"]:
            expected = safety["deviations"][infno]["safety"]
        elif table["money"] or table.get("reversible_by_2601"):
            expected = "money"
        elif infno in safety["row_keys"]:
            expected = "repeatable"
        else:
            expected = "state" if table["mutates"] else "read"
        assert national.transactions[infno].safety == expected, infno


def test_safety_of_the_examples_in_the_design(national: Contract) -> None:
    expected = {
        "read": ["1101", "1301", "5201", "3202", "9001", "9002"],
        "repeatable": ["2204", "2301", "3301", "4101", "4101A"],
        "state": ["2402", "2403", "2405", "2404", "2203"],
        "money": ["2102", "2103", "2207", "2208", "2304", "2305", "2401", "2601"],
    }
    for safety, numbers in expected.items():
        assert {national.transactions[infno].safety for infno in numbers} == {safety}
    assert [i for i, t in national.transactions.items() if t.callback] == ["6204", "6302", "7108", "7109"]


def test_no_money_transaction_is_taken_for_a_read(national: Contract) -> None:
    for transaction in national.transactions.values():
        assert not (transaction.money and transaction.safety != "money")


@pytest.mark.parametrize("name", provinces())
def test_whatever_changes_something_has_a_proof_or_says_why_there_is_none(name: str) -> None:
    """By its own number: what a safety class says of all of them is a reason for none of them."""
    contract = load(name)
    changing = {infno for infno, one in contract.transactions.items() if one.safety != "read"}
    assert changing - contract.proofs.transactions.keys() == set()
    for infno, rule in contract.proofs.transactions.items():
        assert rule.queries or len(rule.reason) >= 20, infno


def test_undo_pairs(national: Contract) -> None:
    pairs = {"2304": "2305", "2401": "2404", "2402": "2405", "2301": "2302", "9001": "9002", "3301": "3302"}
    assert {infno: national.transactions[infno].undone_by for infno in pairs} == pairs


def test_directory_files_have_the_shape_of_their_schema() -> None:
    document = read_yaml(MAPPINGS / "directory_files.yaml", "directory_files.yaml")
    assert check_shape("directory_files.yaml", document) == []
    for entry in document.value.values():
        assert [row[0] for row in entry["order"]] == list(range(1, entry["columns"] + 1))


def test_mappings_name_no_source() -> None:
    cited = re.compile(r"sources:|openhis|hsa-his|IBORN|nhis-web|github", re.IGNORECASE)
    files = [path for path in MAPPINGS.rglob("*.yaml") if "his" not in path.relative_to(MAPPINGS).parts]
    assert [path.name for path in files if cited.search(path.read_text(encoding="utf-8"))] == []


def test_loading_is_fast_enough_to_start_with() -> None:
    load()
    began = time.process_time()
    load()
    assert time.process_time() - began < 1.5


# --------------------------------------------------------------- version


def test_version_changes_with_any_file_and_with_nothing_else(tree: MappingTree) -> None:
    first = tree.load().version
    assert tree.load().version == first
    for name in ("envelope.yaml", "codes/aliases.yaml", "transactions/2205.yaml", "provinces/national/province.yaml"):
        before = tree.load().version
        tree.write(name, tree.path(name).read_text(encoding="utf-8") + "# 注\n")
        assert tree.load().version != before
    tree.overlay("settings: {infver: V2.0}\n")
    other = tree.load("here").version
    assert other != tree.load().version


# ------------------------------------------------------- what is refused

BAD_PLACES = [
    # file, what is there, what is put there, line, words of the error
    ("transactions/1101.yaml", "type: string, length: 30", "type: text, length: 0", 11, "不能小于 1"),
    ("transactions/1101.yaml", "type: string, length: 30", "type: strnig, length: 30", 11, "不在允许的取值中"),
    ("transactions/1101.yaml", ", required: true}\n      - {name: gend", "}\n      - {name: gend", 11, "缺少 required"),
    ("transactions/1101.yaml", "label: 人员编号", "label: 人员编号, lenght: 3", 11, "不认识的键：lenght"),
    ("transactions/1101.yaml", "group: person\n", "group: person\ngruop: x\n", 4, "不认识的键：gruop"),
    ("transactions/1101.yaml", "precision: 16, scale: 2, required: false}\noutput", "precision: 16, required: false}\noutput", 14, "缺少 scale"),
    ("transactions/1101.yaml", "precision: 16, scale: 2, required: false}\noutput", "precision: 2, scale: 4, required: false}\noutput", 14, "大于 precision"),
    ("transactions/1101.yaml", "type: string, length: 50", "type: string, precision: 5, scale: 2", 20, "不能写"),
    ("transactions/1101.yaml", "mutates: false", "mutates: maybe", 4, "应为true 或 false"),
    ("transactions/1101.yaml", 'infno: "1101"', "infno: 1101", 1, "应为文字"),
    ("transactions/1101.yaml", 'infno: "1101"', 'infno: "1102"', 1, "与文件名 1101 不一致"),
    ("transactions/1101.yaml", "name: gend,", "name: psn_no,", 12, "字段 psn_no 重复"),
    ("transactions/1101.yaml", "parent: baseinfo", "parent: nowhere", 21, "上级节点 nowhere 不存在"),
    ("transactions/1101.yaml", "parent: baseinfo", "parent: insuinfo", 21, "以自己为上级"),
    ("transactions/1101.yaml", "label: 基本信息\n", "label: 基本信息\n    parent: insuinfo\n", 16, "成环"),
    ("transactions/1101.yaml", "name: psn_name", "name: insuinfo", 16, "与同级字段同名"),
    ("transactions/1101.yaml", "length: 3, code: true", "length: 3, codes: nolist", 12, "值域 nolist 不存在"),
    ("transactions/1101.yaml", "name: 人员查询\n", "name: 人员查询\nname: 又一个\n", 3, "键 name 重复"),
    ("transactions/1101.yaml", "    repeat: false\n    fields:\n      - {name: psn_no", "    repeat: {false\n    fields:\n      - {name: psn_no", 10, "YAML 写法有误"),
    ("transactions/2204.yaml", 'undone_by: "2205"', 'undone_by: "2299"', 6, "2299 不存在"),
    ("transactions/2204.yaml", "name: feedetl_sn", "name: other_sn", 0, "行键字段 feedetail/feedetl_sn"),
    ("codes/aliases.yaml", "adm_caty: dept", "adm_caty: depth", 1, "值域 depth 不存在"),
    ("codes/codes.yaml", '"2": 女', '"1": 女', 5, "键 1 重复"),
    ("codes/codes.yaml", "label: 科室", "lable: 科室", 10, "缺少 label|lable"),
    ("envelope.yaml", "rules: {}\n", "", 1, "缺少 rules"),
    ("safety.yaml", "deviations: {}", 'deviations:\n  "1101": {safety: read, reason: 查询不改变任何业务事实。}', 6, "不必列出"),
    ("safety.yaml", "deviations: {}", 'deviations:\n  "1101": {safety: safe, reason: 查询不改变任何业务事实。}', 6, "不在允许的取值中"),
    ("safety.yaml", "callbacks: {}", 'callbacks:\n  "6204": 平台调用机构的回调地址。', 8, "交易 6204 不存在"),
    ("provinces/national/province.yaml", "settle_time_s: 300", "settle_time_s: 0", 7, "不能小于 1"),
    ("provinces/national/province.yaml", "province: national", "province: other", 1, "与目录名 national 不一致"),
    ("provinces/national/province.yaml", "doubts: []", "doubts: []\nextends: nowhere", 5, "省份 nowhere 不存在"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "old", "new", "line", "words"), BAD_PLACES)
def test_a_wrong_place_is_named(tree: MappingTree, name: str, old: str, new: str, line: int, words: str) -> None:
    tree.replace(name, old, new)
    errors = tree.error().all
    if line == 0:  # the row key stands in safety.yaml, where the engineer has to look
        name, line = "safety.yaml", 3
    hits = [error for error in errors if (error.file, error.line) == (f"mappings/{name}", line)]
    assert hits, [error.sentence for error in errors]
    assert any(re.search(words, error.text) for error in hits), [error.sentence for error in errors]


def test_the_same_parent_name_twice_needs_a_path(tree: MappingTree) -> None:
    more = (
        "  - {node: other, label: 另一, repeat: false, fields: []}\n"
        "  - {node: insuinfo, label: 参保, repeat: true, parent: other, fields: []}\n"
        "  - {node: detail, label: 明细, repeat: true, parent: PARENT, fields: []}\n"
        "confidence: high\n"
    )
    tree.replace("transactions/1101.yaml", "confidence: high\n", more)
    error = tree.error()
    assert (error.line, error.text) == (29, "上级节点 PARENT 不存在。")
    tree.replace("transactions/1101.yaml", "parent: PARENT", "parent: insuinfo")
    assert "不止一个" in tree.error().text
    tree.replace("transactions/1101.yaml", "parent: insuinfo", "parent: other/insuinfo")
    base, other = tree.load().transactions["1101"].output.nodes
    assert base.children[0].children == ()
    assert [node.name for node in other.children[0].children] == ["detail"]


def test_several_errors_come_together(tree: MappingTree) -> None:
    tree.replace("transactions/1101.yaml", "mutates: false", "mutates: 1")
    tree.replace("transactions/2205.yaml", "group: outpatient", "group: 门诊")
    tree.path("envelope.yaml").unlink()
    error = tree.error()
    assert [one.file for one in error.all] == [
        "mappings/envelope.yaml",
        "mappings/transactions/1101.yaml",
        "mappings/transactions/2205.yaml",
    ]
    assert str(error).count("\n") == 2


def test_a_numeric_key_with_a_leading_zero_is_still_placed(tree: MappingTree) -> None:
    tree.replace("codes/codes.yaml", '"2": 女', '"02": 2')
    assert (tree.error().line, tree.error().text) == (5, "gend values 02 应为文字，现为 2。")


def test_a_node_may_bear_the_name_of_the_one_above(tree: MappingTree) -> None:
    tree.replace("transactions/1101.yaml", "node: insuinfo", "node: baseinfo")
    (outer,) = tree.load().transactions["1101"].output.nodes
    assert (outer.name, outer.children[0].name, outer.children[0].repeat) == ("baseinfo", "baseinfo", True)


def test_a_file_that_is_not_utf8_says_so(tree: MappingTree) -> None:
    tree.path("transactions/1101.yaml").write_bytes(b'infno: "1101"\nname: ' + "查询".encode("gbk") + b"\n")
    error = tree.error()
    assert (error.line, error.text) == (2, "不是 UTF-8 编码；请另存为 UTF-8。")


def test_an_unknown_province_lists_the_known(tree: MappingTree) -> None:
    assert "没有省份 atlantis；可用：national" in tree.error("atlantis").text


@pytest.mark.parametrize(
    "text",
    ["a: &x [*x]\n", "[" * 5000, "- " * 3000, "\n".join(" " * depth + "a:" for depth in range(500)), "? [a]\n: 1\n"],
)
def test_yaml_that_would_overrun_is_refused(tree: MappingTree, text: str) -> None:
    tree.write("transactions/1101.yaml", text)
    assert tree.error().file == "mappings/transactions/1101.yaml"


def test_scalars_mean_what_they_look_like(tree: MappingTree) -> None:
    tree.write("codes/aliases.yaml", "adm_caty: no\n")
    tree.replace("codes/codes.yaml", "dept:", "no:")
    assert tree.load().transactions["1101"].input.nodes[0].fields[2].codes == "no"
