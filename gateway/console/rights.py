"""What each role may do: a checked file, and the names of the rights that pages declare."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

SIGNED_IN: Final = ""
"""The right of pages that everybody who is signed in may see (own password, sign-out)."""


class RightsError(Exception):
    """The rights file cannot be used; the Chinese text says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Role:
    """One role of the hospital. ``rights`` are names such as ``exchange.body``."""

    name: str
    title: str
    rights: frozenset[str]

    def may(self, right: str) -> bool:
        """Whether the role has it; everybody has :data:`SIGNED_IN`."""
        return right == SIGNED_IN or right in self.rights


NOBODY: Final = Role("", "（角色已取消）", frozenset())
"""Stands for a role that the file no longer has: its users may change their password and sign out."""


def read_rights(path: Path, known: Iterable[str]) -> Mapping[str, Role]:
    """The roles by name.

    Args:
        path: YAML, see ``conf/rights.yaml``.
        known: every right that a page asks for.

    Raises:
        RightsError: unreadable, another shape, a right that no page knows, or one that nobody has.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RightsError(f"权限文件 {path} 无法读取：{error.strerror or error}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RightsError(f"权限文件 {path} 不是合法的 YAML：{error}") from None
    roles = document.get("roles") if isinstance(document, dict) and set(document) == {"roles"} else None
    if not isinstance(roles, dict) or not roles:
        raise RightsError(f"权限文件 {path} 应只有 roles，其下每个角色有 title 与 rights")
    every = frozenset(known)
    found = {str(name): _role(path, str(name), entry, every) for name, entry in roles.items()}
    missing = every - frozenset().union(*(role.rights for role in found.values()))
    if missing:
        raise RightsError(f"权限文件 {path}：没有角色拥有 {'、'.join(sorted(missing))}")
    return found


def _role(path: Path, name: str, entry: Any, known: frozenset[str]) -> Role:
    if not isinstance(entry, dict) or set(entry) != {"title", "rights"} or not isinstance(entry["rights"], list):
        raise RightsError(f"权限文件 {path}：角色 {name} 应恰有 title 与 rights（列表）")
    rights = frozenset(map(str, entry["rights"]))
    if strange := rights - known:
        raise RightsError(
            f"权限文件 {path}：角色 {name} 的权限 {'、'.join(sorted(strange))} 不存在；可用：{'、'.join(sorted(known))}"
        )
    return Role(name, str(entry["title"]), rights)
