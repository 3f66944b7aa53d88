from __future__ import annotations

from pathlib import Path

import pytest

from gateway.contract.model import Field, Node, Transaction
from gateway.contract.tables import snake_case
from tests.mapping_tree import NATIONAL, RULES, UPLOAD, MappingTree


@pytest.fixture
def tree(tmp_path: Path) -> MappingTree:
    return MappingTree(tmp_path)


def field_names(node: Node) -> list[str]:
    return [field.name for field in node.fields]


def changed(tree: MappingTree, changes: str, infno: str = "1101", side: str = "input") -> Transaction:
    tree.overlay(f'transactions:\n  "{infno}":\n    {side}:\n      - {changes}\n')
    return tree.load("here").transactions[infno]


def refusal(tree: MappingTree, changes: str, infno: str = "1101", side: str = "input") -> str:
    tree.overlay(f'transactions:\n  "{infno}":\n    {side}:\n      - {changes}\n')
    error = tree.error("here")
    assert (error.file, error.line) == ("mappings/provinces/here/province.yaml", 8)
    return error.text


# ------------------------------------------------------------------ build


def test_nodes_stand_in_each_other_and_roots_at_the_top(tree: MappingTree) -> None:
    contract = tree.load()
    output = contract.transactions["1101"].output
    assert [(node.name, node.repeat) for node in output.nodes] == [("baseinfo", False)]
    assert [(node.name, node.repeat) for node in output.nodes[0].children] == [("insuinfo", True)]
    undo = contract.transactions["2205"].input
    assert ([field.name for field in undo.root], undo.nodes, undo.root_repeat) == (["mdtrt_id"], (), False)


def test_a_repeated_root_makes_the_side_a_list(tree: MappingTree) -> None:
    tree.replace("transactions/2205.yaml", "repeat: false", "repeat: true")
    tree.replace("transactions/2205.yaml", "node: _root", "node: rows\n    root: true")
    side = tree.load().transactions["2205"].input
    assert ([field.name for field in side.root], side.root_repeat) == (["mdtrt_id"], True)


def test_codes_by_name_alias_of_snake_case_and_none(tree: MappingTree) -> None:
    tree.replace("transactions/1101.yaml", "length: 30, required: true", "length: 30, code: true, required: true")
    fields = tree.load().transactions["1101"].input.nodes[0].fields
    assert {field.name: field.codes for field in fields} == {
        "psn_no": None,  # from a list, but the list is not known
        "gend": "gend",
        "admCaty": "dept",
        "amt": None,
    }


@pytest.mark.parametrize(
    ("name", "expected"),
    [("rxFrquCodg", "rx_frqu_codg"), ("hcv-ab", "hcv-ab"), ("psn_no", "psn_no"), ("idType2A", "id_type2_a")],
)
def test_snake_case(name: str, expected: str) -> None:
    assert snake_case(name) == expected


def test_safety_by_rule(tree: MappingTree) -> None:
    tree.write(
        "transactions/2207.yaml",
        UPLOAD.replace('"2204"', '"2207"').replace("money: false", "money: true\nreversible_by_2601: true"),
    )
    tree.write(
        "transactions/2401.yaml",
        UPLOAD.replace('"2204"', '"2401"').replace("money: false", "money: false\nreversible_by_2601: true"),
    )
    found = {infno: transaction.safety for infno, transaction in tree.load().transactions.items()}
    assert found == {"1101": "read", "2204": "repeatable", "2205": "state", "2207": "money", "2401": "money"}


def test_deviation_undo_and_callback_come_from_the_reviewed_table(tree: MappingTree) -> None:
    tree.replace("safety.yaml", "deviations: {}", 'deviations:\n  "2205": {safety: read, reason: 只为测试而列在此处。}')
    tree.replace("safety.yaml", "undone_by: {}", 'undone_by:\n  "2205": {by: "2204", reason: 只为测试而列在此处。}')
    tree.replace("safety.yaml", "callbacks: {}", 'callbacks:\n  "1101": 只为测试而列在此处。')
    transactions = tree.load().transactions
    assert (transactions["2205"].safety, transactions["2205"].undone_by) == ("read", "2204")
    assert transactions["1101"].callback


