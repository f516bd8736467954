"""Parses YAML and records the line of every key.

Scalars follow the core schema of YAML 1.2: ``yes``, ``on``, ``1:30``, and ``2026-01-31`` are
strings. In YAML 1.1, they would be booleans, the number 90, and a date.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from exporter.settings.files import read_bytes
from exporter.settings.mistakes import ConfigError, Location, Mistake, as_written, dotted
from exporter.settings.paths import FileText

MAX_FILE_BYTES = 4 << 20
MAX_VALUES = 200_000
"""The maximum number of values after expanding aliases. Without a limit, nested aliases in a short
file could use up the memory."""

_TAG = "tag:yaml.org,2002:"
_NULL, _BOOL, _INT, _FLOAT, _STR, _MERGE, _SEQ, _MAP = (
    _TAG + name for name in ("null", "bool", "int", "float", "str", "merge", "seq", "map")
)
_TRUTHS = {"true": True, "false": False}
_SCALARS: Mapping[str, Callable[[str], object]] = {
    _NULL: lambda text: None,
    _BOOL: lambda text: _TRUTHS[text.lower()],
    _INT: int,
    _FLOAT: float,
}


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[Any, Any] = {}  # noqa: RUF012  # declared like this in PyYAML


for _tag, _pattern, _first in (
    (_NULL, r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    (_BOOL, r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    (_INT, r"[-+]?[0-9]+", list("-+0123456789")),
    (_FLOAT, r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+.0123456789")),
    (_MERGE, r"<<", ["<"]),
):
    _Loader.add_implicit_resolver(_tag, re.compile(rf"(?:{_pattern})\Z"), _first)


@dataclass(frozen=True, slots=True)
class Document:
    """One file as plain values. Strings are ``FileText``."""

    path: Path
    value: object
    lines: Mapping[Location, int]
    """The line of each key or list item, counted from 1."""
    mistakes: tuple[Mistake, ...]
    """Errors that don't prevent parsing: repeated keys, tags and recursive aliases."""

    def mistake(self, location: Location, message: str, *, missing: bool = False) -> Mistake:
        """Create a mistake at this location of the file.

        :param missing: whether the last part of the location is a missing key.
        """
        found = as_written(location, self.lines.__contains__)
        key = dotted((*found, location[-1])) if missing else dotted(found)
        return Mistake(message, self.path, self.lines.get(found, 1), key)


def read_document(path: Path) -> Document:
    """Read a YAML file.

    :raises ConfigError: the file can't be read, isn't YAML, or contains several documents or more
        than ``MAX_VALUES`` values.
    """
    return parse_document(path, read_bytes(path, MAX_FILE_BYTES))


def decode(path: Path, content: bytes) -> str:
    """Decode the content of a file.

    :raises ConfigError: the content isn't UTF-8.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError([Mistake("is not UTF-8 text; save it as UTF-8", path, line)]) from None


def parse_document(path: Path, content: bytes) -> Document:
    """Parse the content of a YAML file.

    :raises ConfigError: as in ``read_document``.
    """
    text = decode(path, content)
    builder = _Builder(path)
    try:
        node = _compose(path, text)
        value = None if node is None else builder.build(node, ())
    except yaml.YAMLError as error:
        raise ConfigError([_syntax_mistake(path, text, error)]) from None
    except RecursionError:
        raise ConfigError([Mistake("is nested too deeply", path, 1)]) from None
    return Document(path, value, builder.lines, tuple(builder.mistakes))


def _compose(path: Path, text: str) -> yaml.Node | None:
    loader = _Loader(text)
    try:
        node: yaml.Node | None = loader.get_single_node()
    except (ValueError, OverflowError):  # PyYAML calls chr() with any escaped number
        message = "is not YAML: an escape is not a valid character; correct it"
        raise ConfigError([Mistake(message, path, loader.line + 1)]) from None
    finally:
        loader.dispose()
    return node


def _syntax_mistake(path: Path, text: str, error: yaml.YAMLError) -> Mistake:
    """Describe a syntax error, without PyYAML's excerpt of the file, which may contain a secret."""
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return Mistake("contains a control character; remove it", path, line)
    problem = getattr(error, "problem", None) or "it cannot be parsed"
    if "'\\t'" in problem:
        problem += "; indent with spaces, not tabs"
    mark = getattr(error, "problem_mark", None)
    return Mistake(f"is not YAML: {problem}", path, mark.line + 1 if mark else 1)


