"""审计: what people did and looked at, and whether the log of it is whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.responses import Response

from gateway.console.area import Area, MenuItem, Page
from gateway.console.visit import Visit

PAGE_ROWS: Final = 100
ACTS: Final[Mapping[str, str]] = {
    "console.sign_in": "登录",
    "console.sign_in_failed": "登录失败",
    "console.sign_in_refused": "登录被暂停",
    "console.sign_out": "退出",
    "console.body": "查看报文",
    "console.names": "查看姓名",
    "journal.resend": "再次发送",
    "console.export": "导出清单",
    "console.audit_verify": "校验操作日志",
    "console.try": "联调发送",
    "console.fault": "设置模拟故障",
    "doubts.resolve": "了结疑问交易",
    "journal.show": "命令行查看交易",
    "journal.export": "命令行导出",
    "users.add": "新建用户",
    "users.password": "设置密码",
    "users.role": "调整角色",
    "users.lock": "停用用户",
    "users.unlock": "启用用户",
}


def audit(visit: Visit) -> Response:
    """The log, newest first."""
    before = visit.query.get("before", "")
    number = int(before) if before.isascii() and before.isdigit() and len(before) < 19 else None
    operator, subject = visit.query.get("operator", "").strip()[:64], visit.query.get("subject", "").strip()[:200]
    found = visit.parts.store.operator_log.entries(
        operator=operator, subject=subject, before=number, limit=PAGE_ROWS + 1
    )
    rows = found[:PAGE_ROWS]
    return visit.show(
        "audit/audit.html",
        rows=rows,
        more=rows[-1].seq if len(found) > PAGE_ROWS else None,
        acts=ACTS,
        operator=operator,
        subject=subject,
    )


def verify(visit: Visit) -> Response:
    """Walk the whole chain; that it was asked for is an entry too."""
    broken = visit.parts.store.operator_log.verify()
    seq, digest = visit.parts.store.operator_log.head()
    visit.note(
        "console.audit_verify", "operator_log", "完整" if broken is None else f"第 {broken.seq} 条：{broken.reason}"
    )
    return visit.show("audit/verified.html", broken=broken, seq=seq, digest=digest)


AREA: Final = Area(
    name="audit",
    pages=(
        Page("GET", "/audit", "audit.see", audit),
        Page("POST", "/audit/verify", "audit.see", verify),
    ),
    menu=(MenuItem("/audit", "审计", "audit.see"),),
    rights={"audit.see": "看到操作日志"},
)
