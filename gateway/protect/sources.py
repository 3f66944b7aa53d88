"""Where the keyring comes from: a file or the environment. Never the configuration file, never the store."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from gateway.protect.keyring import Cipher, Keyring, KeyringError

OWNER_ONLY = 0o600


class KeySource(Protocol):
    """Gives the keyring as it is now; asked again when the store names a version that is not known yet."""

    def read(self) -> Keyring:
        """Raises :class:`KeyringError`."""
        ...


class KeyFile:
    """A keyring in a file that only its owner reads."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Keyring:
        try:
            others = os.name == "posix" and self.path.stat().st_mode & 0o077
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise KeyringError(f"密钥文件 {self.path} 不存在；新建请用 yibao keys new {self.path}") from None
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "不是 UTF-8 文本"
            raise KeyringError(f"密钥文件 {self.path} 无法读取：{reason}") from None
        if others:
            raise KeyringError(f"密钥文件 {self.path} 其他用户也可读写；请先 chmod 600 {self.path}")
        try:
            return Keyring.parse(text)
        except KeyringError as error:
            raise KeyringError(f"密钥文件 {self.path}：{error}") from None

    def write(self, keyring: Keyring) -> None:
        """Replace the file as a whole; whoever reads meanwhile sees the old or the new one. Raises OSError."""
        part = self.path.with_name(f".{self.path.name}.part")
        _write_private(part, keyring.text(), os.O_TRUNC)
        part.replace(self.path)


class EnvironmentKeys:
    """A keyring in an environment variable; changed by starting anew."""

    def __init__(self, name: str) -> None:
        self.name = name

    def read(self) -> Keyring:
        text = os.environ.get(self.name)
        if text is None:
            raise KeyringError(f"环境变量 {self.name} 未设置；它应当是 yibao keys new 所生成文件的内容")
        try:
            return Keyring.parse(text)
        except KeyringError as error:
            raise KeyringError(f"环境变量 {self.name}：{error}") from None


def source_of(where: str) -> KeySource | None:
    """What a setting names: ``file:/path``, ``env:NAME``, None for nothing. Raises :class:`KeyringError` on anything else."""
    kind, _, rest = where.partition(":")
    if not where:
        return None
    if kind == "file" and rest:
        return KeyFile(Path(rest))
    if kind == "env" and rest:
        return EnvironmentKeys(rest)
    raise KeyringError("protect.keys 应写作 file:/路径 或 env:变量名；密钥本身不能写在配置文件里")


def new_file(path: Path, suite: Cipher) -> KeyFile:
    """Make a file with fresh keys. Raises :class:`KeyringError` when there is one already, OSError when it cannot be made."""
    try:
        _write_private(path, Keyring.new(suite).text(), os.O_EXCL)
    except FileExistsError:
        raise KeyringError(f"{path} 已存在，没有改动：覆盖密钥会使已加密的数据无法恢复") from None
    return KeyFile(path)


def _write_private(path: Path, text: str, how: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # its rights before its content
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | how, OWNER_ONLY)
    with os.fdopen(handle, "w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
