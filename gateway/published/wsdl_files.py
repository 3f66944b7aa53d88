"""The published contract as files under ``wsdl/``: written, checked for drift, read for serving.

One ``<group>.wsdl`` per typed service, ``exchange.wsdl``, ``xsd/<infno>.xsd`` for the documents of the string service,
``openapi.json``. ``wsdl/legacy`` holds WSDLs taken over from elsewhere and is never touched.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from lxml import etree

from gateway import mappings
from gateway.contract import hospital
from gateway.contract.model import Contract
from gateway.contract.openapi import openapi
from gateway.contract.published import groups, operations
from gateway.contract.wsdl import exchange_wsdl, typed_wsdl
from gateway.contract.xsd import string_schema

_XS = "{http://www.w3.org/2001/XMLSchema}"
_WSDL = "{http://schemas.xmlsoap.org/wsdl/}"
_SOAP_BINDINGS = (b"http://schemas.xmlsoap.org/wsdl/soap/", b"http://schemas.xmlsoap.org/wsdl/soap12/")


class ContractShrinksError(ValueError):
    """Writing would take something away that v1 has published; ``removed`` maps file to what would go."""

    def __init__(self, removed: Mapping[str, list[str]]) -> None:
        self.removed = dict(removed)
        lines = [f"{name}: {what}" for name, found in self.removed.items() for what in found]
        super().__init__("已发布的 v1 接口只增不减，以下内容将被删除：\n" + "\n".join(lines))


def contracts(root: Path) -> list[Contract]:
    """The national contract, then every province's: what the published files are made from."""
    return list(mappings.load_all(root).values())


def generate(root: Path) -> dict[str, bytes]:
    """Every published file by its name under ``wsdl/``.

    Args:
        root: the folder that holds ``mappings/``.

    Raises:
        MappingError: a mapping file is wrong.
        PublishError: the tables cannot be written as XML elements.
    """
    found = contracts(root)
    files = {f"{group}.wsdl": typed_wsdl(found, group) for group in groups(found)}
    files["exchange.wsdl"] = exchange_wsdl()
    files[f"{hospital.GROUP}.wsdl"] = hospital.hospital_wsdl(found)
    files |= {f"xsd/{operation.infno}.xsd": string_schema(operation) for operation in operations(found)}
    files["openapi.json"] = openapi(found)
    return files


def build(root: Path) -> list[str]:
    """Write what differs into ``root/wsdl`` and name it.

    Raises:
        ContractShrinksError: v1 only grows; nothing was written.
    """
    files = generate(root)
    removed = {name: gone for name in _present(root) if (gone := _shrinkage(root, name, files))}
    if removed:
        raise ContractShrinksError(removed)
    changed = [name for name, content in files.items() if _read(root, name) != content]
    for name in changed:
        path = root / "wsdl" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(files[name])
    return changed


def check(root: Path) -> list[str]:
    """Names of files that differ from freshly generated ones, are missing, or should not be there."""
    files = generate(root)
    strangers = [name for name in _present(root) if name not in files]
    return sorted([name for name, content in files.items() if _read(root, name) != content] + strangers)


def _present(root: Path) -> list[str]:
    folder = root / "wsdl"
    found = [*folder.glob("*.wsdl"), *folder.glob("xsd/*.xsd"), *folder.glob("openapi.json")]
    return sorted(path.relative_to(folder).as_posix() for path in found)


def _read(root: Path, name: str) -> bytes | None:
    path = root / "wsdl" / name
    return path.read_bytes() if path.is_file() else None


def _shrinkage(root: Path, name: str, files: Mapping[str, bytes]) -> list[str]:
    if name not in files:
        return ["整个文件"]
    return check_growth(_read(root, name) or b"", files[name])


def published(root: Path, name: str) -> bytes:
    """The bytes of one published file.

    Args:
        root: the folder that holds ``wsdl/``.
        name: as under ``wsdl/``: ``inpatient.wsdl``, ``xsd/2401.xsd``, ``legacy/callfun.wsdl``.

    Raises:
        KeyError: there is no such file, or the name points elsewhere.
    """
    folder = (root / "wsdl").resolve()
    path = folder / name.replace("\0", "?")
    if not path.resolve().is_relative_to(folder) or not path.is_file():
        raise KeyError(name)
    return path.read_bytes()


