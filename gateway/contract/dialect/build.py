"""Dialect files (already read and schema-checked) to a :class:`Dialect`; every mistake at once, each with its place."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from gateway.contract.dialect import verbs
from gateway.contract.dialect.dates import (
    NATIONAL_DATE,
    NATIONAL_DATETIME,
    NATIONAL_READ,
    DatePattern,
    compile_pattern,
)
from gateway.contract.dialect.envelope import Dialect
from gateway.contract.dialect.functions import FUNCTIONS, argument_count
from gateway.contract.dialect.model import Answer, Operation, PayloadRules, Request, Translation
from gateway.contract.dialect.paths import Path, parse_path
from gateway.contract.dialect.unread import Reads
from gateway.contract.dialect.verbs import Default, Each, Leaf, MoveNode, Place, Shape, Step
from gateway.contract.model import Contract, Field, Node, Side, Transaction

Key = str | int
Doc = Mapping[str, Any]


def _texts(names: Mapping[str, str]) -> tuple[Field, ...]:
    return tuple(Field(name, label, "string") for name, label in names.items())


_PROBLEM_FIELDS = {
    "his_path": "院内字段",
    "node": "节点",
    "row": "行",
    "field": "字段",
    "label": "名称",
    "value": "值",
    "rule": "规则",
    "text": "说明",
}
REPLY = Side(
    root=_texts(
        {
            "infcode": "交易状态码",
            "err_msg": "错误信息",
            "warn_msg": "提示信息",
            "msgid": "发送方报文ID",
            "inf_refmsgid": "接收方报文ID",
            "code": "网关故障码",
            "retry": "可否重试",
            "infno": "交易编号",
            "his_transaction": "院内交易号",
            "problem_text": "问题说明",
        }
    ),
    nodes=(Node("problems", "问题", repeat=True, optional=True, fields=_texts(_PROBLEM_FIELDS)),),
)
"""What the steps of ``success`` and ``failure`` may read."""

HEAD_EXTRA = {"request_id": "请求号", "mac": "MAC 地址", "ip": "IP 地址"}
HEAD_NOT = frozenset({"infno", "msgid", "inf_time", "input", "infver"})
"""Envelope fields that no caller sets."""


@dataclass(frozen=True, slots=True)
class Flaw:
    """A mistake in a dialect file.

    Args:
        file: ``dialect.yaml`` or the key of a transaction document.
        path: keys and indexes down to the place.
        text: Chinese sentence.
    """

    file: str
    path: tuple[Key, ...]
    text: str


class DialectFlawed(Exception):
    """A dialect that cannot be built; ``flaws`` holds every mistake found."""

    def __init__(self, flaws: Sequence[Flaw]) -> None:
        self.flaws = tuple(flaws)
        super().__init__("; ".join(flaw.text for flaw in flaws))


HEADER = "dialect.yaml"


def build_dialect(header: Doc, transactions: Mapping[str, Doc], contract: Contract, version: str) -> Dialect:
    """Compile a dialect.

    Args:
        header: ``dialect.yaml``.
        transactions: file name -> document, each in the form of ``dialect.schema.json``.
        contract: the interface its national paths must exist in.
        version: hash of the files.

    Raises:
        DialectFlawed: unknown fields, transactions, tables, functions; patterns, targets written twice.
    """
    flaws: list[Flaw] = []
    numbers = _numbers(header, transactions, contract, flaws)
    operations = tuple(
        _operation(_Compiler(HEADER, header, flaws), document, index, contract)
        for index, document in enumerate(header["operations"])
    )
    for index, operation in enumerate(operations):
        if operation.request.fixed is not None and operation.request.fixed not in numbers:
            path = ("operations", index, "request", "fixed")
            flaws.append(Flaw(HEADER, path, f"院内交易号“{operation.request.fixed}”没有对应的交易文件。"))
    if flaws:
        raise DialectFlawed(flaws)
    return Dialect(
        name=header["name"],
        title=header["title"],
        version=version,
        wsdl=header["wsdl"],
        namespace=header["namespace"],
        qualified=header.get("qualified", True),
        payload=_payload_rules(header.get("payload", {})),
        operations=operations,
        numbers=numbers,
        reads={
            (operation.name, number): operation.request.reads.joined(_below(operation.request.body, translation.reads))
            for operation in operations
            for number, translation in numbers.items()
        },
    )


def _below(body: tuple[str, ...], reads: Reads) -> Reads:
    for name in reversed(body):
        reads = Reads({name: reads})
    return reads


def _payload_rules(document: Doc) -> PayloadRules:
    return PayloadRules(
        forms=tuple(document.get("forms", ("xml",))),
        packings=tuple(document.get("packings", ("plain",))),
        charset=document.get("charset"),
        root=document.get("root", "root"),
    )


def _numbers(
    header: Doc, transactions: Mapping[str, Doc], contract: Contract, flaws: list[Flaw]
) -> dict[str, Translation]:
    numbers: dict[str, Translation] = {}
    if header.get("others") == "national":
        numbers = {t.infno: _as_it_is(t) for t in contract.transactions.values() if not t.callback}
    seen: dict[str, str] = {}
    for file, document in transactions.items():
        transaction = contract.transactions.get(str(document["infno"]))
        if transaction is None or transaction.callback:
            flaws.append(Flaw(file, ("infno",), f"没有可由院内调用的交易 {document['infno']}。"))
            continue
        translation = _translation(_Compiler(file, header, flaws), document, transaction)
        for number in _listed(document.get("his", transaction.infno)):
            if number in seen:
                flaws.append(Flaw(file, ("his",), f"院内交易号“{number}”已用于 {seen[number]}。"))
            seen[number] = file
            numbers[number] = translation
    return numbers


def _listed(value: Any) -> list[str]:
    return [str(item) for item in (value if isinstance(value, list) else [value])]


def _as_it_is(transaction: Transaction) -> Translation:
    """A transaction whose message is national already (``others: national``)."""
    shape = _side_shape(transaction.input)
    target = Path(verbs.WHOLE) if transaction.input.root_repeat else Path(())
    move_back = MoveNode(Path(()), Path(()), None)
    return Translation(transaction.infno, (MoveNode(Path(()), target, shape),), (move_back,), Reads(deep=True))


def _side_shape(side: Side) -> Shape:
    return Shape(side.nodes, repeat=side.root_repeat)


def _translation(compiler: _Compiler, document: Doc, transaction: Transaction) -> Translation:
    reads = Reads()
    for index, text in enumerate(document.get("ignored", ())):
        path = compiler.path(text, ("ignored", index))
        reads.at(path.parts).deep = True
    names: dict[tuple[str, str], str] = {}
    way = _Way(national=_Cursor.of(transaction.input), reads=reads, names=names)
    request = compiler.steps(document.get("request", ()), ("request",), way)
    back = _Way(national=_Cursor.of(transaction.output), back=True)
    answer = compiler.steps(document.get("answer", ()), ("answer",), back)
    return Translation(transaction.infno, request, answer, reads, names)


def _operation(compiler: _Compiler, document: Doc, index: int, contract: Contract) -> Operation:
    at: tuple[Key, ...] = ("operations", index)
    request, answer = document["request"], document["answer"]
    return Operation(
        document["name"],
        _request(compiler, request, (*at, "request"), contract),
        _answer(compiler, answer, (*at, "answer")),
    )


def _request(compiler: _Compiler, document: Doc, at: tuple[Key, ...], contract: Contract) -> Request:
    parameters = document["parameters"]
    reads = Reads()
    fixed = document.get("fixed")
    transaction = () if fixed is not None else compiler.path(document["transaction"], (*at, "transaction")).parts
    body = compiler.path(document.get("body", "."), (*at, "body")).parts
    for name, path in (("transaction", transaction), ("body", body)):
        compiler.check_part(path, parameters, (*at, name))
    if transaction:
        reads.at(transaction).leaf = True
    reads.at(body).leaf = not body  # an empty element where the body should be is nothing unread
    for index, text in enumerate(document.get("ignored", ())):
        reads.at(compiler.path(text, (*at, "ignored", index)).parts).deep = True
    way = _Way(national=_Cursor.of(_head_side(contract)), reads=reads)
    head = compiler.steps(document.get("head", ()), (*at, "head"), way)
    return Request(parameters, transaction, None if fixed is None else str(fixed), body, head, reads)


def _head_side(contract: Contract) -> Side:
    names = {item.name: item.label for item in contract.request_envelope if item.name not in HEAD_NOT}
    return Side(root=_texts({**names, **HEAD_EXTRA}))


def _answer(compiler: _Compiler, document: Doc, at: tuple[Key, ...]) -> Answer:
    parts = document["parts"]
    body = compiler.path(document["body"], (*at, "body")).parts
    compiler.check_part(body, parts, (*at, "body"))
    steps = {
        name: compiler.steps(
            document[name], (*at, name), _Way(national=_Cursor.of(REPLY), back=True, parts=frozenset(parts))
        )
        for name in ("success", "failure")
    }
    return Answer(document["element"], parts, body, steps["success"], steps["failure"])


# -------------------------------------------------------------------- one list of steps


@dataclass(frozen=True, slots=True)
class _Cursor:
    """A place in the national tables."""

    fields: Mapping[str, Field]
    nodes: Mapping[str, Node]
    path: tuple[str, ...] = ()
    repeats: bool = False

    @classmethod
    def of(cls, side: Side) -> _Cursor:
        return cls({f.name: f for f in side.root}, {n.name: n for n in side.nodes}, (), side.root_repeat)

    def into(self, node: Node) -> _Cursor:
        fields = {f.name: f for f in node.fields}
        return _Cursor(fields, {n.name: n for n in node.children}, (*self.path, node.name), node.repeat)

    def in_row(self) -> _Cursor:
        return _Cursor(self.fields, self.nodes, self.path)

    def suggestion(self, name: str) -> str:
        near = difflib.get_close_matches(name, [*self.fields, *self.nodes], n=1, cutoff=0.5)
        return f"，是否为 {near[0]}" if near else ""


@dataclass(slots=True)
class _Way:
    """Where a list of steps reads and writes: one direction, one row."""

    national: _Cursor
    back: bool = False
    """True on the way back: the national side is the source."""
    his: tuple[str, ...] = ()
    """The hospital's path of this row."""
    reads: Reads = field(default_factory=Reads)
    names: dict[tuple[str, str], str] = field(default_factory=dict)
    parts: frozenset[str] | None = None
    """Names a hospital path must start with."""
    written: dict[str, str] = field(default_factory=dict)
    prefix: str = ""
    top: _Way | None = None

    def row(self, national: _Cursor, source: Path, target: Path, index: int) -> _Way:
        """The way inside an ``each``."""
        top = self.top or self
        his = target.parts if self.back else source.parts
        base = () if source.absolute and not self.back else self.his
        start = top.reads if source.absolute else self.reads
        prefix = f"{self.prefix}{target}[{index}]/" if target.parts else self.prefix
        reads = Reads() if self.back else start.at(source.parts)
        return _Way(
            national.in_row(), self.back, (*base, *his), reads, self.names, self.parts, self.written, prefix, top
        )


