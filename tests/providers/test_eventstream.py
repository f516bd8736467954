"""The binary event stream: golden frame, lengths, checksums, limits."""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.providers.base import ProtocolError
from exporter.providers.framing.eventstream import (
    MAX_HEADERS_BYTES,
    MAX_PAYLOAD_BYTES,
    EventStreamDecoder,
    encode,
)
from exporter.result import FailureReason

FRAME = bytes.fromhex(
    "0000007700000052abb5d36e0b3a6576656e742d7479706507000c6d657373616765"
    "53746172740d3a636f6e74656e742d747970650700106170706c69636174696f6e2f"
    "6a736f6e0d3a6d6573736167652d747970650700056576656e747b22726f6c65223a"
    "2022617373697374616e74227d5be0d2f5"
)
HEADERS = {
    ":event-type": "messageStart",
    ":content-type": "application/json",
    ":message-type": "event",
}
PAYLOAD = b'{"role": "assistant"}'


def with_prelude(length: int, headers_length: int) -> bytes:
    """Return the start of a message whose prelude has a correct CRC, whatever its lengths."""
    lengths = struct.pack(">II", length, headers_length)
    return lengths + struct.pack(">I", zlib.crc32(lengths))


def with_headers(block: bytes) -> bytes:
    body = with_prelude(16 + len(block), len(block)) + block
    return body + struct.pack(">I", zlib.crc32(body))


def error_of(data: bytes) -> ProtocolError:
    with pytest.raises(ProtocolError) as caught:
        EventStreamDecoder().feed(data)
    return caught.value


def test_the_golden_frame_is_read() -> None:
    (message,) = EventStreamDecoder().feed(FRAME)
    assert {name: message.text(name) for name in message.headers} == HEADERS
    assert message.payload == PAYLOAD


def test_the_golden_frame_is_written_byte_for_byte() -> None:
    assert encode(HEADERS, PAYLOAD) == FRAME


def test_several_messages_in_one_read_all_come_out() -> None:
    decoder = EventStreamDecoder()
    assert len(decoder.feed(FRAME * 3 + FRAME[:50])) == 3
    assert len(decoder.feed(FRAME[50:])) == 1
    assert decoder.finish() == []


def test_a_body_that_ends_inside_a_message_is_an_error() -> None:
    decoder = EventStreamDecoder()
    assert decoder.feed(FRAME[:-1]) == []
    with pytest.raises(ProtocolError, match="ends inside"):
        decoder.finish()


@pytest.mark.parametrize("at", range(len(FRAME)))
def test_no_single_changed_byte_goes_unnoticed(at: int) -> None:
    assert error_of(FRAME[:at] + bytes([FRAME[at] ^ 1]) + FRAME[at + 1 :]).reason == "protocol"


@pytest.mark.parametrize(
    ("length", "headers_length", "reason"),
    [
        (15, 0, FailureReason.PROTOCOL),
        (20, 5, FailureReason.PROTOCOL),
        (0, 0, FailureReason.PROTOCOL),
        (16 + MAX_HEADERS_BYTES + 1, MAX_HEADERS_BYTES + 1, FailureReason.TOO_LARGE),
        (16 + MAX_PAYLOAD_BYTES + 1, 0, FailureReason.TOO_LARGE),
        (0xFFFFFFFF, 0, FailureReason.TOO_LARGE),
    ],
)
def test_impossible_lengths_are_refused_before_anything_is_kept(
    length: int, headers_length: int, reason: FailureReason
) -> None:
    assert error_of(with_prelude(length, headers_length)).reason is reason


@pytest.mark.parametrize(
    ("length", "headers_length"),
    [(16 + MAX_HEADERS_BYTES, MAX_HEADERS_BYTES), (16 + MAX_PAYLOAD_BYTES, 0)],
)
def test_the_longest_allowed_message_is_waited_for(length: int, headers_length: int) -> None:
    assert EventStreamDecoder().feed(with_prelude(length, headers_length)) == []


@pytest.mark.parametrize(
    ("block", "detail"),
    [
        (b"\x05ab", "cut off"),
        (b"\x01a", "cut off"),
        (b"\x01a\x07\x00\x05hi", "cut off"),
        (b"\x01a\x04\x00", "cut off"),
        (b"\x01a\x00\x01a\x01", "two headers"),
    ],
)
def test_broken_headers_are_refused(block: bytes, detail: str) -> None:
    assert detail in str(error_of(with_headers(block)))


def test_a_header_type_that_nobody_knows_is_refused() -> None:
    assert "type 10" in str(error_of(with_headers(b"\x01a\x0a\x00\x01x")))


def test_something_else_than_an_event_stream_is_refused() -> None:
    assert "not an event stream" in str(error_of(b"<html>Bad gateway</html>"))


def test_json_instead_of_messages_is_left_to_whoever_reads_errors() -> None:
    decoder = EventStreamDecoder()
    assert decoder.feed(b'{"message"') + decoder.feed(b': "no"}') == []


def test_json_after_a_message_is_refused() -> None:
    assert "not an event stream" in str(error_of(FRAME + b'{"message": "no"}'))


@settings(max_examples=60, deadline=None)
@given(
    headers=st.dictionaries(st.text(max_size=10), st.text(max_size=50), max_size=5),
    payload=st.binary(max_size=200),
)
def test_what_is_written_is_read_again(headers: dict[str, str], payload: bytes) -> None:
    (message,) = EventStreamDecoder().feed(encode(headers, payload))
    assert {name: message.text(name) for name in message.headers} == headers
    assert message.payload == payload