# ---------------------------------------------------------------- v1 only grows


def check_growth(old: bytes, new: bytes) -> list[str]:
    """What ``old`` has and ``new`` has not, as readable paths; empty when ``new`` only adds.

    A list that becomes a single element and a leaf that becomes a node count as removals.
    Both are WSDL, both XSD, or both the OpenAPI document.
    """
    names = _json_names if old.lstrip().startswith(b"{") else _xml_names
    now = set(names(new))
    return [name for name in names(old) if name not in now]


def _xml_names(content: bytes) -> Iterator[str]:
    tree = etree.fromstring(content, etree.XMLParser(resolve_entities=False, no_network=True))
    for binding in tree.iter(f"{_WSDL}binding"):
        for operation in binding.iter(f"{_WSDL}operation"):
            action = operation[0].get("soapAction", "")
            yield f"binding {binding.get('name')} {operation.get('name')} {action}"
    for service in tree.iter(f"{_WSDL}service"):
        yield from (f"port {service.get('name')}/{port.get('name')}" for port in service.iter(f"{_WSDL}port"))
    for schema in tree.iter(f"{_XS}schema"):
        for element in schema.iterchildren(f"{_XS}element"):
            yield from _element_names(element, "")


def _element_names(element: etree._Element, parent: str) -> Iterator[str]:
    path = f"{parent}/{element.get('name')}"
    yield f"{path} {'leaf' if element.get('type') else 'node'}"
    if element.get("maxOccurs") == "unbounded":
        yield f"{path} list"
    for child in element.iterfind(f"{_XS}complexType/{_XS}sequence/{_XS}element"):
        yield from _element_names(child, path)


def _json_names(content: bytes) -> Iterator[str]:
    document = json.loads(content)
    yield from (f"path {path}" for path in document["paths"])
    for name, schema in document["components"]["schemas"].items():
        yield from _property_names(schema, f"/{name}")


def _property_names(schema: Mapping[str, Any], path: str) -> Iterator[str]:
    yield f"{path} {'list' if 'items' in schema else 'node' if 'properties' in schema else 'leaf'}"
    for name, child in schema.get("properties", {}).items():
        yield from _property_names(child, f"{path}/{name}")
    for choice in schema.get("anyOf", ()):
        yield from _property_names(choice, path)
    if "items" in schema:
        yield from _property_names(schema["items"], f"{path}[]")


# ---------------------------------------------------------------- the address


_ADDRESS = re.compile(
    rb"<!--.*?-->|<!\[CDATA\[.*?\]\]>"
    rb"|(?P<open><(?:(?P<prefix>[\w.\-]+):)?address\b[^<>]*?\blocation\s*=\s*)(?P<quote>[\"']).*?(?P=quote)(?P<rest>[^<>]*)",
    re.DOTALL,
)


_WIDE = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}


def with_address(content: bytes, url: str) -> bytes:
    """The WSDL with ``url`` as the location of its SOAP 1.1 and 1.2 addresses; every other byte stays.

    Addresses of other bindings (HTTP GET and POST of an .asmx), comments and CDATA are left alone.
    """
    for mark, encoding in _WIDE.items():
        if content.startswith(mark):
            return mark + with_address(content[2:].decode(encoding).encode(), url).decode().encode(encoding)
    prefixes = set(_soap_prefixes(content))
    location = escape(url, {'"': "&quot;", "'": "&apos;"}).encode("ascii", "xmlcharrefreplace")

    def put(found: re.Match[bytes]) -> bytes:
        prefix = found["prefix"] or b""
        if not found["open"] or prefix not in prefixes | set(_soap_prefixes(found["open"] + found["rest"])):
            return found[0]
        return found["open"] + found["quote"] + location + found["quote"] + found["rest"]

    return _ADDRESS.sub(put, content)


def _soap_prefixes(content: bytes) -> Iterator[bytes]:
    for prefix, namespace in re.findall(rb"\bxmlns(?::([\w.\-]+))?\s*=\s*[\"']([^\"']*)[\"']", content):
        if namespace in _SOAP_BINDINGS:
            yield prefix
