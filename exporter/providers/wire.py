"""JSON on the wire, validated by pydantic so that dialects never handle untyped data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)
from pydantic.alias_generators import to_camel

from exporter.providers.base import ProtocolError

_TOO_MANY = 1 << 63  # servers use 64 bits; larger numbers would break the arithmetic of a result

Count = Annotated[int, Field(ge=0, lt=_TOO_MANY)]
"""A number of tokens or nanoseconds."""
LenientCount = Annotated[int, Field(lt=_TOO_MANY)]
"""The same, where servers send negative numbers. ``count`` ignores those."""
_STATUSES = range(100, 600)
HttpStatus = Annotated[int | None, AfterValidator(lambda code: code if code in _STATUSES else None)]
"""An HTTP status in a body. Any other number is ignored."""

T = TypeVar("T")
Few = Annotated[list[T], Field(max_length=32)]
"""A list that normally has one or two items. A million items would take seconds to read."""


def _as_object(value: object) -> object:
    return value if isinstance(value, dict) else None


IfObject = Annotated[T | None, BeforeValidator(_as_object)]
"""An object that counts as missing if it's anything else."""


def _unless_empty(value: object) -> object:
    return None if value == [] else value


OrEmpty = Annotated[T | None, BeforeValidator(_unless_empty)]
"""An object, or an empty list, which counts as missing. PHP and Lua encode an empty object as a
list."""

_MAX_MENDED_BYTES = 16 << 10
"""Finding half a surrogate pair in a longer message would take too long."""
_LONE_SURROGATE = re.compile(
    rb"((?<!\\)(?:\\\\)*)"  # an even number of backslashes, then
    rb"(?:\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])"
    rb"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2})"
)


class Wire(BaseModel):
    """A JSON object from a provider. Unknown fields are ignored, so that a new field never breaks a
    probe."""

    model_config = ConfigDict(defer_build=True)


class CamelWire(Wire):
    """A JSON object whose names are in ``camelCase`` on the wire."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True)


W = TypeVar("W", bound=Wire)

MAX_PARTS = 4096
"""The most parts of one message: its objects, lists, and their members.

