"""The dialects in force: loaded, watched by their goldens, replaced all at once or not at all."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from gateway.contract.dialect import Dialect, DialectCall, DialectRefused
from gateway.contract.errors import MappingError, raise_together
from gateway.contract.model import Contract, Problem
from gateway.mappings.dialect_files import DialectFiles, build, dialect_folders, read_files
from gateway.mappings.dialect_goldens import Difference, SampleError, flatten, run_golden, soap_operation

__all__ = [
    "DialectLibrary",
    "Difference",
    "SampleError",
    "Snapshot",
    "Trial",
    "TrialRow",
    "check_dialect",
    "load_dialects",
    "try_dialect",
]

_ROW = re.compile(r"\[([0-9]+)\]")


def load_dialects(root: Path, contract: Contract) -> dict[str, Dialect]:
    """Every dialect under ``mappings/his``, by name; goldens are not run (see :class:`DialectLibrary`).

    Args:
        root: folder that holds ``mappings/`` and ``wsdl/``.
        contract: the interface the national paths must exist in.

    Raises:
        MappingError: everything that is wrong in any of them, with file and line.
    """
    loaded = _load(root, contract, _NOTHING)
    return dict(loaded.dialects)


def check_dialect(path: Path, contract: Contract) -> list[Difference]:
    """Run the goldens of one dialect folder.

    Returns:
        expected and actual side by side, for every place that differs.

    Raises:
        MappingError: the dialect itself is wrong.
    """
    files = read_files(path)
    return _differences(files, build(files, contract), contract)


def _differences(files: DialectFiles, dialect: Dialect, contract: Contract) -> list[Difference]:
    return [
        difference
        for document in files.goldens
        for difference in run_golden(dialect, document.file, document.value, contract)
    ]


# --------------------------------------------------------------------- one sample


@dataclass(frozen=True, slots=True)
class TrialRow:
    """One national field beside the hospital's; ``his_path`` is empty for what the dialect itself adds."""

    his_path: str
    his_value: str
    national_path: str
    national_value: str


@dataclass(frozen=True, slots=True)
class Trial:
    """What a dialect makes of one sample request. ``refused`` is empty unless the payload could not be read."""

    rows: tuple[TrialRow, ...] = ()
    infno: str = ""
    his_transaction: str = ""
    head: Mapping[str, str] = field(default_factory=dict)
    message: Any = None
    problems: tuple[Problem, ...] = ()
    unknown: tuple[str, ...] = ()
    refused: str = ""


def try_dialect(path: Path, sample: Path, contract: Contract) -> Trial:
    """Translate one SOAP request file with one dialect folder.

    Args:
        path: ``mappings/his/<dialect>``.
        sample: a request envelope as the hospital sends it, in any charset.
        contract: the interface.

    Raises:
        MappingError: the dialect is wrong.
        SampleError: the sample is no SOAP envelope.
        OSError: the sample cannot be read.
    """
    dialect = build(read_files(path), contract)
    operation, charset = soap_operation(sample.read_bytes())
    try:
        call = dialect.read(operation, charset)
    except DialectRefused as error:
        return Trial(refused=f"{error.fault.code} {error.text}")
    return Trial(
        tuple(_side_by_side(dialect, call)),
        call.infno,
        call.his_transaction,
        call.head,
        call.message,
        call.problems,
        call.unknown,
    )


def _side_by_side(dialect: Dialect, call: DialectCall) -> list[TrialRow]:
    names = dialect.numbers[call.his_transaction].his_paths
    his: dict[str, list[tuple[str, str]]] = {}
    for path, value in flatten(call.body):
        his.setdefault(_ROW.sub("", path).removesuffix("/#text"), []).append((path, value))
    rows = []
    for path, value in flatten(call.message):
        node, _, name = _ROW.sub("", path).rpartition("/")
        his_path = names.get((node, name), "")
        rows.append(TrialRow(his_path, _his_value(his, his_path, _ROW.findall(path)), path, value))
    return rows


def _his_value(his: Mapping[str, list[tuple[str, str]]], path: str, row: list[str]) -> str:
    """The hospital's values for a field: of the same row where rows correspond, else the one there is."""
    found = []
    for part in path.split(" + "):
        values = his.get(part, [])
        same_row = [value for at, value in values if _ROW.findall(at) == row]
        found += same_row or [value for _, value in values[:1] if len(values) == 1]
    return " + ".join(found)


# ------------------------------------------------------------------ what is in force


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The dialects of one moment; a call that began with one ends with it."""

    dialects: Mapping[str, Dialect]
    contract_version: str
    fingerprints: Mapping[str, str]


_NOTHING = Snapshot(MappingProxyType({}), "", MappingProxyType({}))


class DialectLibrary:
    """Holds the dialects in force and replaces them atomically.

    Args:
        root: folder that holds ``mappings/`` and ``wsdl/``.
        contract: the interface.

    Raises:
        MappingError: a dialect is wrong or fails one of its goldens.
    """

    def __init__(self, root: Path, contract: Contract) -> None:
        self._root = root
        self._contract = contract
        self._reloading = threading.Lock()
        self._current = _load(root, contract, _NOTHING, with_goldens=True)

    @property
    def current(self) -> Snapshot:
        """The snapshot in force; it never changes, a reload puts another in its place."""
        return self._current

    def reload(self, contract: Contract | None = None) -> tuple[MappingError, ...]:
        """Read everything again; dialects that were not edited are kept as they are.

        Args:
            contract: a new interface; None = the one before.

        Returns:
            what is wrong, in which case the old snapshot stays in force; empty when the new one took over.
        """
        with self._reloading:
            wanted = contract or self._contract
            try:
                fresh = _load(self._root, wanted, self._current, with_goldens=True)
            except MappingError as error:
                return error.all
            self._contract, self._current = wanted, fresh
            return ()


def _load(root: Path, contract: Contract, before: Snapshot, *, with_goldens: bool = False) -> Snapshot:
    errors: list[MappingError] = []
    dialects: dict[str, Dialect] = {}
    fingerprints: dict[str, str] = {}
    for folder in dialect_folders(root):
        try:
            files = read_files(folder)
            fingerprints[folder.name] = files.fingerprint
            dialects[folder.name] = _kept(before, folder.name, files, contract) or _fresh(
                files, contract, with_goldens=with_goldens
            )
        except MappingError as error:
            errors += error.all
    raise_together(errors)
    return Snapshot(MappingProxyType(dialects), contract.version, MappingProxyType(fingerprints))


def _kept(before: Snapshot, name: str, files: DialectFiles, contract: Contract) -> Dialect | None:
    unchanged = before.fingerprints.get(name) == files.fingerprint and before.contract_version == contract.version
    return before.dialects.get(name) if unchanged else None


def _fresh(files: DialectFiles, contract: Contract, *, with_goldens: bool) -> Dialect:
    dialect = build(files, contract)
    if with_goldens:
        differences = _differences(files, dialect, contract)
        raise_together([_golden_error(difference) for difference in differences])
    return dialect


def _golden_error(difference: Difference) -> MappingError:
    expected, actual = _shown(difference.expected), _shown(difference.actual)
    return MappingError(difference.golden, 0, f"{difference.where}：应为 {expected}，实为 {actual}。")


def _shown(value: str | None) -> str:
    return "（无）" if value is None else f"“{value[:120]}”"
