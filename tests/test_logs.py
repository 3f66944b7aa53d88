"""What reaches the log, from us and from libraries, in both forms."""

from __future__ import annotations

import json
import logging
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from gateway.logs import configure, exchange_context

ID = "440102198001011234"
MSGID = "H44000000001202611210828221034"


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield
    for handler in [handler for handler in root.handlers if handler not in before]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "gateway.log"


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_an_event_is_one_json_object_with_its_context(path: Path) -> None:
    configure(file=path)
    with exchange_context(infno="2304", client="his", msgid=MSGID):
        structlog.get_logger("gateway.exchange").info("platform_answered", elapsed_ms=12, err_msg="人员不存在")
    structlog.get_logger().info("after")
    first, second = lines(path)
    assert first["timestamp"].endswith("+08:00")
    del first["timestamp"]
    assert first == {
        "event": "platform_answered",
        "level": "info",
        "logger": "gateway.exchange",
        "infno": "2304",
        "client": "his",
        "msgid": MSGID,
        "elapsed_ms": 12,
        "err_msg": "人员不存在",
    }
    assert "msgid" not in second
    assert "人员不存在" in path.read_text("utf-8"), "Chinese stays readable"


def test_context_belongs_to_its_thread(path: Path) -> None:
    configure(file=path)
    with exchange_context(infno="2304", client="his"):
        thread = threading.Thread(target=lambda: structlog.get_logger().info("elsewhere"))
        thread.start()
        thread.join()
    assert "infno" not in lines(path)[0]
    assert "msgid" not in lines(path)[0]


@pytest.mark.parametrize("form", ["json", "console"])
def test_nothing_personal_is_written(form: Any, path: Path) -> None:
    configure(format=form, file=path)
    log = structlog.get_logger("gateway")
    log.info("call", certno=ID, rows=[{"psn_name": "张三丰"}], body=f"<certno>{ID}</certno>".encode())
    log.info("call %s of %s", ID, "13812345678")
    log.info(f"event {ID}")
    logging.getLogger("library").warning("failed for %s (%s)", ID, {"psn_name": "张三丰"})
    logging.getLogger("library").warning("dict %(certno)s", {"certno": ID})
    try:
        raise ValueError(f"bad certno {ID}") from KeyError(ID)
    except ValueError:
        log.exception("broke", tel="13812345678")
        logging.getLogger("library").exception("library broke")
    text = path.read_text("utf-8")
    for gone in (ID, "张三丰", "13812345678"):
        assert gone not in text
    assert text.count("440102********1234") == 10
    assert text.count("Traceback (most recent call last)") == 2


def test_a_traceback_stays_readable(path: Path) -> None:
    configure(file=path)
    try:
        raise RuntimeError("no platform")
    except RuntimeError:
        structlog.get_logger().exception("broke")
    exception = lines(path)[0]["exception"]
    assert "RuntimeError: no platform" in exception
    assert "test_a_traceback_stays_readable" in exception


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_value_cannot_forge_a_line(form: Any, path: Path) -> None:
    configure(format=form, file=path)
    structlog.get_logger().info("called", opter="x\n2026 [error] forged\r\x1b[2J")
    text = path.read_text("utf-8")
    assert len(text.splitlines()) == 1
    assert "\x1b" not in text


def test_levels(path: Path) -> None:
    configure("warning", file=path)
    log = structlog.get_logger("gateway")
    log.info("quiet")
    log.warning("heard")
    logging.getLogger("other").info("quiet")
    assert [line["event"] for line in lines(path)] == ["heard"]
    with pytest.raises(ValueError, match="日志级别"):
        configure("LOUD")


def test_libraries_that_write_payloads_are_silent(path: Path) -> None:
    configure("DEBUG", file=path)
    logging.getLogger("spyne.protocol.soap.soap11.invalid").error("<Envelope>payload</Envelope>")
    logging.getLogger("urllib3.connectionpool").debug("POST /?certno=1")
    logging.getLogger("spyne.protocol").debug("payload")
    logging.getLogger("zeep.transports").debug("payload")
    structlog.get_logger("gateway").debug("ours")
    logging.getLogger("urllib3").warning("theirs")
    assert [line["event"] for line in lines(path)] == ["ours", "theirs"]


def test_the_last_configuration_counts(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = structlog.get_logger("made.before")
    other = tmp_path / "second.log"
    configure(file=path)
    log.info("first")
    configure(file=other)
    log.info("second")
    configure()
    log.info("third", certno=ID)
    assert [line["event"] for line in lines(path)] == ["first"]
    assert [line["event"] for line in lines(other)] == ["second"]
    error = capsys.readouterr().err
    assert json.loads(error)["event"] == "third"
    assert ID not in error


def test_the_file_is_not_for_everybody(path: Path) -> None:
    configure(file=path)
    assert not path.stat().st_mode & stat.S_IRWXO


def test_the_file_may_be_rotated_away(path: Path) -> None:
    configure(file=path)
    log = structlog.get_logger()
    log.info("before")
    path.rename(path.with_suffix(".1"))
    log.info("after")
    assert [line["event"] for line in lines(path)] == ["after"]


def test_a_record_that_cannot_be_formatted_is_named_without_its_arguments(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(file=path)
    root = logging.getLogger()
    foreign = [handler for handler in root.handlers if type(handler).__module__ != "gateway.logs"]
    for handler in foreign:  # pytest's own handlers raise what they cannot format
        root.removeHandler(handler)
    try:
        logging.getLogger("library").warning("%d items for", ID)
    finally:
        for handler in foreign:
            root.addHandler(handler)
    lost = json.loads(capsys.readouterr().err)
    assert (lost["event"], lost["logger"]) == ("log_record_lost", "library")
    assert ID not in json.dumps(lost)
