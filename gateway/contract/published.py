"""The published shape of each transaction: one tree of elements for every province, ready for WSDL, XSD and OpenAPI.

The national table plus every overlay's nodes and fields as optional (contract.md, "The string service"). A repeated
``_root`` side becomes a repeated element ``row``; its nodes stand inside the row.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from gateway.contract.model import Contract, Field, Node, Side, Transaction

NAMESPACE = "urn:yibao:gateway:v1"
ROW = "row"

_NAME = re.compile(r"[A-Za-z_\u4e00-\u9fff][A-Za-z0-9_.\-\u4e00-\u9fff]*")
"""What XML allows, narrowed to what a table can reasonably hold."""


class PublishError(ValueError):
    """A table cannot be written as XML elements; the text says in Chinese which one and why."""


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a message: a leaf (``children`` is None) or a node.

    ``provinces`` are the contracts that have it, in the order in which the contracts were given.
    """

    name: str
    label: str
    repeat: bool = False
    children: tuple[Element, ...] | None = None
    field: Field | None = None
    provinces: tuple[str, ...] = ()
    root_row: bool = False
    """True for the ``row`` that stands for a repeated ``_root``, which is no node of the message."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One callable transaction; ``input`` stands in the request wrapper after ``head``, ``output`` inside ``output``."""

    infno: str
    label: str
    group: str
    input: tuple[Element, ...]
    output: tuple[Element, ...]

    @property
    def name(self) -> str:
        return f"Txn{self.infno}"

    @property
    def action(self) -> str:
        return f"{NAMESPACE}/{self.name}"


def leaf(name: str, label: str) -> Element:
    """A leaf that is the gateway's own, in no table."""
    return Element(name, label)


HEAD = Element(
    "head",
    "报文头（均可省略，由网关补齐）",
    children=(
        leaf("opter", "经办人"),
        leaf("opter_name", "经办人姓名"),
        leaf("opter_type", "经办人类别：1 经办人，2 自助终端，3 移动终端"),
        leaf("insuplc_admdvs", "参保地医保区划"),
        leaf("mdtrtarea_admvs", "就医地医保区划"),
        leaf("request_id", "调用方自己的请求编号；同号同内容的重发得到已确认的应答"),
        leaf("mac", "工作站网卡地址"),
        leaf("ip", "工作站网络地址"),
        leaf("dev_no", "设备编号"),
        leaf("dev_safe_info", "设备安全信息"),
    ),
)

STATUS = (
    leaf("infcode", "交易状态码：0 成功，其他均为失败"),
    leaf("inf_refmsgid", "接收方报文ID"),
    leaf("err_msg", "错误信息"),
    leaf("warn_msg", "提示信息"),
    leaf("msgid", "发送方报文ID"),
    leaf("code", "网关故障码，成功时为空"),
    leaf("retry", "可否重试：yes 可立即重试，same 只可原样重发，no 不可"),
)

PROBLEM = Element(
    "problem",
    "报文内容的问题，每条一个",
    repeat=True,
    children=(
        leaf("node", "节点路径"),
        leaf("row", "行号，从1起"),
        leaf("field", "字段"),
        leaf("label", "字段名称"),
        leaf("value", "给出的值"),
        leaf("rule", "违反的规则"),
        leaf("text", "说明"),
    ),
)


def request_elements(operation: Operation) -> tuple[Element, ...]:
    """What stands in the request wrapper, in order."""
    return (HEAD, *operation.input)


def response_elements(operation: Operation) -> tuple[Element, ...]:
    """What stands in the response wrapper, in order."""
    return (*STATUS, Element("output", "交易输出", children=operation.output), PROBLEM)


def groups(contracts: Sequence[Contract]) -> list[str]:
    """Names of the groups that have at least one operation, sorted."""
    return sorted(set(_group_by_infno(contracts).values()))


def operations(contracts: Sequence[Contract], group: str | None = None) -> list[Operation]:
    """Every operation of ``group`` (or of all), by number.

    Args:
        contracts: the national contract first, then the provinces; the first one that has a transaction names it.
        group: as in the tables (``settlement-list``).

    Raises:
        PublishError: two elements of one name in one place, or a name that XML does not allow.
    """
    merged: dict[str, Operation] = {}
    wanted = {infno for infno, found in _group_by_infno(contracts).items() if group in (None, found)}
    for contract in contracts:
        for infno in wanted & contract.transactions.keys():
            operation = _operation(contract.transactions[infno], contract.province)
            merged[infno] = _add(merged.get(infno), operation)
    return [merged[infno] for infno in sorted(merged)]


