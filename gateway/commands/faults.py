"""``yibao faults``: the published table of fault codes."""

from __future__ import annotations

from gateway.commands.generated import CheckOption, WriteOption, check_or_write
from gateway.commands.terminal import JsonOption, print_json, print_table


def faults(
    check: CheckOption = None,
    write: WriteOption = None,
    as_json: JsonOption = False,
) -> None:
    """列出全部故障代码：原因、处理、能否重试、各入口怎样答复。"""
    from gateway.published import fault_table

    if check_or_write(fault_table.markdown, check, write, "yibao faults"):
        return
    if as_json:
        print_json(fault_table.rows())
    else:
        columns = ("code", "title", "cause", "action", "retry", "soap", "json")
        headings = ("代码", "名称", "原因", "处理", "重试", "SOAP", "JSON")
        print_table(headings, [[row[column] for column in columns] for row in fault_table.rows()])
