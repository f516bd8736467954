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

_MAX_MENDED_BYTES = 16 << 10
"""To look for half a surrogate pair in more would take long."""
_LONE_SURROGATE = re.compile(
    rb"((?<!\\)(?:\\\\)*)"  # an even number of backslashes, and then
    rb"(?:\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])"
    rb"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2})"
)


class Wire(BaseModel):
    """A JSON object as a provider sends it. What is not named is passed over, so that a new
    field never breaks a probe."""

    model_config = ConfigDict(defer_build=True)


class CamelWire(Wire):
    """The same with names in ``camelCase`` on the wire."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True)


W = TypeVar("W", bound=Wire)

MAX_PARTS = 4096
"""The most parts of one message: its objects, lists and their members. Providers send some dozens,
a few hundred beside citations. Each part costs up to 5 microseconds and 1 kB."""
_SMALL_BYTES = 4096
"""So few bytes are read within a millisecond or two, whatever they are."""
_TELLING_BYTES = 256 << 10
"""Up to so many bytes, what stands in texts is told apart from what gives the message its parts.
In a longer message it counts as well, as do escapes, which take long to read."""
_MAX_DIGITS = 1000
"""Of one number in a message that is longer still: the time to read a number grows with the
square of its digits."""
_ZEROS = bytes.maketrans(b"123456789", b"0" * 9)


def parse(shape: type[W], data: bytes, parts: int = MAX_PARTS) -> W:
    """The message in these bytes, which has at most so many parts.

    :raises ProtocolError: they are not JSON of this shape, or have more parts.
    """
    _check_parts(data, parts)
    try:
        return _read(shape, data)
    except ValidationError as error:
        raise ProtocolError(f"not a {shape.__doc__ or shape.__name__}: {_first(error)}") from None


def parse_if(shape: type[W], data: bytes, parts: int = MAX_PARTS) -> W | None:
    """The message in these bytes, or ``None`` where they are something else or have more parts."""
    try:
        return parse(shape, data, parts)
    except ProtocolError:
        return None


def _check_parts(data: bytes, limit: int) -> None:
    """Refuse a message that takes long to read, or much memory, before it is read: a megabyte of
    ``{}`` would take 2 seconds and 400 MB."""
    if len(data) <= _SMALL_BYTES:
        return
    is_telling = len(data) <= _TELLING_BYTES
    parts = _parts(_outside_texts(data)) if is_telling else _parts(data) + data.count(b"\\")
    if parts > limit:
        raise ProtocolError(f"one message has more than {limit} parts")
    if not is_telling and b"0" * _MAX_DIGITS in data.translate(_ZEROS):
        raise ProtocolError(f"one message has a number of more than {_MAX_DIGITS} digits")


def _parts(json: bytes) -> int:
    return len(json) - len(json.translate(None, b"[{,:"))


def _outside_texts(json: bytes) -> bytes:
    """JSON without its texts: a comma in an answer makes no part."""
    unescaped = json.replace(rb"\\", b"").replace(rb"\"", b"")
    return b"".join(unescaped.split(b'"')[::2])


def _read(shape: type[W], data: bytes) -> W:
    """The message, with U+FFFD for half a surrogate pair: official SDKs pass over one."""
    try:
        return shape.model_validate_json(data)
    except ValidationError:
        if rb"\u" not in data or len(data) > _MAX_MENDED_BYTES:
            raise
        whole = _LONE_SURROGATE.sub(rb"\1\\ufffd", data)
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
