"""One stream of structured logs: the gateway's own events and those of the libraries, masked alike.

Events are English words with keys; ``msgid``, ``infno`` and ``client`` are bound once per exchange.
"""

from __future__ import annotations

import datetime
import json
import logging
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import Any, Literal

import structlog
from structlog.typing import Processor

from gateway.masking import mask_event

Format = Literal["json", "console"]

_SHANGHAI = datetime.timezone(datetime.timedelta(hours=8))
_SILENT = ("spyne.protocol.soap.soap11.invalid",)
"""Writes whole payloads of callers."""
_QUIET = ("urllib3", "spyne", "zeep", "suds", "sqlalchemy", "alembic", "httpx", "asyncio", "granian", "_granian")
"""Their debug and info lines are requests, headers, parameters: nothing an operator acts on."""


class _OwnHandler(logging.Handler):
    """A record that cannot be formatted is named, never printed with its arguments as the library would."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        problem = sys.exc_info()[0]
        text = f'{{"event": "log_record_lost", "logger": "{record.name}", "line": {record.lineno}, "problem": "{problem and problem.__name__}"}}\n'
        try:
            sys.stderr.write(text)
        except (OSError, ValueError):
            return


class _Stream(_OwnHandler, logging.StreamHandler[Any]):
    """To standard error."""


class _File(_OwnHandler, WatchedFileHandler):
    """To a file that logrotate may move away."""


def configure(level: str = "INFO", format: Format = "json", file: Path | None = None) -> None:  # noqa: A002 - the setting's name
    """Route everything to one place. May be called again; the last call counts.

    Args:
        level: DEBUG, INFO, WARNING or ERROR, for the gateway's own events.
        format: ``json``, one object per line, or ``console`` for people.
        file: appended to, created readable by owner and group only; standard error when None.

    Raises:
        ValueError: an unknown level.
        OSError: the file cannot be written.
    """
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise ValueError(f"日志级别未知：{level}（DEBUG、INFO、WARNING、ERROR）")
    handler = _handler(file)
    handler.setFormatter(_formatter(format))
    _replace_handler(handler, number)
    for name in _SILENT:
        logging.getLogger(name).disabled = True
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(number, logging.WARNING))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_enrich(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,  # configure() must reach loggers that were made before it
    )


@contextmanager
def exchange_context(*, infno: str, client: str, msgid: str | None = None) -> Iterator[None]:
    """Bind what identifies an exchange to every event inside; an empty ``msgid`` is left out."""
    values = {"infno": infno, "client": client, "msgid": msgid}
    with structlog.contextvars.bound_contextvars(**{key: value for key, value in values.items() if value}):
        yield


def _enrich() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        _timestamp,
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]


def _timestamp(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    event["timestamp"] = datetime.datetime.now(_SHANGHAI).isoformat(timespec="milliseconds")
    return event


def _formatter(format: Format) -> logging.Formatter:  # noqa: A002 - the setting's name
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_enrich(),
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            mask_event,  # after everything that adds text, before anything that writes it
            *_renderers(format),
        ],
    )


def _renderers(format: Format) -> list[Processor]:  # noqa: A002 - the setting's name
    if format == "console":
        return [_one_line, structlog.dev.ConsoleRenderer(colors=False)]
    return [structlog.processors.JSONRenderer(serializer=_json)]


_ENCODE = json.JSONEncoder(ensure_ascii=False).encode
"""Made once; what comes out of masking is plain JSON types."""


def _json(event: object, **_: object) -> str:
    return _ENCODE(event)


def _one_line(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A value cannot forge a second event or move the cursor; tracebacks keep their lines."""
    for key, value in event.items():
        if isinstance(value, str) and key not in ("exception", "stack"):
            event[key] = "".join(char if char.isprintable() else repr(char)[1:-1] for char in value)
    return event


def _handler(file: Path | None) -> _Stream | _File:
    if file is None:
        return _Stream(sys.stderr)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o640)
    return _File(file, encoding="utf-8")


def _replace_handler(handler: logging.Handler, level: int) -> None:
    root = logging.getLogger()
    for old in [old for old in root.handlers if isinstance(old, _OwnHandler)]:
        root.removeHandler(old)
        old.close()
    root.addHandler(handler)
    root.setLevel(level)
