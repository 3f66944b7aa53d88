"""New SQLite stores without the migrations of each: they have run once for this process, and their file is copied."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from gateway.store import open_store


def new_sqlite(path: Path) -> str:
    """An empty store of today's version at ``path``; its URL. ``upgrade()`` still takes up the keys it is opened with."""
    shutil.copy(_migrated(), path)
    path.chmod(0o600)
    return f"sqlite:///{path}"


@cache
def _migrated() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="yibao-migrated-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    store = open_store(f"sqlite:///{folder / 'new.db'}", node="template")
    store.upgrade()
    store.close()
    return folder / "new.db"
