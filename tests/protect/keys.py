"""Keys for tests."""

from __future__ import annotations

from gateway.protect import Cipher, Keyring


class MemoryKeys:
    """A source of keys that lives as long as the test; a file would do, slower."""

    def __init__(self, suite: Cipher = Cipher.AES) -> None:
        self.suite = suite
        self.keyring = Keyring.new(suite)

    def read(self) -> Keyring:
        return self.keyring

    def grow(self, *, data: bool = True, hashes: bool = True) -> None:
        self.keyring = self.keyring.grown(self.suite, data=data, hashes=hashes)
