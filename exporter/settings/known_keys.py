"""The keys that the models allow at a location of a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, Tag

from exporter.settings.mistakes import Location


def known_keys(model: type[BaseModel], location: Location) -> list[str]:
    """Return the keys that the mapping at this location can have; empty if any key is allowed."""
    kinds: list[Any] = [model]
    for part in location:
        # Pydantic adds parts that aren't keys, such as the member of an untagged union.
        kinds = [inner for kind in kinds for inner in _below(kind, part)] or kinds
    return [key for kind in kinds for inner in _alternatives(kind) for key in _fields(inner)]


def _below(kind: Any, part: str | int) -> Iterator[Any]:
    """Yield the types under a key or position, or the member of a union with this tag."""
    alternatives = list(_alternatives(kind))
    if tagged := [inner for inner in alternatives if _tag(inner) == part]:
        yield from tagged
        return
    for inner in map(_bare, alternatives):
        collection = get_origin(inner)
        if isinstance(part, str) and part in (fields := _fields(inner)):
            yield fields[part]
        elif isinstance(collection, type) and issubclass(collection, Mapping):
            yield get_args(inner)[1]
        elif isinstance(collection, type) and issubclass(collection, Sequence):
            yield get_args(inner)[0]


def _alternatives(kind: Any) -> Iterator[Any]:
    """Yield the members of a union, with their tags; yield any other type unchanged."""
    if get_origin(_bare(kind)) not in (Union, UnionType):
        yield kind
        return
    for inner in get_args(_bare(kind)):
        yield from _alternatives(inner)


def _fields(kind: Any) -> Mapping[str, Any]:
    """Return the keys of a model and their types."""
    model = _bare(kind)
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return {}
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}


def _bare(kind: Any) -> Any:
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def _tag(kind: Any) -> str | None:
    notes = get_args(kind)[1:] if get_origin(kind) is Annotated else ()
    return next((note.tag for note in notes if isinstance(note, Tag)), None)
