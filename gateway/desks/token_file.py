"""The token of the console's desk, kept beside a SQLite store for the command ``yibao users`` of the same machine.

Whoever can read this file can read the store beside it, so it gives nobody more than they have. On PostgreSQL the
command writes to the store itself and needs no token.
"""

from __future__ import annotations

import os
from pathlib import Path

from sqlalchemy import make_url


def _path(store_url: str) -> Path | None:
    url = make_url(store_url)
    if url.get_backend_name() != "sqlite" or not url.database:
        return None
    return Path(f"{url.database}.console")


def keep(store_url: str, token: str) -> None:
    """Write the token of this start, readable by the owner only; without one (no console) nothing is written."""
    path = _path(store_url)
    if path is None or not token:
        return
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(token)


def read(store_url: str) -> str:
    """The token of the process that serves this store, or of one that did; empty when there is none."""
    path = _path(store_url)
    return path.read_text(encoding="ascii") if path is not None and path.is_file() else ""
