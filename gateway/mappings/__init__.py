"""Read ``mappings/`` and build the contract of a province; every error names file and line.

The folder travels with the program: in a checkout it is the repository root, in an installed wheel ``gateway/_data``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs

from gateway.contract.build import build_contract
from gateway.contract.errors import MappingError, raise_together
from gateway.contract.model import Contract
from gateway.contract.tables import Documents, Overlay
from gateway.mappings.documents import Document, Key, collector_paused, read_yaml

_SCHEMAS = (
    "transaction", "envelope", "codes", "aliases", "directory_files", "safety", "proofs", "province", "rules",
    "settlement-list", "catalogs",
)  # fmt: skip
_BY_NAME = {"codes/codes.yaml": "codes", "codes/aliases.yaml": "aliases", "rules/entry-time.yaml": "rules"}


def data_root() -> Path:
    """The folder that holds ``mappings/``, ``wsdl/`` and ``conf/``."""
    packaged = Path(__file__).parent.parent / "_data"
    return packaged if packaged.is_dir() else Path(__file__).parents[2]


def provinces(root: Path | None = None) -> list[str]:
    """Names of the provinces that can be loaded, in order.

    Args:
        root: folder that holds ``mappings/``; default :func:`data_root`.
    """
    return sorted(path.parent.name for path in _folder(root).glob("provinces/*/province.yaml"))


def load(province: str = "national", root: Path | None = None) -> Contract:
    """Build the contract of one province.

    Args:
        province: a name of :func:`provinces`.
        root: folder that holds ``mappings/``; default :func:`data_root`.

    Raises:
        MappingError: for the first wrong place, the others in ``others``.
    """
    if province not in (known := provinces(root)):
        raise MappingError("mappings/provinces", 0, f"没有省份 {province}；可用：{'、'.join(known) or '无'}。")
    return _load(province, _folder(root), {})


def load_all(root: Path | None = None) -> dict[str, Contract]:
    """Build the contract of every province, national first; each file is read once.

    Raises:
        MappingError: as :func:`load`, for the first province that is wrong.
    """
    names = sorted(provinces(root), key=lambda name: name != "national")
    read: dict[str, Document] = {}
    return {name: _load(name, _folder(root), read) for name in names}


def _load(province: str, folder: Path, read: dict[str, Document]) -> Contract:
    with collector_paused():
        reader = _Reader(folder, read)
        overlays = reader.read_overlays(province)
        documents = Documents(
            envelope=reader.read("envelope.yaml"),
            codes=reader.read("codes/codes.yaml"),
            aliases=reader.read("codes/aliases.yaml"),
            safety=reader.read("safety.yaml"),
            proofs=reader.read_layers("proofs.yaml", overlays, "proofs.yaml"),
            rules=reader.read_layers("rules/entry-time.yaml", overlays, "rules.yaml"),
            quality=reader.read_layers("rules/settlement-list.yaml", overlays, "settlement-list.yaml"),
            tables=reader.read_tables("transactions"),
            overlays=overlays,
        )
        raise_together(reader.errors)
        return build_contract(documents, reader.version())


def check_shape(name: str, document: Document) -> list[MappingError]:
    """Check one document against the schema that belongs to its place.

    Args:
        name: path below ``mappings/``, with ``/``.
        document: what was read; its lines are used in the errors.
    """
    return [schema_error(document, found) for found in _validators()[_schema_of(name)].iter_errors(document.value)]


def _folder(root: Path | None) -> Path:
    return (root or data_root()) / "mappings"


def _schema_of(name: str) -> str:
    if "transactions/" in name:
        return "transaction"
    return _BY_NAME.get(name, Path(name).stem)


class _Reader:
    """Reads and checks files, remembers their bytes for the version and what is wrong with them.

    Args:
        read: sound documents by name, shared by the provinces of one load.
    """

    def __init__(self, folder: Path, read: dict[str, Document]) -> None:
        self._folder = folder
        self._read = read
        self._digest = hashlib.sha256()
        self.errors: list[MappingError] = []

    def version(self) -> str:
        """First 16 hex digits of the hash over names and bytes of all files, in the order they were read."""
        return self._digest.hexdigest()[:16]

    def read(self, name: str) -> Document:
        """One file; when it is wrong the error is kept and an empty document returned."""
        document = self._read.get(name)
        if document is None:
            document = self._read_and_check(name)
        self._digest.update(f"{name}\0{len(document.raw)}\0".encode() + document.raw)
        return document

    def _read_and_check(self, name: str) -> Document:
        file = f"mappings/{name}"
        try:
            document = read_yaml(self._folder / name, file)
        except MappingError as error:
            self.errors.append(error)
            return Document(file, {}, b"", None)
        if errors := check_shape(name, document):
            self.errors += errors
        else:
            self._read[name] = document
        return document

    def read_tables(self, name: str) -> dict[str, Document]:
        """Infno (the file's name) -> table."""
        paths = sorted((self._folder / name).glob("*.yaml"))
        return {path.stem: self.read(f"{name}/{path.name}") for path in paths}

    def read_overlays(self, province: str) -> list[Overlay]:
        """The province and everything it extends, most general first."""
        chain: list[Overlay] = []
        seen: list[str] = []
        name: str | None = province
        while name is not None:
            if name in seen:
                self.errors.append(
                    chain[-1].source.error(("extends",), f"extends 成环：{' -> '.join([*seen, name])}。")
                )
                break
            seen.append(name)
            overlay = self._read_overlay(name)
            chain.append(overlay)
            name = self._extended(name, overlay)
        return chain[::-1]

    def read_layers(self, name: str, overlays: Sequence[Overlay], own: str) -> list[Document]:
        """``name`` and the file ``own`` of those provinces that have one, most general first."""
        folders = [Path(overlay.source.file).parent.as_posix().removeprefix("mappings/") for overlay in overlays]
        layers = [f"{folder}/{own}" for folder in folders]
        return [self.read(name), *(self.read(layer) for layer in layers if (self._folder / layer).is_file())]

    def _read_overlay(self, name: str) -> Overlay:
        document = self.read(f"provinces/{name}/province.yaml")
        if isinstance(document.value, dict) and document.value.get("province", name) != name:
            self.errors.append(document.error(("province",), f"province 与目录名 {name} 不一致。"))
        return Overlay(document, self.read_tables(f"provinces/{name}/transactions"))

    def _extended(self, name: str, overlay: Overlay) -> str | None:
        value = overlay.source.value
        extended = value.get("extends") if isinstance(value, dict) else None
        if extended is None:
            return None if name == "national" else "national"
        if not (self._folder / "provinces" / str(extended) / "province.yaml").is_file():
            self.errors.append(overlay.source.error(("extends",), f"extends 所指的省份 {extended} 不存在。"))
            return None
        return str(extended)


# ------------------------------------------------------------------- schemas


@cache
def _validators() -> Mapping[str, Any]:
    folder = data_root() / "mappings" / "schema"
    schemas = {name: json.loads((folder / f"{name}.schema.json").read_bytes()) for name in _SCHEMAS}
    registry = jsonschema_rs.Registry([(schema["$id"], schema) for schema in schemas.values()])
    return {name: jsonschema_rs.validator_for(schema, registry=registry) for name, schema in schemas.items()}


_TYPES = {
    "string": "文字", "integer": "整数", "boolean": "true 或 false", "object": "键值（映射）", "array": "列表", "null": "空",
}  # fmt: skip


def schema_error(document: Document, found: Any) -> MappingError:
    path = _keys(document.value, found.instance_path)
    kind = found.kind.as_dict()
    name = found.kind.name
    where = _place(document.value, path)
    if name == "additionalProperties":
        return document.error([*path, kind["unexpected"][0]], f"{where}有不认识的键：{'、'.join(kind['unexpected'])}。")
    if name == "falseSchema":
        return document.error(path, f"{where}此类型的字段不能写。")
    if name == "propertyNames":
        return document.error(path, f"{where}键的写法不对：{_shown(kind['error'].instance)}。")
    return document.error(path, f"{where}{_TEXTS.get(name, _other)(kind, _value_at(document.value, path))}")


def _other(kind: Mapping[str, Any], value: Any) -> str:
    return f"值 {_shown(value)} 不合要求 {json.dumps(kind, ensure_ascii=False, default=str)}。"


def _type_text(kind: Mapping[str, Any], value: Any) -> str:
    types = kind["types"] if isinstance(kind.get("types"), list) else [kind.get("type", kind.get("types"))]
    return f"应为{'或'.join(_TYPES.get(str(item), str(item)) for item in types)}，现为 {_shown(value)}。"


_TEXTS: Mapping[str, Callable[[Mapping[str, Any], Any], str]] = {
    "required": lambda kind, _: f"缺少 {kind['property']}。",
    "type": _type_text,
    "enum": lambda kind, value: f"值 {_shown(value)} 不在允许的取值中：{'、'.join(map(str, kind['options']))}。",
    "pattern": lambda _, value: f"值 {_shown(value)} 的写法不对。",
    "minLength": lambda kind, _: f"至少要有 {kind['limit']} 个字符。",
    "maxLength": lambda kind, _: f"不能超过 {kind['limit']} 个字符。",
    "minimum": lambda kind, value: f"值 {_shown(value)} 不能小于 {kind['limit']}。",
    "maximum": lambda kind, value: f"值 {_shown(value)} 不能大于 {kind['limit']}。",
    "minItems": lambda kind, _: f"至少要有 {kind['limit']} 项。",
    "maxItems": lambda kind, _: f"不能超过 {kind['limit']} 项。",
    "minProperties": lambda kind, _: f"至少要写 {kind['limit']} 个键。",
    "maxProperties": lambda kind, _: f"只能写 {kind['limit']} 个键。",
    "uniqueItems": lambda *_: "列表中有重复项。",
}


def _keys(value: Any, path: Sequence[Key]) -> list[Key]:
    """The path with the keys as they stand: the validator turns a key such as "2204" into a number."""
    keys: list[Key] = []
    for step in path:
        key: Key = step
        if isinstance(value, dict) and isinstance(step, int):
            key = (
                str(step)
                if str(step) in value
                else next(name for name in value if name.isdigit() and int(name) == step)
            )
        keys.append(key)
        value = value[key]
    return keys


def _place(value: Any, path: Sequence[Key]) -> str:
    """Where, in words: nodes and fields by their names, everything else by its key."""
    words = list(_words(value, path))
    return " ".join(words) + " " if words else ""


def _words(value: Any, path: Sequence[Key]) -> Iterator[str]:
    for key in path:
        value = value[key]
        named = value.get("name", value.get("node")) if isinstance(value, dict) else None
        if isinstance(key, int):
            yield str(named) if isinstance(named, str) else f"第 {key + 1} 项"
        elif key != "fields":
            yield key


def _value_at(value: Any, path: Sequence[Key]) -> Any:
    for key in path:
        value = value[key]
    return value


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "…"
