"""What pydantic says about a mistake, in the words of the one who wrote the configuration."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from exporter.config.root import Config
from exporter.settings.mistakes import did_you_mean
from exporter.settings.yaml_lines import Location

_TEXT = "must be text"
_MAPPING = "must be a mapping of keys to values"
_MESSAGES = {
    "missing": "is missing; add it",
    "string_type": _TEXT,
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "tuple_type": "must be a list",
    "path_type": "must be the path of a file",
    "dict_type": _MAPPING,
    "model_type": _MAPPING,
    "string_too_short": "must not be empty",
    "too_short": "must not be empty; remove the key to have all",
}


def explain(error: ErrorDetails) -> str:
    """What is wrong and what to do; never the value itself, which may be a secret."""
    kind = error["type"]
    if kind == "extra_forbidden":
        name = str(error["loc"][-1])
        return f"unknown key; {did_you_mean(name, known_keys(error['loc'][:-1]))}"
    if error["input"] is None and kind.endswith("_type"):
        return "is empty; give it a value or remove the key"
    if kind == "string_type" and isinstance(error["input"], int | float):
        return f"{_TEXT}; put it in quotes"
    return _MESSAGES.get(kind) or _words(error)


def _words(error: ErrorDetails) -> str:
    cause = error.get("ctx", {}).get("error")
    return str(cause) if cause else error["msg"].replace("Input should", "must")


def known_keys(location: Location) -> list[str]:
    """The keys that the mapping at this place may have."""
    models: set[type[BaseModel]] = {Config}
    for part in location:
        models = _models_below(models, part) or models
    return [name for model in models for name, _ in _keys(model)]


def _models_below(models: Iterable[type[BaseModel]], part: str | int) -> set[type[BaseModel]]:
    return {
        inner
        for model in models
        for name, annotation in _keys(model)
        if name == part
        for inner in _models_in(annotation)
    }


def _keys(model: type[BaseModel]) -> Iterator[tuple[str, Any]]:
    for name, field in model.model_fields.items():
        yield field.alias or name, field.annotation


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models in a type such as ``dict[str, Probe]`` or ``Slo | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)
