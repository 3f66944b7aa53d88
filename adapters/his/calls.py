"""How a HIS's service is asked, as data: one TOML file per subject beside the WSDL, read and checked before anything is sent.

point = "time"                       # what changed_at is: time, number or text
rows = "Row"                         # path of the rows in the answer, local names
[changed]                            # everything changed since a point
operation = "QueryWardEvents"
arguments = { "request.since" = "{changed_since}", "request.user" = "{user}" }
[of_stay]                            # everything of a stay
operation = "QueryWardEventsOfStay"
arguments = { ipt_no = "{ipt_no}" }
[columns]                            # documented column -> where it stands in a row
row_id = "id"
kind = { from = "ydlx", codes = { "1" = "ward_in", "2" = "transfer" } }
operator = { constant = "HIS" }
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gateway.stays.hospital import CHANGED_AT, IPT_NO, ROW_ID, SUBJECTS, HisMisconfigured, SubjectName

PLACE: Final = re.compile(r"\{([a-z_]+)\}")
"""A place in an argument that a value fills."""
ALWAYS: Final = ("user", "password")
OF_CHANGED: Final = ("changed_since", "after_row_id", "rows_max", *ALWAYS)
OF_STAY: Final = (IPT_NO, *ALWAYS)
FILE_CHARS_MAX: Final = 200_000


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Asked(_Data):
    """An operation and its arguments; ``a.b`` is the element ``b`` in ``a``."""

    operation: str = Field(min_length=1)
    arguments: Mapping[str, str] = {}


class Source(_Data):
    """Where a column stands: ``from`` a path of local names below the row (``@name`` an attribute), or a ``constant``."""

    path: str = Field("", alias="from")
    constant: str | None = None
    codes: Mapping[str, str] = {}
    """The service's value -> the documented one; another value is left as it is, and told by the check of the row."""

    @model_validator(mode="after")
    def _one_of_both(self) -> Source:
        if bool(self.path) == (self.constant is not None):
            raise ValueError("须有 from 或 constant 之一")
        return self


class Succeeded(_Data):
    """Where an answer says whether the query went well."""

    path: str = Field(alias="from", min_length=1)
    good: tuple[str, ...] = ("0",)
    message: str = ""
    """Path of the text that says why not."""


class Call(_Data):
    """One subject.

    Args:
        rows: path of the rows.
        payload: ``xml`` elements, or XML as text in the result; ``json`` text in the result.
        result: local name of the element that holds the result; empty: as deep as there is only one child.
        point: what ``changed_at`` is; times are sorted by what they mean, whatever their form.
        since_format: how ``{changed_since}`` is written, where it is a time.
        rows_max: rows that the service gives at once, the oldest changes first; 0 when it gives all there are.
    """

    changed: Asked
    of_stay: Asked | None = None
    rows: str = Field(min_length=1)
    columns: Mapping[str, Source]
    payload: Literal["xml", "json"] = "xml"
    result: str = ""
    succeeded: Succeeded | None = None
    point: Literal["time", "number", "text"] = "time"
    since_format: str = "%Y-%m-%d %H:%M:%S"
    rows_max: int = Field(0, ge=0, le=100_000)

    @model_validator(mode="before")
    @classmethod
    def _plain_columns(cls, given: Any) -> Any:
        if isinstance(given, dict) and isinstance(given.get("columns"), dict):
            columns = {
                name: {"from": where} if isinstance(where, str) else where for name, where in given["columns"].items()
            }
            return {**given, "columns": columns}
        return given

    @model_validator(mode="after")
    def _places_are_known(self) -> Call:
        for asked, known in ((self.changed, OF_CHANGED), (self.of_stay, OF_STAY)):
            places = [place for text in (asked.arguments if asked else {}).values() for place in PLACE.findall(text)]
            if unknown := sorted(set(places) - set(known)):
                raise ValueError(f"参数中没有 {{{unknown[0]}}}；可用：{'、'.join(known)}")
        if self.of_stay and not any(IPT_NO in PLACE.findall(text) for text in self.of_stay.arguments.values()):
            raise ValueError("of_stay 的参数中应有 {ipt_no}")
        if self.rows_max and not any("changed_since" in text for text in self.changed.arguments.values()):
            raise ValueError("服务一次只给 rows_max 行的，参数中应有 {changed_since}")
        return self


def file_of(subject: SubjectName) -> str:
    """Name of the file of a subject."""
    return f"{subject}.toml"


def read_calls(folder: Path) -> tuple[dict[SubjectName, Call], dict[SubjectName, str]]:
    """All files of a folder, and what is wrong with those that cannot be used.

    Raises:
        HisMisconfigured: there is no such folder, or not one file in it.
    """
    if not folder.is_dir():
        raise HisMisconfigured(f"HIS 服务的说明目录不存在：{folder}")
    found: dict[SubjectName, Call] = {}
    wrong: dict[SubjectName, str] = {}
    for name in SUBJECTS:
        file = folder / file_of(name)
        if not file.is_file():
            continue
        try:
            found[name] = read_call(name, file)
        except HisMisconfigured as error:
            wrong[name] = str(error)
    if not found and not wrong:
        names = "、".join(map(file_of, SUBJECTS))
        raise HisMisconfigured(f"{folder} 中没有说明，应有 {names} 中的若干个")
    return found, wrong


def read_call(subject: SubjectName, file: Path) -> Call:
    """One file. Raises ``HisMisconfigured`` with everything that is wrong with it."""
    try:
        text = file.read_text(encoding="utf-8-sig")
        if len(text) > FILE_CHARS_MAX:
            raise HisMisconfigured(f"{file.name} 超过 {FILE_CHARS_MAX} 字")
        call = Call.model_validate(tomllib.loads(text))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise HisMisconfigured(f"{file.name} 不是 UTF-8 的 TOML：{error}") from error
    except ValidationError as error:
        texts = (f"{'.'.join(map(str, one['loc'])) or '整体'} {one['msg']}" for one in error.errors(include_url=False))
        raise HisMisconfigured(f"{file.name}：{'；'.join(texts)}") from None
    known = {ROW_ID, CHANGED_AT, *(column.name for column in SUBJECTS[subject].columns)}
    if unknown := sorted(set(call.columns) - known):
        raise HisMisconfigured(f"{file.name} 的 columns 中有不在文档中的列 {'、'.join(unknown)}")
    if missing := [name for name in SUBJECTS[subject].required if name not in call.columns]:
        raise HisMisconfigured(f"{file.name} 缺少列 {'、'.join(missing)}")
    return call
