"""YAML files read with their line numbers and written in the form an engineer edits: one field per line."""

from __future__ import annotations

import gc
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import Any

import yaml

from gateway.contract.errors import MappingError

Key = str | int
_Loader: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml is ten times faster where it is built in

_DEPTH_MAX = 40
_BRACKET = re.compile(r"[][{}]")
_LONG_INDENT = re.compile(rf"^[ ?:-]{{{_DEPTH_MAX},}}", re.MULTILINE)
_STRING = "tag:yaml.org,2002:str"
_NUMBER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_WORDS = {"true": True, "false": False, "null": None, "~": None, "": None}


class _TextLoader(_Loader):  # type: ignore[misc]
    """Leaves the meaning of plain scalars to :func:`_plain`: YAML 1.1 reads 010 as 8 and ``no`` as false."""

    def resolve(self, kind: type[yaml.Node], _value: str, implicit: tuple[bool, bool]) -> str:
        """Name the tag of a node without the slow table of patterns."""
        if kind is yaml.ScalarNode:
            return "plain" if implicit[0] else _STRING
        return "tag:yaml.org,2002:seq" if kind is yaml.SequenceNode else "tag:yaml.org,2002:map"

    def descend_resolver(self, current_node: yaml.Node, current_index: Any) -> None:
        """Nothing to follow: no tag depends on a path."""

    def ascend_resolver(self) -> None:
        """Nothing to follow: no tag depends on a path."""


@dataclass(frozen=True, slots=True)
class Document:
    """A file as plain values, and the lines they stand on.

    Args:
        file: name for messages.
        value: dicts, lists and scalars.
        raw: the bytes of the file, for the version hash.
    """

    file: str
    value: Any
    raw: bytes
    _root: yaml.Node | None

    def line(self, path: Sequence[Key]) -> int:
        """1-based line of the value at ``path``, or of the nearest thing above it that exists."""
        node, line = self._root, 1
        for key in path:
            node = None if node is None else _child(node, key)
            if node is None:
                break
            line = node.start_mark.line + 1
        return line

    def error(self, path: Sequence[Key], text: str) -> MappingError:
        """An error at ``path`` of this file."""
        return MappingError(self.file, self.line(path), text)

    def with_value(self, value: Any) -> Document:
        """The same file and lines with another value (one that was converted from it)."""
        return replace(self, value=value)


def read_yaml(path: Path, file: str) -> Document:
    """Read one YAML file.

    Args:
        path: where it is.
        file: how messages call it.

    Raises:
        MappingError: missing, not UTF-8, no YAML, or a key given twice.
    """
    try:
        raw = path.read_bytes()
        text = raw.decode("utf-8-sig")
    except FileNotFoundError:
        raise MappingError(file, 0, "文件不存在。") from None
    except OSError as error:
        raise MappingError(file, 0, f"文件无法读取：{error.strerror}。") from None
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise MappingError(file, line, "不是 UTF-8 编码；请另存为 UTF-8。") from None
    return parse_yaml(text, file, raw)


def parse_yaml(text: str, file: str, raw: bytes = b"") -> Document:
    """Read YAML text; see :func:`read_yaml`."""
    try:
        if "*" in text or _may_be_deep(text):
            _refuse_references_and_depth(text, file)
        root = yaml.compose(text, Loader=_TextLoader)
    except yaml.YAMLError as error:
        raise MappingError(file, _error_line(error), f"YAML 写法有误：{_error_text(error)}。") from None
    value = None if root is None else _value(root, file)
    return Document(file, value, raw or text.encode(), root)


