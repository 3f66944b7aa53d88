"""conf/gateway.toml names every setting, and the defaults it shows are the defaults."""

from __future__ import annotations

import re
import tomllib
import types
from pathlib import Path
from typing import Any, Union, get_args, get_origin

import pytest
from pydantic import BaseModel, SecretStr

from gateway.settings import ClientSettings, Settings, SettingsError, read_settings

TEMPLATE = Path(__file__).resolve().parents[1] / "conf" / "gateway.toml"
LINES = TEMPLATE.read_text(encoding="utf-8").splitlines()


def shown(kind: str) -> dict[str, Any]:
    """The template with its default lines (``#key = value``) or its examples (``#: ...``) made real."""
    start = {"defaults": re.compile(r"#(?=[a-z0-9_]+ = )"), "examples": re.compile(r"#: ")}[kind]
    return tomllib.loads("\n".join(start.sub("", line, count=1) if start.match(line) else line for line in LINES))


def parts(annotation: Any) -> list[type[BaseModel]]:
    """The settings groups inside an annotation such as ``tuple[Listener, ...] | None``."""
    if isinstance(annotation, type) and not get_origin(annotation):
        return [annotation] if issubclass(annotation, BaseModel) else []
    if get_origin(annotation) in (tuple, Union, types.UnionType):
        return [part for each in get_args(annotation) for part in parts(each)]
    return []


def names(model: type[BaseModel]) -> set[str]:
    found: set[str] = set()
    for name, field in model.model_fields.items():
        found.add(name)
        for part in parts(field.annotation):
            found |= names(part)
    return found


def keys(document: Any) -> set[str]:
    if isinstance(document, list):
        return {key for each in document for key in keys(each)}
    if not isinstance(document, dict):
        return set()
    return set(document) | {key for value in document.values() for key in keys(value)}


def test_every_setting_is_in_the_template_and_nothing_else() -> None:
    free = {"2207", "infno", "request"}  # keys of platform.paths and platform.soap.arguments
    free |= {"SL-048", "SL-048A", "SL-070"}  # rules in settlement_list.levels
    assert (keys(shown("defaults")) | keys(shown("examples"))) - free == names(Settings)


def plain(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return str(value) if isinstance(value, Path) else value


def differences(document: dict[str, Any], model: BaseModel, path: str = "") -> list[str]:
    found: list[str] = []
    for key, value in document.items():
        actual = plain(getattr(model, key))
        if isinstance(actual, BaseModel):
            found += differences(value, actual, f"{path}{key}.")
        elif (list(actual) if isinstance(actual, tuple) else actual) != value:
            found.append(f"{path}{key}: {value!r} is shown, {actual!r} is the default")
    return found


def test_the_defaults_it_shows_are_the_defaults() -> None:
    client = ClientSettings(name="a", addresses=("10.0.0.0/8",))
    assert differences(shown("defaults"), Settings.model_construct(clients=(client,))) == []


def test_as_it_stands_it_refuses_to_start_and_says_what_to_set() -> None:
    with pytest.raises(SettingsError, match=r"\[\[clients\]\]"):
        read_settings(TEMPLATE)


def test_its_examples_are_a_production_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "tif.secret",
        "api.secret",
        "apikey.secret",
        "his.password",
        "his-database.password",
        "oauth.secret",
        "oauth.password",
        "sm2.key",
        "sm4.key",
        "app.secret",
        "soap.password",
    ):
        (tmp_path / name).write_text("secret\n", encoding="utf-8")
    monkeypatch.setenv("YIBAO_LIS_KEY", "key")
    text = "\n".join(re.sub("^#: ", "", line) for line in LINES).replace("file:/etc/yibao/", f"file:{tmp_path}/")
    (tmp_path / "gateway.toml").write_text(text, encoding="utf-8")
    settings = read_settings(tmp_path / "gateway.toml")
    assert settings.production
    assert [client.name for client in settings.clients] == ["his", "lis"]
    assert settings.protect.keys == f"file:{tmp_path}/keys.toml"
