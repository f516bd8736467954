"""Field types of the configuration models."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from exporter.settings.mistakes import Location, did_you_mean
from exporter.settings.secret import Secret
from exporter.settings.units import DURATION_PATTERN, parse_duration
from exporter.settings.url import http_url

_MAX_DURATION_SECONDS = 366 * 86400

Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    Field(gt=0, le=_MAX_DURATION_SECONDS),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": DURATION_PATTERN},
                {"type": "number", "exclusiveMinimum": 0, "maximum": _MAX_DURATION_SECONDS},
            ]
        }
    ),
]
"""A duration in seconds, in Prometheus' format: ``500ms``, ``30s``, ``1m30s``, ``1h``."""

HttpUrl = Annotated[str, AfterValidator(http_url)]


def _url_path(path: str) -> str:
    if not re.fullmatch(r"/(?!/)[!-~]*", path):
        raise ValueError("must be a path on the server that begins with /, as in /health")
    return path


UrlPath = Annotated[str, AfterValidator(_url_path)]


class UnknownName(ValueError):
    """An unknown name. The message suggests the nearest known one."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        super().__init__(f"unknown {kind} {name!r}; {did_you_mean(name, known)}")


Located = tuple[Location, ValueError]
"""A location, relative to the model that found the error, and the error."""


def raise_all(title: str, mistakes: Iterable[Located | InitErrorDetails]) -> None:
    """Make pydantic report these mistakes at their locations and not at the whole model.

    :raises ValidationError: there is at least one mistake.
    """
    details = [
        _details(*mistake) if isinstance(mistake, tuple) else mistake for mistake in mistakes
    ]
    if details:
        raise ValidationError.from_exception_data(title, details)


def _details(location: Location, error: ValueError) -> InitErrorDetails:
    wrong = PydanticCustomError("value_error", "{error}", {"error": error})
    return InitErrorDetails(type=wrong, loc=location, input=None)


class Model(BaseModel):
    """A part of the configuration. Unknown keys are errors, and instances are immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True, allow_inf_nan=False)


def _text_or_secret(value: object) -> str:
    return "secret" if isinstance(value, dict | Secret) else "text"


HeaderValue = Annotated[
    Annotated[str, Tag("text")] | Annotated[Secret, Tag("secret")],
    Discriminator(_text_or_secret),
]