def _group_by_infno(contracts: Sequence[Contract]) -> dict[str, str]:
    """The group of every callable transaction; what any contract has as a callback is none."""
    transactions = [txn for contract in contracts for txn in contract.transactions.values()]
    callbacks = {txn.infno for txn in transactions if txn.callback}
    by_infno: dict[str, str] = {}
    for transaction in transactions:
        if transaction.infno not in callbacks:
            by_infno.setdefault(transaction.infno, transaction.group)
    return by_infno


def _operation(transaction: Transaction, province: str) -> Operation:
    where = transaction.infno
    found = Operation(
        infno=where,
        label=transaction.name,
        group=transaction.group,
        input=_side(transaction.input, province, f"{where} input"),
        output=_side(transaction.output, province, f"{where} output"),
    )
    if any(element.name == HEAD.name for element in found.input):
        raise PublishError(f"交易 {where} 的输入有名为 head 的元素，与网关报文头同名，无法发布")
    return found


def _side(side: Side, province: str, where: str) -> tuple[Element, ...]:
    content = _content(side.root, side.nodes, province, where)
    if not side.root_repeat:
        return content
    return (Element(ROW, "行", repeat=True, children=content, provinces=(province,), root_row=True),)


def _content(fields: Iterable[Field], nodes: Iterable[Node], province: str, where: str) -> tuple[Element, ...]:
    leaves = [Element(field.name, field.label, field=field, provinces=(province,)) for field in fields]
    content = (*leaves, *(_node(node, province, where) for node in nodes))
    names = [element.name for element in content]
    for name in names:
        if names.count(name) > 1:
            raise PublishError(f"{where} 下有多个元素名为 {name}，无法发布")
        if not _NAME.fullmatch(name):
            raise PublishError(f"{where} 下的名称 {name!r} 不是合法的 XML 元素名，无法发布")
    return content


def _node(node: Node, province: str, where: str) -> Element:
    children = _content(node.fields, node.children, province, f"{where}/{node.name}")
    return Element(node.name, node.label, node.repeat, children, provinces=(province,))


def _add(known: Operation | None, other: Operation) -> Operation:
    if known is None:
        return other
    return replace(
        known,
        input=_merge(known.input, other.input, f"{known.infno} input"),
        output=_merge(known.output, other.output, f"{known.infno} output"),
    )


def _merge(known: tuple[Element, ...], others: tuple[Element, ...], where: str) -> tuple[Element, ...]:
    """``known`` in its order, then what only ``others`` have: a client built on an older order stays right."""
    by_name = {element.name: element for element in known}
    for other in others:
        mine = by_name.get(other.name)
        by_name[other.name] = other if mine is None else _merge_one(mine, other, f"{where}/{other.name}")
    return tuple(by_name.values())


def _merge_one(mine: Element, other: Element, where: str) -> Element:
    if (mine.children is None) != (other.children is None) or mine.root_row != other.root_row:
        raise PublishError(f"{where} 在一处是字段，在另一处是节点（{'、'.join(other.provinces)}），无法合并发布")
    children = None
    if mine.children is not None and other.children is not None:
        children = _merge(mine.children, other.children, where)
    provinces = (*mine.provinces, *other.provinces)
    return replace(mine, repeat=mine.repeat or other.repeat, children=children, provinces=provinces)


_TYPES = {
    "string": "字符",
    "text": "文本",
    "decimal": "数值",
    "integer": "整数",
    "date": "日期 yyyy-MM-dd",
    "datetime": "日期时间 yyyy-MM-dd HH:mm:ss",
}


def description(element: Element, first_province: str = "national") -> str:
    """Label, type, length and whether it is required, in Chinese, as the table of ``first_province`` has it."""
    parts = [element.label or element.name]
    if element.field is not None:
        parts += _facts(element.field)
    if element.provinces and first_province not in element.provinces:
        parts.append("仅 " + "、".join(element.provinces))
    return "，".join(parts)


def _facts(field: Field) -> list[str]:
    facts = [_TYPES[field.type] + _size(field)]
    facts.append("必填" if field.required else "可空")
    if field.codes:
        facts.append(f"值域 {field.codes}")
    return facts


def _size(field: Field) -> str:
    if field.precision is not None:
        return f"({field.precision},{field.scale or 0})"
    return f"({field.length})" if field.length is not None else ""