def test_the_contract_cannot_be_changed(tree: MappingTree) -> None:
    contract = tree.load()
    with pytest.raises(TypeError):
        contract.transactions["x"] = contract.transactions["1101"]  # type: ignore[index]
    with pytest.raises(TypeError):
        contract.codes["gend"].values["3"] = "x"  # type: ignore[index]


# ---------------------------------------------------------- overlay verbs


def test_add_at_the_end_or_after(tree: MappingTree) -> None:
    new = "{name: card_sn, label: 卡, type: string, length: 32, required: false}"
    assert field_names(changed(tree, f"{{node: data, add: {new}}}").input.nodes[0])[-1] == "card_sn"
    after = changed(tree, f"{{node: data, add: {new}, after: psn_no}}").input.nodes[0]
    assert field_names(after)[:2] == ["psn_no", "card_sn"]
    assert after.fields[1] == Field("card_sn", "卡", "string", length=32)
    assert [field.name for field in changed(tree, f"{{node: _root, add: {new}}}").input.root] == ["card_sn"]


def test_drop(tree: MappingTree) -> None:
    assert field_names(changed(tree, "{node: data, drop: gend}").input.nodes[0]) == ["psn_no", "admCaty", "amt"]


def test_rename_keeps_place_and_row_key(tree: MappingTree) -> None:
    upload = changed(tree, "{node: feedetail, rename: feedetl_sn, to: feeSn}", "2204")
    assert field_names(upload.input.nodes[0]) == ["feeSn"]
    assert upload.row_key == ("feedetail/feeSn",)


def test_resize_longer_shorter_and_digits(tree: MappingTree) -> None:
    assert changed(tree, "{node: data, resize: psn_no, length: 40}").input.nodes[0].fields[0].length == 40
    assert changed(tree, "{node: data, resize: psn_no, length: 4}").input.nodes[0].fields[0].length == 4
    amount = changed(tree, "{node: data, resize: amt, precision: 18, scale: 4}").input.nodes[0].fields[3]
    assert (amount.precision, amount.scale) == (18, 4)


def test_require_and_relax(tree: MappingTree) -> None:
    assert changed(tree, "{node: data, require: gend}").input.nodes[0].fields[1].required
    assert not changed(tree, "{node: data, relax: psn_no}").input.nodes[0].fields[0].required


def test_nodes_added_dropped_renamed_reshaped(tree: MappingTree) -> None:
    row = "{name: a, label: 甲, type: string, length: 1, required: false}"
    new = f"{{node: extra, label: 新, repeat: true, parent: baseinfo, fields: [{row}]}}"
    base = changed(tree, f"add_node: {new}", side="output").output.nodes[0]
    assert [child.name for child in base.children] == ["insuinfo", "extra"]
    assert field_names(base.children[1]) == ["a"]
    assert changed(tree, "{drop_node: insuinfo}", side="output").output.nodes[0].children == ()
    renamed = changed(tree, "{rename_node: baseinfo/insuinfo, to: insu}", side="output").output.nodes[0].children[0]
    assert (renamed.name, field_names(renamed)) == ("insu", ["balc"])
    shaped = changed(tree, "{shape_node: data, repeat: true, optional: true}").input.nodes[0]
    assert (shaped.repeat, shaped.optional) == (True, True)
    nested = changed(tree, "{node: insuinfo, drop: balc}", side="output").output.nodes[0].children[0]
    assert nested.fields == ()


def test_a_renamed_node_takes_the_row_key_along(tree: MappingTree) -> None:
    assert changed(tree, "{rename_node: feedetail, to: rows}", "2204").row_key == ("rows/feedetl_sn",)


