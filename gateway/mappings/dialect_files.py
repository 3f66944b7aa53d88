"""Read the folders under ``mappings/his``: schema, paths against the contract, names against the legacy WSDL."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import jsonschema_rs
from lxml import etree

from gateway.contract.dialect import HEADER, Dialect, DialectFlawed, build_dialect
from gateway.contract.errors import MappingError, raise_together
from gateway.contract.model import Contract
from gateway.mappings import data_root, schema_error
from gateway.mappings.documents import Document, read_yaml

DocumentKind = Literal["dialect", "transaction", "golden"]
_SCHEMA_ID = "urn:yibao:mapping:dialect"
_XSD = "{http://www.w3.org/2001/XMLSchema}"


@dataclass(frozen=True, slots=True)
class DialectFiles:
    """The files of one dialect folder, read and schema-checked."""

    folder: Path
    header: Document
    transactions: dict[str, Document]
    goldens: tuple[Document, ...]
    wsdl: bytes

    @property
    def version(self) -> str:
        """Hash over everything that decides what the dialect does (goldens only watch it)."""
        return _hash([self.header, *self.transactions.values()], self.wsdl)

    @property
    def fingerprint(self) -> str:
        """Hash over every file, goldens too: what tells a reload that something was edited."""
        return _hash([self.header, *self.transactions.values(), *self.goldens], self.wsdl)


def dialect_folders(root: Path) -> list[Path]:
    """Folders that hold a dialect, in order of their names. ``root`` holds ``mappings/`` and ``wsdl/``."""
    return sorted(path.parent for path in (root / "mappings" / "his").glob(f"*/{HEADER}"))


def read_files(folder: Path) -> DialectFiles:
    """Read one dialect folder.

    Args:
        folder: ``<root>/mappings/his/<dialect>``; its WSDL is looked for under ``<root>/wsdl/legacy``.

    Raises:
        MappingError: every file that cannot be read or has the wrong shape, with file and line.
    """
    errors: list[MappingError] = []
    header = _read(folder / HEADER, "dialect", errors)
    transactions = {
        f"transactions/{path.name}": _read(path, "transaction", errors)
        for path in sorted((folder / "transactions").glob("*.yaml"))
    }
    goldens = tuple(_read(path, "golden", errors) for path in sorted((folder / "golden").glob("*.yaml")))
    wsdl = b"" if errors else _read_wsdl(folder, header, errors)
    raise_together(errors)
    return DialectFiles(folder, header, transactions, goldens, wsdl)


def build(files: DialectFiles, contract: Contract) -> Dialect:
    """Compile a dialect against a contract.

    Raises:
        MappingError: what the schema cannot see, with file and line.
    """
    transactions = {name: document.value for name, document in files.transactions.items()}
    try:
        dialect = build_dialect(files.header.value, transactions, contract, files.version)
    except DialectFlawed as error:
        documents = {HEADER: files.header, **files.transactions}
        raise_together([documents[flaw.file].error(flaw.path, flaw.text) for flaw in error.flaws])
        raise
    raise_together(list(_against_wsdl(files, dialect)))
    return dialect


def file_name(path: Path) -> str:
    """How messages call a file: from ``mappings/`` on."""
    parts = path.parts
    return "/".join(parts[parts.index("mappings") :]) if "mappings" in parts else path.name


def _read(path: Path, kind: DocumentKind, errors: list[MappingError]) -> Document:
    name = file_name(path)
    try:
        document = read_yaml(path, name)
    except MappingError as error:
        errors.append(error)
        return Document(name, {}, b"", None)
    errors += [_shape_error(document, found) for found in _validator(kind).iter_errors(document.value)]
    return document


def _shape_error(document: Document, found: Any) -> MappingError:
    if found.kind.name == "maxProperties":
        verbs = "、".join(found.instance)
        return document.error(list(found.instance_path), f"每个步骤只能写一个动词，这里有：{verbs}。")
    return schema_error(document, found)


def _read_wsdl(folder: Path, header: Document, errors: list[MappingError]) -> bytes:
    if header.value["name"] != folder.name:
        errors.append(header.error(("name",), f"name 应与目录名 {folder.name} 一致。"))
    path = folder.parents[2] / "wsdl" / "legacy" / str(header.value["wsdl"])
    wsdl = b""
    try:
        wsdl = path.read_bytes()
    except OSError:
        errors.append(header.error(("wsdl",), f"wsdl/legacy/{header.value['wsdl']} 不存在或无法读取。"))
    return wsdl


@cache
def _validator(kind: DocumentKind) -> Any:
    schema = json.loads((data_root() / "mappings" / "schema" / "dialect.schema.json").read_bytes())
    registry = jsonschema_rs.Registry([(_SCHEMA_ID, schema)])
    return jsonschema_rs.validator_for({"$ref": f"{_SCHEMA_ID}#/$defs/{kind}"}, registry=registry)


def _hash(documents: list[Document], wsdl: bytes) -> str:
    digest = hashlib.sha256()
    for document in documents:
        digest.update(f"{document.file}\0{len(document.raw)}\0".encode() + document.raw)
    digest.update(wsdl)
    return digest.hexdigest()[:16]


# ------------------------------------------------------------------ the WSDL


def _against_wsdl(files: DialectFiles, dialect: Dialect) -> Iterator[MappingError]:
    """Elements that the dialect speaks of and its WSDL does not declare.

    A WSDL whose schemas lie in other files (``xs:import``) says too little to compare with.
    """
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root = etree.fromstring(files.wsdl, parser)
    except etree.XMLSyntaxError as error:
        yield MappingError(f"wsdl/legacy/{dialect.wsdl}", error.position[0], "不是格式良好的 XML。")
        return
    imports = [item for item in root.iter(f"{_XSD}import", f"{_XSD}include") if item.get("schemaLocation")]
    if not imports:
        yield from _undeclared(files.header, dialect, root)


def _undeclared(header: Document, dialect: Dialect, root: etree._Element) -> Iterator[MappingError]:
    schemas = [s for s in root.iter(f"{_XSD}schema") if s.get("targetNamespace") == dialect.namespace]
    if not schemas:
        yield header.error(("namespace",), f"{dialect.wsdl} 中没有命名空间 {dialect.namespace}。")
        return
    qualified = any(schema.get("elementFormDefault") == "qualified" for schema in schemas)
    if qualified != dialect.qualified:
        yield header.error(
            ("qualified",), f"{dialect.wsdl} 的 elementFormDefault 要求 qualified: {str(qualified).lower()}。"
        )
    for index, operation in enumerate(dialect.operations):
        for side, element, names in (
            ("request", operation.name, operation.request.parameters),
            ("answer", operation.answer.element, operation.answer.parts),
        ):
            declared = _declared(schemas, element)
            if declared is None:
                named = ("name",) if side == "request" else ("answer", "element")
                yield header.error(("operations", index, *named), f"{dialect.wsdl} 中没有元素 {element}。")
            elif missing := [name for name in names if name not in declared]:
                where = ("operations", index, side, "parameters" if side == "request" else "parts")
                yield header.error(where, f"{dialect.wsdl} 的 {element} 中没有 {'、'.join(missing)}。")


def _declared(schemas: list[etree._Element], element: str) -> set[str] | None:
    """Names of the children that an element is declared with, in place or through a named type."""
    for schema in schemas:
        for found in schema.iterchildren(f"{_XSD}element"):
            if found.get("name") == element:
                named = (found.get("type") or "").rpartition(":")[2]
                types = [t for t in schema.iterchildren(f"{_XSD}complexType") if t.get("name") == named]
                return {str(child.get("name")) for holder in [found, *types] for child in holder.iter(f"{_XSD}element")}
    return None
