"""What a province changes: the verbs of ``mappings/provinces/<name>/province.yaml`` (schema ``province``).

A change never fails silently: naming a field, node or transaction that is not there, or adding one that is, is an error
with file and line, so that an overlay does not outlive the table it was written for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gateway.contract.model import Field, Node, Side, Transaction
from gateway.contract.tables import ROOT, Builder, Documents, Overlay, Path, Source, safety_class

Change = Mapping[str, Any]


@dataclass(slots=True)
class Changed:
    """The interface while overlays are laid over it."""

    transactions: dict[str, Transaction]
    request: tuple[Field, ...]
    response: tuple[Field, ...]
    settings: dict[str, Any]


class _RefusedError(Exception):
    """A change that cannot be made; the caller knows the line."""


def apply_overlays(documents: Documents, transactions: dict[str, Transaction], builder: Builder) -> Changed:
    """Lay the overlays of ``documents`` over ``transactions`` in order; problems go to ``builder.errors``."""
    envelope = documents.envelope
    request, response = (
        builder.fields(envelope.value[side]["fields"], envelope, (side, "fields")) for side in ("request", "response")
    )
    state = Changed(transactions, request, response, {})
    for overlay in documents.overlays:
        _OneOverlay(overlay, state, builder).apply()
    listed = state.settings.setdefault(
        "reversible_by_2601", [infno for infno, t in state.transactions.items() if t.reversible_by_2601]
    )
    # the safety class stays as it is: what one province does not reverse by 2601 is money all the same
    state.transactions = {i: replace(t, reversible_by_2601=i in listed) for i, t in state.transactions.items()}
    return state


class _OneOverlay:
    """One ``province.yaml`` with its own tables."""

    def __init__(self, overlay: Overlay, state: Changed, builder: Builder) -> None:
        self._overlay = overlay
        self._source = overlay.source
        self._state = state
        self._builder = builder

    def apply(self) -> None:
        self._own_tables()
        raw = self._source.value
        for numbers, change in raw.get("transactions", {}).items():
            for infno in numbers.split(", "):
                self._transaction(infno, change, ("transactions", numbers))
        for infno, change in raw.get("transactions", {}).items():
            self._check_target(change.get("send_as"), ("transactions", infno, "send_as"))
        self._envelope(raw.get("envelope", {}))
        self._settings(raw.get("settings", {}))

    def _error(self, at: Path, text: str) -> None:
        self._builder.errors.append(self._source.error(at, text))

    def _own_tables(self) -> None:
        for infno, source in self._overlay.tables.items():
            table = self._builder.transaction(infno, source)
            known = self._state.transactions.get(infno)
            self._state.transactions[infno] = _in_place_of(known, table) if known else _by_rule(table)

    def _transaction(self, infno: str, change: Change, at: Path) -> None:
        transaction = self._named(infno, change, at)
        if transaction is None:
            return
        transaction = replace(
            transaction,
            name=change.get("name", transaction.name),
            note=change.get("note", transaction.note),
            send_as=change.get("send_as", transaction.send_as),
            undone_by=change.get("undone_by", transaction.undone_by),
        )
        for index, one in enumerate(change.get("input", ())):
            side, row_key = self._side(transaction.input, one, (*at, "input", index), transaction.row_key)
            transaction = replace(transaction, input=side, row_key=row_key)
        for index, one in enumerate(change.get("output", ())):
            side, _ = self._side(transaction.output, one, (*at, "output", index), ())
            transaction = replace(transaction, output=side)
        self._state.transactions[infno] = transaction

    def _named(self, infno: str, change: Change, at: Path) -> Transaction | None:
        known = self._state.transactions.get(infno)
        like = change.get("like")
        if like is None:
            if known is None:
                self._error(at, f"交易 {infno} 不存在；若要新增，请写 like。")
            return known
        model = self._state.transactions.get(like)
        if known is not None:
            self._error((*at, "like"), f"交易 {infno} 已存在，不能再用 like 新增。")
        elif model is None:
            self._error((*at, "like"), f"like 所指的交易 {like} 不存在。")
        else:
            return replace(model, infno=infno, name=f"{model.name}（{infno}）", send_as=None)
        return None

    def _check_target(self, infno: str | None, at: Path) -> None:
        if infno is not None and infno not in self._state.transactions:
            self._error(at, f"交易 {infno} 不存在。")

    def _side(self, side: Side, change: Change, at: Path, row_key: tuple[str, ...]) -> tuple[Side, tuple[str, ...]]:
        top = Node(ROOT, "", repeat=side.root_repeat, fields=side.root, children=side.nodes)
        try:
            verb = _verb(change, _SIDE_VERBS)
            path = _node_path(top, change, verb)
            build = _Build(self._builder, self._source, at)
            changed = _at(top, path, lambda node: _SIDE_VERBS[verb](node, change, build))
        except _RefusedError as refused:
            self._error(at, str(refused))
            return side, row_key
        return Side(changed.fields, changed.children, changed.repeat), _renamed_key(row_key, path, change, verb)

    def _envelope(self, raw: Mapping[str, Sequence[Change]]) -> None:
        for part, changes in raw.items():
            node = Node(part, "", repeat=False, fields=getattr(self._state, part))
            for index, change in enumerate(changes):
                at: Path = ("envelope", part, index)
                try:
                    verb = _verb(change, _FIELD_VERBS)
                    node = _FIELD_VERBS[verb](node, change, _Build(self._builder, self._source, at))
                except _RefusedError as refused:
                    self._error(at, str(refused))
            setattr(self._state, part, node.fields)

    def _settings(self, raw: Mapping[str, Any]) -> None:
        for index, infno in enumerate(raw.get("reversible_by_2601", ())):
            self._check_target(infno, ("settings", "reversible_by_2601", index))
        for table in ("lines_per_call", "paths"):
            for infno in raw.get(table, ()):
                self._check_target(infno, ("settings", table, infno))
        self._check_target(raw.get("settlement_list"), ("settings", "settlement_list"))
        probe = raw.get("probe") or {}
        self._check_target(probe.get("infno"), ("settings", "probe", "infno"))
        known = self._state.transactions.get(probe.get("infno", ""))
        if known is not None and known.safety != "read":
            self._error(("settings", "probe", "infno"), f"试探须用查询类交易，{probe['infno']} 会改变业务。")
        # a city that extends its province names the paths that differ
        paths = {**self._state.settings.get("paths", {}), **raw.get("paths", {})}
        self._state.settings |= {**raw, "paths": paths} if paths else raw


def _by_rule(table: Transaction) -> Transaction:
    return replace(table, safety=safety_class(table))


def _in_place_of(known: Transaction, table: Transaction) -> Transaction:
    """Keep what the reviewed table (``safety.yaml``) said, unless the new table falls into another class by the rule."""
    table = _by_rule(
        replace(table, row_key=known.row_key, callback=known.callback, undone_by=table.undone_by or known.undone_by)
    )
    same = table.safety == safety_class(known)
    return replace(table, safety=known.safety) if same else table


# -------------------------------------------------------------------- verbs


@dataclass(frozen=True, slots=True)
class _Build:
    """How a verb turns a row of the overlay into a field or node."""

    builder: Builder
    source: Source
    at: Path

    def field(self, row: Change) -> Field:
        return self.builder.field(row, self.source, (*self.at, "add"))

    def node(self, row: Change) -> Node:
        return self.builder.node(row, self.source, (*self.at, "add_node"))


_Verb = Callable[[Node, Change, _Build], Node]


def _add(node: Node, change: Change, build: _Build) -> Node:
    field = build.field(change["add"])
    _must_be_free(node, field.name)
    position = _index(node, change["after"]) + 1 if "after" in change else len(node.fields)
    return replace(node, fields=(*node.fields[:position], field, *node.fields[position:]))


def _drop(node: Node, change: Change, _: _Build) -> Node:
    index = _index(node, change["drop"])
    return replace(node, fields=node.fields[:index] + node.fields[index + 1 :])


def _rename(node: Node, change: Change, _: _Build) -> Node:
    _must_be_free(node, change["to"])
    return _with_field(node, change["rename"], name=change["to"])


def _resize(node: Node, change: Change, _: _Build) -> Node:
    field = node.fields[_index(node, change["resize"])]
    size = {key: change[key] for key in ("length", "precision", "scale") if key in change}
    if field.type == "decimal" and set(size) != {"precision", "scale"}:
        raise _RefusedError(f"字段 {field.name} 为 decimal，请同时写 precision 与 scale。")
    if field.type != "decimal" and set(size) != {"length"}:
        raise _RefusedError(f"字段 {field.name} 为 {field.type}，只能写 length。")
    if size.get("scale", 0) > size.get("precision", 0) and "scale" in size:
        raise _RefusedError(f"字段 {field.name} 的 scale 大于 precision。")
    return _with_field(node, field.name, **size)


def _require(node: Node, change: Change, _: _Build) -> Node:
    return _with_field(node, change["require"], required=True)


def _relax(node: Node, change: Change, _: _Build) -> Node:
    return _with_field(node, change["relax"], required=False)


def _add_node(node: Node, change: Change, build: _Build) -> Node:
    child = build.node(change["add_node"])
    _must_be_free(node, child.name)
    return replace(node, children=(*node.children, child))


def _drop_node(node: Node, change: Change, _: _Build) -> Node:
    name = _last(change["drop_node"])
    return replace(node, children=tuple(child for child in node.children if child.name != name))


def _rename_node(node: Node, change: Change, _: _Build) -> Node:
    _must_be_free(node, change["to"])
    return _with_child(node, _last(change["rename_node"]), name=change["to"])


def _shape_node(node: Node, change: Change, _: _Build) -> Node:
    shape = {key: change[key] for key in ("repeat", "optional") if key in change}
    if not shape:
        raise _RefusedError("shape_node 须写 repeat 或 optional。")
    return _with_child(node, _last(change["shape_node"]), **shape)


_FIELD_VERBS: dict[str, _Verb] = {
    "add": _add, "drop": _drop, "rename": _rename, "resize": _resize, "require": _require, "relax": _relax,
}  # fmt: skip
_NODE_VERBS: dict[str, _Verb] = {
    "add_node": _add_node, "drop_node": _drop_node, "rename_node": _rename_node, "shape_node": _shape_node,
}  # fmt: skip
_SIDE_VERBS = _FIELD_VERBS | _NODE_VERBS
_WITH = {
    "add": {"after"}, "rename": {"to"}, "resize": {"length", "precision", "scale"},
    "rename_node": {"to"}, "shape_node": {"repeat", "optional"},
}  # fmt: skip


def _verb(change: Change, verbs: Mapping[str, _Verb]) -> str:
    given = [key for key in change if key in _SIDE_VERBS]
    if len(given) != 1 or given[0] not in verbs:
        raise _RefusedError(f"须恰好写一个动词（{'、'.join(verbs)}），现有：{'、'.join(given) or '无'}。")
    verb = given[0]
    allowed = _WITH.get(verb, set()) | {verb, "note"} | ({"node"} if verb in _FIELD_VERBS else set())
    if extra := [key for key in change if key not in allowed]:
        raise _RefusedError(f"{verb} 不能与 {'、'.join(extra)} 同写。")
    if "to" in _WITH.get(verb, ()) and "to" not in change:
        raise _RefusedError(f"{verb} 缺少 to（新名）。")
    return verb


# -------------------------------------------------------------------- places


def _node_path(top: Node, change: Change, verb: str) -> tuple[str, ...]:
    """Path of the node that the verb works on: for node verbs the one above the node named."""
    if verb in _FIELD_VERBS:
        return _resolve(top, change.get("node", ROOT))
    if verb == "add_node":
        return _resolve(top, change[verb].get("parent") or ROOT)
    return _resolve(top, change[verb])[:-1]


def _resolve(top: Node, named: str) -> tuple[str, ...]:
    if named == ROOT:
        return ()
    wanted = tuple(named.split("/"))
    paths = list(_paths(top, ()))
    if wanted in paths:
        return wanted
    found = [path for path in paths if path[-len(wanted) :] == wanted]
    if not found:
        raise _RefusedError(f"节点 {named} 不存在。")
    if len(found) > 1:
        raise _RefusedError(f"节点 {named} 不止一个，请写路径：{'、'.join('/'.join(path) for path in found)}。")
    return found[0]


def _paths(node: Node, above: tuple[str, ...]) -> list[tuple[str, ...]]:
    here = [(*above, child.name) for child in node.children]
    return here + [path for child in node.children for path in _paths(child, (*above, child.name))]


def _at(node: Node, path: tuple[str, ...], change: Callable[[Node], Node]) -> Node:
    if not path:
        return change(node)
    children = tuple(_at(child, path[1:], change) if child.name == path[0] else child for child in node.children)
    return replace(node, children=children)


def _last(path: str) -> str:
    return path.rpartition("/")[2]


def _index(node: Node, name: str) -> int:
    for index, field in enumerate(node.fields):
        if field.name == name:
            return index
    raise _RefusedError(f"字段 {name} 在节点 {node.name} 中不存在。")


def _must_be_free(node: Node, name: str) -> None:
    if name in {field.name for field in node.fields} | {child.name for child in node.children}:
        raise _RefusedError(f"{name} 在节点 {node.name} 中已存在。")


def _with_field(node: Node, name: str, /, **values: Any) -> Node:
    index = _index(node, name)
    changed = replace(node.fields[index], **values)
    return replace(node, fields=(*node.fields[:index], changed, *node.fields[index + 1 :]))


def _with_child(node: Node, name: str, /, **values: Any) -> Node:
    children = tuple(replace(child, **values) if child.name == name else child for child in node.children)
    return replace(node, children=children)


def _renamed_key(row_key: tuple[str, ...], path: tuple[str, ...], change: Change, verb: str) -> tuple[str, ...]:
    """A row key follows its field when field or node get another name."""
    if verb not in ("rename", "rename_node"):
        return row_key
    old, new = ("/".join((*path, _last(name))) for name in (change[verb], change["to"]))
    return tuple(new + key[len(old) :] if key == old or key.startswith(old + "/") else key for key in row_key)
