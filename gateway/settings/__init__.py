"""Configuration, read once into one frozen object. The only reader of the environment.

Sources, the first wins: environment (``YIBAO_PLATFORM__URL=...``), the TOML file, the defaults written here.
A secret is written as ``file:/path``, ``env:NAME`` or, outside production, as plain text.
"""

from __future__ import annotations

from gateway.settings.clients import ClientSettings, Limits
from gateway.settings.his import His
from gateway.settings.jobs import CatalogTimes, JobTimes
from gateway.settings.listen import Listen, Listener, Tls
from gateway.settings.operating import AlertSettings
from gateway.settings.parts import SettingsError, Workstation
from gateway.settings.platform import Callbacks, Platform
from gateway.settings.reading import read_settings, sources
from gateway.settings.store import Retention
from gateway.settings.whole import Settings

__all__ = [
    "AlertSettings",
    "Callbacks",
    "CatalogTimes",
    "ClientSettings",
    "His",
    "JobTimes",
    "Limits",
    "Listen",
    "Listener",
    "Platform",
    "Retention",
    "Settings",
    "SettingsError",
    "Tls",
    "Workstation",
    "read_settings",
    "sources",
]
