"""Amazon's binary event stream, ``application/vnd.amazon.eventstream``.

A message consists of a prelude (its total length, the length of its headers, a CRC-32 of both),
headers, a payload, and a CRC-32 of everything before it. Integers are big-endian. Source: "Event
stream encoding" in the Amazon Transcribe developer guide.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from zlib import crc32

from exporter.providers.base import ProtocolError
from exporter.providers.framing.lines import MAX_BYTES
from exporter.result import FailureReason

MAX_HEADERS_BYTES = 128 << 10  # the limit of botocore
MAX_PAYLOAD_BYTES = MAX_BYTES  # botocore allows 24 MiB, which takes a second to read

_LENGTHS = struct.Struct(">II")
_CRC_BYTES = 4
_PRELUDE_BYTES = _LENGTHS.size + _CRC_BYTES
_FRAME_BYTES = _PRELUDE_BYTES + _CRC_BYTES
_TEXT = 7
_VALUE_BYTES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""Header types of a fixed size: booleans, integers, timestamp, UUID."""
_MEASURED = frozenset({6, _TEXT})
"""Header types with a two-byte length prefix: bytes and text."""


@dataclass(frozen=True, slots=True)
class EventStreamMessage:
    """One message. Header values are the raw bytes from the wire."""

    headers: Mapping[str, bytes]
    payload: bytes

    def text(self, header: str) -> str:
        """Return the value of a text header, or an empty string if it is missing."""
        return self.headers.get(header, b"").decode(errors="replace")


class EventStreamDecoder:
    """Splits a byte stream, received in arbitrary chunks, into messages, and checks both CRCs of
    each."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._started = False

    def feed(self, chunk: bytes) -> list[EventStreamMessage]:
        """Return the messages that these bytes complete.

        :raises ProtocolError: a CRC or a length is wrong, or a header is unreadable. The reason is
            ``too_large`` if the headers or the payload exceed their limits.
        """
        self._pending += chunk
        if not self._started and self._pending.startswith(b"{"):
            return []  # JSON is an error with status 200, which is read as a whole elsewhere
        return list(self._complete())

    def finish(self) -> list[EventStreamMessage]:
        """Return nothing, because the end of the body completes no message.

        :raises ProtocolError: the body ends inside a message.
        """
        if self._pending:
            raise ProtocolError("the body ends inside an event stream message")
        return []

    def _complete(self) -> Iterator[EventStreamMessage]:
        while len(self._pending) >= _PRELUDE_BYTES:
            length, headers_length = _lengths(bytes(self._pending[:_PRELUDE_BYTES]))
            if len(self._pending) < length:
                return
            frame = bytes(self._pending[:length])
            del self._pending[:length]
            self._started = True
            yield _message(frame, _PRELUDE_BYTES + headers_length)


def encode(headers: Mapping[str, str], payload: bytes) -> bytes:
    """Encode one message whose headers are all text."""
    block = b"".join(map(_text_header, headers, headers.values()))
    lengths = _LENGTHS.pack(_FRAME_BYTES + len(block) + len(payload), len(block))
    frame = lengths + _crc(lengths) + block + payload
    return frame + _crc(frame)


def _lengths(prelude: bytes) -> tuple[int, int]:
    """Return the lengths of a message and of its headers, in bytes."""
    lengths = prelude[: _LENGTHS.size]
    if _crc(lengths) != prelude[_LENGTHS.size :]:
        raise ProtocolError("not an event stream: the CRC of a prelude is wrong")
    length, headers_length = _LENGTHS.unpack(lengths)
    payload_length = length - headers_length - _FRAME_BYTES
    if payload_length < 0:
        raise ProtocolError("an event stream message is shorter than its headers")
    if headers_length > MAX_HEADERS_BYTES or payload_length > MAX_PAYLOAD_BYTES:
        raise ProtocolError(
            f"an event stream message of {length} bytes is too long", FailureReason.TOO_LARGE
        )
    return length, headers_length


def _message(frame: bytes, payload_at: int) -> EventStreamMessage:
    content, crc = frame[:-_CRC_BYTES], frame[-_CRC_BYTES:]
    if _crc(content) != crc:
        raise ProtocolError("the CRC of an event stream message is wrong")
    return EventStreamMessage(_headers(content[_PRELUDE_BYTES:payload_at]), content[payload_at:])


def _headers(block: bytes) -> dict[str, bytes]:
    headers: dict[str, bytes] = {}
    rest = BytesIO(block)
    while rest.tell() < len(block):
        name = _take(rest, _integer(rest, 1)).decode(errors="replace")
        kind = _integer(rest, 1)
        if kind not in _VALUE_BYTES and kind not in _MEASURED:
            raise ProtocolError(f"an event stream message has a header of type {kind}")
        value = _take(rest, _integer(rest, 2) if kind in _MEASURED else _VALUE_BYTES[kind])
        if name in headers:
            raise ProtocolError(f"an event stream message has two headers {name!r}")
        headers[name] = value
    return headers


def _integer(rest: BytesIO, size: int) -> int:
    return int.from_bytes(_take(rest, size))


def _take(rest: BytesIO, size: int) -> bytes:
    data = rest.read(size)
    if len(data) < size:
        raise ProtocolError("a header of an event stream message is cut off")
    return data


def _text_header(name: str, value: str) -> bytes:
    name_bytes, value_bytes = name.encode(), value.encode()
    length = len(value_bytes).to_bytes(2)
    return bytes([len(name_bytes)]) + name_bytes + bytes([_TEXT]) + length + value_bytes


def _crc(data: bytes) -> bytes:
    return crc32(data).to_bytes(4)
