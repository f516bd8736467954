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
MAX_DIGITS = 1000
"""Of one number in a message that is longer still: the time to read a number grows with the
square of its digits."""
_BLOCK_BYTES = MAX_DIGITS // 2
_DIGITS = b"0123456789"
_OPENING = b"[{,:"
"""Each of them begins a part."""


def parse(shape: type[W], data: bytes, parts: int = MAX_PARTS) -> W:
    """The message in these bytes, which has at most so many parts.

    :raises ProtocolError: they are not JSON of this shape, or have more parts.
    """
    _check_parts(data, parts)
    if len(data) > _TELLING_BYTES:
        check_numbers(data)
    return read(shape, data)


def parse_if(shape: type[W], data: bytes, parts: int = MAX_PARTS) -> W | None:
    """The message in these bytes, or ``None`` where they are something else or have more parts."""
    try:
        return parse(shape, data, parts)
    except ProtocolError:
        return None


def read(shape: type[W], data: bytes | bytearray) -> W:
    """The message in these bytes, of which somebody else made sure that they have neither too many
    parts nor too long a number.

    :raises ProtocolError: they are not JSON of this shape.
    """
    try:
        return _read(shape, data)
    except ValidationError as error:
        raise ProtocolError(f"not a {shape.__doc__ or shape.__name__}: {_first(error)}") from None


def read_if(shape: type[W], data: bytes | bytearray) -> W | None:
    """The same, or ``None`` where they are something else."""
    try:
        return read(shape, data)
    except ProtocolError:
        return None


def parts_of(data: bytes) -> int:
    """How many parts these bytes begin, those in texts among them."""
    return len(data) - len(data.translate(None, _OPENING))


def _check_parts(data: bytes, limit: int) -> None:
    """Refuse a message that takes long to read, or much memory, before it is read: a megabyte of
    ``{}`` would take 2 seconds and 400 MB."""
    if len(data) <= _SMALL_BYTES:
        return
    if len(data) > _TELLING_BYTES:
        is_refused = _has_more(data, _OPENING + b"\\", limit)
    else:
        is_refused = parts_of(data) > limit and _has_more_outside_texts(data, limit)
    if is_refused:
        raise ProtocolError(f"one message has more than {limit} parts")


def _has_more(data: bytes, marks: bytes, limit: int) -> bool:
    """Whether there are more than so many marks. Where they are rare, to look for each is ten
    times as quick as to look at each byte."""
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
    """Whether JSON without its texts has more than so many parts: a comma in an answer makes
    none. Each text belongs to a part."""
    unescaped = json.replace(rb"\\", b"").replace(rb"\"", b"")
    if unescaped.count(b'"') > 2 * (limit + 1):
        return True
    return parts_of(b"".join(unescaped.split(b'"')[::2])) > limit


def check_numbers(data: bytes | bytearray) -> None:
    """
    :raises ProtocolError: a number is too long.
    """
    if _has_long_number(data):
        raise ProtocolError(f"one message has a number of more than {MAX_DIGITS} digits")


def _has_long_number(data: bytes | bytearray) -> bool:
    """Whether there are ``MAX_DIGITS`` digits in a row, which fill some block whole."""
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
    """The message, with U+FFFD for half a surrogate pair: official SDKs pass over one."""
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