def test_dropping_a_row_key_is_refused(tree: MappingTree) -> None:
    tree.overlay('transactions:\n  "2204":\n    input:\n      - {node: feedetail, drop: feedetl_sn}\n')
    error = tree.error("here")
    assert (error.file, error.line) == ("mappings/safety.yaml", 3)


REFUSED = [
    ("{node: data, drop: nothing}", "字段 nothing 在节点 data 中不存在"),
    ("{node: nodata, drop: gend}", "节点 nodata 不存在"),
    ("{node: data, rename: gend, to: psn_no}", "psn_no 在节点 data 中已存在"),
    ("{node: data, rename: gend}", "缺少 to"),
    ("{node: data, add: {name: gend, label: 重, type: date, required: false}}", "gend 在节点 data 中已存在"),
    ("{node: data, add: {name: x, label: 新, type: date, required: false}, after: y}", "字段 y 在节点 data 中不存在"),
    ("{node: data, add: {name: x, label: 新, type: date, codes: y, required: false}}", "值域 y 不存在"),
    ("{node: data, resize: amt, length: 3}", "precision 与 scale"),
    ("{node: data, resize: amt, precision: 2, scale: 3}", "大于 precision"),
    ("{node: data, resize: gend, precision: 3, scale: 1}", "只能写 length"),
    ("{node: data, drop: gend, require: amt}", "恰好写一个动词"),
    ("{node: data}", "恰好写一个动词"),
    ("{node: data, drop: gend, length: 3}", "drop 不能与 length 同写"),
    ("{drop_node: nothing}", "节点 nothing 不存在"),
    ("{rename_node: data, to: data}", "data 在节点 _root 中已存在"),
    ("{shape_node: data}", "shape_node 须写 repeat 或 optional"),
    ("{node: data, drpo: gend}", "不认识的键：drpo"),
    ("{node: data, add: {name: x, label: 新, type: string, length: 3}}", "缺少 required"),
]


@pytest.mark.parametrize(("change", "words"), REFUSED)
def test_a_change_that_does_not_fit_is_refused(tree: MappingTree, change: str, words: str) -> None:
    assert words in refusal(tree, change)


def test_one_entry_may_name_several_transactions(tree: MappingTree) -> None:
    row = "{name: x, label: 新, type: date, required: false}"
    tree.overlay(f'transactions:\n  "1101, 2205":\n    input:\n      - {{add: {row}}}\n')
    transactions = tree.load("here").transactions
    assert [transactions[infno].input.root[-1].name for infno in ("1101", "2205")] == ["x", "x"]


def test_a_transaction_is_added_like_another_and_sent_in_its_place(tree: MappingTree) -> None:
    tree.overlay('transactions:\n  "2204A": {like: "2204", name: 费用上传甲}\n  "2204": {send_as: 2204A}\n')
    transactions = tree.load("here").transactions
    letter = transactions["2204A"]
    assert (letter.name, letter.safety, letter.row_key, letter.undone_by) == (
        "费用上传甲",
        "repeatable",
        ("feedetail/feedetl_sn",),
        "2205",
    )
    assert (transactions["2204"].send_as, letter.send_as) == ("2204A", None)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ('"2204A": {name: 新}', "交易 2204A 不存在；若要新增，请写 like"),
        ('"2204": {like: "1101"}', "交易 2204 已存在"),
        ('"2204A": {like: "9999"}', "like 所指的交易 9999 不存在"),
        ('"2204": {send_as: "9999"}', "交易 9999 不存在"),
        ('"2204 A": {name: 新}', "键的写法不对"),
        ('"2204": {}', "至少要写 1 个键"),
    ],
)
def test_transactions_that_do_not_fit_are_refused(tree: MappingTree, entry: str, words: str) -> None:
    tree.overlay(f"transactions:\n  {entry}\n")
    error = tree.error("here")
    assert words in error.text
    assert error.line in (5, 6)


