"""Every known or imagined fault of a provider, or of a server in front of it.

Each one is a script of exact bytes, and the reason that the probe must report. ``None`` is a
success. After a fault, the same server sends a good answer, so that the next probe succeeds.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator

from exporter.result import FailureReason as R
from tests.chaos.framing_faults import ambiguities, framings
from tests.chaos.script import DONE, GOOD, OK, SUCCESS, Behaviour, body, event, said, stream
from tests.chaos.status_faults import retries, statuses
from tests.wire import STREAM_HEAD, Act, Step, chunk

POINTS: dict[str, tuple[list[Step], R | None, R | None]] = {
    "before a byte": ([], R.CONNECT, R.TIMEOUT_FIRST_TOKEN),
    "in the status line": ([b"HTTP/1.1 20"], R.CONNECT, R.TIMEOUT_FIRST_TOKEN),
    "in the headers": ([OK + b"content-ty"], R.CONNECT, R.TIMEOUT_FIRST_TOKEN),
    "behind the headers": ([STREAM_HEAD], R.TRUNCATED, R.TIMEOUT_FIRST_TOKEN),
    "in a chunk's length": ([STREAM_HEAD, b"1"], R.TRUNCATED, R.TIMEOUT_FIRST_TOKEN),
    "in the first event": ([STREAM_HEAD, b"fff\r\ndata: {"], R.TRUNCATED, R.TIMEOUT_FIRST_TOKEN),
    "behind a comment": ([STREAM_HEAD, chunk(b": hi\n\n")], R.TRUNCATED, R.TIMEOUT_FIRST_TOKEN),
    "behind a token": ([STREAM_HEAD, chunk(said())], R.TRUNCATED, R.TIMEOUT_STALL),
    "in a later event": ([STREAM_HEAD, chunk(said() + b"data: {")], R.TRUNCATED, R.TIMEOUT_STALL),
    "behind the finish reason": ([STREAM_HEAD, chunk(GOOD)], R.TRUNCATED, R.TIMEOUT_STALL),
    "behind the end marker": ([STREAM_HEAD, chunk(GOOD + DONE)], SUCCESS, SUCCESS),
    "in an error body": (
        [b"HTTP/1.1 429 Slow down\r\ncontent-length: 99\r\n\r\nslow"],
        R.RATE_LIMITED,
        R.RATE_LIMITED,
    ),
}


def breaks() -> Iterator[Behaviour]:
    """Yield resets, closes, and silences at every point of an answer."""
    for point, (script, broken, silent) in POINTS.items():
        yield Behaviour(f"reset {point}", [*script, 0.02, Act.RESET], (broken,))
        yield Behaviour(f"closed {point}", [*script, Act.CLOSE], (broken,))
        yield Behaviour(f"silent {point}", [*script, Act.HANG], (silent,), waits=True)


def trickles() -> Iterator[Behaviour]:
    """Yield answers that never end, or that come byte by byte."""
    slow = (R.TIMEOUT_FIRST_TOKEN, R.TIMEOUT_TOTAL)
    yield Behaviour("a head byte by byte", _dripped(OK + b"x: " + b"y" * 99), slow, True)
    yield Behaviour("headers without end", [OK, *_again(b"x: y\r\n")], slow, True)
    yield Behaviour("a flood of headers", [OK, b"x: y\r\n" * 99_999], (R.TOO_LARGE,))
    yield Behaviour("a header without end", [OK + b"x: " + b"y" * 999_999], (R.PROTOCOL,))
    comments: list[Step] = [STREAM_HEAD, *_again(chunk(b": x\n\n"))]
    yield Behaviour("comments without end", comments, slow, True)
    yield Behaviour(
        "an event byte by byte", [STREAM_HEAD, *_dripped(chunk(b"data: 1" * 20))], slow, True
    )
    late: list[Step] = [STREAM_HEAD, chunk(said()), *_again(chunk(b": x\n\n"))]
    yield Behaviour("comments without end behind a token", late, (R.TIMEOUT_STALL,), True)
    tokens: list[Step] = [STREAM_HEAD, *_again(chunk(said()))]
    yield Behaviour("tokens without end", tokens, (R.TIMEOUT_TOTAL,), True)
    yield Behaviour("a flood of text", stream(*[said("x" * 9999)] * 40), (R.TOO_LARGE,))
    yield Behaviour("one endless line", stream(b"data: " + b"x" * 700_000), (R.TOO_LARGE,))
    yield Behaviour("one endless event", stream(b"data: x\n" * 90_000), (R.TOO_LARGE,))
    interim = _again(b"HTTP/1.1 103 Early Hints\r\n\r\n")
    yield Behaviour("interim responses without end", interim, slow, True)


def _again(data: bytes) -> list[Step]:
    return [step for _ in range(99) for step in (data, 0.02)]


def _dripped(data: bytes) -> list[Step]:
    return [step for byte in data for step in (bytes([byte]), 0.01)]


ABSURD = ["-1", "1e308", "1" + "0" * 400, "NaN", "null", '"7"', "true", "[]", "{}", "0.5", "9" * 20]


def usages() -> Iterator[Behaviour]:
    """Yield impossible token counts."""
    for number in ABSURD:
        usage = b'data: {"choices":[],"usage":{"prompt_tokens":%s,"completion_tokens":%s}}\n\n'
        told = usage.replace(b"%s", number.encode())
        reasons = (SUCCESS,) if number in ("-1", "null", '"7"', "true") else (SUCCESS, R.PROTOCOL)
        yield Behaviour(f"usage of {number[:9]}", stream(GOOD, told, DONE), reasons)
    yield Behaviour(
        "usage null", stream(GOOD, b'data: {"choices":[],"usage":null}\n\n', DONE), (None,)
    )
    yield Behaviour("no usage", stream(said("1", "stop"), DONE), (SUCCESS,))
    more = event(choices=[], usage={"prompt_tokens": 1, "completion_tokens": 1})
    yield Behaviour("usage three times", stream(GOOD, more, more, more, DONE), (SUCCESS,))


ERROR = b'{"error":{"message":"no","type":"%s","code":"%s"}}'
ANYTHING: dict[str, tuple[bytes, tuple[R | None, ...]]] = {
    "nothing": (b"", (R.TRUNCATED, R.PROTOCOL)),
    "a space": (b" ", (R.TRUNCATED, R.PROTOCOL)),
    "HTML": (b"<!doctype html><title>Sign in</title><p>Sign in", (R.PROTOCOL,)),
    "an HTML error page": (b"<html><h1>502 Bad Gateway</h1></html>", (R.PROTOCOL, R.SERVER_ERROR)),
    "XML": (b"<?xml version='1.0'?><Error><Code>x</Code></Error>", (R.PROTOCOL,)),
    "text": (b"Hello, world", (R.PROTOCOL,)),
    "an SSH banner": (b"SSH-2.0-OpenSSH_9.6\r\n", (R.PROTOCOL,)),
    "a PDF": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", (R.PROTOCOL,)),
    "a picture": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", (R.PROTOCOL,)),
    "gzip": (gzip.compress(GOOD + DONE, mtime=0), (R.PROTOCOL,)),
    "zeros": (bytes(5000), (R.PROTOCOL,)),
    "all bytes": (bytes(range(256)) * 9, (R.PROTOCOL,)),
    "a JSON object": (b'{"hello":"world"}', (R.PROTOCOL, R.TRUNCATED)),
    "a JSON list": (b"[1, 2, 3]", (R.PROTOCOL, R.TRUNCATED)),
    "a JSON text": (b'"hello"', (R.PROTOCOL, R.TRUNCATED)),
    "null": (b"null", (R.PROTOCOL, R.TRUNCATED)),
    "broken JSON": (b'{"choices":[', (R.PROTOCOL, R.TRUNCATED)),
    "an error": (ERROR % (b"invalid_request_error", b"invalid_api_key"), (R.AUTH,)),
    "an error of quota": (ERROR % (b"insufficient_quota", b"insufficient_quota"), (R.QUOTA,)),
    "an error of load": (ERROR % (b"overloaded_error", b"x"), (R.OVERLOADED,)),
    "an error as a text": (b'{"error":"the model is loading"}', (R.NOT_READY,)),
    "an error in a list": (b"[" + ERROR % (b"x", b"model_not_found") + b"]", (R.NOT_FOUND,)),
    "an error as an event": (
        b"data: " + ERROR % (b"x", b"rate_limit_exceeded") + b"\n\n",
        (R.RATE_LIMITED,),
    ),
    "an answer that is no stream": (
        b'{"object":"chat.completion","choices":[{"message":{"content":"1"},"finish_reason":"stop"}]}',
        (R.PROTOCOL, R.TRUNCATED),
    ),
}


def anything() -> Iterator[Behaviour]:
    """Yield arbitrary content with status 200."""
    for name, (data, reasons) in ANYTHING.items():
        yield Behaviour(f"200 with {name}", body(data), reasons)
        typed = body(data, b"content-type: text/event-stream")
        yield Behaviour(f"200 and a stream with {name}", typed, reasons)
        yield Behaviour(f"200 in chunks with {name}", stream(data) if data else stream(), reasons)


def broken_messages() -> Iterator[Behaviour]:
    """Yield streams with broken messages."""
    protocol, cut = (R.PROTOCOL,), (R.TRUNCATED, R.PROTOCOL)
    for name, data in {
        "no JSON": b"data: hello\n\n",
        "half JSON": b'data: {"choices":\n\n',
        "JSON and more": b'data: {"choices":[]}}\n\n',
        "Python": b"data: {'choices': []}\n\n",
        "a list": b"data: [1]\n\n",
        "broken UTF-8": b'data: {"choices":[{"delta":{"content":"\xff\xfe"}}]}\n\n',
        "half a character": b'data: {"choices":[{"delta":{"content":"\xc3"}}]}\n\n',
        "UTF-16": "data: {}\n\n".encode("utf-16"),
        "deep lists": b"data: " + b"[" * 99_999 + b"\n\n",
        "deep objects": b'data: {"choices":' + b'{"a":' * 9_999 + b"\n\n",
        "countless choices": b'data: {"choices":[' + b"{}," * 99_999 + b"{}]}\n\n",
        "choices that are none": b'data: {"choices":7}\n\n',
        "a delta that is none": b'data: {"choices":[{"delta":"x"}]}\n\n',
    }.items():
        reasons = protocol if name != "UTF-16" else cut
        yield Behaviour(f"a message of {name}", stream(data), reasons)
        yield Behaviour(f"behind a token, {name}", stream(said(), data), reasons)
    good = {
        "a NUL": b'data: {"choices":[{"delta":{"content":"\\u0000"}}]}\n\n',
        "a lone surrogate": b'data: {"choices":[{"delta":{"content":"\\ud800"}}]}\n\n',
        "a byte order mark": b"\xef\xbb\xbf" + said(),
        "CR line ends": said().replace(b"\n", b"\r"),
        "CRLF line ends": said().replace(b"\n", b"\r\n"),
        "unknown fields": event(choices=[{"delta": {"content": "1", "x": [1]}}], y={"z": 1}),
        "an id and a retry": b"id: 7\nretry: 99999999999999999999\n" + said(),
        "an empty event": b"data:\n\n" + said(),
        "ten thousand comments": b": x\n" * 10_000 + said(),
    }
    for name, data in good.items():
        yield Behaviour(f"an answer with {name}", stream(data, said("2", "stop"), DONE), (SUCCESS,))
    yield Behaviour("the end at once", stream(DONE), (R.EMPTY,))
    yield Behaviour("the end before the answer", stream(DONE, GOOD), (R.EMPTY,))
    yield Behaviour("no end", stream(said()), (R.TRUNCATED,))
    yield Behaviour("a finish reason and no end", stream(GOOD), (SUCCESS,))
    yield Behaviour("an answer behind the end", stream(GOOD, DONE, GOOD), (SUCCESS,))
    yield Behaviour("nonsense behind the end", stream(GOOD, DONE, b"data: {{{\n\n"), (SUCCESS,))
    yield Behaviour("a filter", stream(said("1", "content_filter"), DONE), (R.CONTENT_FILTER,))
    refusal = event(choices=[{"delta": {"refusal": "no"}, "finish_reason": "stop"}])
    yield Behaviour("a refusal", stream(refusal, DONE), (R.REFUSAL,))
    failed = b"data: " + ERROR % (b"server_error", b"x") + b"\n\n"
    yield Behaviour("an error in the stream", stream(said(), failed), (R.SERVER_ERROR,))


def all_behaviours() -> Iterator[Behaviour]:
    for group in (
        breaks, trickles, usages, anything, broken_messages, framings, ambiguities, statuses,
        retries,
    ):  # fmt: skip
        yield from group()


BEHAVIOURS = {behaviour.name: behaviour for behaviour in all_behaviours()}
