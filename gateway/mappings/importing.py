"""Take over a folder of interface tables into ``mappings/`` (``yibao mapping import SPEC_DIR``).

Facts are kept as they stand, ``confidence`` and ``doubts`` included; where they were found (``sources`` and the
names of those sources inside texts) is left out. The same folder always gives the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.contract.errors import MappingError, raise_together
from gateway.mappings import check_shape
from gateway.mappings.documents import Document, read_yaml, write_yaml

_HEADERS = {
    "envelope.yaml": "公共报文：每个交易的请求与应答共有的外层。字段含义见 doubts 与各字段 note。",
    "codes/codes.yaml": (
        "值域。values 为国家基线；regional 为某地多出或不同的代码，由 provinces/<省>/province.yaml 的 code_regions 选用。"
    ),
    "codes/aliases.yaml": (
        "字段名 -> 值域名，仅列两者不同名的。驼峰字段（6xxx、7xxx、49xx）自动按下划线写法查找，不必列出。"
    ),
    "directory_files.yaml": (
        "目录文件列序：9102 下载的 ZIP 内为一个 UTF-8 文本，无表头，TAB 分列，一行一条，空值写作 null。\n"
        "按位置读取；后续版本只在行尾加列，故应接受更长的行、补足缺少的尾列。"
    ),
}
_TOP_ORDER = (
    "infno", "name", "group", "mutates", "money", "reversible_by_2601", "undone_by", "note",
    "input", "output", "file_layout", "rules", "confidence", "doubts",
)  # fmt: skip
_ORDINARY_WORDS = {"medical", "idea"}
"""Repository names that are ordinary words; inside a text they mean the word."""


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did.

    Args:
        transactions: tables taken over.
        code_lists: code lists taken over.
        written: files that are new or changed, relative to the mappings folder.
        kept: transaction tables in the mappings folder that the imported folder does not have; left as they are.
    """

    transactions: int
    code_lists: int
    written: tuple[str, ...]
    kept: tuple[str, ...]


def import_tables(spec_dir: Path, mappings_dir: Path) -> ImportReport:
    """Convert ``spec_dir`` into ``mappings_dir``; nothing is written unless every table is sound.

    Args:
        spec_dir: folder with ``transactions/*.yaml``, ``envelope.yaml``, ``codes.yaml``, ``code_aliases.yaml``,
            ``directory_files.yaml``.
        mappings_dir: the ``mappings`` folder to write; created if missing.

    Raises:
        MappingError: a file is missing, unreadable or breaks the schema; all of them at once in ``others``.
    """
    sources = _read_sources(spec_dir)
    citation = _Citation(sources.values())
    files = {name: _converted(name, doc, citation) for name, doc in sources.items()}
    _check(sources, files)
    written = tuple(name for name, value in files.items() if _write(mappings_dir, name, value))
    tables = {name for name in files if name.startswith("transactions/")}
    present = {f"transactions/{path.name}" for path in (mappings_dir / "transactions").glob("*.yaml")}
    return ImportReport(len(tables), len(files["codes/codes.yaml"]), written, tuple(sorted(present - tables)))


def _read_sources(spec_dir: Path) -> dict[str, Document]:
    """Target name -> source document, in a fixed order."""
    paths = {
        "envelope.yaml": spec_dir / "envelope.yaml",
        "codes/codes.yaml": spec_dir / "codes.yaml",
        "codes/aliases.yaml": spec_dir / "code_aliases.yaml",
        "directory_files.yaml": spec_dir / "directory_files.yaml",
    }
    tables = sorted((spec_dir / "transactions").glob("*.yaml"))
    if not tables:
        raise MappingError(str(spec_dir / "transactions"), 0, "目录中没有交易表（*.yaml）。")
    paths |= {f"transactions/{path.name}": path for path in tables}
    documents: dict[str, Document] = {}
    errors: list[MappingError] = []
    for name, path in paths.items():
        try:
            documents[name] = read_yaml(path, str(path))
        except MappingError as error:
            errors.append(error)
    raise_together(errors)
    return documents


def _converted(name: str, document: Document, citation: _Citation) -> Any:
    value = citation.removed(document.value)
    if name.startswith("transactions/") and isinstance(value, dict):
        rank = {key: index for index, key in enumerate(_TOP_ORDER)}
        value = dict(sorted(value.items(), key=lambda item: rank.get(item[0], len(rank))))
    return value


def _check(sources: Mapping[str, Document], files: Mapping[str, Any]) -> None:
    """Check what will be written, but name the file and line where it was read."""
    errors: list[MappingError] = []
    for name, value in files.items():
        errors += check_shape(name, sources[name].with_value(value))
        stem = Path(name).stem
        if name.startswith("transactions/") and isinstance(value, dict) and value.get("infno", stem) != stem:
            errors.append(sources[name].error(("infno",), f"infno {value['infno']} 与文件名 {stem} 不一致。"))
    raise_together(errors)


def _write(mappings_dir: Path, name: str, value: Any) -> bool:
    path = mappings_dir / name
    text = write_yaml(value, _HEADERS.get(name, ""))
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")
    return True


class _Citation:
    """Removes ``sources`` and the names of sources inside texts.

    A name in parentheses is dropped; elsewhere it becomes "one client", which is all a reader needs to weigh it.
    """

    def __init__(self, documents: Iterable[Document]) -> None:
        names = sorted({name for doc in documents for name in _source_names(doc.value)}, key=lambda n: (-len(n), n))
        one = "(?<![A-Za-z0-9_-])(?:" + "|".join(map(re.escape, names)) + ")(?![A-Za-z0-9_-])"
        self._rules = (
            (re.compile(rf"\s*\({one}(?:,\s*{one})*\)"), ""),
            (re.compile(rf"{one} ((?:\w+ )?client)\b"), r"one \1"),
            (re.compile(rf"\bone {one}"), "one client"),
            (re.compile(rf"\b(an?(?: \w+)?) {one}"), r"\1 client"),
            (re.compile(one), "one client"),
            (re.compile(r"\bone client and one client\b"), "two clients"),
        )
        self._any = re.compile(one) if names else None

    def removed(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {self._text(key): self.removed(item) for key, item in value.items() if key != "sources"}
        if isinstance(value, list):
            return [self.removed(item) for item in value]
        return self._text(value)

    def _text(self, value: Any) -> Any:
        if self._any is None or not isinstance(value, str) or not self._any.search(value):
            return value
        for pattern, replacement in self._rules:
            value = pattern.sub(replacement, value)
        return value


def _source_names(value: Any) -> Iterator[str]:
    """``owner/repo``, ``repo`` and a shouted first part of it (``ABCDE_HIS`` is cited as ``ABCDE``)."""
    for source in _sources(value):
        yield source
        repo = source.rpartition("/")[2]
        first = repo.partition("_")[0]
        for name in (repo, first if first.isupper() else repo):
            if len(name) >= 5 and name.lower() not in _ORDINARY_WORDS:
                yield name


def _sources(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        listed = value.get("sources")
        if isinstance(listed, list):
            yield from (source for source in listed if isinstance(source, str))
        for item in value.values():
            yield from _sources(item)
    elif isinstance(value, list):
        for item in value:
            yield from _sources(item)
