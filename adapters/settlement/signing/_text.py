"""What travels as an HTTP header must be writable as one."""

from __future__ import annotations


def header_text(value: str, name: str) -> str:
    """``value`` as it is; raises ValueError that names the setting when it cannot be written as a header."""
    if not value:
        raise ValueError(f"缺少{name}")
    if not (value.isascii() and value.isprintable() and value == value.strip()):
        raise ValueError(f"{name}只能是可打印的 ASCII 字符，首尾不含空格")
    return value