Providers send a few dozen parts, or a few hundred with citations. Each part costs up to 5
microseconds and 1 kB.
"""
_SMALL_BYTES = 4096
"""Any message of this size is parsed within a millisecond or two."""
_TELLING_BYTES = 256 << 10
"""Up to this size, characters inside strings don't count as parts. In a longer message they count,
and so do escapes, which are slow to parse."""
MAX_DIGITS = 1000
"""The most digits of a number in a longer message, because the time to parse a number grows with
the square of its digits."""
_BLOCK_BYTES = MAX_DIGITS // 2
_FIRST_BYTES = 64 << 10
"""What is looked at byte by byte before marks are searched for: it often has too many."""
_DIGITS = b"0123456789"
_OPENING = b"[{,:"
"""Each of these starts a part."""


def parse(shape: type[W], data: bytes, parts: int = MAX_PARTS) -> W:
    """Parse a message that has at most ``parts`` parts.

    :raises ProtocolError: the bytes aren't JSON of this shape, or have more parts.
    """
    _check_parts(data, parts)
    if len(data) > _TELLING_BYTES:
        check_numbers(data)
    return read(shape, data)


def parse_if(shape: type[W], data: bytes, parts: int = MAX_PARTS) -> W | None:
    """Parse a message, or return ``None`` if it has another shape or more parts."""
    try:
        return parse(shape, data, parts)
    except ProtocolError:
        return None


def read(shape: type[W], data: bytes | bytearray) -> W:
    """Parse a message whose number of parts, and whose numbers, the caller has already checked.

    :raises ProtocolError: the bytes aren't JSON of this shape.
    """
    try:
        return _read(shape, data)
    except ValidationError as error:
        raise ProtocolError(f"not a {shape.__doc__ or shape.__name__}: {_first(error)}") from None


def read_if(shape: type[W], data: bytes | bytearray) -> W | None:
    """Do the same as ``read``, but return ``None`` if the bytes have another shape."""
    try:
        return read(shape, data)
    except ProtocolError:
        return None


def parts_of(data: bytes) -> int:
    """Count the parts that start in these bytes, including those that are inside strings."""
    return len(data) - len(data.translate(None, _OPENING))


def _check_parts(data: bytes, limit: int) -> None:
    """Reject a message that would take too long or too much memory, before parsing it.

    A megabyte of ``{}`` would take 2 seconds and 400 MB.
    """
    if len(data) <= _SMALL_BYTES:
        return
    if len(data) > _TELLING_BYTES:
        is_refused = _has_more(data, _OPENING + b"\\", limit)
    else:
        is_refused = parts_of(data) > limit and _has_more_outside_texts(data, limit)
    if is_refused:
        raise ProtocolError(f"one message has more than {limit} parts")


def _has_more(data: bytes, marks: bytes, limit: int) -> bool:
    """Return whether the bytes contain more than ``limit`` marks.

    If marks are rare, searching for each is ten times as fast as looking at each byte.
    """
    first = data[:_FIRST_BYTES]
    if len(first) - len(first.translate(None, marks)) > limit:
        return True
    found = 0
    for mark in marks:
        at = data.find(mark)
        while at >= 0:
            found += 1
            if found > limit:
                return True
            at = data.find(mark, at + 1)
    return False


def _has_more_outside_texts(json: bytes, limit: int) -> bool:
    """Return whether JSON has more than ``limit`` parts outside its strings.

    A comma in an answer starts no part. Each string belongs to a part.
    """
    unescaped = json.replace(rb"\\", b"").replace(rb"\"", b"")
    if unescaped.count(b'"') > 2 * (limit + 1):
        return True
    return parts_of(b"".join(unescaped.split(b'"')[::2])) > limit


def check_numbers(data: bytes | bytearray) -> None:
    """
    :raises ProtocolError: a number has ``MAX_DIGITS`` digits or more.
    """
    if _has_long_number(data):
        raise ProtocolError(f"one message has a number of more than {MAX_DIGITS} digits")


def _has_long_number(data: bytes | bytearray) -> bool:
    """Return whether there are ``MAX_DIGITS`` digits in a row. They always fill one whole block."""
    for at in range(0, len(data), _BLOCK_BYTES):
        end = at + _BLOCK_BYTES
        if data[at:end].isdigit():
            before, after = data[max(0, at - MAX_DIGITS) : at], data[end : end + MAX_DIGITS]
            more = (
                len(before) - len(before.rstrip(_DIGITS)) + len(after) - len(after.lstrip(_DIGITS))
            )
            if _BLOCK_BYTES + more >= MAX_DIGITS:
                return True
    return False


def _read(shape: type[W], data: bytes | bytearray) -> W:
    """Parse a message, with U+FFFD for half a surrogate pair, which official SDKs accept."""
    try:
        return shape.model_validate_json(data)
    except ValidationError:
        if len(data) > _MAX_MENDED_BYTES or rb"\u" not in data:
            raise
        whole = _LONE_SURROGATE.sub(rb"\1\\ufffd", data)
        if whole == data:
            raise
        return shape.model_validate_json(whole)


def merged(body: Mapping[str, object], extra: Mapping[str, object]) -> dict[str, object]:
    """Merge the user's own fields into a request body, as a JSON Merge Patch (RFC 7396).

    Objects are merged field by field. A field that is null in either body is left out.
    """
    result = {name: value for name, value in body.items() if value is not None}
    for name, value in extra.items():
        inner = result.pop(name, None)
        if isinstance(value, Mapping):
            result[name] = merged(inner if isinstance(inner, Mapping) else {}, value)
        elif value is not None:
            result[name] = value
    return result


def count(*reported: int | None) -> int:
    """Return the first count that isn't zero or missing. Negative counts become 0."""
    return max(0, next(filter(None, reported), 0))


def excerpt(body: bytes) -> str:
    """Return an error body of unknown format as text.

    It isn't shortened here. Secrets must be removed first: half a secret would not be recognized.
    """
    return body.decode("utf-8", errors="replace").strip() or "the response has no body"


def _first(error: ValidationError) -> str:
    """Return the first error, without the input, which can be long or contain a secret."""
    detail = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in detail["loc"])
    return f"{where}: {detail['msg']}" if where else detail["msg"]
