from __future__ import annotations

from tests.clients.conftest import both

__all__ = ["both"]