@contextmanager
def collector_paused() -> Iterator[None]:
    """Hold the cyclic collector while many files are read: node trees have no cycles, and scanning them doubles the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _may_be_deep(text: str) -> bool:
    """A cheap look, so that the slow one is seldom needed: libyaml composes by recursion and would overrun the stack."""
    steps = (1 if bracket in "[{" else -1 for bracket in _BRACKET.findall(text))
    return (
        max(accumulate(steps, lambda depth, step: max(0, depth + step)), default=0) > _DEPTH_MAX
        or _LONG_INDENT.search(text) is not None
    )


def _refuse_references_and_depth(text: str, file: str) -> None:
    """A reference (``*name``) can make a small file endless, and its line would name another place."""
    depth = 0
    for event in yaml.parse(text, Loader=_TextLoader):
        line = 1 if event.start_mark is None else event.start_mark.line + 1
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if isinstance(event, yaml.AliasEvent):
            raise MappingError(file, line, "不支持 YAML 引用（*名称）；请把内容写全。")
        if depth > _DEPTH_MAX:
            raise MappingError(file, line, f"嵌套超过 {_DEPTH_MAX} 层。")


def _error_line(error: yaml.YAMLError) -> int:
    mark = getattr(error, "problem_mark", None)
    return 1 if mark is None else int(mark.line) + 1


def _error_text(error: yaml.YAMLError) -> str:
    return str(getattr(error, "problem", None) or error).splitlines()[0]


def _child(node: yaml.Node, key: Key) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        return next((value for name, value in node.value if name.value == key), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
        found: yaml.Node = node.value[key]
        return found
    return None


def _value(node: yaml.Node, file: str) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return node.value if node.tag != "plain" else _plain(node.value)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, file) for item in node.value]
    result: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = key_node.value
        if not isinstance(key, str):
            raise MappingError(file, key_node.start_mark.line + 1, "键必须是文字。")
        if key in result:
            raise MappingError(file, key_node.start_mark.line + 1, f"键 {key} 重复。")
        result[key] = _value(value_node, file)
    return result


def _plain(text: str) -> Any:
    """JSON's idea of an unquoted scalar: true, false, null, whole numbers; anything else is text."""
    if text in _WORDS:
        return _WORDS[text]
    return int(text) if _NUMBER.fullmatch(text) and len(text) < 18 else text


# ------------------------------------------------------------------ writing

_SAFE = re.compile(r"[A-Za-z_\u4e00-\u9fff][A-Za-z0-9_ ./()\u4e00-\u9fff（）、；。“”-]*")
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_RESERVED = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}


def write_yaml(value: Mapping[str, Any], header: str = "") -> str:
    """Block style down to the rows, each row (field, code, column) in flow style on one line.

    Args:
        value: dicts with text keys, lists, texts, whole numbers, booleans, None.
        header: comment for the top of the file; may have several lines.
    """
    lines = [f"# {line}" for line in header.splitlines()]
    lines += _block(value, 0)
    return "\n".join(lines) + "\n"


def _block(value: Mapping[str, Any] | Sequence[Any], indent: int) -> Iterator[str]:
    pad = " " * indent
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _entry(f"{pad}{_scalar(key)}:", item, indent)
        return
    for item in value:
        if _is_row(item):
            yield f"{pad}- {_flow(item)}"
        else:
            first, *rest = _block(item, indent + 2)
            yield f"{pad}- {first.lstrip()}"
            yield from rest


def _entry(head: str, item: Any, indent: int) -> Iterator[str]:
    if isinstance(item, Mapping | list) and item:
        yield head
        yield from _block(item, indent + 2)
    else:
        yield f"{head} {_flow(item)}"


def _is_row(value: Any) -> bool:
    """A scalar, or a mapping or list whose values are scalars or lists of scalars."""
    if isinstance(value, Mapping):
        return all(not isinstance(item, Mapping) and _is_row(item) for item in value.values())
    return not isinstance(value, list) or all(not isinstance(item, Mapping | list) for item in value)


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_scalar(key)}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(item) for item in value) + "]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, int):
        return str(value)
    text = str(value)
    plain = _SAFE.fullmatch(text) and not text.endswith(" ") and text.lower() not in _RESERVED
    return (
        text
        if plain
        else _UNPRINTABLE.sub(lambda hit: f"\\u{ord(hit.group()):04X}", json.dumps(text, ensure_ascii=False))
    )
