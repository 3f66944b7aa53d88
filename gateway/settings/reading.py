"""Reads the configuration from file and environment, and says where each setting came from."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gateway.settings.parts import SettingsError
from gateway.settings.whole import Settings

SECRET_FIELDS = (
    "tif_secret",
    "api_secret_key",
    "apikey",
    "client_secret",
    "private_key",
    "sm4_key",
    "app_secret",
    "password",
    "api_key",
)


def _plain_secrets(document: Any, path: str = "") -> list[str]:
    """Paths of secrets written as plain text in a configuration document."""
    if isinstance(document, list):
        return [hit for index, item in enumerate(document) for hit in _plain_secrets(item, f"{path}[{index}]")]
    if not isinstance(document, dict):
        return []
    hits: list[str] = []
    for key, value in document.items():
        where = f"{path}.{key}" if path else key
        if key in SECRET_FIELDS and isinstance(value, str) and value and not value.startswith(("file:", "env:")):
            hits.append(where)
        hits += _plain_secrets(value, where)
    return hits


def read_settings(path: Path | None = None) -> Settings:
    """Read the configuration.

    Args:
        path: TOML file; without it ``YIBAO_CONFIG``, else defaults and environment alone.

    Raises:
        SettingsError: names every setting that is wrong and what to set.
    """
    path = path or (Path(os.environ["YIBAO_CONFIG"]) if os.environ.get("YIBAO_CONFIG") else None)
    if path is not None and not path.is_file():
        raise SettingsError(f"配置文件不存在：{path}")
    document = _read_toml(path) if path else {}
    settings_class = type("Settings", (Settings,), {"model_config": Settings.model_config | {"toml_file": path}})
    try:
        settings: Settings = settings_class()
    except ValidationError as error:
        raise SettingsError(_explain(error, path)) from None
    plain = _plain_secrets(document)
    if settings.production and plain:
        raise SettingsError(f"生产环境的密钥不能写在配置文件里：{'、'.join(plain)}；请写成 file:/路径 或 env:变量名")
    return settings


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"配置文件 {path} 不是合法的 TOML：{error}") from None


def _explain(error: ValidationError, path: Path | None) -> str:
    lines = [f"配置错误（{path or '环境变量与缺省值'}）："]
    for item in error.errors(include_url=False, include_input=False):
        where = ".".join(str(part) for part in item["loc"]) or "（整体）"
        lines.append(f"  {where}: {item['msg'].removeprefix('Value error, ')}")
    return "\n".join(lines)


def sources(path: Path | None) -> dict[str, str]:
    """For ``yibao config show --why``: dotted setting -> ``environment`` or the file; what is absent is a default."""
    document = _read_toml(path) if path else {}
    found = dict.fromkeys(_leaves(document), str(path))
    for name in os.environ:
        if name.startswith("YIBAO_") and name != "YIBAO_CONFIG":
            found[name.removeprefix("YIBAO_").lower().replace("__", ".")] = f"environment {name}"
    return found


def _leaves(document: dict[str, Any], prefix: str = "") -> list[str]:
    names: list[str] = []
    for key, value in document.items():
        names += _leaves(value, f"{prefix}{key}.") if isinstance(value, dict) else [f"{prefix}{key}"]
    return names
