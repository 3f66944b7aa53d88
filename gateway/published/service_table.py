"""``docs/using/transactions.md``: every service with its transactions and their safety class, from the contract."""

from __future__ import annotations

from typing import Final

from gateway.contract.model import Contract, Transaction

_INTRODUCTION: Final = """\
# 服务与交易

<!-- 由 gateway/published/service_table.py 按 mappings/ 生成，请勿手工修改 -->

每一组是一个类型化服务：`/soap/<组>?wsdl`，每个交易一个操作 `Txn<交易编号>`。同样的交易也可用字符串服务
`/soap/exchange` 与 JSON 接口 `/api/v1/transactions/<交易编号>` 办理，见 [services.zh-CN.md](services.zh-CN.md)。

| 安全等级 | 含义 | 没有收到答复时 | 原样再发 |
|---|---|---|---|
| `read` 查询 | 不改变业务 | 网关自己再问一次，仍无答复则 `GW-4002` | 可以 |
| `repeatable` 可重传 | 逐行上传，以行键识别 | `GW-4101` | 同一 `request_id` |
| `state` 状态 | 改变就诊或登记状态 | `GW-4101` | 同一 `request_id` |
| `money` 资金 | 动用或退回资金，或可由 2601 冲正 | `GW-4101` | 同一 `request_id` |

“撤销”一列是撤销它的交易；“2601”表示结果不明时可由 2601 冲正。等级与规则不同之处及理由在 `mappings/safety.yaml`。
"""
_SAFETY: Final = {"read": "查询", "repeatable": "可重传", "state": "状态", "money": "资金"}
_OTHER_GROUPS: Final = "\n## 由平台发起，院内不能调用\n\n"


def service_table(contract: Contract) -> str:
    """The whole document for one contract.

    Args:
        contract: the national tables; what a province adds or drops is in its own file.
    """
    found = sorted(contract.transactions.values(), key=lambda transaction: transaction.infno)
    callable_ = [transaction for transaction in found if not transaction.callback]
    groups = sorted({transaction.group for transaction in callable_})
    parts = [_INTRODUCTION, f"\n共 {len(groups)} 组、{len(callable_)} 个交易。\n"]
    for group in groups:
        members = [transaction for transaction in callable_ if transaction.group == group]
        parts.append(f"\n## {group}\n\n{_table(members)}")
    callbacks = [transaction for transaction in found if transaction.callback]
    return "".join(parts) + _OTHER_GROUPS + _callbacks(callbacks)


def _table(members: list[Transaction]) -> str:
    rows = "".join(
        f"| {member.infno} | {_cell(member.name)} | `{member.safety}` {_SAFETY[member.safety]} | {_undone(member)} |\n"
        for member in members
    )
    return f"| 交易 | 名称 | 安全等级 | 撤销 |\n|---|---|---|---|\n{rows}"


def _callbacks(members: list[Transaction]) -> str:
    rows = "".join(f"| {member.infno} | {_cell(member.name)} |\n" for member in members)
    return f"| 交易 | 名称 |\n|---|---|\n{rows}"


def _undone(transaction: Transaction) -> str:
    ways = [transaction.undone_by or "", "2601" if transaction.reversible_by_2601 else ""]
    return "、".join(filter(None, ways))


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
