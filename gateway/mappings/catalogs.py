"""The catalogs of a province: columns from the tables, their meaning from ``mappings/catalogs.yaml``; errors name file and line."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from gateway.contract.catalogs import Catalog
from gateway.contract.errors import MappingError, raise_together
from gateway.contract.model import Contract, Field
from gateway.mappings import check_shape, data_root
from gateway.mappings.documents import Document, read_yaml

FILE: Final = "catalogs.yaml"
_ORDER: Final = "directory_files.yaml"
_ONE: Final = ("pinyin", "begin", "end", "valid", "version")
_MANY: Final = ("key", "code_columns", "name_columns")
_NEEDED: Final = ("name", "kind", "key", "code_columns", "name_columns", "valid")
_DATA: Final = "data"
"""The node of a query's answer that holds the records."""


def load_catalogs(contract: Contract, root: Path | None = None) -> dict[str, Catalog]:
    """Every catalog of this contract's province, by number; none where the tree has no ``catalogs.yaml``.

    Args:
        contract: whose tables give the columns.
        root: folder that holds ``mappings/``; default :func:`gateway.mappings.data_root`.

    Raises:
        MappingError: for the first wrong place, the others in ``others``.
    """
    folder = (root or data_root()) / "mappings"
    if not (folder / FILE).is_file():
        return {}
    documents = [_read(folder, FILE), *_own(folder, contract.province)]
    order = _read(folder, _ORDER)
    loader = _Loader(contract, documents, order)
    found = {infno: catalog for infno in loader.numbers() if (catalog := loader.catalog(infno)) is not None}
    raise_together(loader.errors)
    return found


def _read(folder: Path, name: str) -> Document:
    document = read_yaml(folder / name, f"mappings/{name}")
    raise_together(check_shape(name, document))
    return document


def _own(folder: Path, province: str) -> Iterator[Document]:
    """The files of the province and of those it extends, most general first."""
    chain: list[str] = []
    name: str | None = province
    while name and name not in chain:
        chain.append(name)
        given = read_yaml(
            folder / "provinces" / name / "province.yaml", f"mappings/provinces/{name}/province.yaml"
        ).value
        name = given.get("extends") or (None if name == "national" else "national")
    for one in reversed(chain):
        if (folder / "provinces" / one / FILE).is_file():
            yield _read(folder, f"provinces/{one}/{FILE}")


