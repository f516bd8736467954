"""Size limits of a message: large enough for what providers send."""

from __future__ import annotations

import json

import pytest

from exporter.providers import wire
from exporter.providers.base import ProtocolError
from exporter.providers.framing.lines import Lines
from exporter.providers.wire import MAX_DIGITS, MAX_PARTS, Wire, parse, parse_if
from tests.chaos.costly import ANY, filled

BOMBS = {name: ANY[name] for name in ("a million [", "an error with details of {}")} | {
    "fields": filled(b'{"x":{', b'"a":1', b"}}", 40_000),
    "lists in lists": b'{"x":' + b"[[],[[]],[]]," * 2_000 + b"[]}",
    "numbers": filled(b'{"x":[', b"9" * 4000, b"]}", 400_000),
}


class _Anything(Wire):
    """JSON object"""


@pytest.mark.parametrize("name", BOMBS)
def test_a_message_of_too_many_parts_is_not_read(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    monkeypatch.setattr(
        _Anything, "model_validate_json", lambda data: read.append(len(data)), raising=False
    )
    with pytest.raises(ProtocolError, match="more than"):
        parse(_Anything, BOMBS[name])
    assert parse_if(_Anything, BOMBS[name]) is None
    assert not read


@pytest.mark.parametrize(
    "text",
    [
        "a, b: [c], {d} " * 10_000,
        '"quoted", \\"twice\\": {}' * 5_000,
        "\\" * 50_000,
        "\N{GRINNING FACE},[:" * 10_000,
        json.dumps({"an": ["answer", {"of": "JSON"}]}) * 3_000,
        "3.14159" * 20_000,
    ],
)
@pytest.mark.parametrize("ensure_ascii", [True, False])
def test_what_stands_in_a_text_makes_no_part(text: str, ensure_ascii: bool) -> None:
    data = json.dumps({"text": text}, ensure_ascii=ensure_ascii).encode()
    assert 4096 < len(data) < 256 << 10
    parse(_Anything, data)


def test_a_long_text_is_read() -> None:
    parse(_Anything, json.dumps({"text": "word " * 100_000}).encode())


def test_the_parts_are_those_of_the_message() -> None:
    def of(parts: int) -> bytes:
        return json.dumps({"x": ["a long text, of course: [" for _ in range(parts - 2)]}).encode()

    parse(_Anything, of(MAX_PARTS))
    with pytest.raises(ProtocolError, match="parts"):
        parse(_Anything, of(MAX_PARTS + 1))


def test_a_small_message_is_read_without_a_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "parts_of", lambda _: 1 << 30)
    parse(_Anything, b'{"x":1}')


def test_bytes_that_end_no_line_are_looked_at_once() -> None:
    lines = Lines()
    assert lines.feed(b"x" * 1000 + b"\r") == []
    assert lines.pending_bytes == 1001
    assert lines.feed(b"\ny") == [b"x" * 1000]
    assert lines.feed(b"z\n\r\n\r") == [b"yz", b""]
    assert lines.feed(b"") == []
    assert lines.feed(b"a\n") == [b"", b"a"]


@pytest.mark.parametrize("digits", [MAX_DIGITS - 1, MAX_DIGITS, 3 * MAX_DIGITS])
@pytest.mark.parametrize("before", [0, 1, 250, 499, 500, 777])
def test_a_number_of_too_many_digits_is_not_read(digits: int, before: int) -> None:
    data = b'{"x":"' + b"y" * (before + (300 << 10)) + b'","n":' + b"9" * digits + b"}"
    if digits < MAX_DIGITS:
        parse(_Anything, data)
    else:
        with pytest.raises(ProtocolError, match="digits"):
            parse(_Anything, data)


def test_more_quotes_than_parts_can_have_are_no_message() -> None:
    with pytest.raises(ProtocolError, match="parts"):
        parse(_Anything, b'{"x":[' + b'"",' * 60_000 + b'""]}')
