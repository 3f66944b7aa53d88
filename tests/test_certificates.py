"""Certificates that end are told in time, once per step."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from structlog.testing import capture_logs

from gateway.certificates import PLATFORM, CertificateWatch, ending

ENDS = datetime(2027, 6, 1, tzinfo=UTC)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "client.pem"
    issued = trustme.CA().issue_cert("h.example.org", not_before=datetime(2026, 1, 1, tzinfo=UTC), not_after=ENDS)
    issued.cert_chain_pems[0].write_to_path(path)
    return path


@pytest.mark.parametrize(
    ("days", "alarm"),
    [(61, None), (60, None), (59.9, 60), (30, 60), (29.9, 30), (7, 30), (6.9, 7), (0.1, 7), (-0.1, 0)],
)
def test_the_alarm_by_days_left(file: Path, days: float, alarm: int | None) -> None:
    assert ending("client", file, ENDS - timedelta(days=days)).alarm == alarm


def test_each_step_is_told_once_and_a_new_file_ends_the_alarm(file: Path) -> None:
    now = [ENDS - timedelta(days=61)]
    watch = CertificateWatch({"client": file}, lambda: now[0])
    told = []
    for days in (61, 59, 58, 29, 28, 6, -1, -2):
        now[0] = ENDS - timedelta(days=days)
        with capture_logs() as lines:
            assert watch.days_left() == {"client": days}
        told.append([(line["log_level"], line["days_left"]) for line in lines])
    one = [[], [("warning", 59)], [], [("warning", 29)], [], [("error", 6)], [("error", -1)], []]
    assert told == one


def test_what_the_platform_shows_is_told_like_our_own(file: Path) -> None:
    now = ENDS - timedelta(days=40)
    watch = CertificateWatch({"client": file}, lambda: now)
    watch.show(PLATFORM, now + timedelta(days=5, hours=1))
    with capture_logs() as lines:
        assert watch.days_left() == {"client": 40, "platform": 5}
    assert [(line["certificate"], line["log_level"]) for line in lines] == [
        ("client", "warning"),
        ("platform", "error"),
    ]
    watch.show(PLATFORM, now + timedelta(days=300, hours=1))
    assert watch.days_left() == {"client": 40, "platform": 300}, "the newest counts"


def test_a_file_that_cannot_be_read_does_not_hide_the_others(file: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("")
    files = {"ca": tmp_path / "empty.pem", "gone": tmp_path / "gone.pem", "client": file}
    with capture_logs() as lines:
        assert CertificateWatch(files, lambda: ENDS - timedelta(days=90)).days_left() == {"client": 90}
    assert [line["certificate"] for line in lines] == ["ca", "gone"]
