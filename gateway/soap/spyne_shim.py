"""Lets spyne 2.14.0 load on Python 3.11, 3.12 and 3.13; import this before anything of spyne.

spyne carries its own copy of ``six``, whose import hook Python 3.12 no longer understands, imports ``cgi``, deprecated
since 3.11 and gone in 3.13 (``legacy-cgi`` brings it back), and has invalid escapes in its texts. One behaviour on
every version: the external ``six`` stands in its place, and what loading spyne warns of is not shown.
"""

from __future__ import annotations

import importlib
import logging
import sys
import warnings
from operator import attrgetter
from types import ModuleType

SPYNE_VERSION = "2.14.0"

_MOVES = (
    ".moves",
    ".moves.collections_abc",
    ".moves.http_cookies",
    ".moves.urllib",
    ".moves.urllib.error",
    ".moves.urllib.parse",
    ".moves.urllib.request",
)
"""Every part of ``six.moves`` that some module of spyne imports."""

_SILENT = (
    "spyne.protocol.soap.soap11.invalid",  # the whole envelope of a request it cannot parse: patient data
    "spyne.application.server",  # what a handler raised: ``operations.dispatch`` raises it to the lane, which logs it
)
_USED = ("spyne", "spyne.application", "spyne.protocol.soap", "spyne.server.wsgi", "spyne.interface.wsdl")


def install() -> None:
    """Put ``six`` where spyne looks for its own copy, then load the parts of spyne the gateway uses. Idempotent.

    Raises:
        ImportError: another version of spyne is installed; the shim is written for one.
    """
    sys.modules.setdefault("spyne.util.six", _six())
    for part in _MOVES:
        sys.modules[f"spyne.util.six{part}"] = importlib.import_module(f"six{part}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in _USED:
            importlib.import_module(name)
    _check_version()
    for name in _SILENT:
        logging.getLogger(name).disabled = True


def _six() -> ModuleType:
    """``six`` with the one name that spyne's copy has and the original has not."""
    six = importlib.import_module("six")
    module = ModuleType("spyne.util.six", six.__doc__)
    vars(module).update({name: value for name, value in vars(six).items() if not name.startswith("__")})
    vars(module)["__path__"] = []
    vars(module)["get_function_name"] = attrgetter("__name__")
    return module


def _check_version() -> None:
    found = str(sys.modules["spyne"].__version__)
    if found != SPYNE_VERSION:
        raise ImportError(f"spyne {SPYNE_VERSION} is required, {found} is installed", name="spyne")


install()
