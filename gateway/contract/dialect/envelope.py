"""A hospital's request element in, its answer element out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from lxml import etree

from gateway import faults
from gateway.contract.dialect import payload
from gateway.contract.dialect.model import (
    DialectCall,
    DialectRefused,
    NationalReply,
    Operation,
    ParameterKind,
    PayloadRules,
    Translation,
)
from gateway.contract.dialect.paths import Absent, find, find_all, put
from gateway.contract.dialect.trace import Carried, carried
from gateway.contract.dialect.unread import Reads, unread
from gateway.contract.dialect.verbs import WHOLE, Scope, Step
from gateway.contract.model import Problem
from gateway.contract.xml import local
from gateway.faults import Refused


@dataclass(frozen=True, slots=True)
class Dialect:
    """One hospital's way of speaking, one immutable version.

    Args:
        version: hash of every file it was built from; each exchange records it.
        wsdl: file name under ``wsdl/legacy``.
        namespace: of the operation and answer elements.
        qualified: whether parameters are written in that namespace (``elementFormDefault``).
        numbers: the hospital's transaction number -> translation.
        reads: (operation, number) -> everything of a request that somebody reads.
    """

    name: str
    title: str
    version: str
    wsdl: str
    namespace: str
    qualified: bool
    payload: PayloadRules
    operations: tuple[Operation, ...]
    numbers: Mapping[str, Translation]
    reads: Mapping[tuple[str, str], Reads]

    @property
    def operation_names(self) -> frozenset[str]:
        """Local names of the body elements that are this dialect's."""
        return frozenset(operation.name for operation in self.operations)

    def read(self, body_child: etree._Element, charset: str) -> DialectCall:
        """Turn the operation element of a SOAP Body into a national message.

        Args:
            body_child: the operation element, with or without the dialect's namespace.
            charset: of the envelope.

        Raises:
            DialectRefused: the operation, its parameters or its payload cannot be read.
        """
        operation = self._operation(local(str(body_child.tag)))
        call = self._unread_call(operation)
        try:
            call = replace(call, charset=self.payload.charset or payload.codec_of(charset))
            call, tree = self._parameters(call, operation, body_child)
            call = replace(call, his_transaction=_number(operation, tree))
            return self._translate(call, operation, tree)
        except DialectRefused:
            raise
        except Refused as error:
            raise DialectRefused(error.fault, error.detail, call) from None

    def write(self, call: DialectCall | None, reply: NationalReply) -> etree._Element:
        """The answer element, success and every failure in the hospital's own form.

        Args:
            call: what :meth:`read` gave, or ``DialectRefused.call``; None when not even the operation was known.
            reply: the outcome in national terms.
        """
        call = call or self._unread_call(self.operations[0])
        operation = self._operation(call.operation)
        answer = operation.answer
        translation = self.numbers.get(call.his_transaction)
        body, notices = self._body(translation, reply)
        parts: dict[str, Any] = {}
        source = _reply_tree(call, reply, translation, notices)
        _run(answer.success if _succeeded(reply) else answer.failure, source, parts)
        if _succeeded(reply):
            put(parts, answer.body, body)
        return self._element(call, operation, parts)

    def asked(self, call: DialectCall) -> list[Carried]:
        """Which field of a request became which national one.

        Args:
            call: what :meth:`read` gave; the hospital's places start at ``call.body``.
        """
        translation = self.numbers.get(call.his_transaction)
        return carried(translation.request, call.body) if translation is not None else []

    def told(self, call: DialectCall, reply: NationalReply) -> tuple[dict[str, Any], list[Carried]]:
        """The body of an answer in the hospital's names, and which field of the output became which of it."""
        translation = self.numbers.get(call.his_transaction)
        body, _ = self._body(translation, reply)
        return body, carried(translation.answer, reply.output) if body and translation is not None else []

    def _operation(self, name: str) -> Operation:
        for operation in self.operations:
            if operation.name == name:
                return operation
        raise DialectRefused(faults.TRANSACTION_UNKNOWN, f"没有操作“{payload.clean(name)}”。", None)

    def _unread_call(self, operation: Operation) -> DialectCall:
        rules = self.payload
        charset = rules.charset or "utf-8"
        return DialectCall(operation.name, form=rules.forms[0], packing=rules.packings[0], charset=charset)

    # ------------------------------------------------------------- reading

    def _parameters(
        self, call: DialectCall, operation: Operation, element: etree._Element
    ) -> tuple[DialectCall, dict[str, Any]]:
        """The parameters as one tree; ``call`` learns form, packing and charset from the payload."""
        declared = operation.request.parameters
        children = [child for child in element if isinstance(child.tag, str)]
        _refuse_foreign_names(declared, [local(str(child.tag)) for child in children])
        tree: dict[str, Any] = {}
        for child in children:
            name = local(str(child.tag))
            if name in tree:
                raise Refused(faults.PARAMETERS_WRONG, f"参数 {name} 出现两次。")
            kind = declared.get(name, "tree")
            if kind == "payload" and not len(child):
                call, tree[name] = self._payload(call, child)
            else:
                tree[name] = payload.element_value(child)
        missing = [name for name, kind in declared.items() if kind == "payload" and name not in tree]
        if missing:
            raise Refused(faults.PAYLOAD_WRONG, f"缺少参数 {missing[0]}。")
        return call, tree

    def _payload(self, call: DialectCall, element: etree._Element) -> tuple[DialectCall, dict[str, Any]]:
        text = element.text or ""
        if not text.strip():
            raise Refused(faults.PAYLOAD_WRONG, f"参数 {local(str(element.tag))} 为空。")
        packing = payload.detect_packing(text) if len(self.payload.packings) > 1 else self.payload.packings[0]
        charset = call.charset
        if packing == "base64":
            text, charset = payload.unpack(text, charset)
        else:
            charset = payload.declared_codec(text) or charset
        form = payload.detect_form(text) if len(self.payload.forms) > 1 else self.payload.forms[0]
        call = replace(call, form=form, packing=packing, charset=charset)
        try:
            return call, payload.parse(text, form)
        except Refused as error:
            raise DialectRefused(error.fault, error.detail, call) from None

    def _translate(self, call: DialectCall, operation: Operation, tree: dict[str, Any]) -> DialectCall:
        translation = self.numbers.get(call.his_transaction)
        if translation is None:
            named = payload.clean(call.his_transaction)[:40]
            raise DialectRefused(faults.TRANSACTION_UNKNOWN, f"院内交易号“{named}”不在方言 {self.name} 中。", call)
        head: dict[str, Any] = {}
        problems = _run(operation.request.head, tree, head)
        body = find_all(tree, operation.request.body)
        message: dict[str, Any] = {}
        problems += _run(translation.request, body if isinstance(body, dict | list) else {}, message)
        return replace(
            call,
            infno=translation.infno,
            body=body,
            head={name: payload.leaf_text(value) for name, value in head.items()},
            message=message.get(WHOLE[0], message),
            problems=tuple(problems),
            unknown=unread(tree, self.reads[operation.name, call.his_transaction]),
        )

    # ------------------------------------------------------------- writing

    @staticmethod
    def _body(translation: Translation | None, reply: NationalReply) -> tuple[dict[str, Any], list[str]]:
        body: dict[str, Any] = {}
        if translation is None or not _succeeded(reply):
            return body, []
        problems = _run(translation.answer, {} if reply.output is None else reply.output, body)
        return body, [problem.text for problem in problems]

    def _element(self, call: DialectCall, operation: Operation, parts: dict[str, Any]) -> etree._Element:
        namespace = self.namespace if self.qualified else None
        prefix = None if self.qualified else "ns2"
        name = f"{{{self.namespace}}}{operation.answer.element}"
        element = etree.Element(name, nsmap={prefix: self.namespace})  # type: ignore[dict-item]
        for part, kind in operation.answer.parts.items():
            child = etree.SubElement(element, f"{{{namespace}}}{part}" if namespace else part)
            value = parts.get(part, {} if kind == "payload" else "")
            if kind == "payload":
                child.text = self._packed(call, value)
            else:
                payload.fill_element(child, value, namespace)
        return element

    def _packed(self, call: DialectCall, value: Any) -> str:
        text = payload.write(value, call.form, call.charset, self.payload.root)
        return payload.pack(text, call.charset) if call.packing == "base64" else text


