"""A print as a page for the browser: complete in itself, printed on the same paper as the PDF."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.vouchers.sheet import PAPERS, Print

if TYPE_CHECKING:
    from jinja2 import Template

_TEMPLATES: Final = Path(__file__).parent / "templates"
POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""``Content-Security-Policy`` of a page: it needs nothing but its own style."""


def page(print_: Print) -> str:
    """HTML; every value is escaped."""
    paper = PAPERS[print_.sheet.kind]
    return _template().render(shown=print_, sheet=print_.sheet, paper="A5 landscape" if paper == "A5" else paper)


@cache
def _template() -> Template:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # most gateways never print

    environment = Environment(loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined)
    return environment.get_template("voucher.html")
