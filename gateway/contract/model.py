"""The interface as values: transactions, nodes, fields, code lists. Built by ``contract.build``, frozen after.

A message is a plain dict in the national names:

    {"mdtrtinfo": {"psn_no": "...", "geso_val": 12}, "diseinfo": [{"diag_srt_no": 1}, ...]}

Leaves: ``string, text, date, datetime`` -> str as printed; ``decimal`` -> Decimal; ``integer`` -> int.
An element that was given but empty is ``""`` (text, date) or ``None`` (number); one that was not given is absent.
A repeated node is always a list, also with one element. Fields of a ``_root`` node stand directly in the message;
a repeated ``_root`` makes the whole message a list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from gateway.contract.quality import QualityTable

FieldType = Literal["string", "text", "decimal", "integer", "date", "datetime"]
Safety = Literal["read", "repeatable", "state", "money"]
Leaf = str | int | None  # Decimal too; spelled out in contract.codec
Direction = Literal["input", "output"]


@dataclass(frozen=True, slots=True)
class Field:
    """One row of a table. ``length`` counts characters; ``precision``/``scale`` are decimal digits."""

    name: str
    label: str
    type: FieldType
    required: bool = False
    length: int | None = None
    precision: int | None = None
    scale: int | None = None
    codes: str | None = None
    """Name of the code list in :attr:`Contract.codes`, when the value must come from one."""
    note: str = ""
    filled_by: str | None = None
    """Rule id that fills the field when the caller leaves it out (design.md, step 3)."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node of a message: its own fields, then its child nodes, both in the order of the table."""

    name: str
    label: str
    repeat: bool
    optional: bool = False
    fields: tuple[Field, ...] = ()
    children: tuple[Node, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Side:
    """The input or output of a transaction.

    ``root`` holds the fields that stand directly under input/output, ``nodes`` the top-level nodes.
    ``root_repeat``: the whole side is a list of rows of ``root``.
    """

    root: tuple[Field, ...] = ()
    nodes: tuple[Node, ...] = ()
    root_repeat: bool = False


@dataclass(frozen=True, slots=True)
class Transaction:
    """One numbered transaction. ``confidence`` and ``doubts`` are facts about the table, kept for the reader."""

    infno: str
    name: str
    group: str
    input: Side
    output: Side
    safety: Safety
    mutates: bool
    money: bool
    reversible_by_2601: bool = False
    undone_by: str | None = None
    send_as: str | None = None
    """Number under which a province wants this transaction (2207 as 2207A); None = under its own."""
    callback: bool = False
    """True for what the platform calls on the institution (6204, 6302, 7108, 7109); never an operation."""
    row_key: tuple[str, ...] = ()
    """Fields that identify a row of a repeatable upload, as ``node/field``."""
    confidence: str = "high"
    doubts: tuple[str, ...] = ()
    note: str = ""
    rules: tuple[str, ...] = ()
    file_layout: tuple[Field, ...] = ()


@dataclass(frozen=True, slots=True)
class CodeList:
    """A code list (值域). ``values`` maps code to meaning."""

    name: str
    label: str
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class EnvelopeField:
    """A field of the common envelope (公共报文)."""

    name: str
    label: str
    type: str
    length: int | None
    required: bool


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a row of an answer shows about a doubtful exchange (``mappings/proofs.yaml``).

    It holds when a row of ``node`` has every value of ``where`` (or, with ``exists`` False, when none has); with
    ``each`` it is asked for every row of that node of the doubtful message. Values are sources, see the file.
    """

    node: str
    where: Mapping[str, str]
    proves: Literal["done", "not_done"]
    exists: bool = True
    each: str = ""
    each_where: Mapping[str, str] = field(default_factory=dict)
    fresh: str = ""
    """Field of the row whose value no other exchange of this transaction may have brought."""
    asked: Mapping[str, str] = field(default_factory=dict)
    """It counts only where the row that the query is asked for has these values (``ProofQuery.each``)."""


@dataclass(frozen=True, slots=True)
class ProofQuery:
    """A query that may tell, and what its answer proves; of ``evidence`` the first that holds counts."""

    infno: str
    input: Mapping[str, Mapping[str, tuple[str, ...]]]
    evidence: tuple[Evidence, ...]
    each: str = ""
    """Node of the doubtful message; the query is asked once for each of its rows (``row:`` in ``input`` and ``where``)."""


@dataclass(frozen=True, slots=True)
class ProofRule:
    """How the doubt about one transaction is settled. All queries must say done for it to count as done."""

    then: Literal["reverse", "repeat", "escalate"]
    """What follows when it is proven not done, or where nothing can be asked."""
    queries: tuple[ProofQuery, ...] = ()
    output: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    at_once: bool = False
    """Repeating it needs no waiting; a refusal still counts only after the settle time."""
    done_waits: bool = False
    """The state that proves it may have been there before it: such a proof, too, counts only after the settle time."""
    done_before: tuple[str, ...] = ()
    """Texts in a refused repeat that say the first request had been carried out."""
    reason: str = ""
    """Why it is so, as the person who has to look after it reads it."""


@dataclass(frozen=True, slots=True)
class Proofs:
    """What proves what."""

    transactions: Mapping[str, ProofRule] = field(default_factory=dict)
    by_class: Mapping[str, ProofRule] = field(default_factory=dict)
    never_seen: tuple[str, ...] = ()
    already_reversed: tuple[str, ...] = ()
    done_before: tuple[str, ...] = ()
    sign_in_again: tuple[str, ...] = ()
    """Texts in a refusal that say the sign-in has ended and that nothing else was looked at: certainly not done."""

    def of(self, transaction: Transaction) -> ProofRule:
        """The rule of this transaction, else of its safety class; without any a person decides."""
        rule = self.transactions.get(transaction.infno) or self.by_class.get(transaction.safety)
        return rule or ProofRule("escalate")


@dataclass(frozen=True, slots=True)
class RuleTable:
    """Which entry-time rules guard which transaction (``mappings/rules/entry-time.yaml``)."""

    guards: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    operations: Mapping[str, Literal["single", "multi"]] = field(default_factory=dict)
    """How many operations a transaction can carry (ET-03)."""
    ordinary: frozenset[str] = frozenset()
    """``med_type`` of 普通住院 (ET-13)."""
    day_surgery: frozenset[str] = frozenset()
    """``med_type`` of 日间手术 (ET-13)."""
    quality: QualityTable = field(default_factory=QualityTable)
    """Rules of the settlement list (``mappings/rules/settlement-list.yaml``)."""

    def of(self, infno: str, send_as: str | None = None) -> tuple[str, ...]:
        """Names of the rules of a transaction, and of the number it is sent under.

        A letter form that is not listed (2401A) is guarded as its plain number: a province's new number must not be a
        way around.
        """
        numbers = (infno, infno[:4], *((send_as, send_as[:4]) if send_as else ()))
        return tuple(dict.fromkeys(name for number in numbers for name in self.guards.get(number, ())))

    def operations_of(self, infno: str) -> str:
        """``single``, ``multi``, or empty where the transaction carries no operations."""
        return self.operations.get(infno) or self.operations.get(infno[:4]) or ""


@dataclass(frozen=True, slots=True)
class Contract:
    """The interface of one province, one immutable version."""

    province: str
    version: str
    """Hash of everything the contract was built from; each exchange records it."""
    transactions: Mapping[str, Transaction]
    codes: Mapping[str, CodeList]
    request_envelope: tuple[EnvelopeField, ...]
    response_envelope: tuple[EnvelopeField, ...]
    settings: Mapping[str, object] = field(default_factory=dict)
    """Provincial facts that are not tables: ``reversible_by_2601``, ``infver``, ``settle_time_s`` ..."""
    proofs: Proofs = field(default_factory=Proofs)
    rules: RuleTable = field(default_factory=RuleTable)
    label: str = ""
    """What people call the province's interface."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a message.

    ``node`` is the path of nodes (``patient_dtos/fsi_encounter_dtos``; empty for root fields), ``row`` the 1-based
    row of each repeated node on that path joined with ``/`` (empty when nothing repeats).
    """

    node: str
    row: str
    field: str
    label: str
    value: str
    rule: str
    """required, type, length, precision, scale, code, date, repeat, unknown, shape, character, lines_per_call"""
    text: str
    """The whole sentence in Chinese, as staff read it."""
