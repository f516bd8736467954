"""Renamed keys. The old name still works, with a warning.

docs/stability.md documents how long it works.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from exporter.settings.mistakes import Location, dotted

Key = tuple[str, ...]
EACH = "*"
"""Matches every position of a list and every name in a mapping."""


@dataclass(frozen=True, slots=True)
class Renamed:
    """A key that had another name in the same mapping."""

    old: Key
    """The old path from the top of the file, such as ``("targets", EACH, "timeout")``."""
    new: str
    """The new name of its last part."""
    until: str
    """The first version that no longer reads the old name."""

    def warning(self, at: Location) -> str:
        new = dotted((*at[:-1], self.new))
        return f"is now called {new}; the old name stops working in version {self.until}"


RENAMED: tuple[Renamed, ...] = ()


def outdated(
    values: Mapping[str, Any], renamed: Sequence[Renamed]
) -> Iterator[tuple[Location, Renamed]]:
    """Yield the location of each old name."""
    for one in renamed:
        for at, _ in _found(values, one.old, ()):
            yield at, one


def renewed(values: Mapping[str, Any], renamed: Sequence[Renamed]) -> dict[str, Any]:
    """Return a copy with the new names.

    If a mapping has both names, both stay, and validation rejects the old one as unknown.
    """
    result: dict[str, Any] = _copied(values)
    for one in renamed:
        for _, mapping in list(_found(result, one.old, ())):
            if one.new not in mapping:
                mapping[one.new] = mapping.pop(one.old[-1])
    return result


def _found(value: Any, key: Key, at: Location) -> Iterator[tuple[Location, dict[str, Any]]]:
    """Yield every mapping with this key, and the location of the key."""
    head, *rest = key
    if not rest:
        if isinstance(value, dict) and head in value:
            yield (*at, head), value
        return
    for name, inner in _items(value):
        if head in (EACH, name):
            yield from _found(inner, tuple(rest), (*at, name))


def _items(value: Any) -> Iterator[tuple[str | int, Any]]:
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list):
        yield from enumerate(value)


def _copied(value: Any) -> Any:
    """Copy containers, but not their content: ``FileText`` remembers its file."""
    if isinstance(value, dict):
        return {key: _copied(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_copied(inner) for inner in value]
    return value
