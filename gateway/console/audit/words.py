"""What the acts in the operator log are called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

ACTS: Final[Mapping[str, str]] = {
    "console.sign_in": "登录",
    "console.sign_in_failed": "登录失败",
    "console.sign_in_refused": "登录被暂停",
    "console.sign_out": "退出",
    "console.body": "查看报文",
    "console.body_file": "下载报文",
    "console.names": "查看姓名",
    "console.export": "导出清单",
    "console.audit_verify": "校验操作日志",
    "console.try": "联调发送",
    "console.fault": "设置模拟故障",
    "conformance.begin": "开始联调验收",
    "users.add": "新建用户",
    "users.password": "设置密码",
    "users.role": "调整角色",
    "users.lock": "停用用户",
    "users.unlock": "启用用户",
    "doubts.resolve": "了结疑问交易",
    "doubts.show": "命令行查看疑问交易",
    "journal.resend": "再次发送",
    "journal.search": "命令行查找交易",
    "journal.show": "命令行查看交易",
    "journal.export": "命令行导出交易",
    "alignment.one": "入院信息变更",
    "alignment.batch": "批量入院信息变更",
    "alignment.run": "自动变更立即运行",
    "stay.2302": "撤销已上传的费用",
    "stay.2402": "出院办理",
    "stay.2403": "医保变更",
    "stay.2405": "出院办理撤销",
    "stays.adopt": "接入在院病人",
    "stays.show": "命令行查看住院",
    "emergency.extract": "提取急诊费用",
    "emergency.approve": "急诊急救审核",
    "review.remark": "写审核备注",
    "review.month": "核查一个月的病例",
    "fees.upload": "费用上传",
    "fees.look": "核对费用",
    "fees.forget": "放弃等待上传的病人",
    "list.look": "查看结算清单",
    "list.upload": "上传清单",
    "list.submit": "提交清单",
    "list.withdraw": "清单改回未提交",
    "list.ask": "查询清单状态",
    "lists.show": "命令行查看结算清单",
    "voucher.look": "预览凭证",
    "voucher.print": "打印凭证",
    "voucher.reprint": "重打凭证",
    "reconcile.day": "对账",
    "jobs.run": "立即运行任务",
    "db.backup": "备份",
    "db.restore": "从备份恢复",
    "db.reconcile": "恢复后核对",
    "db.retain": "清理到期数据",
    "keys.add": "增加密钥",
    "keys.begin": "启用保护密钥",
    "keys.rotate": "更换密钥",
}
"""Every act that is written, by its name in the log (tests/console/test_audit.py looks for more in the source)."""


def acts_called(title: str) -> tuple[str, ...]:
    """The names of the acts with this title."""
    return tuple(act for act, called in ACTS.items() if called == title)


KINDS: Final[Mapping[str, str]] = {"exchange": "交易", "stay": "住院", "voucher": "凭证", "review": "医保审核"}
"""What a subject with a number begins with, and what it is called."""
LISTS: Final[Mapping[str, str]] = {
    "stays": "住院病人",
    "alignment": "入院变更",
    "review": "医保审核",
    "review month": "按月核查",
    "emergency": "急诊急救审核",
    "fees": "费用上传",
    "queue": "等待上传的病人",
    "lists": "结算清单",
    "dip": "DIP 核对",
    "exchanges": "交易日志",
    "reconcile": "对账差异",
    "audit": "操作日志",
    "operator_log": "操作日志",
    "store": "数据库",
}
"""Subjects that are a list or the whole store."""
_NAMING: Final = ("users.", "conformance.", "console.sign_")
"""Acts whose subject is the name of a user or a client, which may be that of a list."""


def subject_called(act: str, subject: str) -> str:
    """``exchange 7`` as ``交易 7``; what has no other name (a person, a day, a file) stays as it is."""
    kind, _, number = subject.partition(" ")
    if subject in LISTS and not act.startswith(_NAMING):
        return LISTS[subject]
    if number == "stays" and kind.isdigit():
        return f"{kind} 人"
    if number and kind in KINDS:
        return f"{KINDS[kind]} {number}"
    return subject


def subject_meant(text: str) -> str:
    """What somebody asks for, as the log has it: the other way round, for what has a number."""
    for kind, called in KINDS.items():
        if text.startswith(called) and text != called:
            return f"{kind} {text.removeprefix(called).strip()}"
    return text
