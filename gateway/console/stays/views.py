"""住院: which pages there are, and who may open them."""

from __future__ import annotations

from typing import Final

from gateway.console.area import Area, MenuItem, Page
from gateway.console.stays import acts, category, emergency, listing, month, one, papers, remark, review, waiting

AREA: Final = Area(
    name="stays",
    pages=(
        Page("GET", "/stays", "stay.see", listing.patients),
        Page("GET", "/stays/export.csv", "stay.export", listing.export),
        Page("GET", "/stays/one", "stay.see", one.one),
        Page("GET", "/stays/alignment", "stay.act", acts.alignment),
        Page("POST", "/stays/alignment", "stay.act", acts.align),
        Page("GET", "/alignment", "stay.see", waiting.waiting),
        Page("POST", "/alignment", "stay.act", waiting.begin),
        Page("GET", "/alignment/progress", "stay.see", waiting.progress, quiet=True),
        Page("GET", "/stays/discharge", "stay.act", acts.discharge),
        Page("POST", "/stays/discharge", "stay.act", acts.send_discharge),
        Page("GET", "/stays/revoke", "stay.act", acts.revoke),
        Page("POST", "/stays/revoke", "stay.act", acts.send_revoke),
        Page("GET", "/stays/category", "stay.category", category.category),
        Page("POST", "/stays/category", "stay.category", category.send),
        Page("GET", "/stays/category/diseases", "stay.category", category.diseases, quiet=True),
        Page("GET", "/review", "review.see", review.review),
        Page("GET", "/review/export.csv", "stay.export", review.export),
        Page("GET", "/review/one", "review.see", remark.case),
        Page("POST", "/review/one", "review.act", remark.keep),
        Page("GET", "/review/month", "review.see", month.month),
        Page("POST", "/review/month", "review.act", month.begin),
        Page("GET", "/review/month/progress", "review.see", month.progress, quiet=True),
        Page("GET", "/review/month.csv", "stay.export", month.export),
        Page("GET", "/emergency", "emergency.act", emergency.waiting),
        Page("GET", "/stays/emergency", "emergency.act", emergency.emergency),
        Page("POST", "/stays/emergency", "emergency.act", emergency.act),
        Page("GET", "/stays/vouchers", "voucher.print", papers.vouchers),
        Page("GET", "/stays/vouchers/look", "voucher.print", papers.look),
        Page("POST", "/stays/vouchers/print", "voucher.print", papers.print_),
        Page("POST", "/stays/vouchers/reprint", "voucher.print", papers.reprint),
    ),
    menu=(
        MenuItem("/stays", "住院病人", "stay.see"),
        MenuItem("/alignment", "入院变更", "stay.see"),
        MenuItem("/review", "医保审核", "review.see"),
        MenuItem("/emergency", "急诊急救审核", "emergency.act"),
    ),
    rights={
        "stay.see": "看到住院病人",
        "stay.export": "导出住院病人",
        "stay.act": "办理入院变更、出院与撤销",
        "stay.category": "办理医保类别变更",
        "review.see": "看到医保审核",
        "review.act": "写审核备注，按月核查",
        "emergency.act": "急诊急救审核",
        "voucher.print": "预览与打印凭证",
    },
)
