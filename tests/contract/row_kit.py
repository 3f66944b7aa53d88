"""A table with every kind of field, and rows of it as clients write them: plainly, oddly and wrongly."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from gateway.contract.codec import Findings
from gateway.contract.model import CodeList, Field, Node, Side

SEX = CodeList("sex", "性别", {"1": "男", "2": "女"})
PERSON = Node(
    "person",
    "人员",
    repeat=False,
    optional=True,
    fields=(
        Field("name", "姓名", "string", required=True, length=4),
        Field("sex", "性别", "string", codes="sex"),
        Field("filled", "由规则填写", "string", required=True, filled_by="ET-01"),
    ),
)
FEE = Node(
    "fee",
    "费用",
    repeat=True,
    fields=(
        Field("no", "流水号", "string", required=True, length=3),
        Field("amount", "金额", "decimal", required=True, precision=6, scale=2),
        Field("count", "数量", "integer", length=3),
        Field("price", "单价", "decimal"),
        Field("day", "日期", "date"),
        Field("time", "时间", "datetime"),
        Field("sex", "性别", "string", codes="sex"),
        Field("memo", "备注", "text"),
    ),
)
NESTED = Node("bill", "账单", repeat=True, optional=True, fields=(FEE.fields[0],), children=(Node("part", "", False),))
SIDE = Side(root=(Field("serial", "流水号", "string", length=5),), nodes=(PERSON, FEE, NESTED))
PLAIN = "<no>1</no><amount>-1.50</amount><count>007</count><day>2026-02-28</day><sex>1</sex><memo>张三 三</memo>"


def printed(value: Any) -> Any:
    """With types, digits and order."""
    if isinstance(value, dict):
        return "dict", type(value) is dict, [(name, printed(item)) for name, item in value.items()]
    if isinstance(value, list):
        return "list", type(value) is list, [printed(item) for item in value]
    return type(value).__name__, str(value)


def told(message: Any, found: Findings) -> Any:
    return printed(message), found.problems, sorted(found.unknown), found.warnings


VALUES = st.sampled_from(
    [
        "1",
        "2",
        "9",
        "007",
        "-0",
        "-0.00",
        "1.5",
        "1.234",
        "12345.00",
        "1e2",
        "2026-02-28",
        "2026-02-30",
        "2026-02-28T10:00:00Z",
        "１２",
        "张三李四王",
        "𠮷",
        "]]>",
        "&amp;",
        "&#65;",
        "&#x0;",
        "&none;",
        "<![CDATA[1]]>",
        "<b>1</b>",
        "<!---->",
        "<?p?>",
        "/",
        '"',
        "'",
    ]
).flatmap(
    lambda text: st.sampled_from([text, "", " ", f"a\n{text}", f"a\r{text}", "2026-02-28 24:00:00", "\x0b", "\ufffe"])
)
LEAF_NAMES = st.sampled_from([spec.name for spec in FEE.fields] + ["name", "filled", "strange", "fee", "person"])
SPACES = st.sampled_from(["", "", " ", "\n\t", "\r\n", "x", "<!-- c -->"])


@st.composite
def leaf(draw: st.DrawFn, name: str, prefix: str) -> str:
    value = draw(VALUES)
    form = draw(
        st.sampled_from(["plain"] * 8 + ["closed", "closed with a space", "attribute", "prefix", "space", "torn"])
    )
    full = prefix + name
    return {
        "plain": f"<{full}>{value}</{full}>",
        "closed": f"<{full}/>",
        "closed with a space": f"<{full} />",
        "attribute": f'<{full} a="1">{value}</{full}>',
        "prefix": f"<q:{name}>{value}</q:{name}>",
        "space": f"<{full} >{value}</{full}\n>",
        "torn": f"<{full}>{value}/>",
    }[form]


GOOD = {
    "no": ["1", "a2", "张"],
    "name": ["张三", "a"],
    "amount": ["1", "-1.50", "0.10"],
    "count": ["7", "", "007"],
    "price": ["1.00000", "", "0"],
    "day": ["2026-02-28", ""],
    "time": ["2026-02-28 23:59:59", ""],
    "sex": ["1", "2", ""],
    "memo": ["", "x y", " 张\t三\n"],
    "filled": ["", "1"],
}


@st.composite
def row(draw: st.DrawFn) -> str:
    node = draw(st.sampled_from([FEE, FEE, FEE, PERSON]))
    prefix = draw(st.sampled_from(["", "", "", "p:", "none:"]))
    inner = draw(st.sampled_from([prefix, prefix, prefix, "", "q:"]))
    good = draw(st.integers(0, 9)) < 7
    leaves: list[str] = []
    for spec in node.fields:
        if not spec.required and draw(st.integers(0, 3)) == 0:
            continue
        value = draw(st.sampled_from(GOOD[spec.name]))
        plain = (
            f"<{inner}{spec.name}>{value}</{inner}{spec.name}>"
            if value or draw(st.booleans())
            else f"<{inner}{spec.name}/>"
        )
        leaves.append(plain if good or draw(st.integers(0, 2)) else draw(leaf(spec.name, inner)))
    if not good:
        leaves = draw(st.sampled_from([leaves, leaves[::-1], leaves[:-1], leaves + leaves[-1:]]))
        if draw(st.booleans()):
            leaves.append(draw(LEAF_NAMES.flatmap(lambda name: leaf(name, inner))))
    space = draw(SPACES) if not good else draw(st.sampled_from(["", "\n  "]))
    declared = draw(st.sampled_from(["", "", "", "", ' xmlns=""', ' xmlns="urn:x"', ' a="1"']))
    name = prefix + node.name
    return f"<{name}{declared}>{space}{space.join(leaves)}{space}</{name}>"


AROUND = st.sampled_from(
    [("", "")] * 8
    + [("<!-- ", " -->"), ("<![CDATA[", "]]>"), ("<other>", "</other>"), ("<serial>1</serial>", "text")]
    + [("<bill><no>1</no>", "</bill>"), ("<fee>", "</fee>"), ("<?p ", "?>"), ("<fee yibao.rows='0'/>", "")]
)
