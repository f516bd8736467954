"""JSON on the wire: typed by pydantic, so that nothing untyped gets past a dialect."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from exporter.providers.base import ProtocolError

_TOO_MANY = 1 << 63  # servers have 64 bits; more would be too much for the arithmetic of a result

Count = Annotated[int, Field(ge=0, lt=_TOO_MANY)]
"""A number of tokens or nanoseconds."""
LenientCount = Annotated[int, Field(lt=_TOO_MANY)]
"""The same where servers were seen to send numbers below zero, which ``count`` passes over."""
_STATUSES = range(100, 600)
HttpStatus = Annotated[int | None, AfterValidator(lambda code: code if code in _STATUSES else None)]
"""An HTTP status in a body; any other number says nothing."""

T = TypeVar("T")
Few = Annotated[list[T], Field(max_length=32)]
"""A list of things of which a message has one or two. A million would take seconds to read."""


_LONE_SURROGATE = re.compile(
    rb"((?<!\\)(?:\\\\)*)"  # an even number of backslashes, and then
    rb"(?:\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])"
    rb"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2})"
)


class Wire(BaseModel):
    """A JSON object as a provider sends it. What is not named is passed over, so that a new
    field never breaks a probe."""


class CamelWire(Wire):
    """The same with names in ``camelCase`` on the wire."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True)


W = TypeVar("W", bound=Wire)


def parse(shape: type[W], data: bytes) -> W:
    """The message in these bytes.

    :raises ProtocolError: they are not JSON of this shape.
    """
    try:
        return _read(shape, data)
    except ValidationError as error:
        raise ProtocolError(f"not a {shape.__doc__ or shape.__name__}: {_first(error)}") from None


def parse_if(shape: type[W], data: bytes) -> W | None:
    """The message in these bytes, or ``None`` where they are something else."""
    try:
        return _read(shape, data)
    except ValidationError:
        return None


def _read(shape: type[W], data: bytes) -> W:
    """The message, with U+FFFD for half a surrogate pair: official SDKs pass over one."""
    try:
        return shape.model_validate_json(data)
    except ValidationError:
        whole = _LONE_SURROGATE.sub(rb"\1\\ufffd", data) if rb"\u" in data else data
        if whole == data:
            raise
        return shape.model_validate_json(whole)


def merged(body: Mapping[str, object], extra: Mapping[str, object]) -> dict[str, object]:
    """A request body with the user's own fields over it, as a JSON Merge Patch (RFC 7396): objects
    are merged field by field, and a field set to null in either is left out."""
    result = {name: value for name, value in body.items() if value is not None}
    for name, value in extra.items():
        inner = result.pop(name, None)
        if isinstance(value, Mapping):
            result[name] = merged(inner if isinstance(inner, Mapping) else {}, value)
        elif value is not None:
            result[name] = value
    return result


def count(*reported: int | None) -> int:
    """The first count that says something; none is below zero."""
    return max(0, next(filter(None, reported), 0))


def excerpt(body: bytes) -> str:
    """An error body that is of no known shape. It is cut when secrets have been taken out: half a
    secret would not be known for one."""
    return body.decode("utf-8", errors="replace").strip() or "the response has no body"


def _first(error: ValidationError) -> str:
    """The first mistake, without the content, which may be long or hold a secret."""
    detail = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in detail["loc"])
    return f"{where}: {detail['msg']}" if where else detail["msg"]
