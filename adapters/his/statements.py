"""The statements a hospital engineer writes: read from files, and refused unless each is one single SELECT.

The statement is used as a derived table (``SELECT ... FROM (<statement>) his WHERE ... ORDER BY ...``), so whatever is no
query is an error of the database too; this file says so before, in words, and without asking the database.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.stays.hospital import SUBJECTS, HisMisconfigured, SubjectName

CHANGED_SINCE: Final = "changed_since"
"""The one parameter a statement may use: rows changed before it need not be delivered."""
STATEMENT_CHARS_MAX: Final = 200_000

_TOKEN: Final = re.compile(
    r"""
      (?P<space>\s+)
    | (?P<hint>/\*\+.*?\*/)
    | (?P<comment>--[^\n]*|/\*.*?\*/)
    | (?P<quoted>[nN]?[qQ]'(?:\[.*?\]|\{.*?\}|\(.*?\)|<.*?>|(?P<mark>[^\s\[{(<]).*?(?P=mark))'
        | '(?:[^']|'')*' | "(?:[^"]|"")*" | `[^`]*` | \[[^\]\[]*\])
    | (?P<dollar>\$[A-Za-z_]*\$)
    | (?P<cast>::)
    | (?P<parameter>:[A-Za-z_]\w*)
    | (?P<word>[^\W\d][\w$\#]*)
    | (?P<end>;)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_FORBIDDEN: Final = frozenset(
    [
        "INSERT",
        "UPDATE",
        "DELETE",
        "MERGE",
        "UPSERT",
        "INTO",
        "CREATE",
        "ALTER",
        "DROP",
        "TRUNCATE",
        "GRANT",
        "REVOKE",
        "EXEC",
        "EXECUTE",
        "CALL",
        "DO",
        "DECLARE",
        "BEGIN",
        "COMMIT",
        "ROLLBACK",
        "SAVEPOINT",
        "LOCK",
        "ATTACH",
        "DETACH",
        "PRAGMA",
        "VACUUM",
        "COPY",
        "OUTFILE",
        "DUMPFILE",
        "HANDLER",
        "OPENROWSET",
        "OPENQUERY",
        "OPENDATASOURCE",
        "WAITFOR",
        "SHUTDOWN",
        "KILL",
        "NEXTVAL",
        "SETVAL",
        "PG_SLEEP",
        "DBLINK",
    ]
)
"""Words that no plain query needs; a column so named is written in quotes."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One file.

    Args:
        sql: without comments and the semicolon; colons that are no parameter are escaped for SQLAlchemy.
        uses_since: it limits itself by ``:changed_since``.
        has_with: it begins with WITH, which SQL Server does not take in a derived table.
    """

    subject: SubjectName
    file: Path
    sql: str
    uses_since: bool
    has_with: bool


def read_statements(folder: Path) -> tuple[dict[SubjectName, Statement], dict[SubjectName, str]]:
    """All statements of a folder, and what is wrong with those that cannot be used.

    Raises:
        HisMisconfigured: there is no such folder, or not one statement in it.
    """
    if not folder.is_dir():
        raise HisMisconfigured(f"HIS 语句目录不存在：{folder}")
    found: dict[SubjectName, Statement] = {}
    wrong: dict[SubjectName, str] = {}
    for name, subject in SUBJECTS.items():
        file = folder / subject.file
        if not file.is_file():
            continue
        try:
            found[name] = parse(name, file, _content(file))
        except HisMisconfigured as error:
            wrong[name] = str(error)
    if not found and not wrong:
        raise HisMisconfigured(f"{folder} 中没有语句，应有 {'、'.join(s.file for s in SUBJECTS.values())} 中的若干个")
    return found, wrong


def strange_files(folder: Path) -> tuple[str, ...]:
    """Files that look like statements and are none: a misspelt name would otherwise go unnoticed."""
    known = {subject.file for subject in SUBJECTS.values()}
    return tuple(sorted(file.name for file in folder.glob("*.sql") if file.name not in known))


def _content(file: Path) -> str:
    """Text of a file as editors on Windows write it: UTF-8 with or without a mark, or GBK."""
    raw = file.read_bytes()
    for charset in ("utf-8-sig", "gb18030"):
        try:
            return raw.decode(charset)
        except UnicodeDecodeError:
            continue
    raise HisMisconfigured(f"{file.name} 既不是 UTF-8 也不是 GBK")


def parse(subject: SubjectName, file: Path, text: str) -> Statement:
    """One statement.

    Raises:
        HisMisconfigured: empty, more than one statement, no SELECT, a word that changes something, another parameter.
    """
    if len(text) > STATEMENT_CHARS_MAX:
        raise HisMisconfigured(f"{file.name} 超过 {STATEMENT_CHARS_MAX} 字")
    parts: list[str] = []
    words: list[str] = []
    uses_since = False
    for kind, token in _tokens(text, file):
        words += [token.upper()] if kind == "word" else []
        uses_since |= kind == "parameter"
        parts.append(token)
    if not words:
        raise HisMisconfigured(f"{file.name} 是空的")
    if words[0] not in ("SELECT", "WITH"):
        raise HisMisconfigured(f"{file.name} 应以 SELECT 开头，现为 {words[0][:20]}")
    if bad := sorted(set(words) & _FORBIDDEN):
        raise HisMisconfigured(f"{file.name} 只能是一条查询，不能含 {'、'.join(bad)}；若是列名请加引号")
    sql = "".join(parts).strip()
    return Statement(subject, file, sql, uses_since, words[0] == "WITH")


def _tokens(text: str, file: Path) -> Iterator[tuple[str, str]]:
    ended = False
    for found in _TOKEN.finditer(text):
        kind, token = found.lastgroup or "other", found.group()
        kind = "quoted" if kind == "mark" else kind
        if kind in ("space", "comment"):
            yield "space", " " if kind == "comment" else token
            continue
        if ended:
            raise HisMisconfigured(f"{file.name} 只能有一条语句，分号之后还有内容")
        if kind == "end":
            ended = True
            continue
        yield kind, _written(kind, token, file)


def _written(kind: str, token: str, file: Path) -> str:
    """A token as SQLAlchemy's ``text`` must get it."""
    if kind == "dollar":
        raise HisMisconfigured(f"{file.name} 不能用 $$ 引号")
    if kind == "other" and re.match("['\"`]", token):
        raise HisMisconfigured(f"{file.name} 有引号没有配对")
    if kind == "parameter":
        if token[1:].lower() != CHANGED_SINCE:
            raise HisMisconfigured(f"{file.name} 只能用参数 :{CHANGED_SINCE}，现有 {token[:40]}")
        return f":{CHANGED_SINCE}"
    return token if kind == "cast" else token.replace(":", r"\:")


def by_name(statements: Mapping[SubjectName, Statement], subject: SubjectName) -> Statement:
    """The statement of a subject. Raises ``HisMisconfigured`` where the hospital wrote none."""
    if subject not in statements:
        raise HisMisconfigured(f"没有可用的 {SUBJECTS[subject].file}（{SUBJECTS[subject].label}）")
    return statements[subject]