def test_a_province_may_bring_a_table_of_its_own(tree: MappingTree) -> None:
    tree.overlay("")
    tree.write("provinces/here/transactions/2204.yaml", UPLOAD.replace("费用上传", "本省费用上传"))
    tree.write("provinces/here/transactions/2299.yaml", UPLOAD.replace('"2204"', '"2299"'))
    transactions = tree.load("here").transactions
    assert (transactions["2204"].name, transactions["2204"].safety) == ("本省费用上传", "repeatable")
    assert transactions["2299"].safety == "state"
    assert "2299" not in tree.load().transactions


def test_a_table_of_its_own_keeps_a_deviation_but_never_hides_money(tree: MappingTree) -> None:
    tree.replace("safety.yaml", "deviations: {}", 'deviations:\n  "2205": {safety: read, reason: 只为测试而列在此处。}')
    tree.overlay("")
    own = tree.path("transactions/2205.yaml").read_text(encoding="utf-8")
    tree.write("provinces/here/transactions/2205.yaml", own)
    assert tree.load("here").transactions["2205"].safety == "read"
    tree.write("provinces/here/transactions/2205.yaml", own.replace("money: false", "money: true"))
    assert tree.load("here").transactions["2205"].safety == "money"


def test_codes_added_dropped_and_taken_from_a_region(tree: MappingTree) -> None:
    tree.overlay(
        'code_regions: [Somewhere]\ncodes:\n  gend: {add: {"0": 未知}, drop: ["2"]}\n  new: {label: 新表, add: {"1": 一}}\n'
    )
    codes = tree.load("here").codes
    assert dict(codes["gend"].values) == {"1": "男", "9": "未说明", "0": "未知"}
    assert dict(codes["new"].values) == {"1": "一"}
    assert dict(tree.load().codes["gend"].values) == {"1": "男", "2": "女"}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("code_regions: [Nowhere]\n", "没有名为 Nowhere 的 regional"),
        ('codes:\n  gend: {drop: ["7"]}\n', "没有代码 7"),
        ('codes:\n  other: {add: {"7": 七}}\n', "值域 other 不存在"),
    ],
)
def test_codes_that_do_not_fit_are_refused(tree: MappingTree, body: str, words: str) -> None:
    tree.overlay(body)
    error = tree.error("here")
    assert words in error.text
    assert error.file == "mappings/provinces/here/province.yaml"


def test_envelope_fields(tree: MappingTree) -> None:
    tree.overlay(
        "envelope:\n  request:\n"
        "    - {add: {name: app_id, label: 渠道, type: string, length: 10, required: true}, after: infno}\n"
        "    - {resize: infno, length: 8}\n"
        "  response:\n    - {relax: infcode}\n"
    )
    contract = tree.load("here")
    assert [(field.name, field.length) for field in contract.request_envelope] == [
        ("infno", 8),
        ("app_id", 10),
        ("msgid", 30),
    ]
    assert not contract.response_envelope[0].required
    tree.overlay("envelope:\n  request:\n    - {drop: nothing}\n")
    assert (tree.error("here").line, tree.error("here").text) == (7, "字段 nothing 在节点 request 中不存在。")


def test_settings_are_inherited_along_extends(tree: MappingTree) -> None:
    tree.overlay("settings: {infver: V2.0, reversible_by_2601: ['2204']}\n", "middle")
    tree.overlay("extends: middle\nsettings: {settle_time_s: 60}\n")
    contract = tree.load("here")
    assert dict(contract.settings) == {"infver": "V2.0", "reversible_by_2601": ["2204"], "settle_time_s": 60}
    assert [i for i, t in contract.transactions.items() if t.reversible_by_2601] == ["2204"]
    assert tree.load().settings["reversible_by_2601"] == []


def test_paths_of_services_are_added_to_those_of_the_province_that_is_extended(tree: MappingTree) -> None:
    tree.overlay("settings: {transport: tif, paths: {'1101': a/one, '2204': a/two}}\n", "middle")
    tree.overlay("extends: middle\nsettings: {paths: {'2204': b/two.V2}}\n")
    assert tree.load("here").settings["paths"] == {"1101": "a/one", "2204": "b/two.V2"}
    assert "paths" not in tree.load().settings


