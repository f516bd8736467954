"""Configuration of probes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Union

from pydantic import BeforeValidator, Discriminator, Tag

from exporter.kinds import KINDS, Kind, Probe
from exporter.settings.types import Located, UnknownName, raise_all


def _kind_of(value: object) -> object:
    """Return the kind as written in the file; the default is ``chat``."""
    written = value.get("kind", Kind.CHAT) if isinstance(value, dict) else None
    return value.kind if isinstance(value, Probe) else written or Kind.CHAT


def _keys_of(kind: Kind) -> list[str]:
    return [field.alias or name for name, field in KINDS[kind].model_fields.items()]


def _of_one_kind(value: object) -> object:
    """Check that the kind is known and that no key belongs only to other kinds."""
    if isinstance(value, dict):
        raise_all("Probe", _mistakes(value, str(_kind_of(value))))
    return value


def _mistakes(value: dict[object, object], written: str) -> Iterator[Located]:
    if written not in KINDS:
        yield ("kind",), UnknownName("kind", written, map(str, KINDS))
        return
    own = _keys_of(Kind(written))
    for key in value:
        others = [kind for kind in KINDS if key in _keys_of(kind)]
        if key not in own and others:
            where = " and ".join(repr(str(kind)) for kind in others)
            wrong = f"belongs to kind {where}, not {written!r}; remove it or change kind"
            yield (str(key),), ValueError(wrong)


if TYPE_CHECKING:
    AnyProbe = Probe
else:
    AnyProbe = Annotated[
        Union[tuple(Annotated[model, Tag(kind)] for kind, model in KINDS.items())],  # noqa: UP007
        Discriminator(_kind_of),
        BeforeValidator(_of_one_kind),
    ]
"""A probe of any kind. The key ``kind`` selects the model."""
