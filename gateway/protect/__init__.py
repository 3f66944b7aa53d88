"""Personal data at rest: keys, sealing, keyed hashes. Knows nothing of tables; pure but for reading and writing key files.

keyring = KeyFile(Path("/etc/yibao/keys.toml")).read()
guard = Guard(keyring, InUse(data=1, hash=1, searched=(1,)))
"""

from gateway.protect.guard import Guard, InUse, KeysMissing, Plain, Sealing
from gateway.protect.keyring import Cipher, Keyring, KeyringError
from gateway.protect.sources import EnvironmentKeys, KeyFile, KeySource, new_file, source_of

__all__ = [
    "Cipher",
    "EnvironmentKeys",
    "Guard",
    "InUse",
    "KeyFile",
    "KeySource",
    "Keyring",
    "KeyringError",
    "KeysMissing",
    "Plain",
    "Sealing",
    "new_file",
    "source_of",
]