def _refuse_foreign_names(declared: Mapping[str, ParameterKind], given: list[str]) -> None:
    """Positional names (``arg0``, ``param0``, ``c-gensym3``) come from a client that never read the WSDL."""
    if given and not any(name in declared for name in given):
        wanted = "、".join(declared)
        raise Refused(faults.PARAMETERS_WRONG, f"收到参数“{payload.clean(given[0])}”，WSDL 的参数是 {wanted}。")


def _number(operation: Operation, tree: dict[str, Any]) -> str:
    if operation.request.fixed is not None:
        return operation.request.fixed
    value = find(tree, operation.request.transaction)
    if isinstance(value, dict):
        value = value.get("#text", "")
    if isinstance(value, Absent) or not str(value).strip():
        raise Refused(faults.TRANSACTION_UNKNOWN, f"报文没有给出交易号（{'/'.join(operation.request.transaction)}）。")
    return str(value).strip()


def _run(steps: tuple[Step, ...], source: Any, target: dict[str, Any]) -> list[Problem]:
    scope = Scope(source, source, target)
    for step in steps:
        step.run(scope)
    return scope.problems


def _succeeded(reply: NationalReply) -> bool:
    return str(reply.infcode) == "0"


def _reply_tree(
    call: DialectCall, reply: NationalReply, translation: Translation | None, notices: list[str]
) -> dict[str, Any]:
    """What the steps of ``success`` and ``failure`` read (the fields of ``build.REPLY``)."""
    rows = [_problem_row(problem, translation) for problem in reply.problems]
    new = [row["text"] for row in rows if row["text"] not in reply.err_msg]
    return {
        "infcode": str(reply.infcode),
        "err_msg": reply.err_msg,
        "warn_msg": "；".join(text for text in (reply.warn_msg, *notices) if text),
        "msgid": reply.msgid,
        "inf_refmsgid": reply.inf_refmsgid,
        "code": reply.code,
        "retry": reply.retry,
        "infno": call.infno,
        "his_transaction": call.his_transaction,
        "problem_text": "；".join(new),
        "problems": rows,
    }


def _problem_row(problem: Problem, translation: Translation | None) -> dict[str, str]:
    names = translation.his_paths if translation else {}
    his = names.get((problem.node, problem.field), "")
    text = f"院内字段 {his}：{problem.text}" if his and his not in problem.text else problem.text
    return {
        "his_path": his,
        "node": problem.node,
        "row": problem.row,
        "field": problem.field,
        "label": problem.label,
        "value": problem.value,
        "rule": problem.rule,
        "text": text,
    }
