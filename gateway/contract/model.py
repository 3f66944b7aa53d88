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
    """required, type, length, precision, scale, code, date, repeat, unknown, shape, character"""
    text: str
    """The whole sentence in Chinese, as staff read it."""
