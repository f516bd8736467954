"""``INFERENCE_EXPORTER_...`` variables, which override the configuration file."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel

from exporter.config.root import Config
from exporter.settings.mistakes import Location, Mistake, did_you_mean, dotted
from exporter.settings.nesting import MAX_JSON_DEPTH, is_too_deep

PREFIX = "INFERENCE_EXPORTER_"
_NESTED = "__"

_KUBERNETES = re.compile(
    r"(.*_)?(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT(_\d+_(TCP|UDP|SCTP)(_.+)?)?)"
)
"""Variables that Kubernetes sets in every container for a Service whose name begins with
``inference-exporter``."""


def overrides() -> dict[str, Any]:
    """Read the variables, shaped like the configuration file."""
    if not set_variables():
        return {}
    # Most users set no variables: skip 2 MB of memory and a twentieth of the start time.
    from exporter.config.loading.overriding import read  # noqa: PLC0415

    return read(PREFIX, _NESTED)


def set_variables() -> dict[Location, str]:
    """Return the name of every set variable, by the key that it overrides."""
    return {_location(name): name for name, value in os.environ.items() if value and _ours(name)}


def _location(name: str) -> Location:
    return tuple(name[len(PREFIX) :].lower().split(_NESTED))


def _ours(name: str) -> bool:
    if not name.upper().startswith(PREFIX):
        return False
    return _location(name)[0] in Config.model_fields or not _set_by_kubernetes(name)


def _set_by_kubernetes(name: str) -> bool:
    return _KUBERNETES.fullmatch(name[len(PREFIX) :]) is not None


def unknown_variables(variables: Mapping[Location, str]) -> Iterator[Mistake]:
    """Yield variables that override no top-level key. Validation finds errors below that."""
    for location, name in variables.items():
        if location[0] not in Config.model_fields:
            yield Mistake(f"unknown variable; {did_you_mean(name, _known())}", key=name)


def deep_variables(variables: Mapping[Location, str]) -> Iterator[Mistake]:
    """Yield variables whose JSON is nested too deeply."""
    for name in variables.values():
        if is_too_deep(os.environ[name]):
            yield Mistake(f"is nested more than {MAX_JSON_DEPTH} deep", key=name)


def useless_variables(
    variables: Mapping[Location, str], values: Mapping[str, Any]
) -> Iterator[Mistake]:
    """Yield variables for a part of a value that has no named parts, such as a list.

    :param values: the whole configuration, overridden by the variables.
    """
    for location, name in variables.items():
        value: object = values
        for depth, key in enumerate(location):
            if value is None:
                break  # the file has the key without a value, which validation reports
            if not isinstance(value, dict):
                whole = location[:depth]
                message = f"{dotted(whole)} is not a mapping; set {_variable(whole)} instead"
                yield Mistake(message, key=name)
                break
            value = value.get(key, {})


def _known() -> list[str]:
    return [_variable(names) for names in _names(Config, ())]


def _variable(location: Location) -> str:
    return PREFIX + _NESTED.join(map(str, location)).upper()


def _names(model: type[BaseModel], above: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for name, field in model.model_fields.items():
        yield (*above, name)
        for inner in (field.annotation, *get_args(field.annotation)):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                yield from _names(inner, (*above, name))
