"""Date patterns as hospital systems write them (``yyyyMMddHHmmss``, ``yyyy-MM-dd'T'HH:mm``) to and from the national forms."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

_TOKEN = re.compile(r"'(?:[^']|'')*'|([A-Za-z])\1*|[^A-Za-z']")
_PARTS = {
    "yyyy": ("year", r"[0-9]{4}"),
    "MM": ("month", r"[0-9]{2}"),
    "M": ("month", r"[0-9]{1,2}"),
    "dd": ("day", r"[0-9]{2}"),
    "d": ("day", r"[0-9]{1,2}"),
    "HH": ("hour", r"[0-9]{2}"),
    "H": ("hour", r"[0-9]{1,2}"),
    "mm": ("minute", r"[0-9]{2}"),
    "m": ("minute", r"[0-9]{1,2}"),
    "ss": ("second", r"[0-9]{2}"),
    "s": ("second", r"[0-9]{1,2}"),
    "SSS": ("millisecond", r"[0-9]{3}"),
}


@dataclass(frozen=True, slots=True)
class DatePattern:
    """A compiled pattern; reads and writes local time without a zone."""

    text: str
    _regex: re.Pattern[str]
    _pieces: tuple[tuple[str, str], ...]
    """(part name, letters) for a date part, ("", literal) for what stands between."""

    def read(self, value: str) -> datetime | None:
        """The moment ``value`` names, or None when it does not fit the pattern or the calendar."""
        match = self._regex.fullmatch(value)
        if match is None:
            return None
        found = {name: int(digits) for name, digits in match.groupdict().items()}
        microsecond = found.pop("millisecond", 0) * 1000
        try:
            return datetime(**found, microsecond=microsecond)  # type: ignore[arg-type]  # noqa: DTZ001  national times are local
        except ValueError:
            return None

    def write(self, moment: datetime) -> str:
        """``moment`` in this pattern."""
        return "".join(_written(moment, name, letters) for name, letters in self._pieces)


def _written(moment: datetime, name: str, letters: str) -> str:
    if not name:
        return letters
    number = moment.microsecond // 1000 if name == "millisecond" else getattr(moment, name)
    return f"{number:0{len(letters)}d}"


def compile_pattern(text: str) -> DatePattern:
    """Compile a pattern of yyyy, M/MM, d/dd, H/HH, m/mm, s/ss, SSS, quoted text and punctuation.

    Raises:
        ValueError: Chinese text that says what is wrong with the pattern.
    """
    pieces = _pieces(text)
    names = [name for name, _ in pieces if name]
    for name, label in (("year", "年 yyyy"), ("month", "月 MM"), ("day", "日 dd")):
        if name not in names:
            raise ValueError(f"日期格式“{text}”缺少{label}")
    if len(set(names)) != len(names):
        raise ValueError(f"日期格式“{text}”中同一部分出现两次")
    shapes = {letters: shape for letters, (_, shape) in _PARTS.items()}
    regex = "".join(f"(?P<{name}>{shapes[letters]})" if name else re.escape(letters) for name, letters in pieces)
    return DatePattern(text, re.compile(regex), pieces)


def _pieces(text: str) -> tuple[tuple[str, str], ...]:
    pieces, at = [], 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            raise ValueError(f"日期格式“{text}”的引号不成对")
        pieces.append(_piece(token.group(), text))
        at = token.end()
    return tuple(pieces)


def _piece(token: str, text: str) -> tuple[str, str]:
    if token.startswith("'"):
        return ("", token[1:-1].replace("''", "'") or "'")
    if not token[0].isalpha() or not token.isascii():
        return ("", token)
    if token not in _PARTS:
        raise ValueError(f"日期格式“{text}”中的“{token}”不认识（可用：{'、'.join(_PARTS)}；文字请加单引号）")
    return (_PARTS[token][0], token)


NATIONAL_DATE = compile_pattern("yyyy-MM-dd")
NATIONAL_DATETIME = compile_pattern("yyyy-MM-dd HH:mm:ss")
NATIONAL_READ = (
    NATIONAL_DATETIME,
    NATIONAL_DATE,
    compile_pattern("yyyy-MM-dd HH:mm:ss.SSS"),
    compile_pattern("yyyy-MM-dd'T'HH:mm:ss"),
    compile_pattern("yyyy-MM-dd HH:mm"),
)
"""What platforms answer where the tables say ``date`` or ``datetime``."""
