"""Migrations of the store. A new one is a copy of the newest with its own ``revision`` and ``down_revision``."""
