"""``yibao transactions``: the published table of services and transactions."""

from __future__ import annotations

from gateway.commands.generated import CheckOption, WriteOption, check_or_write
from gateway.commands.terminal import JsonOption, print_json, print_table


def transactions(check: CheckOption = None, write: WriteOption = None, as_json: JsonOption = False) -> None:
    """列出全部交易：所在服务、名称、安全等级、由谁撤销。"""
    from gateway import mappings
    from gateway.published.service_table import service_table

    contract = mappings.load("national")
    if check_or_write(lambda: service_table(contract), check, write, "yibao transactions"):
        return
    columns = ("infno", "name", "group", "safety", "undone_by")
    found = [{name: getattr(row, name) for name in columns} for row in contract.transactions.values()]
    if as_json:
        print_json(found)
    else:
        headings = ("交易", "名称", "服务", "安全等级", "撤销")
        print_table(headings, [[row[name] or "" for name in columns] for row in found])