class _Builder:
    """Turns nodes into values, and records lines and mistakes."""

    def __init__(self, path: Path) -> None:
        self.lines: dict[Location, int] = {}
        self.mistakes: list[Mistake] = []
        self._path = path
        self._values = 0
        self._open: set[int] = set()
        """Nodes under construction. An alias to one of them is recursive."""

    def build(self, node: yaml.Node, at: Location) -> object:
        self.lines.setdefault(at, _line(node))
        self._values += 1
        if self._values > MAX_VALUES:
            message = f"has more than {MAX_VALUES} values after expanding aliases; split it"
            raise ConfigError([Mistake(message, self._path, _line(node))])
        if id(node) in self._open:
            self._wrong(node, at, "the alias refers to itself; remove it")
            return None
        self._open.add(id(node))
        try:
            return self._value(node, at)
        finally:
            self._open.discard(id(node))

    def _value(self, node: yaml.Node, at: Location) -> object:
        match node:
            case yaml.MappingNode(tag=tag) if tag == _MAP:
                return self._mapping(node, at)
            case yaml.SequenceNode(tag=tag) if tag == _SEQ:
                return [self.build(item, (*at, i)) for i, item in enumerate(node.value)]
            case yaml.ScalarNode(tag=tag) if tag in (_STR, _MERGE):
                return FileText(self._text(node, at), self._path.parent)
            case yaml.ScalarNode(tag=tag) if tag in _SCALARS:
                return self._scalar(node, at)
        self._wrong(node, at, f"the tag {node.tag!r} is not supported; remove it")
        return None

    def _text(self, node: yaml.ScalarNode, at: Location) -> str:
        """Join surrogate pairs: JSON escapes use them, but PyYAML leaves the halves separate."""
        text: str = node.value
        if text.isascii():
            return text
        try:
            return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
        except UnicodeDecodeError:
            self._wrong(node, at, "contains half of a surrogate pair; write the character itself")
            return ""

    def _scalar(self, node: yaml.ScalarNode, at: Location) -> object:
        try:
            return _SCALARS[node.tag](node.value)
        except (ValueError, KeyError):
            kind = node.tag.removeprefix(_TAG)
            self._wrong(node, at, f"is not of type {kind}; correct it")
            return None

    def _mapping(self, node: yaml.MappingNode, at: Location) -> dict[str, object]:
        result: dict[str, object] = {}
        own: dict[str, int] = {}
        for key_node, value_node in _merges_first(node):
            if key_node.tag == _MERGE:
                result.update(self._merged(value_node, at))
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                self._wrong(key_node, at, "a key must be a single word or text")
                continue
            key = self._text(key_node, at)
            if key in own:
                self._wrong(
                    key_node, (*at, key), f"appears twice, first on line {own[key]}; keep one"
                )
                continue
            own[key] = self.lines[(*at, key)] = _line(key_node)
            result[key] = self.build(value_node, (*at, key))
        return result

    def _merged(self, node: yaml.Node, at: Location) -> dict[str, object]:
        """Return the keys that ``<<`` merges in. The first of several mappings wins."""
        mappings = reversed(node.value) if isinstance(node, yaml.SequenceNode) else [node]
        result: dict[str, object] = {}
        for mapping in mappings:
            value = self.build(mapping, at)
            if isinstance(value, dict):
                result.update(value)
            else:
                self._wrong(mapping, at, "<< must name mappings to merge")
        return result

    def _wrong(self, node: yaml.Node, at: Location, message: str) -> None:
        self.mistakes.append(Mistake(message, self._path, _line(node), dotted(at)))


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _merges_first(node: yaml.MappingNode) -> Iterator[tuple[yaml.Node, yaml.Node]]:
    """Yield the mapping's own keys last, so that they override merged ones."""
    yield from sorted(node.value, key=lambda pair: pair[0].tag != _MERGE)
