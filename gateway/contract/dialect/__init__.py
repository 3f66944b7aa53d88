"""Hospital dialects: the closed set of verbs that turns a hospital's messages into national ones and back (pure)."""

from gateway.contract.dialect.build import HEADER, DialectFlawed, Flaw, build_dialect
from gateway.contract.dialect.envelope import Dialect
from gateway.contract.dialect.model import DialectCall, DialectRefused, Operation
from gateway.contract.dialect.trace import Carried, Spot, leaves

__all__ = [
    "HEADER",
    "Carried",
    "Dialect",
    "DialectCall",
    "DialectFlawed",
    "DialectRefused",
    "Flaw",
    "Operation",
    "Spot",
    "build_dialect",
    "leaves",
]