@pytest.mark.parametrize("path", ["/a/b", "a//b", "a/../b", "a/b/", "a b", "a?b", ""])
def test_a_path_of_a_service_stays_below_the_address(tree: MappingTree, path: str) -> None:
    tree.overlay(f"settings:\n  paths:\n    '1101': '{path}'\n")
    error = tree.error("here")
    assert (error.line, "写法不对" in error.text) == (7, True)


def test_changes_are_inherited_along_extends(tree: MappingTree) -> None:
    tree.overlay('transactions:\n  "1101":\n    input:\n      - {node: data, drop: gend}\n', "middle")
    tree.overlay('extends: middle\ntransactions:\n  "1101":\n    input:\n      - {node: data, drop: amt}\n')
    assert field_names(tree.load("here").transactions["1101"].input.nodes[0]) == ["psn_no", "admCaty"]


def test_extends_in_a_circle_is_refused(tree: MappingTree) -> None:
    tree.overlay("extends: here\n", "middle")
    tree.overlay("extends: middle\n")
    assert "extends 成环" in tree.error("here").text


def test_national_is_the_start_of_every_province(tree: MappingTree) -> None:
    tree.write("provinces/national/province.yaml", NATIONAL + 'transactions:\n  "1101": {note: 国家}\n')
    tree.overlay("")
    assert tree.load("here").transactions["1101"].note == "国家"


@pytest.mark.parametrize(
    "setting",
    [
        "reversible_by_2601: ['9999']",
        "lines_per_call: {'9999': 3}",
        "paths: {'9999': a}",
        "probe: {infno: '9999', input: {}}",
    ],
)
def test_settings_name_known_transactions(tree: MappingTree, setting: str) -> None:
    tree.overlay(f"settings:\n  {setting}\n")
    error = tree.error("here")
    assert (error.line, error.text) == (6, "交易 9999 不存在。")


def test_a_probe_changes_nothing(tree: MappingTree) -> None:
    tree.overlay("settings:\n  probe: {infno: '2204', input: {}}\n")
    assert "会改变业务" in tree.error("here").text
    tree.overlay("settings:\n  probe: {infno: '1101', input: {data: {psn_no: '1'}}}\n")
    assert tree.load("here").settings["probe"] == {"infno": "1101", "input": {"data": {"psn_no": "1"}}}


# ------------------------------------------------------------------- proofs

RULE = """\
transactions:
  "2204":
    then: repeat
    reason: 用来试验检查是否指出文件与行。
    queries:
      - infno: "1101"
        input: {data: {psn_no: ["message:feedetail/feedetl_sn"]}}
        evidence:
          - {node: baseinfo, where: {psn_name: "constant:张三"}, proves: done}
    output: {}
"""


@pytest.mark.parametrize(
    ("old", "new", "line", "text"),
    [
        ('"2204":', '"9999":', 3, "交易 9999 不存在"),
        ('infno: "1101"', 'infno: "2205"', 6, "不是查询"),
        ("data: {psn_no", "data: {psn_nr", 7, "交易 1101 的输入中没有 data/psn_nr"),
        ("feedetail/feedetl_sn", "feedetail/sn", 7, "交易 2204 的输入中没有 feedetail/sn"),
        ("message:feedetail/feedetl_sn", "journal:8888:data/x", 7, "交易 8888 不存在"),
        ("{psn_name:", "{name:", 9, "交易 1101 的输出中没有 baseinfo/name"),
        ("constant:张三", "row:psn_name", 9, "只能与 each 同写"),
        ("constant:张三", "whatever:x", 9, "写法不对"),
        ("then: repeat", "then: retry", 3, "不在允许的取值中"),
        ('constant:张三"}', 'constant:张三"}, asked: {feedetl_sn: "1"}', 9, "asked 只能与查询的 each 同写"),
    ],
)
def test_a_wrong_proof_names_its_line(tree: MappingTree, old: str, new: str, line: int, text: str) -> None:
    tree.write("proofs.yaml", RULE.replace("    output: {}\n", "").replace(old, new))
    error = tree.error()
    assert error.file == "mappings/proofs.yaml"
    assert text in error.text
    assert abs(error.line - line) <= 1


