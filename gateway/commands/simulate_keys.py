"""Test keys for the families that need more than an account: made on the spot, and told as settings of the gateway."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from gateway.commands.terminal import Failed, explain
from gateway.simulator import sm
from gateway.simulator.sealing import EnvelopeSealing, GmSealing
from gateway.simulator.signature import TOKEN_PATH, TokenSigning
from gateway.simulator.soap import OPERATION, PATH, WsseSigning

KINDS: Final = ("oauth-sm", "gm", "soap")
KEYS: Final = "simulator-keys.json"
SETTINGS: Final = "platform.toml"
WSDL: Final = "settlement.wsdl"
_NAMES: Final = ("client_id", "client_secret", "username", "password", "app_id", "app_secret", "account")
_SM2_MAX: Final = 2**255
"""Well below the order of the curve, so that every number is a key."""


def keys_of(folder: Path | None) -> dict[str, str]:
    """The keys in ``folder``, made there when there are none; without a folder they are new each time.

    Raises:
        Failed: the folder cannot be read or written.
    """
    try:
        if folder is not None and (folder / KEYS).is_file():
            kept: dict[str, str] = json.loads((folder / KEYS).read_text(encoding="utf-8"))
            return kept
        made = {name: f"TEST{secrets.token_hex(6)}".upper() for name in _NAMES}
        made["app_id"] = made["app_id"].ljust(20, "0")
        made |= {side: f"{1 + secrets.randbelow(_SM2_MAX):064x}" for side in ("private_key", "platform_private_key")}
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            written = folder / KEYS
            written.touch(mode=0o600)
            written.write_text(json.dumps(made, indent=1), encoding="utf-8")
    except (OSError, ValueError) as error:
        raise Failed(f"测试密钥不能读写：{explain(error)}") from error
    return made


def simulated(kind: str, keys: Mapping[str, str]) -> dict[str, Any]:
    """The simulator's side of a family."""
    ours, theirs = sm.public_of(keys["private_key"]), keys["platform_private_key"]
    if kind == "oauth-sm":
        signing = TokenSigning(keys["client_id"], keys["client_secret"], keys["username"], keys["password"])
        return {"signing": signing, "sealing": EnvelopeSealing(ours, theirs, keys["client_id"].encode())}
    if kind == "gm":
        return {"sealing": GmSealing(keys["app_id"], keys["app_secret"], ours, theirs)}
    return {"soap": ("json", "utf-8"), "signing": WsseSigning({keys["account"]: keys["password"]})}


def settings_text(kind: str, keys: Mapping[str, str], url: str, folder: Path | None) -> str:
    """The gateway's side as TOML, for a configuration that is not production."""
    sections = {"oauth-sm": _oauth_sm, "gm": _gm, "soap": _soap}[kind](keys, url, folder)
    lines: list[str] = ["# 测试密钥，只用于模拟器；并入网关的配置文件（production = false）"]
    for section, values in sections.items():
        lines += ["", f"[{section}]", *(f"{name} = {_toml(value)}" for name, value in values.items())]
    return "\n".join(lines) + "\n"


def keep(folder: Path, text: str, wsdl: bytes | None) -> None:
    """Write the settings, and the description of a SOAP service, beside the keys. Raises :class:`Failed`."""
    try:
        (folder / SETTINGS).touch(mode=0o600)
        (folder / SETTINGS).write_text(text, encoding="utf-8")
        if wsdl is not None:
            (folder / WSDL).write_bytes(wsdl)
    except OSError as error:
        raise Failed(f"{folder} 不能写入：{explain(error)}") from error


def _oauth_sm(keys: Mapping[str, str], url: str, _: Path | None) -> dict[str, dict[str, Any]]:
    named = ("client_id", "client_secret", "username", "password")
    return {
        "platform": {"url": f"{url}/callService", "signing": "oauth-sm"},
        "platform.oauth": {"token_url": url + TOKEN_PATH, **{name: keys[name] for name in named}},
        "platform.sm": _sm(keys),
    }


def _gm(keys: Mapping[str, str], url: str, _: Path | None) -> dict[str, dict[str, Any]]:
    return {
        "platform": {"url": f"{url}/epc/api/fixmedins", "signing": "gm"},
        "platform.sm": {**_sm(keys), "app_id": keys["app_id"], "app_secret": keys["app_secret"]},
    }


def _soap(keys: Mapping[str, str], url: str, folder: Path | None) -> dict[str, dict[str, Any]]:
    call = {
        "wsdl": str((folder or Path()).absolute() / WSDL),
        "operation": OPERATION,
        "arguments": {"infno": "{infno}", "request": "{payload}"},
        "account": keys["account"],
        "password": keys["password"],
        "security": "digest",
    }
    return {"platform": {"url": url + PATH, "signing": "soap"}, "platform.soap": call}


def _sm(keys: Mapping[str, str]) -> dict[str, str]:
    return {
        "private_key": keys["private_key"],
        "platform_public_key": sm.public_of(keys["platform_private_key"]),
    }


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{name} = {_toml(item)}" for name, item in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)
