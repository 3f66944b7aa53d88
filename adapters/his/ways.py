"""The way to the HIS as it is configured: its database, or services that it exposes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Protocol

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from adapters.his import statements
from adapters.his._engines import Limits
from adapters.his.calls import file_of, read_calls
from adapters.his.database import DatabaseRecords
from adapters.his.statements import read_statements
from gateway.mappings import data_root
from gateway.settings import His as HisSettings
from gateway.stays.hospital import SUBJECTS, HisMisconfigured, HospitalRecords, SubjectName

__all__ = ["HisRecords", "HisSettings", "open_records", "strange_files"]

EXAMPLE: Final = "postgresql://yibao_read@10.0.0.9/his"


class HisRecords(HospitalRecords, Protocol):
    """What every way to a HIS tells besides, for the report."""

    charset: str

    @property
    def guard(self) -> str:
        """How a write is kept out."""
        ...

    def file_of(self, subject: SubjectName) -> str:
        """Name of the file that tells how a subject is read."""
        ...

    def columns(self, subject: SubjectName) -> tuple[str, ...]:
        """Names of the columns that are delivered."""
        ...

    def sample(self, subject: SubjectName, rows_max: int) -> list[dict[str, Any]]:
        """Some rows, as they are given."""
        ...

    def server(self) -> str:
        """What answers."""
        ...

    def close(self) -> None:
        """Let the connections go."""
        ...


def open_records(settings: HisSettings) -> tuple[HisRecords, dict[SubjectName, str]]:
    """The HIS, and what is wrong with statements or operations that cannot be used. Connects when first asked.

    Raises:
        HisMisconfigured: no address, no folder of statements, an unknown database, a missing driver, a wrong WSDL.
    """
    if settings.service:
        return _services(settings)
    found, wrong = read_statements(settings.statements or default_folder())
    limits = Limits(settings.pool_size, settings.wait_s_max, settings.statement_s_max, settings.oracle_client)
    return DatabaseRecords(_url(settings), found, limits, settings.bytes_charset), wrong


def _services(settings: HisSettings) -> tuple[HisRecords, dict[SubjectName, str]]:
    if settings.wsdl is None or settings.statements is None:
        raise HisMisconfigured("HIS 服务还须设置 his.wsdl（WSDL 文件）与 his.statements（*.toml 的目录）")
    from adapters.his.soap import ServiceRecords  # zeep is a tenth of the start-up, and most hospitals give a database

    calls, wrong = read_calls(settings.statements)
    records = ServiceRecords(
        settings.service,
        settings.wsdl,
        calls,
        charset=settings.service_charset,
        user=settings.user,
        password=_password(settings),
        security=settings.security,
        pool_size=settings.pool_size,
        wait_s_max=settings.wait_s_max,
        answer_s_max=settings.statement_s_max,
        answer_bytes_max=settings.answer_bytes_max,
        ca_file=settings.ca_file,
    )
    return records, wrong | records.wrong


def strange_files(settings: HisSettings) -> tuple[str, ...]:
    """Files that look like those of a subject and are none: a misspelt name would otherwise go unnoticed."""
    folder = settings.statements or default_folder()
    if not settings.service:
        return statements.strange_files(folder)
    known = {file_of(name) for name in SUBJECTS}
    return tuple(sorted(file.name for file in folder.glob("*.toml") if file.name not in known))


def default_folder() -> Path:
    """The statements that travel with the program; they ask the sample HIS."""
    return data_root() / "conf" / "his"


def _password(settings: HisSettings) -> str:
    return settings.password.get_secret_value() if settings.password else ""


def _url(settings: HisSettings) -> URL:
    if not settings.url:
        raise HisMisconfigured(f"没有设置 HIS：请设置 his.url，例如 {EXAMPLE}；HIS 提供服务的，设置 his.service")
    try:
        url = make_url(settings.url)
    except ArgumentError as error:
        raise HisMisconfigured(f"his.url 格式错误，应形如 {EXAMPLE}") from error
    password = _password(settings)
    return url.set(password=password) if password else url
