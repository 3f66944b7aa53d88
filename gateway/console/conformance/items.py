"""The items of the checklist: data with a schema (``mappings/conformance/items.yaml``)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import jsonschema_rs

from gateway.mappings import data_root, schema_error
from gateway.mappings.documents import read_yaml

FILE: Final = "conformance/items.yaml"


@dataclass(frozen=True, slots=True)
class Clause:
    """One thing that must hold.

    Args:
        kind: ``exists``, ``none``, ``course``, ``rows`` or ``asked_again``.
        wanted: as the file has it.
    """

    kind: str
    wanted: Any


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the checklist; every clause of ``proof`` must hold."""

    id: str
    title: str
    how: str
    proof: tuple[Clause, ...]
    optional: bool = False


def read_items(root: Path) -> tuple[Item, ...]:
    """The items in the order of the file.

    Args:
        root: the folder that holds ``mappings/``.

    Raises:
        MappingError: the file is not in the form of its schema, or names an item twice.
    """
    folder = root / "mappings"
    document = read_yaml(folder / FILE, f"mappings/{FILE}")
    schema = json.loads((folder / "schema" / "conformance.schema.json").read_bytes())
    for found in jsonschema_rs.validator_for(schema).iter_errors(document.value):
        raise schema_error(document, found)
    items = tuple(_item(one) for one in document.value["items"])
    names = [one.id for one in items]
    for number, name in enumerate(names):
        if name in names[:number]:
            raise document.error(("items", number, "id"), f"{name} 写了两次。")
    return items


def _item(one: Mapping[str, Any]) -> Item:
    proof = tuple(Clause(kind, wanted) for clause in one["proof"] for kind, wanted in clause.items())
    return Item(one["id"], one["title"], one["how"], proof, one.get("optional", False))


@cache
def items_in_force() -> tuple[Item, ...]:
    """The items that come with the program; read once."""
    return read_items(data_root())