class _Loader:
    """Puts the layers on each other and checks what comes out; collects what is wrong."""

    def __init__(self, contract: Contract, documents: Sequence[Document], order: Document) -> None:
        self.errors: list[MappingError] = []
        self._contract = contract
        self._documents = documents
        self._order = order
        self._no_news = tuple(self._patterns())

    def numbers(self) -> list[str]:
        """Every catalog that a layer names."""
        return sorted({infno for document in self._documents for infno in document.value.get("catalogs", {})})

    def catalog(self, infno: str) -> Catalog | None:
        """One catalog; None when it is wrong."""
        given: dict[str, Any] = {}
        for document in self._documents:
            given |= document.value.get("catalogs", {}).get(infno, {})
        table = self._contract.transactions.get(infno)
        if table is None:
            self._error(infno, (), f"本省接口没有交易 {infno}。")
            return None
        if missing := [name for name in _NEEDED if name not in given]:
            self._error(infno, (), f"缺少 {'、'.join(missing)}。")
            return None
        columns = self._columns(infno, given)
        if columns is None:
            return None
        names = {column.name for column in columns}
        if not self._known(infno, given, names):
            return None
        least = given.get("columns_min", len(columns))
        if least > len(columns):
            self._error(infno, ("columns_min",), f"columns_min {least} 大于列数 {len(columns)}。")
        return Catalog(
            infno=infno,
            name=given["name"],
            kind=given["kind"],
            columns=columns,
            columns_min=least,
            key=tuple(given["key"]),
            codes=tuple(given["code_columns"]),
            names=tuple(given["name_columns"]),
            valid=given["valid"],
            pinyin=given.get("pinyin", ""),
            begin=given.get("begin", ""),
            end=given.get("end", ""),
            version=given.get("version") or ("ver" if given["kind"] == "file" else "updt_time"),
            ask=given.get("ask", {}),
            page_size=given.get("page_size", 200),
            count_told=given.get("count_told", True),
            no_news=self._no_news,
            first_version=str(self._contract.settings.get("catalog_first_version", "0")),
            confidence=table.confidence,
            doubts=(*table.doubts, *given.get("doubts", ())),
        )

    def _columns(self, infno: str, given: Mapping[str, Any]) -> tuple[Field, ...] | None:
        if given["kind"] == "query":
            return self._queried(infno)
        layout = self._contract.transactions[infno].file_layout
        if not layout:
            self._error(infno, ("kind",), f"交易 {infno} 的表没有 file_layout，不是文件类目录。")
            return None
        if "columns" not in given:
            self._compare(infno, layout)
            return layout
        return self._replaced(infno, given["columns"], {column.name: column for column in layout})

    def _queried(self, infno: str) -> tuple[Field, ...] | None:
        nodes = [node for node in self._contract.transactions[infno].output.nodes if node.name == _DATA]
        if not nodes:
            self._error(infno, ("kind",), f"交易 {infno} 的答复没有 {_DATA} 节点，不是查询类目录。")
            return None
        return nodes[0].fields

    def _compare(self, infno: str, layout: Sequence[Field]) -> None:
        """The order stands in two files; a difference means that one of them is wrong."""
        listed = self._order.value.get(infno)
        if listed is None:
            return
        if len(listed["order"]) != len(layout):
            text = f"有 {len(listed['order'])} 列，而 transactions/{infno}.yaml 的 file_layout 有 {len(layout)} 列。"
            self.errors.append(self._order.error((infno, "order"), f"{infno} {text}"))
            return
        for at, (row, column) in enumerate(zip(listed["order"], layout, strict=True)):
            if row[0] != at + 1 or _plain(row[2]) != _plain(column.label):
                text = f"{infno} 第 {at + 1} 列为 {row[2]}，而 transactions/{infno}.yaml 的 file_layout 为 {column.label}。"
                self.errors.append(self._order.error((infno, "order", at), text))

    def _replaced(self, infno: str, rows: Sequence[Any], known: Mapping[str, Field]) -> tuple[Field, ...] | None:
        columns: list[Field] = []
        for at, row in enumerate(rows):
            name, label = (row, "") if isinstance(row, str) else row
            column = known.get(name) or (Field(name, label, "string") if label else None)
            if column is None:
                self._error(infno, ("columns", at), f"表中没有列 {name}；新的列写作 [列名, 标签]。")
                return None
            columns.append(replace(column, label=label or column.label))
        names = [column.name for column in columns]
        if len(set(names)) != len(names):
            self._error(infno, ("columns",), "columns 中有重复的列名。")
            return None
        return tuple(columns)

    def _known(self, infno: str, given: Mapping[str, Any], names: set[str]) -> bool:
        wrong = [(part, given[part]) for part in _ONE if part in given and given[part] not in names]
        wrong += [(part, name) for part in _MANY for name in given[part] if name not in names]
        if "version" not in given:
            implied = "ver" if given["kind"] == "file" else "updt_time"
            wrong += [("version", implied)] if implied not in names else []
        for part, name in wrong:
            self._error(infno, (part,), f"{part} 所指的列 {name} 不在列中。", or_at="columns")
        return not wrong

    def _patterns(self) -> Iterator[str]:
        for document in self._documents:
            for at, pattern in enumerate(document.value.get("no_news", ())):
                try:
                    re.compile(pattern)
                except re.error as error:
                    self.errors.append(document.error(("no_news", at), f"不是合法的正则：{error}。"))
                else:
                    yield pattern

    def _error(self, infno: str, path: tuple[str | int, ...], text: str, or_at: str = "") -> None:
        """At the newest layer that says it, or says ``or_at``."""
        for document in reversed(self._documents):
            said = document.value.get("catalogs", {}).get(infno)
            if said is not None and (not path or path[0] in said or or_at in said):
                at = path if not path or path[0] in said else (or_at,)
                self.errors.append(document.error(("catalogs", infno, *at), f"{infno} {text}"))
                return
        self.errors.append(self._documents[0].error(("catalogs", infno), f"{infno} {text}"))


def _plain(label: str) -> str:
    """Full-width and half-width are one, and what follows a semicolon explains."""
    return unicodedata.normalize("NFKC", label).partition(";")[0]
