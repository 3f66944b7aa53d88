"""Makes every process that has this folder on its path a program of the next version."""

from pathlib import Path

from gateway.store import _migrate

_migrate.VERSIONS.append(Path(__file__).parents[1] / "versions")
