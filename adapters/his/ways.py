"""The way to the HIS as it is configured."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from adapters.his._engines import Limits
from adapters.his.database import DatabaseRecords
from adapters.his.statements import read_statements
from gateway.mappings import data_root
from gateway.settings import His as HisSettings
from gateway.stays.hospital import HisMisconfigured, SubjectName

__all__ = ["HisSettings", "open_records"]

EXAMPLE: Final = "postgresql://yibao_read@10.0.0.9/his"


def open_records(settings: HisSettings) -> tuple[DatabaseRecords, dict[SubjectName, str]]:
    """The HIS's database, and what is wrong with statements that cannot be used. Connects when first asked.

    Raises:
        HisMisconfigured: no URL, no folder of statements, an unknown database, a missing driver.
    """
    statements, wrong = read_statements(settings.statements or default_folder())
    limits = Limits(settings.pool_size, settings.wait_s_max, settings.statement_s_max, settings.oracle_client)
    return DatabaseRecords(_url(settings), statements, limits, settings.bytes_charset), wrong


def default_folder() -> Path:
    """The statements that travel with the program; they ask the sample HIS."""
    return data_root() / "conf" / "his"


def _url(settings: HisSettings) -> URL:
    if not settings.url:
        raise HisMisconfigured(f"没有设置 HIS 数据库：请设置 his.url，例如 {EXAMPLE}")
    try:
        url = make_url(settings.url)
    except ArgumentError as error:
        raise HisMisconfigured(f"his.url 格式错误，应形如 {EXAMPLE}") from error
    password = settings.password.get_secret_value() if settings.password else None
    return url.set(password=password) if password else url
