"""The keys that a place in a file can have, according to its models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, Tag

from exporter.settings.mistakes import Location


def known_keys(model: type[BaseModel], location: Location) -> list[str]:
    """The keys that the mapping at this place may have; none where any key may stand."""
    kinds: list[Any] = [model]
    for part in location:
        # What leads nowhere is pydantic's own, such as the tag of a union without tags.
        kinds = [inner for kind in kinds for inner in _below(kind, part)] or kinds
    return [key for kind in kinds for inner in _alternatives(kind) for key in _fields(inner)]


def _below(kind: Any, part: str | int) -> Iterator[Any]:
    """What may stand under this key or position, or the member of a union with this tag."""
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
    """The members of a union, each with its tag; any other type is the only one."""
    if get_origin(_bare(kind)) not in (Union, UnionType):
        yield kind
        return
    for inner in get_args(_bare(kind)):
        yield from _alternatives(inner)


def _fields(kind: Any) -> Mapping[str, Any]:
    """The keys of a model with what may stand under each."""
    model = _bare(kind)
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return {}
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}


def _bare(kind: Any) -> Any:
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def _tag(kind: Any) -> str | None:
    notes = get_args(kind)[1:] if get_origin(kind) is Annotated else ()
    return next((note.tag for note in notes if isinstance(note, Tag)), None)
