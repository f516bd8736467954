"""Explains pydantic's errors to the user who wrote the file.

It does so for every file that users write and for every option that is validated the same way.
"""

from __future__ import annotations

from typing import Protocol

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from exporter.settings.known_keys import known_keys
from exporter.settings.mistakes import (
    Location,
    Mistake,
    WrongFile,
    did_you_mean,
    dotted,
    nearest,
)

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
    "string_unicode": "contains half of a surrogate pair; write the character itself",
    "too_short": "must not be empty; remove the key to have all",
}


class Place(Protocol):
    """The origin of validated values, such as a ``Document``."""

    def mistake(self, location: Location, message: str, *, missing: bool = False) -> Mistake:
        """Create a mistake at a location.

        :param missing: whether the last part of the location is a missing key.
        """


class _Nowhere:
    """The origin of values that don't come from a file. Mistakes have only a dotted key."""

    def mistake(self, location: Location, message: str, *, missing: bool = False) -> Mistake:
        return Mistake(message, key=dotted(location))


def mistakes_in(
    error: ValidationError, model: type[BaseModel], place: Place | None = None
) -> list[Mistake]:
    """Convert a validation error to mistakes.

    :param model: the model that validation tried to build.
    :param place: the origin of the values, if they come from a file.
    """
    where = place or _Nowhere()
    return [
        mistake
        for detail in error.errors(include_url=False)
        for mistake in _mistakes(detail, model, where)
    ]


def _mistakes(detail: ErrorDetails, model: type[BaseModel], place: Place) -> list[Mistake]:
    at, cause = detail["loc"], _cause(detail)
    if not isinstance(cause, WrongFile):
        return [place.mistake(at, explain(detail, model), missing=detail["type"] == "missing")]
    # An error that concerns the whole file is reported where the configuration refers to the file.
    return [
        mistake if mistake.line else place.mistake(at, str(mistake)) for mistake in cause.mistakes
    ]


def explain(detail: ErrorDetails, model: type[BaseModel]) -> str:
    """Describe an error and its fix. The text never contains the value, which may be a secret.

    :param model: the model that validation tried to build.
    """
    kind, value = detail["type"], detail["input"]
    if kind == "extra_forbidden":
        known = known_keys(model, detail["loc"][:-1])
        return f"unknown key; {did_you_mean(str(detail['loc'][-1]), known)}"
    if value is None and kind.endswith("_type"):
        return "is empty; give it a value or remove the key"
    if kind == "string_type" and isinstance(value, int | float):
        return f"{_TEXT}; put it in quotes"
    return _MESSAGES.get(kind) or _words(detail)


def _words(detail: ErrorDetails) -> str:
    if cause := _cause(detail):
        return str(cause)
    words = detail["msg"].replace("Input should", "must")
    expected = str(detail.get("ctx", {}).get("expected", "")).replace(" or ", ", ").split(", ")
    near = nearest(str(detail["input"]), [word.strip("'") for word in expected])
    return f"{words}; did you mean {near!r}?" if near else words


def _cause(detail: ErrorDetails) -> object:
    return detail.get("ctx", {}).get("error")
