"""The quality rules of the settlement list as a file: what a province changes, and where a mistake is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mapping_tree import MappingTree

LIST = """\
infno: "4101A"
name: 清单
group: settlement-list
mutates: true
money: false
input:
  - node: setlinfo
    label: 清单
    repeat: false
    parent: null
    fields:
      - {name: setl_id, label: 结算ID, type: string, length: 30, required: true}
      - {name: gend, label: 性别, type: string, length: 6, code: true, required: false}
  - node: diseinfo
    label: 诊断
    repeat: true
    parent: null
    fields:
      - {name: diag_code, label: 诊断代码, type: string, length: 20, required: true}
output: []
confidence: high
doubts: []
"""
RULES = """\
rules:
  SL-001: {level: refuse, text: "【性别】未填写", source: L20, check: [{filled: [setlinfo/gend]}]}
  SL-002:
    level: warn
    text: "性别 {found}"
    source: HM
    when: [{filled: [setlinfo/gend]}]
    check: [{codes: {field: setlinfo/gend, list: gend}}]
  SL-003: {level: hint, text: 编码, source: IF, rows: diseinfo, check: [{pattern: {field: diag_code, is: "[A-Z].*"}}]}
"""


@pytest.fixture
def lists(tmp_path: Path) -> MappingTree:
    tree = MappingTree(tmp_path)
    tree.write("transactions/4101A.yaml", LIST)
    tree.write("rules/settlement-list.yaml", RULES)
    return tree


def test_rules_are_compiled(lists: MappingTree) -> None:
    quality = lists.load().rules.quality
    first, second, third = quality.rules
    assert (first.rule_id, first.level, first.first) == ("SL-001", "refuse", "setlinfo/gend")
    assert second.checks[0].args["values"] == ("1", "2")
    assert third.first == "diseinfo/diag_code"
    assert "setlinfo/gend" in quality.layout("4101A")
    assert quality.labels["diseinfo/diag_code"] == "诊断代码"


def test_a_province_writes_a_rule_anew_and_may_lack_what_the_national_list_has(lists: MappingTree) -> None:
    lists.overlay("")
    lists.write(
        "provinces/here/settlement-list.yaml",
        "rules: {SL-001: {level: warn, text: 另一种说法, source: 省, check: [{unchecked: 没有资料}]}}\n",
    )
    here, national = lists.load("here").rules.quality.rules, lists.load().rules.quality.rules
    assert [(one.rule_id, one.level) for one in here] == [("SL-001", "warn"), ("SL-002", "warn"), ("SL-003", "hint")]
    assert national[0].level == "refuse"


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("level: refuse", "level: forbid", "值 \"forbid\" 不在允许的取值中"),
        ("[{filled: [setlinfo/gend]}]}\n  SL-002", "[{looks: [setlinfo/gend]}]}\n  SL-002", "不认识的键：looks"),
        ("SL-001:", "S-1:", "键的写法不对"),
        ("source: L20, check: [{filled: [setlinfo/gend]}]", "source: L20, check: []", "至少要有 1 项"),
        ("check: [{filled: [setlinfo/gend]}]}\n  SL-002", "check: [{filled: [setlinfo/sex]}]}\n  SL-002", "setlinfo/sex"),
        ("check: [{filled: [setlinfo/gend]}]}\n  SL-002", "check: [{filled: [gend]}]}\n  SL-002", "须写明节点"),
        ("check: [{filled: [setlinfo/gend]}]}\n  SL-002", "check: [{filled: [stay/sex]}]}\n  SL-002", "stay 没有 sex"),
        ("list: gend", "list: sexes", "值域 sexes 不存在"),
        ("rows: diseinfo", "rows: icuinfo", "没有节点 icuinfo"),
        ('is: "[A-Z].*"', 'is: "[A-Z"', "正则表达式"),
        ("    source: HM\n", "", "缺少 source"),
        ("{codes: {field: setlinfo/gend, list: gend}}", "{codes: {field: setlinfo/gend, list: gend}, empty: [setlinfo/gend]}", "只能写 1 个键"),
    ],
)  # fmt: skip
def test_a_wrong_rule_names_its_file_and_line(lists: MappingTree, old: str, new: str, text: str) -> None:
    lists.write("rules/settlement-list.yaml", RULES.replace(old, new))
    error = lists.error()
    assert error.file == "mappings/rules/settlement-list.yaml"
    assert error.line > 0
    assert text in str(error)


def test_a_missing_file_stops_the_start(lists: MappingTree) -> None:
    lists.path("rules/settlement-list.yaml").unlink()
    assert "文件不存在" in lists.error().text