class _Compiler:
    """Compiles the steps of one file; mistakes are added to ``flaws``."""

    def __init__(self, file: str, header: Doc, flaws: list[Flaw]) -> None:
        self.file = file
        self.codes = {name: _text_table(table) for name, table in header.get("codes", {}).items()}
        self.tables = {
            name: {key: _text_table(row) for key, row in table.items()}
            for name, table in header.get("tables", {}).items()
        }
        self.flaws = flaws

    def flaw(self, at: tuple[Key, ...], text: str) -> None:
        self.flaws.append(Flaw(self.file, at, text))

    def path(self, text: Any, at: tuple[Key, ...]) -> Path:
        try:
            return parse_path(str(text))
        except ValueError:
            self.flaw(at, f"路径“{text}”写法有误，应为 a/b/c。")
            return Path(())

    def check_part(self, path: tuple[str, ...], parts: Mapping[str, Any], at: tuple[Key, ...]) -> None:
        if path and path[0] not in parts:
            self.flaw(at, f"路径须以参数名开头（{'、'.join(parts)}），不是“{path[0]}”。")

    def steps(self, documents: Sequence[Doc], at: tuple[Key, ...], way: _Way) -> tuple[Step, ...]:
        compiled: list[Step] = []
        for index, document in enumerate(documents):
            ((verb, arguments),) = document.items()
            compile_verb = getattr(self, f"_{verb}")
            compiled += compile_verb(arguments, (*at, index, verb), way)
        return tuple(compiled)

    # one method per verb; each returns the steps it compiles to

    def _rename(self, document: Doc, at: tuple[Key, ...], way: _Way) -> list[Step]:
        base_from = self.path(document.get("from", "."), (*at, "from"))
        base_to = self.path(document.get("to", "."), (*at, "to"))
        steps: list[Step] = []
        for old, new in document["fields"].items():
            where = (*at, "fields", old)
            source, target = self.path(old, where), self.path(new, where)
            full = source if source.absolute else Path((*base_from.parts, *source.parts), base_from.absolute)
            steps += self._leaf([full], Path((*base_to.parts, *target.parts)), verbs.same, where, way)
        return steps

    def _move(self, document: Doc, at: tuple[Key, ...], way: _Way) -> list[Step]:
        source, target = self._ends(document, at)
        national = source if way.back else target
        if self._names_field(way, national):
            return self._leaf([source], target, verbs.same, at, way)
        found = self._node(way, national, at)
        if found is None:
            return []
        self._note_read(way, source, deep=True)
        self._note_write(way, target, "node", at)
        if way.back:
            return [MoveNode(source, target, None)]
        shape = Shape(tuple(found.nodes.values()), repeat=found.repeats)
        return [MoveNode(source, self._list_target(target, found, way), shape)]

    def _each(self, document: Doc, at: tuple[Key, ...], way: _Way) -> list[Step]:
        source, target = self._ends(document, at)
        only_first = document.get("only") == "first"
        if not target.parts and not only_first and not (not way.back and way.national.repeats):
            self.flaw((*at, "to"), "to 为“.”时各行会互相覆盖；请写明目标节点，或加 only: first。")
        found = self._node(way, source if way.back else target, at)
        if found is None:
            return []
        if not way.back and target.parts and not found.repeats:
            self.flaw((*at, "to"), f"节点 {'/'.join(found.path)} 不重复，不能用 each 写入。")
        inner = way.row(found, source, target, at[-2] if isinstance(at[-2], int) else 0)
        steps = self.steps(document["steps"], (*at, "steps"), inner)
        self._note_write(way, target, "list", at)
        return [Each(source, self._list_target(target, found, way), steps, only_first)]

    def _code(self, document: Doc, at: tuple[Key, ...], way: _Way) -> list[Step]:
        source, target = self._ends(document, at)
        table = self.codes.get(document["table"])
        if table is None:
            self.flaw((*at, "table"), f"dialect.yaml 的 codes 中没有对照表“{document['table']}”。")
            return []
        used = _inverse(table) if way.back else table
        otherwise = document.get("otherwise")
        convert = verbs.code(document["table"], used, None if otherwise is None else str(otherwise))
        return self._leaf([source], target, convert, at, way, "keep")

    def _date(self, document: Doc, at: tuple[Key, ...], way: _Way) -> list[Step]:
        source, target = self._ends(document, at)
        patterns = self._patterns(document["pattern"], (*at, "pattern"))
        if not patterns:
            return []
        empty = frozenset(_listed(document.get("empty", [])))
        if way.back:
            convert = verbs.date(NATIONAL_READ, patterns[0], empty)
        else:
            found = self._field(way, target, at)
            convert = verbs.date(patterns, _national_pattern(document.get("as"), found), empty)
        return self._leaf([source], target, convert, at, way, "keep")

    def _unit(self, document: Doc, at: tuple[Key, ...], way: _Way) -> list[Step]:
        source, target = self._ends(document, at)
        try:
            factor = Decimal(str(document["factor"]))
        except InvalidOperation:
            self.flaw((*at, "factor"), f"系数“{document['factor']}”不是数字。")
            return []
        convert = verbs.unit(factor, document.get("scale"), rounding=document.get("rounding") == "half_up")
        return self._leaf([source], target, convert, at, way, "keep")

    def _constant(self, document: Doc, at: tuple[Key, ...], way: _Way) -> list[Step]:
        target = self.path(document["to"], (*at, "to"))
        return self._leaf([], target, verbs.constant(str(document["value"])), at, way)

    def _default(self, document: Doc, at: tuple[Key, ...], way: _Way) -> list[Step]:
        target = self.path(document["to"], (*at, "to"))
        if not way.back:
            self._field(way, target, (*at, "to"))
        self._check_his_target(way, target, (*at, "to"))
        return [Default(target, str(document["value"]))]

    def _concat(self, document: Doc, at: tuple[Key, ...], way: _Way) -> list[Step]:
        sources = self._sources(document, at)
        target = self.path(document["to"], (*at, "to"))
        return self._leaf(sources, target, verbs.concat(str(document.get("with", ""))), at, way)

    def _lookup(self, document: Doc, at: tuple[Key, ...], way: _Way) -> list[Step]:
        source = self.path(document["from"], (*at, "from"))
        table = self.tables.get(document["table"])
        if table is None:
            self.flaw((*at, "table"), f"dialect.yaml 的 tables 中没有资料表“{document['table']}”。")
            return []
        columns = {column for row in table.values() for column in row}
        steps: list[Step] = []
        for column, to in document["to"].items():
            where = (*at, "to", column)
            if column not in columns:
                self.flaw(where, f"资料表“{document['table']}”没有列“{column}”。")
            convert = verbs.lookup(document["table"], table, column)
            unfit: verbs.OnUnfit = "silent" if steps else "drop"  # one missing row is one problem
            steps += self._leaf([source], self.path(to, where), convert, where, way, unfit)
        return steps

    def _function(self, document: Doc, at: tuple[Key, ...], way: _Way) -> list[Step]:
        sources = self._sources(document, at)
        target = self.path(document["to"], (*at, "to"))
        name = document["name"]
        if name not in FUNCTIONS:
            self.flaw((*at, "name"), f"没有函数“{name}”（有：{'、'.join(FUNCTIONS)}）。")
            return []
        if argument_count(name) != len(sources):
            self.flaw((*at, "from"), f"函数 {name} 需要 {argument_count(name)} 个值。")
        return self._leaf(sources, target, verbs.function(name, FUNCTIONS[name]), at, way)

    # what verbs have in common

    def _ends(self, document: Doc, at: tuple[Key, ...]) -> tuple[Path, Path]:
        return self.path(document["from"], (*at, "from")), self.path(document["to"], (*at, "to"))

    def _sources(self, document: Doc, at: tuple[Key, ...]) -> list[Path]:
        given = document["from"]
        return [self.path(text, (*at, "from")) for text in (given if isinstance(given, list) else [given])]

    def _patterns(self, given: Any, at: tuple[Key, ...]) -> list[DatePattern]:
        patterns = []
        for text in _listed(given):
            try:
                patterns.append(compile_pattern(text))
            except ValueError as error:
                self.flaw(at, f"{error}。")
        return patterns

    def _leaf(
        self,
        sources: Sequence[Path],
        target: Path,
        convert: verbs.Convert,
        at: tuple[Key, ...],
        way: _Way,
        on_unfit: verbs.OnUnfit = "drop",
    ) -> list[Step]:
        national = sources if way.back else [target]
        found = [self._field(way, path, at) for path in national]
        if not target.parts or target.absolute:
            self.flaw(at, "to 须是当前行之内的一个字段。")
        self._check_his_target(way, target, at)
        for source in sources:
            self._note_read(way, source)
        self._note_write(way, target, "leaf", at)
        place = self._place(way, sources, target, found[0] if found else None)
        return [Leaf(tuple(sources), target, place, convert, on_unfit)]

    def _place(self, way: _Way, sources: Sequence[Path], target: Path, found: Field | None) -> Place:
        national = target if not way.back else (sources[0] if sources else Path(()))
        his = " + ".join(_joined(way.his, path) for path in ([target] if way.back else sources))
        base = way.national.path if not national.absolute else ()
        node = "/".join((*base, *national.parts[:-1]))
        name = national.parts[-1] if national.parts else ""
        if not way.back and his:
            way.names[(node, name)] = his
        return Place(his, node, name, found.label if found else "")

    def _field(self, way: _Way, path: Path, at: tuple[Key, ...]) -> Field | None:
        """The national field at ``path``; a flaw when there is none."""
        cursor = self._walk(way, path, path.parts[:-1], at)
        if cursor is None or not path.parts:
            return None
        name = path.parts[-1]
        if name not in cursor.fields:
            kind = "是节点，不是字段" if name in cursor.nodes else f"不在国家接口中{cursor.suggestion(name)}"
            self.flaw(at, f"{'/'.join((*cursor.path, name))} {kind}。")
            return None
        return cursor.fields[name]

    def _names_field(self, way: _Way, path: Path) -> bool:
        probe = _Compiler(self.file, {}, [])
        return bool(path.parts) and probe._field(way, path, ()) is not None

    def _node(self, way: _Way, path: Path, at: tuple[Key, ...]) -> _Cursor | None:
        """The national node at ``path``, the row itself for ``.``; a flaw when there is none."""
        cursor = self._walk(way, path, path.parts[:-1], at)
        if cursor is None or not path.parts:
            return cursor
        name = path.parts[-1]
        if name not in cursor.nodes:
            kind = "是字段，不是节点" if name in cursor.fields else f"不在国家接口中{cursor.suggestion(name)}"
            self.flaw(at, f"{'/'.join((*cursor.path, name))} {kind}。")
            return None
        return cursor.into(cursor.nodes[name])

    def _walk(self, way: _Way, path: Path, parents: tuple[str, ...], at: tuple[Key, ...]) -> _Cursor | None:
        cursor = (way.top or way).national if path.absolute else way.national
        if cursor.repeats and path.parts:
            self.flaw(at, "整个报文是重复的行，须先用 each（国家一侧写“.”）。")
            return None
        for name in parents:
            if name not in cursor.nodes:
                self.flaw(at, f"节点 {'/'.join((*cursor.path, name))} 不在国家接口中{cursor.suggestion(name)}。")
                return None
            cursor = cursor.into(cursor.nodes[name])
            if cursor.repeats:
                self.flaw(at, f"节点 {'/'.join(cursor.path)} 可重复，须用 each。")
                return None
        return cursor

    @staticmethod
    def _list_target(target: Path, found: _Cursor, way: _Way) -> Path:
        """A message that is itself a list stands under the empty name until it is complete."""
        is_list = not way.back and found.repeats and not target.parts
        return Path(verbs.WHOLE) if is_list else target

    @staticmethod
    def _note_read(way: _Way, path: Path, *, deep: bool = False) -> None:
        if way.back:
            return
        reads = ((way.top or way).reads if path.absolute else way.reads).at(path.parts)
        reads.leaf, reads.deep = True, reads.deep or deep

    def _note_write(self, way: _Way, target: Path, kind: str, at: tuple[Key, ...]) -> None:
        full = f"{way.prefix}{target}"
        before = way.written.get(full)
        if before is not None and not before == kind == "list":
            self.flaw(at, f"{target} 已由前面的步骤写过。")
        for written, other in way.written.items():
            if "leaf" in (other, kind) and _conflicts(written, other, full, kind):
                self.flaw(at, f"{target} 与 {written} 冲突：一个是值，另一个在它之下。")
        way.written[full] = kind

    def _check_his_target(self, way: _Way, target: Path, at: tuple[Key, ...]) -> None:
        top = way.parts is not None and not way.prefix
        if top and target.parts and way.parts is not None and target.parts[0] not in way.parts:
            self.flaw(at, f"to 须以返回参数名开头（{'、'.join(sorted(way.parts))}），不是“{target.parts[0]}”。")


def _conflicts(first: str, first_kind: str, second: str, second_kind: str) -> bool:
    return (first_kind == "leaf" and second.startswith(f"{first}/")) or (
        second_kind == "leaf" and first.startswith(f"{second}/")
    )


def _joined(base: tuple[str, ...], path: Path) -> str:
    return "/".join(path.parts if path.absolute else (*base, *path.parts)) or "."


def _text_table(table: Mapping[str, Any]) -> dict[str, str]:
    return {str(key): str(value) for key, value in table.items()}


def _inverse(table: Mapping[str, str]) -> dict[str, str]:
    """National code -> the hospital's; where several share one, the first listed."""
    result: dict[str, str] = {}
    for his, national in table.items():
        result.setdefault(national, his)
    return result


def _national_pattern(as_type: str | None, found: Field | None) -> DatePattern:
    kind = as_type or (found.type if found else "datetime")
    return NATIONAL_DATE if kind == "date" else NATIONAL_DATETIME
