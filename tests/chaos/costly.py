"""Answers that cost as much as possible to parse, with the reason that each probe must report."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import NamedTuple

from exporter.kinds import Kind
from exporter.providers.framing import eventstream
from exporter.providers.framing.lines import MAX_BYTES
from tests.wire import LAST_CHUNK, STREAM_HEAD, Step, chunk, response

MEGABYTE = 1 << 20
LARGEST = MAX_BYTES - 200
"""The size of the largest allowed message, including its surroundings."""


class Costly(NamedTuple):
    """A costly answer, and a good one of the same provider."""

    provider: str
    good: Sequence[Step]
    script: Sequence[Step]
    reasons: str
    """The correct reasons, separated by spaces."""
    kind: Kind = Kind.CHAT
    """The kind of the request."""


def _sse(data: bytes) -> bytes:
    return b"data: " + data + b"\n\n"


def _line(data: bytes) -> bytes:
    return data + b"\n"


def _named(data: bytes) -> bytes:
    return b"event: message_delta\n" + _sse(data)


def _binary(data: bytes) -> bytes:
    return eventstream.encode({":message-type": "event", ":event-type": "contentBlockDelta"}, data)


FRAMES: dict[str, Callable[[bytes], bytes]] = {
    "openai": _sse,
    "openai_responses": _sse,
    "anthropic": _named,
    "dashscope": _sse,
    "gemini": _sse,
    "ollama": _line,
    "bedrock": _binary,
}


def filled(before: bytes, piece: bytes, after: bytes, size: int = LARGEST) -> bytes:
    """Return as many comma-separated copies of ``piece`` as fit."""
    times = max(1, (size - len(before) - len(after)) // (len(piece) + 1))
    return before + b",".join([piece] * times) + after


def _nested(*levels: tuple[bytes, bytes, int], leaf: bytes = b"{}") -> bytes:
    """Return nested lists. Each level is the text around its items, and their number."""
    for before, after, count in reversed(levels):
        leaf = before + b",".join([leaf] * count) + after
    return leaf


ANY = {
    "a million [": b"[" * LARGEST,
    "a million {": b'{"a":' * (LARGEST // 5),
    "a million balanced [": b"[" * (LARGEST // 2) + b"]" * (LARGEST // 2),
    "an unknown field of {}": filled(b'{"x":[', b"{}", b"]}"),
    "an unknown field of numbers": filled(b'{"x":[', b"1", b"]}"),
    "an unknown field of fields": filled(b'{"x":{', b'"a":1', b"}}"),
    "different names": b'{"x":{' + b",".join(b'"%d":0' % n for n in range(45_000)) + b"}}",
    "a number of a million digits": b'{"x":' + b"9" * LARGEST + b"}",
    "numbers of 4,000 digits": filled(b'{"x":[', b"9" * 4000, b"]}"),
    "a float of a million digits": b'{"x":1.' + b"9" * LARGEST + b"}",
    "escapes": b'{"x":"' + rb"\u0041" * 85_000 + b'"}',
    "surrogates": b'{"x":"' + rb"\ud83d\ude00" * 42_000 + b'"}',
    "backslashes": b'{"x":"' + rb"\\" * 250_000 + b'"}',
    "wide characters": b'{"x":"' + "😀".encode() * 125_000 + b'"}',
    "broken UTF-8": b'{"x":"' + b"\xff" * 500_000 + b'"}',
    "a megabyte of {}": filled(b'{"error":{"message":"x","details":[', b"{}", b"]}}", MEGABYTE),
    "an error with details of {}": filled(b'{"error":{"message":"x","details":[', b"{}", b"]}}"),
    "an error with details of texts": filled(
        b'{"error":{"message":"x","details":[', b'"a"', b"]}}"
    ),
    "an error with a long text": b'{"error":{"message":"' + b"x y " * 130_000 + b'"}}',
    "an error with wide text": b'{"error":{"message":"' + "😀 ".encode() * 100_000 + b'"}}',
    "an error with a code of digits": b'{"error":{"code":' + b"9" * 500_000 + b"}}",
    "an error with a code of 4,000 digits": b'{"error":{"code":' + b"9" * 4_000 + b"}}",
    "null bytes": b"\0" * LARGEST,
    "white space": b" " * LARGEST,
    "white space and a text": b" " * (LARGEST - 2000) + b"{}",
}
"""Messages for all providers."""

_PART = b'{"type":"text","text":"x"}'
OWN = {
    "openai": {
        "300,000 choices": filled(b'{"choices":[', b"{}", b"]}"),
        "32 x 32 x 32 parts": _nested(
            (b'{"choices":[', b"]}", 32),
            (b'{"delta":{"content":[', b"]}}", 32),
            (b'{"type":"thinking","thinking":[', b"]}", 32),
        ),
        "32 x 32 parts": _nested(
            (b'{"choices":[', b"]}", 32), (b'{"delta":{"content":[', b"]}}", 32), leaf=_PART
        ),
        "32 tool calls in 32 choices": _nested(
            (b'{"choices":[', b"]}", 32),
            (b'{"delta":{"tool_calls":[', b"]}}", 32),
            leaf=b'{"function":{"name":"f","arguments":"{}"}}',
        ),
        "many choices of texts": filled(b'{"choices":[', b'"x"', b"]}"),
        "long names": b'{"id":"%s","model":"%s"}' % (b"x" * 250_000, b"y" * 250_000),
        "a long answer": b'{"choices":[{"delta":{"content":"%s"}}]}' % (b"x" * 500_000),
        "a long wide answer": b'{"choices":[{"delta":{"content":"%s"}}]}'
        % ("😀" * 120_000).encode(),
        "a long finish reason": b'{"choices":[{"finish_reason":"%s"}]}' % (b"x" * 500_000),
    },
    "gemini": {
        "300,000 candidates": filled(b'{"candidates":[', b"{}", b"]}"),
        "32 x 32 parts": _nested(
            (b'{"candidates":[', b"]}", 32),
            (b'{"content":{"parts":[', b"]}}", 32),
            leaf=b'{"text":"x"}',
        ),
        "arguments of a call": filled(
            b'{"candidates":[{"content":{"parts":[{"functionCall":{"args":{"a":[',
            b"{}",
            b"]}}}]}}]}",
        ),
        "partial arguments": filled(
            b'{"candidates":[{"content":{"parts":[{"functionCall":{"partialArgs":[',
            b"{}",
            b"]}}]}}]}",
        ),
        "brackets in lines": b"{\n" + b"[\n" * 250_000,
        "details of an error": filled(
            b'{"error":{"code":503,"message":"x","details":[',
            b'{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"1s"}',
            b"]}}",
        ),
    },
    "dashscope": {
        "300,000 choices": filled(b'{"output":{"choices":[', b"{}", b"]}}"),
        "32 x 32 x 32 parts": _nested(
            (b'{"output":{"choices":[', b"]}}", 32),
            (b'{"message":{"content":[', b"]}}", 32),
            (b'{"type":"thinking","thinking":[', b"]}", 32),
        ),
    },
    "ollama": {
        "300,000 tool calls": filled(b'{"message":{"tool_calls":[', b"{}", b"]}}"),
        "arguments of a call": filled(
            b'{"message":{"tool_calls":[{"function":{"arguments":{"a":[', b"{}", b"]}}}]}}"
        ),
        "a context of tokens": filled(b'{"done":true,"context":[', b"12345", b"]}"),
    },
    "openai_responses": {
        "a delta of {}": filled(b'{"type":"x","delta":[', b"{}", b"]}"),
        "an output of items": filled(
            b'{"type":"response.completed","response":{"output":[', b'{"type":"m"}', b"]}}"
        ),
    },
    "anthropic": {},
    "bedrock": {},
}

GOOD: dict[str, Sequence[Step]] = {
    provider: [response(200, frame(b'{"x":1}'))] for provider, frame in FRAMES.items()
}


def _whole(body: bytes) -> list[Step]:
    return [STREAM_HEAD, chunk(body), LAST_CHUNK]


def _small(piece: bytes, total: int = 4 * MEGABYTE) -> list[Step]:
    """Return a body that repeats one small piece."""
    return [STREAM_HEAD, *[chunk(piece * (65536 // len(piece)))] * (total // 65536), LAST_CHUNK]


MADE_TO_LAST = "<br> QTE=&JTQxXA==PGJyPg===\n" * 200
"""A text that is decoded again and again, found by random search. 2 kB take 25 ms."""
_ENCODED = {"content": MADE_TO_LAST, "reasoning_content": MADE_TO_LAST}

HTTP: dict[str, Costly] = {
    f"openai: {name}": Costly("openai", GOOD["openai"], script, reasons)
    for name, script, reasons in (
        ("a million empty lines", _small(b"\n", MEGABYTE), "truncated"),
        ("a million comments", _small(b":\n"), "truncated"),
        ("a million empty events", _small(b"data:{}\n\n"), "truncated too_large protocol"),
        ("a million fields", _small(b"data:\n"), "truncated too_large protocol"),
        ("a million names", _small(b"event:x\n"), "truncated"),
        ("small answers", _small(_sse(b'{"choices":[{"delta":{"content":"1"}}]}')), "truncated"),
        ("chunks of one byte", [STREAM_HEAD, (chunk(b":") * 700_000)], "truncated"),
        ("interim responses", [b"HTTP/1.1 103 Early Hints\r\n\r\n" * 40_000], "protocol connect"),
        (
            "interim responses with headers",
            [(b"HTTP/1.1 103 Hints\r\n" + b"a:\r\n" * 200 + b"\r\n") * 2_000],
            "protocol connect",
        ),
        (
            "20,000 headers",
            [b"HTTP/1.1 200 OK\r\n" + b"".join(b"%d:\r\n" % n for n in range(12_000)) + b"\r\n"],
            "too_large protocol",
        ),
        (
            "headers folded",
            [b"HTTP/1.1 200 OK\r\na: b\r\n" + b" c\r\n" * 20_000 + b"\r\n"],
            "too_large protocol",
        ),
        (
            "a long header",
            [b"HTTP/1.1 200 OK\r\na: " + b"b" * 1_000_000 + b"\r\n\r\n"],
            "too_large protocol",
        ),
        (
            "texts made to be searched for secrets for long",
            _whole(
                _sse(json.dumps({"choices": [{"delta": _ENCODED, "finish_reason": "x"}]}).encode())
            ),
            "",
        ),
        (
            "an error made to be searched for secrets for long",
            [response(500, json.dumps({"error": {"message": MADE_TO_LAST}}).encode())],
            "server_error",
        ),
        ("trailers", [STREAM_HEAD, b"0\r\n" + b"a:\r\n" * 20_000 + b"\r\n"], "truncated protocol"),
        (
            "chunk extensions",
            [STREAM_HEAD, (b"1;" + b"x" * 3_000 + b"\r\n:\r\n") * 2_000],
            "truncated",
        ),
    )
}

for _status in (500,):
    for _provider in FRAMES:
        for _name, _body in {
            "an error body of {}": filled(b'{"error":{"message":"x","details":[', b"{}", b"]}}"),
            "an error body of [": b"[" * 60_000,
            "an error body of 60 kB of {}": filled(
                b'{"error":{"message":"x","details":[', b"{}", b"]}}", 60_000
            ),
            "an error body of events": b"data:{}\n\n" * 100_000,
        }.items():
            HTTP[f"{_provider}: {_name}"] = Costly(
                _provider,
                GOOD[_provider],
                [response(_status, _body)],
                "server_error",
            )

MESSAGES: dict[str, Costly] = {
    f"{provider}: {name}": Costly(provider, GOOD[provider], _whole(frame(message)), "")
    for provider, frame in FRAMES.items()
    for name, message in {**ANY, **OWN[provider]}.items()
}

BARE: dict[str, Costly] = {
    f"{provider}: no event, but {name}": Costly(provider, GOOD[provider], _whole(text), "")
    for provider in ("openai", "gemini")
    for name, text in {
        "[": b"[" * LARGEST + b"\n",
        "texts": filled(b"[", b'""', b"]") + b"\n",
        "white space": b"{" + b" " * LARGEST + b"\n",
        "a long text": b'{"error":{"message":"' + b"x " * 60_000 + b'"}}\n',
    }.items()
}
"""Bare JSON texts between the events."""

IN_ONE_PIECE: dict[str, Costly] = {
    f"openai, {kind}: {name}": Costly(
        "openai", [response(200, good)], [response(200, body)], "", kind
    )
    for kind, good in {
        Kind.EMBEDDINGS: b'{"data":[{"embedding":[1]},{"embedding":[1]}]}',
        Kind.MODELS: b'{"data":[{"id":"m"}]}',
    }.items()
    for name, body in {
        "3 MB of {}": filled(b'{"data":[', b"{}", b"]}", 3 * MEGABYTE),
        "5,000 models": filled(b'{"data":[', b'{"id":"x"}', b"]}", 11 * 5_000),
        "48,000 numbers": filled(
            b'{"data":[{"id":"x","embedding":[', b"0.12345678", b"]}]}", 11 * 48_000
        ),
        "48,000 texts": filled(b'{"data":[{"id":"x","embedding":[', b'"0.12"', b"]}]}", 7 * 48_000),
        "2 MB of text": b'{"data":"%s"}' % (b"x" * (2 * MEGABYTE - 100)),
        "2 MB of escapes": rb'{"data":"%s"}' % (rb"\u0041" * (349_000)),
    }.items()
}

COSTLY: dict[str, Costly] = MESSAGES | HTTP | BARE | IN_ONE_PIECE