EACH_ROW = """\
transactions:
  "2204":
    then: repeat
    reason: 用来试验逐行的查询是否指出文件与行。
    queries:
      - infno: "1101"
        each: feedetail
        input: {data: {psn_no: ["row:feedetl_sn"]}}
        evidence:
          - {node: baseinfo, asked: {feedetl_sn: "1"}, where: {psn_name: "row:feedetl_sn"}, proves: done}
"""


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ('["row:feedetl_sn"]', '["row:sn"]', "交易 2204 的输入中没有 feedetail/sn"),
        ('psn_name: "row:feedetl_sn"', 'psn_name: "row:sn"', "交易 2204 的输入中没有 feedetail/sn"),
        ("asked: {feedetl_sn", "asked: {sn", "交易 2204 的输入中没有 feedetail/sn"),
        ("each: feedetail", "each: fees", "交易 2204 的输入中没有 fees/feedetl_sn"),
    ],
)
def test_a_query_for_each_row_names_fields_of_that_row(tree: MappingTree, old: str, new: str, text: str) -> None:
    tree.write("proofs.yaml", EACH_ROW.replace(old, new))
    assert text in tree.error().text
    tree.write("proofs.yaml", EACH_ROW)
    assert tree.load().proofs.transactions["2204"].queries[0].each == "feedetail"


def test_a_province_changes_proofs(tree: MappingTree) -> None:
    national = tree.load().proofs
    assert (national.by_class["repeatable"].then, national.never_seen) == ("repeat", ("未查询到原交易",))
    tree.overlay("")
    tree.write("provinces/here/proofs.yaml", RULE.replace("    output: {}\n", "") + "never_seen: [没有原交易]\n")
    here = tree.load("here").proofs
    assert (here.transactions["2204"].queries[0].infno, here.never_seen) == ("1101", ("没有原交易",))
    assert here.by_class == national.by_class
    assert tree.load().proofs == national
    assert tree.load("here").version != tree.load().version


# ------------------------------------------------------------------- entry-time rules


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ('guards:\n  "2204"', 'guards:\n  "9999"', "交易 9999 不存在"),
        ("[fee_change]", "[fee_chance]", "不在允许的取值中"),
        ("[fee_change]", "[]", "至少要有 1 项"),
        ("single", "several", "不在允许的取值中"),
        ("guards:", "guard:", "不认识的键"),
    ],
)
def test_a_wrong_rule_table_names_its_file(tree: MappingTree, old: str, new: str, text: str) -> None:
    tree.write("rules/entry-time.yaml", RULES.replace(old, new))
    error = tree.error()
    assert error.file == "mappings/rules/entry-time.yaml"
    assert text in error.text


def test_a_province_changes_the_rule_table(tree: MappingTree) -> None:
    tree.overlay("")
    tree.write("provinces/here/rules.yaml", 'guards: {"1101": [discharge]}\nmed_type: {ordinary: ["2101"]}\n')
    here, national = tree.load("here").rules, tree.load().rules
    assert (here.of("1101"), here.of("2204"), here.ordinary) == (("discharge",), ("fee_change",), {"2101"})
    assert (national.of("1101"), national.ordinary) == ((), {"21"})
    assert tree.load("here").version != tree.load().version


def test_a_letter_form_and_another_number_are_no_way_around(tree: MappingTree) -> None:
    rules = tree.load().rules
    assert rules.of("2204B") == ("fee_change",)
    assert rules.of("1101", send_as="2204A") == ("fee_change",)
    assert rules.operations_of("2204A") == "single"
