"""What tells a job that nothing more can be sent now."""

from __future__ import annotations

import pytest

from gateway.exchange.call import Reply
from jobs.job import nothing_goes
from tests.exchange.kit import INTERFACE


@pytest.mark.parametrize(
    ("code", "err_msg", "nothing"),
    [
        ("GW-4001", "连不上", True),
        ("GW-4004", "熔断", True),
        ("GW-5001", "存储不可用", True),
        ("GW-3000", "签到流水号无效，请先签到（9001）", True),
        ("GW-3000", "金额不符", False),
        ("GW-1101", "memo 的值“未签到”过长", False),
        ("GW-4101", "结果未知", False),
        ("", "", False),
    ],
)
def test_what_is_not_in_the_message_stops_the_job(code: str, err_msg: str, nothing: bool) -> None:
    assert nothing_goes(Reply("-1", code=code, err_msg=err_msg), INTERFACE) is nothing
