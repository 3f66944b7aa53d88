"""All tables of the interface: what they accept survives XML and JSON, and any single mistake is reported where it is."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from gateway import mappings
from gateway.contract.charset import encode_xml, label_of
from gateway.contract.codec import Codec, Message
from gateway.contract.interface import Interface
from gateway.contract.jsontext import dumps, loads, loads_strict
from gateway.contract.model import Field, Node, Problem, Side
from gateway.contract.xml import local, parse
from gateway.soap.services import _POSITIONAL

EXAMPLES = settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
ROWS_MAX = 2
TEXT_MAX = 12


@cache
def interface() -> Interface:
    return Interface(mappings.load("national"))


def codec(infno: str) -> Codec:
    return interface().input(infno)


INFNOS = sorted(mappings.load("national").transactions)

# ------------------------------------------------------------------ messages

CHARACTERS = st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff") | st.sampled_from(
    "\t\n\r<>&\"' 张三·𠮷😀"
)


def text(length: int | None) -> st.SearchStrategy[str]:
    return st.text(CHARACTERS, min_size=1, max_size=min(length or TEXT_MAX, TEXT_MAX))


def whole_digits(field: Field) -> int:
    return min((field.precision or 14) - (field.scale or 0), 14)


def decimals(field: Field) -> st.SearchStrategy[Decimal]:
    """Any amount that fits, with any number of the decimals it may have; minus nothing is nothing."""
    scale = field.scale if field.scale is not None else 6
    units = 10 ** (whole_digits(field) + scale) - 1

    def amount(unit: int, place: int) -> Decimal:
        rounded = Decimal(unit).scaleb(-scale).quantize(Decimal(1).scaleb(-place))
        return rounded or abs(rounded)

    return st.builds(amount, st.integers(-units // 10, units // 10), st.integers(0, scale))


def leaf(field: Field) -> st.SearchStrategy[Any]:
    if field.codes is not None:
        fitting = [
            value for value in interface().contract.codes[field.codes].values if len(value) <= (field.length or 99)
        ]
        return st.sampled_from(sorted(fitting))
    if field.type == "decimal":
        return decimals(field)
    if field.type == "integer":
        largest = 10 ** min(field.length or 18, 18) - 1
        return st.integers(-largest, largest)
    if field.type == "date":
        return st.dates().map(lambda day: day.isoformat())
    if field.type == "datetime":
        return st.datetimes().map(lambda moment: moment.isoformat(" ", "seconds"))
    return text(field.length)


def empty(field: Field) -> Any:
    return None if field.type in ("integer", "decimal") else ""


def fields_of(fields: tuple[Field, ...]) -> st.SearchStrategy[dict[str, Any]]:
    required = {field.name: leaf(field) for field in fields if field.required}
    optional = {field.name: leaf(field) | st.just(empty(field)) for field in fields if not field.required}
    return st.fixed_dictionaries(required, optional=optional)


def needed(node: Node) -> bool:
    """Whether the table demands something of a node that is left out."""
    return not node.optional and (
        any(field.required for field in node.fields) or any(needed(child) for child in node.children)
    )


def row_of(fields: tuple[Field, ...], nodes: tuple[Node, ...]) -> st.SearchStrategy[dict[str, Any]]:
    required = {node.name: node_of(node) for node in nodes if needed(node)}
    optional = {node.name: node_of(node) for node in nodes if not needed(node)}
    inner = st.fixed_dictionaries(required, optional=optional)
    return st.builds(lambda leaves, children: in_order({**leaves, **children}, fields, nodes), fields_of(fields), inner)


def in_order(row: dict[str, Any], fields: tuple[Field, ...], nodes: tuple[Node, ...]) -> dict[str, Any]:
    names = [field.name for field in fields] + [node.name for node in nodes]
    return {name: row[name] for name in names if name in row}


def node_of(node: Node) -> st.SearchStrategy[Any]:
    row = row_of(node.fields, node.children)
    # an empty row of XML is an empty row; an object with nothing in it is no information in a single node
    return st.lists(row, min_size=1, max_size=ROWS_MAX) if node.repeat else row


@cache
def messages(infno: str) -> st.SearchStrategy[Any]:
    side = interface().contract.transactions[infno].input
    row = row_of(side.root, side.nodes)
    return st.lists(row, min_size=1, max_size=ROWS_MAX) if side.root_repeat else row


ANY = st.sampled_from(INFNOS).flatmap(lambda infno: st.tuples(st.just(infno), messages(infno)))


def accepted(infno: str, message: Any) -> Message:
    typed, found = codec(infno).check(message)
    assert (found.problems, found.unknown, found.warnings) == ([], [], [])
    return typed


def same(left: Any, right: Any) -> bool:
    """Equal with digits: 1.5 and 1.50 are the same amount but not the same text. Order of fields counts too."""
    return bool(printed(left) == printed(right))


def printed(value: Any) -> Any:
    if isinstance(value, dict):
        return [(name, printed(item)) for name, item in value.items()]
    if isinstance(value, list):
        return [printed(item) for item in value]
    return format(Decimal(value), "f") if isinstance(value, int | Decimal) else value


# --------------------------------------------------------------- round trips


@given(ANY, st.sampled_from(["utf-8", "gb18030", "gbk", "utf-16"]))
@EXAMPLES
def test_what_is_accepted_survives_xml(given_: tuple[str, Any], charset: str) -> None:
    infno, message = given_
    typed = accepted(infno, message)
    assert same(typed, message)
    document = f'<?xml version="1.0" encoding="{label_of(charset)}"?><input>{codec(infno).write_xml(message)}</input>'
    root, _ = parse(encode_xml(document, charset), charset)
    assert same(accepted(infno, codec(infno).read_xml(root)), message)


@given(ANY, st.sampled_from(["utf-8", "gb18030", "utf-16"]))
@EXAMPLES
def test_what_is_accepted_survives_json(given_: tuple[str, Any], charset: str) -> None:
    infno, message = given_
    body = dumps(message)
    assert same(accepted(infno, loads(body)), message)
    assert same(accepted(infno, loads_strict(body.decode().encode(charset).decode(charset))), message)
    assert same(json.loads(body, parse_float=Decimal), message)


def minimal(infno: str) -> Any:
    """The smallest message a table accepts, written without chance."""
    side = interface().contract.transactions[infno].input
    return [_minimal_row(side.root, side.nodes)] if side.root_repeat else _minimal_row(side.root, side.nodes)


def _minimal_row(fields: tuple[Field, ...], nodes: tuple[Node, ...]) -> dict[str, Any]:
    row = {field.name: _plain(field) for field in fields if field.required}
    for node in nodes:
        if needed(node):
            inner = _minimal_row(node.fields, node.children)
            row[node.name] = [inner] if node.repeat else inner
    return row


def _plain(field: Field) -> Any:
    if field.codes is not None:
        return min(
            value for value in interface().contract.codes[field.codes].values if len(value) <= (field.length or 99)
        )
    plain: dict[str, Any] = {
        "decimal": Decimal(1),
        "integer": 1,
        "date": "2026-11-21",
        "datetime": "2026-11-21 10:00:00",
    }
    return plain.get(field.type, "1")


@pytest.mark.parametrize("infno", INFNOS)
def test_the_smallest_message_of_every_table_survives(infno: str) -> None:
    message = minimal(infno)
    assert same(accepted(infno, message), message)
    root, _ = parse(f"<input>{codec(infno).write_xml(message)}</input>".encode())
    assert same(accepted(infno, codec(infno).read_xml(root)), message)
    assert same(accepted(infno, loads(dumps(message))), message)


@pytest.mark.parametrize("infno", INFNOS)
def test_an_empty_message_names_everything_that_must_be_there(infno: str) -> None:
    _, found = codec(infno).check({})
    side = interface().contract.transactions[infno].input
    wanted = [("", field.name) for field in side.root if field.required]
    wanted += [(node.name, "") for node in side.nodes if needed(node)]
    assert [(problem.node, problem.field) for problem in found.problems] == wanted
    assert {problem.rule for problem in found.problems} <= {"required"}


def test_no_input_is_named_like_a_position() -> None:
    # the typed service refuses operations whose parameters are all positional
    for transaction in interface().contract.transactions.values():
        for name in (
            *(field.name for field in transaction.input.root),
            *(node.name for node in transaction.input.nodes),
        ):
            assert not _POSITIONAL.fullmatch(name) or name == "input", (transaction.infno, name)


# ----------------------------------------------------------------- mutations


@dataclass(frozen=True)
class Place:
    """A row of a message and its table: path of nodes, rows on it."""

    row: dict[str, Any]
    fields: tuple[Field, ...]
    nodes: tuple[Node, ...]
    path: str = ""
    number: str = ""


def places(message: Any, side: Side) -> Iterator[Place]:
    for row in message if isinstance(message, list) else [message]:
        yield from _places(Place(row, side.root, side.nodes))


def _places(here: Place) -> Iterator[Place]:
    yield here
    for node in here.nodes:
        value = here.row.get(node.name)
        for number, row in enumerate(value if isinstance(value, list) else [value] if value is not None else [], 1):
            path = f"{here.path}/{node.name}".lstrip("/")
            rows = f"{here.number}/{number}".lstrip("/") if node.repeat else here.number
            yield from _places(Place(row, node.fields, node.children, path, rows))


Mutate = Callable[[Place, Field], bool]
"""Breaks one field of a row; false when this field cannot be broken this way."""


def drop(place: Place, field: Field) -> bool:
    return field.required and place.row.pop(field.name, None) is not None


def blank(place: Place, field: Field) -> bool:
    place.row[field.name] = empty(field)
    return field.required


def too_long(place: Place, field: Field) -> bool:
    if field.type not in ("string", "text") or field.length is None:
        return False
    place.row[field.name] = "赵" * (field.length + 1)
    return True


def not_in_list(place: Place, field: Field) -> bool:
    place.row[field.name] = "^"
    return field.codes is not None and (field.length or 1) >= 1


def no_date(place: Place, field: Field) -> bool:
    place.row[field.name] = "2026-02-30" if field.type == "date" else "2026-02-30 10:00:00"
    return field.type in ("date", "datetime") and (field.length or 99) >= len(place.row[field.name])


def too_many_decimals(place: Place, field: Field) -> bool:
    if field.type != "decimal" or field.scale is None:
        return False
    place.row[field.name] = "0." + "0" * field.scale + "1"
    return True


def too_large(place: Place, field: Field) -> bool:
    if field.type != "decimal" or field.precision is None:
        return False
    place.row[field.name] = "1" + "0" * (field.precision - (field.scale or 0))
    return True


def no_number(place: Place, field: Field) -> bool:
    place.row[field.name] = "十"
    return field.type in ("integer", "decimal")


def fraction(place: Place, field: Field) -> bool:
    place.row[field.name] = "1.5"
    return field.type == "integer"


def number_for_text(place: Place, field: Field) -> bool:
    place.row[field.name] = 7
    return field.type in ("string", "text") and field.codes is None


def object_for_leaf(place: Place, field: Field) -> bool:
    place.row[field.name] = {"x": "1"}
    return True


def control_character(place: Place, field: Field) -> bool:
    place.row[field.name] = "\x0b"
    return field.type in ("string", "text") and field.codes is None


MUTATIONS: dict[str, tuple[Mutate, str]] = {
    "dropped": (drop, "required"),
    "blank": (blank, "required"),
    "too long": (too_long, "length"),
    "code outside its list": (not_in_list, "code"),
    "no such day": (no_date, "date"),
    "too many decimals": (too_many_decimals, "scale"),
    "too large": (too_large, "precision"),
    "no number": (no_number, "type"),
    "fraction": (fraction, "scale"),
    "number for text": (number_for_text, "type"),
    "object for a leaf": (object_for_leaf, "shape"),
    "control character": (control_character, "character"),
}


def candidates(message: Any, side: Side, mutate: Mutate) -> list[tuple[int, Field]]:
    """Where this mutation is possible: number of the place, field."""
    found = []
    for index, place in enumerate(places(message, side)):
        for field in place.fields:
            trial = Place(dict(place.row), place.fields, place.nodes)
            if mutate(trial, field):
                found.append((index, field))
    return found


@cache
def infnos_for(kind: str) -> list[str]:
    """Transactions whose smallest message can be broken this way."""
    mutate, _ = MUTATIONS[kind]
    transactions = interface().contract.transactions
    return [infno for infno in INFNOS if candidates(minimal(infno), transactions[infno].input, mutate)]


@pytest.mark.parametrize("kind", MUTATIONS)
@given(data=st.data())
@settings(EXAMPLES, max_examples=15)
def test_one_mistake_is_reported_where_it_is_and_nothing_else(kind: str, data: st.DataObject) -> None:
    mutate, rule = MUTATIONS[kind]
    infno = data.draw(st.sampled_from(infnos_for(kind)))
    side = interface().contract.transactions[infno].input
    message = copy.deepcopy(data.draw(messages(infno)))
    index, field = data.draw(st.sampled_from(candidates(message, side, mutate)))
    place = list(places(message, side))[index]
    assert mutate(place, field)
    (problem,) = problems(infno, message)
    assert (problem.node, problem.row, problem.field, problem.rule) == (place.path, place.number, field.name, rule)
    assert problem.label == field.label
    assert field.name in problem.text
    assert problem.value == ("" if rule in ("required", "shape") else shown(place.row[field.name]))


def shown(value: Any) -> str:
    return str(value) if len(str(value)) <= 60 else f"{str(value)[:60]}…"


def problems(infno: str, message: Any) -> list[Problem]:
    _, found = codec(infno).check(message)
    assert found.unknown == []
    return found.problems


WITH_NODES = [
    infno for infno in INFNOS if any(needed(node) for node in interface().contract.transactions[infno].input.nodes)
]
SINGLE = [
    infno
    for infno in INFNOS
    if any(not node.repeat and needed(node) for node in interface().contract.transactions[infno].input.nodes)
]


@given(st.sampled_from(WITH_NODES).flatmap(lambda infno: st.tuples(st.just(infno), messages(infno))), st.data())
@EXAMPLES
def test_a_missing_node_is_reported(given_: tuple[str, Any], data: st.DataObject) -> None:
    infno, message = given_
    message = copy.deepcopy(message)
    side = interface().contract.transactions[infno].input
    where = [(place, node) for place in places(message, side) for node in place.nodes if needed(node)]
    place, node = data.draw(st.sampled_from(where))
    del place.row[node.name]
    (problem,) = problems(infno, message)
    path = f"{place.path}/{node.name}".lstrip("/")
    assert (problem.node, problem.row, problem.field, problem.rule) == (path, place.number, "", "required")


@given(st.sampled_from(SINGLE).flatmap(lambda infno: st.tuples(st.just(infno), messages(infno))), st.data())
@EXAMPLES
def test_a_doubled_node_is_reported(given_: tuple[str, Any], data: st.DataObject) -> None:
    infno, message = given_
    nodes = [node for node in interface().contract.transactions[infno].input.nodes if not node.repeat and needed(node)]
    node = data.draw(st.sampled_from(nodes))
    root, _ = parse(f"<input>{codec(infno).write_xml(message)}</input>".encode())
    double = next(child for child in root if local(child.tag) == node.name)
    root.append(copy.deepcopy(double))
    (problem,) = problems(infno, codec(infno).read_xml(root))
    assert (problem.node, problem.field, problem.rule) == (node.name, "", "repeat")


@given(ANY, st.data())
@EXAMPLES
def test_an_unknown_field_is_named_and_left_out(given_: tuple[str, Any], data: st.DataObject) -> None:
    infno, message = given_
    side = interface().contract.transactions[infno].input
    changed = copy.deepcopy(message)
    here = list(places(changed, side))
    assume(here)
    place = data.draw(st.sampled_from(here))
    place.row["x_unknown"] = data.draw(st.sampled_from(["", "1", {"a": "b"}, [{"a": "b"}], None]))
    typed, found = codec(infno).check(changed)
    assert (found.problems, found.unknown) == ([], [f"{place.path}/x_unknown".lstrip("/")])
    assert same(typed, message)
