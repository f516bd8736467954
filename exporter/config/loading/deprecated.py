"""Renamed keys: the old name still works, with a warning.

docs/stability.md says for how long.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from exporter.settings.mistakes import Location, dotted

Key = tuple[str, ...]
EACH = "*"
"""Stands for every position of a list, and for every name of a mapping of names."""


@dataclass(frozen=True, slots=True)
class Renamed:
    """A key that had another name, in the same mapping."""

    old: Key
    """From the top of the file, as in ``("targets", EACH, "timeout")``."""
    new: str
    """Its last part now."""
    until: str
    """The first version that no longer reads the old name."""

    def warning(self, at: Location) -> str:
        new = dotted((*at[:-1], self.new))
        return f"is called {new} now; the old name is read until version {self.until}"


RENAMED: tuple[Renamed, ...] = ()


def outdated(
    values: Mapping[str, Any], renamed: Sequence[Renamed]
) -> Iterator[tuple[Location, Renamed]]:
    """Where old names stand."""
    for one in renamed:
        for at, _ in _found(values, one.old, ()):
            yield at, one


def renewed(values: Mapping[str, Any], renamed: Sequence[Renamed]) -> dict[str, Any]:
    """The same with the names of now. Where both names stand, both stay, and the old one is then
    found to be unknown."""
    result: dict[str, Any] = _copied(values)
    for one in renamed:
        for _, mapping in list(_found(result, one.old, ())):
            if one.new not in mapping:
                mapping[one.new] = mapping.pop(one.old[-1])
    return result


def _found(value: Any, key: Key, at: Location) -> Iterator[tuple[Location, dict[str, Any]]]:
    """Every mapping that has this key, and the key's place."""
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
    """Containers are copied, what they hold is not: texts remember the file that they are of."""
    if isinstance(value, dict):
        return {key: _copied(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_copied(inner) for inner in value]
    return value
