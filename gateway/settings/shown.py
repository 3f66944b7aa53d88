"""Settings as they may be shown: dotted names, secrets hidden, and where each value comes from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from gateway.masking import mask_text


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """``listen.exchange.address`` and its value, for every setting; secrets as ``***``, passwords in URLs too."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from leaves(item, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list | tuple) and any(isinstance(item, dict) for item in value):
        for index, item in enumerate(value):
            yield from leaves(item, f"{name}[{index}]")
    else:
        yield name, _shown(value)


def _shown(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return "***" if value.get_secret_value() else ""
    if isinstance(value, str) and "://" in value:
        return mask_text(value)
    if isinstance(value, tuple):
        return list(value)
    return str(value) if isinstance(value, Path) else value


def origin_of(name: str, origin: dict[str, str]) -> str:
    """Where a setting comes from.

    Args:
        name: dotted; list items carry an index (``clients[0].name``).
        origin: of :func:`gateway.settings.sources`, where a list or an inline table may stand as a whole.
    """
    path = name
    while path:
        if path in origin:
            return origin[path].replace("environment ", "环境变量 ")
        path = path.rpartition("[")[0] if path.endswith("]") else path[: max(path.rfind("."), path.rfind("["), 0)]
    return "缺省值"
