"""Small contracts to publish, and strategies for random ones."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from gateway.contract.model import CodeList, Contract, Field, FieldType, Node, Side, Transaction


def field(name: str, label: str = "字段", kind: FieldType = "string", **more: object) -> Field:
    return Field(name, label, kind, **more)  # type: ignore[arg-type]


NOTHING = Side()


def transaction(infno: str, given: Side = NOTHING, answered: Side = NOTHING, **more: object) -> Transaction:
    facts: dict[str, object] = {"group": "inpatient", "safety": "read", "mutates": False, "money": False, **more}
    return Transaction(infno, f"交易{infno}", input=given, output=answered, **facts)  # type: ignore[arg-type]


def contract(
    transactions: Sequence[Transaction], province: str = "national", codes: Sequence[CodeList] = ()
) -> Contract:
    by_infno = {txn.infno: txn for txn in transactions}
    return Contract(province, "v", by_infno, {found.name: found for found in codes}, (), ())


ADMISSION = transaction(
    "2401",
    Side(
        nodes=(
            Node("mdtrtinfo", "入院信息", False, fields=(field("psn_no", "人员编号", length=30, required=True),)),
            Node(
                "diseinfo",
                "诊断信息",
                True,
                fields=(field("diag_srt_no", "诊断排序号", "integer"), field("diag_code", "诊断代码", length=20)),
            ),
        )
    ),
    Side(nodes=(Node("result", "结果", False, fields=(field("mdtrt_id", "就诊ID", length=30),)),)),
)

_names = st.sampled_from(["a", "b", "a_b", "b_a", "x-y", "名"])
_fields = st.lists(_names.map(lambda name: field(f"f_{name}")), max_size=3, unique_by=lambda found: found.name)


def _nodes(children: st.SearchStrategy[tuple[Node, ...]]) -> st.SearchStrategy[tuple[Node, ...]]:
    node = st.builds(
        lambda name, repeat, fields, inner: Node(name, "节点", repeat, fields=tuple(fields), children=inner),
        _names,
        st.booleans(),
        _fields,
        children,
    )
    return st.lists(node, max_size=2, unique_by=lambda found: found.name).map(tuple)


_sides = st.builds(
    lambda root, nodes, repeat: Side(tuple(root), nodes, bool(root) and repeat),
    _fields,
    st.recursive(st.just(()), _nodes, max_leaves=4),
    st.booleans(),
)
contracts = st.lists(
    st.builds(transaction, st.sampled_from(["1101", "2401", "2206A"]), _sides, _sides),
    min_size=1,
    max_size=3,
    unique_by=lambda found: found.infno,
).map(contract)
