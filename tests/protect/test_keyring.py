"""The keyring as a text, and where it comes from."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from gateway.protect import Cipher, EnvironmentKeys, KeyFile, Keyring, KeyringError, new_file, source_of


@pytest.mark.parametrize("suite", list(Cipher))
def test_it_reads_what_it_wrote(suite: Cipher) -> None:
    ring = Keyring.new(suite).grown(Cipher.AES, data=True, hashes=False).grown(Cipher.SM4, data=True, hashes=True)
    assert Keyring.parse(ring.text()) == ring
    assert (sorted(ring.data), sorted(ring.hash)) == ([1, 2, 3], [1, 2])
    assert len(set(ring.fingerprints().values())) == len(ring.fingerprints()) == 7


def test_it_never_shows_a_key() -> None:
    ring = Keyring.new(Cipher.AES)
    assert repr(ring.fence.secret)[2:-1] not in repr(ring)
    damaged = ring.text().replace('key = "', 'key = "!')
    with pytest.raises(KeyringError) as caught:
        Keyring.parse(damaged)
    assert all(part not in str(caught.value) for part in damaged.split('"') if len(part) > 30 and "\n" not in part)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[fence]", "[fenced]"),
        ("[data.1]", "[data.0]"),
        ("[data.1]", "[data.x]"),
        ("[hash.1]", "[hash]"),
        ('suite = "aes-gcm"', 'suite = "rot13"'),
        ('key = "', 'key = "QUJD'),
        ("[audit]", "[audit"),
        ("suite", "suit"),
    ],
)
def test_a_text_that_is_none_is_refused(old: str, new: str) -> None:
    text = Keyring.new(Cipher.AES).text()
    assert old in text
    with pytest.raises(KeyringError, match="密钥"):
        Keyring.parse(text.replace(old, new))


def test_a_file_is_made_once_and_for_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "keys.toml"
    made = new_file(path, Cipher.AES)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = made.read()
    with pytest.raises(KeyringError, match="已存在"):
        new_file(path, Cipher.AES)
    assert made.read() == before
    made.write(before.grown(Cipher.SM4, data=True, hashes=True))
    assert max(made.read().data) == 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["keys.toml"]
    path.chmod(0o640)
    with pytest.raises(KeyringError, match="chmod 600"):
        made.read()


def test_what_cannot_be_read_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KeyringError, match="yibao keys new"):
        KeyFile(tmp_path / "none").read()
    (tmp_path / "folder").mkdir(mode=0o700)
    with pytest.raises(KeyringError, match="无法读取"):
        KeyFile(tmp_path / "folder").read()
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "bytes").chmod(0o600)
    with pytest.raises(KeyringError, match="UTF-8"):
        KeyFile(tmp_path / "bytes").read()
    monkeypatch.delenv("YB_KEYS", raising=False)
    with pytest.raises(KeyringError, match="YB_KEYS 未设置"):
        EnvironmentKeys("YB_KEYS").read()
    ring = Keyring.new(Cipher.AES)
    monkeypatch.setenv("YB_KEYS", ring.text())
    source = source_of("env:YB_KEYS")
    assert source is not None
    assert source.read() == ring
    assert source_of("") is None
    for wrong in ("file:", "env:", "keys.toml", "plain:abc"):
        with pytest.raises(KeyringError, match=r"protect\.keys"):
            source_of(wrong)
