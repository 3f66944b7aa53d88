"""Templates and the menu."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from gateway.console import shown
from gateway.console.area import Area, MenuItem
from gateway.console.rights import Role

FOLDER: Final = Path(__file__).parent
STATIC: Final = FOLDER / "static"


class Pages:
    """Renders templates; everything in them is escaped, what is not there is an error.

    Args:
        areas: whose menu lines are shown.
    """

    def __init__(self, areas: Sequence[Area]) -> None:
        self._menu = [item for area in areas for item in area.menu]
        self._jinja = Environment(
            loader=FileSystemLoader(FOLDER),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._jinja.filters |= shown.FILTERS
        self._jinja.globals |= {"static": _static(_files())}

    def render(self, template: str, **values: Any) -> str:
        """The text of a page."""
        return self._jinja.get_template(template).render(**values)

    def menu_of(self, role: Role) -> list[MenuItem]:
        """The lines that a role may open."""
        return [item for item in self._menu if role.may(item.right)]


def _files() -> Iterable[Path]:
    return (path for path in STATIC.rglob("*") if path.is_file())


def _static(files: Iterable[Path]) -> Any:
    marks = {path.relative_to(STATIC).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()[:12] for path in files}

    def address(name: str) -> str:
        """With the content's mark, so that browsers may keep it for ever and still see a new version at once."""
        return f"/static/{name}?v={marks[name]}"

    return address
