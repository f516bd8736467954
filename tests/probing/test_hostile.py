"""What a malicious or broken provider can do to the exporter.

Whatever it sends, the probe ends in time with a reason, other probes continue, and no secret leaks.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import math
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import product
from pathlib import Path
from urllib.parse import quote

import pytest
import trustme

from exporter.commands.terminal import closing, line
from exporter.config.plan import Plan, Timeouts
from exporter.config.target import Target
from exporter.kinds import Chat
from exporter.metrics.exposition import OPENMETRICS, PROTOBUF, TEXT
from exporter.metrics.registry import Metrics
from exporter.metrics.target_series import MAX_SERVED_MODELS, provider_text
from exporter.net.dial import connect
from exporter.net.exchange import Exchange
from exporter.net.transport import Connections
from exporter.observation import Observation, observed
from exporter.probing.probe import run_probe
from exporter.process.logs import log_failure
from exporter.result import FailureReason, ProbeResult
from exporter.settings.redaction import REDACTED
from exporter.site.backend import Condition
from exporter.site.pages.problems_page import render_problems
from exporter.site.pages.status_page import TableView, render_page
from exporter.site.pages.target_page import render_target
from exporter.site.result_json import result_to_json
from exporter.site.status import Status
from tests.fuzz import encodings
from tests.observing import newly
from tests.sockets import stamped
from tests.waiting import timed
from tests.wire import LAST_CHUNK, STREAM_HEAD, Act, Step, chunk, response, wire_server

KEY = "sk-Hostile/Key+0815\\x"
OK_HEAD = b"HTTP/1.1 200 OK\r\n"


def event(**fields: object) -> bytes:
    """Return one chat.completion.chunk in one HTTP chunk."""
    return chunk(b"data: " + json.dumps(fields).encode() + b"\n\n")


def answer(text: str = "1", **fields: object) -> bytes:
    return event(choices=[{"delta": {"content": text}, "finish_reason": "stop"}], **fields)


DONE = chunk(b"data: [DONE]\n\n")
WHOLE = STREAM_HEAD + answer() + DONE + LAST_CHUNK


def plan_for(url: str, *, total: float = 30, provider: str = "openai", **fields: object) -> Plan:
    target = {"name": "t", "provider": provider, "model": "m", "base_url": f"{url}/v1", **fields}
    return Plan(
        target=Target.model_validate(target),
        probe_name="p",
        probe=Chat(prompt="hello"),
        interval_seconds=60,
        timeouts=Timeouts(total=total),
        fresh_connection=False,
    )


async def ask(plan: Plan, times: int = 1) -> list[ProbeResult]:
    connections = Connections(plan.target)
    try:
        return [await run_probe(plan, "hello", connections) for _ in range(times)]
    finally:
        await connections.retire()


async def result_of(*script: Step, total: float = 30, provider: str = "openai") -> ProbeResult:
    with wire_server(script) as server:
        (result,) = await ask(plan_for(server.url, total=total, provider=provider))
    return result


def reason(result: ProbeResult) -> FailureReason | None:
    return result.failure.reason if result.failure else None


class Surfaces:
    """Everything that the exporter shows of a result."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.metrics = Metrics()
        self.metrics.apply(newly([plan]))
        self.status = Status()
        self.status.apply(newly([plan]))

    def shown(self, result: ProbeResult) -> str:
        observation = observed(self.plan, result)
        self.metrics.observe(observation)
        self.status.observe(observation)
        return "\n".join(
            [*self._bodies(), *self._pages(), self._terminal(observation), _json(result)]
        )

    def _bodies(self) -> Iterator[str]:
        for format_ in (TEXT, OPENMETRICS, PROTOBUF):
            yield format_.body(self.metrics.everything()).decode(errors="replace")

    def _pages(self) -> Iterator[str]:
        rows, own = self.status.rows(), Condition()
        yield render_page(rows, own, TableView(), time.time()).html
        yield render_target(rows, own, 0, time.time(), can_probe=True).html
        yield render_problems(rows, own, time.time()).html

    def _terminal(self, observation: Observation) -> str:
        return "\n".join((line(1, observation.result), closing([observation])))


def _json(result: ProbeResult) -> str:
    document = json.dumps(result_to_json(result), ensure_ascii=False, allow_nan=False)
    document.encode()
    return document


@contextmanager
def flood(data: bytes) -> Iterator[str]:
    """Run a server that sends the same bytes forever, as fast as it can."""
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            with connection:
                connection.settimeout(1)
                try:
                    connection.recv(65536)
                    while not stop.is_set():
                        connection.sendall(data * (1 + (1 << 20) // len(data)))
                except OSError:
                    pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            stop.set()
            thread.join()


async def longest_pause(probe: asyncio.Task[list[ProbeResult]]) -> float:
    """Return the longest time that a probe blocked the event loop, in seconds of this thread's CPU
    time."""
    longest, before = 0.0, time.thread_time()
    while not probe.done():
        await asyncio.sleep(0.001)
        now = time.thread_time()
        longest, before = max(longest, now - before), now
    return longest


async def test_an_endless_row_of_interim_responses_ends_with_the_timeout() -> None:
    with flood(b"HTTP/1.1 103 Early Hints\r\n\r\n") as url:
        probe = asyncio.create_task(ask(plan_for(url, total=0.5)))
        pause = await longest_pause(probe)
    assert reason(probe.result()[0]) is FailureReason.TIMEOUT_TOTAL
    assert pause < 0.5


@pytest.mark.parametrize("body", [chunk(b":"), chunk(b"\n"), chunk(b": x\n\n" * 1000)])
async def test_a_flood_leaves_others_their_turn(body: bytes) -> None:
    with wire_server([STREAM_HEAD, body * ((8 << 20) // len(body))]) as server:
        probe = asyncio.create_task(ask(plan_for(server.url, total=0.5)))
        pause = await longest_pause(probe)
    assert reason(probe.result()[0]) in (FailureReason.TIMEOUT_TOTAL, FailureReason.TOO_LARGE)
    assert pause < 0.4


MANY = b"{}," * 150_000 + b"{}"


@pytest.mark.parametrize(
    ("provider", "message"),
    [
        ("openai", b'data: {"choices":[%s]}\n\n' % MANY),
        ("gemini", b'data: {"candidates":[{"content":{"parts":[%s]}}]}\n\n' % MANY),
        ("dashscope", b'data: {"output":{"choices":[%s]}}\n\n' % MANY),
        ("ollama", b'{"message":{"tool_calls":[%s]}}\n' % MANY),
    ],
)
async def test_a_message_of_countless_parts_is_none(provider: str, message: bytes) -> None:
    with wire_server([STREAM_HEAD, chunk(message), LAST_CHUNK]) as server:
        probe = asyncio.create_task(ask(plan_for(server.url, total=20, provider=provider)))
        pause = await longest_pause(probe)
    assert reason(probe.result()[0]) is FailureReason.PROTOCOL
    assert pause < 0.5


async def test_a_line_that_comes_byte_by_byte_costs_no_more_than_its_length() -> None:
    one = b"1\r\nx\r\n"
    script = STREAM_HEAD, chunk(b"x" * 400_000), one * 50_000, LAST_CHUNK
    started = time.thread_time()  # CPU time, which a busy machine doesn't affect
    result = await result_of(*script, total=300)
    assert reason(result) is FailureReason.TRUNCATED
    assert time.thread_time() - started < 10


async def test_more_headers_than_anybody_needs_are_too_large() -> None:
    many = b"".join(b"x%d:\r\n" % number for number in range(9_000))
    result = await result_of(OK_HEAD + many + b"\r\n")
    assert reason(result) is FailureReason.TOO_LARGE
    result = await result_of(OK_HEAD + b"x: " + b"y" * 200_000 + b"\r\n\r\n")
    assert reason(result) is FailureReason.PROTOCOL


async def test_more_output_than_anybody_asked_for_is_too_large() -> None:
    result = await result_of(STREAM_HEAD, *[answer("x" * 300_000)] * 5, DONE, LAST_CHUNK)
    assert reason(result) is FailureReason.TOO_LARGE


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ([OK_HEAD + b"transfer-encoding: chunked\r\n\r\n", b"f" * 21 + b"\r\n"], "protocol"),
        ([STREAM_HEAD, b"ffffffffffffffff\r\n", Act.CLOSE], "truncated"),
        ([STREAM_HEAD, b"5;" + b"x" * 200_000 + b"\r\n"], "protocol"),
        ([STREAM_HEAD, b"-5\r\nhello\r\n"], "protocol"),
        ([OK_HEAD + b"content-length: -1\r\n\r\n"], "protocol"),
        ([OK_HEAD + b"content-length: 5\r\ncontent-length: 6\r\n\r\n"], "protocol"),
        ([OK_HEAD + b"content-length: 99999\r\n\r\ndata: {}", Act.CLOSE], "truncated"),
        ([b"HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\n\r\n"], "protocol"),
        ([b"HTTP/1.1 304 Not Modified\r\n\r\n"], "unexpected_status"),
        ([b"HTTP/1.1 999 Strange\r\ncontent-length: 0\r\n\r\n"], "unexpected_status"),
        ([response(401, b"\x1f\x8b", b"content-encoding: gzip")], "auth"),
        ([b"HTTP/1.1 429 Slow down\r\ncontent-length: 99\r\n\r\nslow", Act.CLOSE], "rate_limited"),
        ([b"HTTP/1.1 401 No\r\ntransfer-encoding: chunked\r\n\r\nnonsense\r\n"], "auth"),
        ([STREAM_HEAD, chunk(b"data: " + b"[" * 100_000 + b"\n\n")], "protocol"),
    ],
)
async def test_a_broken_response_fails_for_what_it_is(
    script: Sequence[Step], expected: str
) -> None:
    assert reason(await result_of(*script)) == expected


@pytest.mark.parametrize(
    ("script", "total", "expected"),
    [
        # Even a late server says this much in time.
        ([b"HTTP/1.1 503 Busy\r\ncontent-length: 99\r\n\r\nbusy"], 4, "overloaded"),
        ([STREAM_HEAD, chunk(b'{"error":{"code":"invalid_api_key"}}')], 4, "auth"),
        ([b"HTTP/1.1 200 OK\r\n", *[b"x: y\r\n", 0.05] * 40], 0.6, "timeout_total"),
    ],
)
async def test_a_response_that_breaks_off_fails_for_what_it_said(
    script: Sequence[Step], total: float, expected: str
) -> None:
    assert reason(await result_of(*script, Act.HANG, total=total)) == expected


async def test_http_1_0_without_a_length_is_an_answer() -> None:
    head = b"HTTP/1.0 200 OK\r\n\r\n"
    body = b'data: {"choices":[{"delta":{"content":"1"}}]}\n\ndata: [DONE]\n\n'
    assert (await result_of(head, body, Act.CLOSE)).success


@timed
async def test_what_follows_the_end_marker_cannot_make_the_probe_late() -> None:
    result = await result_of(STREAM_HEAD, answer(), DONE, Act.HANG, total=0.4)
    assert result.success


@pytest.mark.parametrize("status", [200, 204])
async def test_a_response_that_nobody_asked_for_is_no_answer(status: int) -> None:
    """Otherwise it would seem to take no time."""
    first = WHOLE if status == 200 else b"HTTP/1.1 204 No Content\r\n\r\n"
    with wire_server([first + WHOLE], [0.2, WHOLE]) as server:
        _, second = await ask(plan_for(server.url, total=60), times=2)
    assert second.success, "it is asked over a new connection"
    assert (second.time_to_first_token_seconds or 0) >= 0.2


async def test_an_answer_before_the_question_is_none() -> None:
    answered, over = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(WHOLE)
        await writer.drain()
        answered.set()
        await reader.read()
        writer.close()
        await writer.wait_closed()
        over.set()

    with stamped():  # the kernel enables timestamps with a delay
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        exchange = Exchange()
        host, port = server.sockets[0].getsockname()
        stream = await connect(host, port, exchange)
        await answered.wait()
        await stream.write(b"question", exchange)
        await stream.receive(exchange, lambda data: not data)
        stream.close()
        await over.wait()
        server.close()
        await server.wait_closed()
    assert exchange.is_answer_stale


async def test_a_tls_connection_closed_in_good_order_cuts_the_stream(tmp_path: Path) -> None:
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(tls)
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(STREAM_HEAD + answer())
        writer.close()  # sends a TLS close alert before it closes the connection

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls) as server:
        port = server.sockets[0].getsockname()[1]
        plan = plan_for(f"https://localhost:{port}", tls={"ca_file": ca_file})
        (result,) = await ask(plan)
    assert reason(result) is FailureReason.TRUNCATED


NUMBERS = ["1e308", "1" + "0" * 400, "-1" + "0" * 400, "-5", "NaN", "Infinity", "9" * 5000, "true"]
USAGE_BY_PROVIDER = {
    "openai": '{"choices":[],"usage":{"prompt_tokens":%s,"completion_tokens":%s}}',
    "openai_responses": '{"type":"response.completed","response":{"usage":'
    '{"input_tokens":%s,"output_tokens":%s}}}',
    "anthropic": '{"type":"message_delta","usage":{"input_tokens":%s,"output_tokens":%s}}',
    "dashscope": '{"usage":{"input_tokens":%s,"output_tokens":%s}}',
    "gemini": '{"usageMetadata":{"promptTokenCount":%s,"candidatesTokenCount":%s},'
    '"error":{"code":1000000000000000000000000000000000000}}',
}


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("provider", USAGE_BY_PROVIDER)
async def test_no_number_is_too_strange_to_be_counted_or_refused(
    provider: str, number: str, caplog: pytest.LogCaptureFixture
) -> None:
    usage = (USAGE_BY_PROVIDER[provider] % (number, number)).encode()
    script = [STREAM_HEAD, chunk(b"event: message_delta\ndata: " + usage + b"\n\n"), LAST_CHUNK]
    with wire_server(script) as server:
        plan = plan_for(server.url, provider=provider, price={"input": 1, "output": 2})
        (result,) = await ask(plan)
    Surfaces(plan).shown(result)
    assert reason(result) is not FailureReason.INTERNAL
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.mark.parametrize(
    "value",
    [
        *NUMBERS,
        "Tue, 01 Jan 2030 00:00:00 +9999999999999999",
        "Tue, 01 Jan 99999999999 00:00:00 GMT",
        "Tue, 01 Jan 2030 00:00:00 GMT",
    ],
)
async def test_no_header_is_too_strange(value: str) -> None:
    names = ("retry-after", "retry-after-ms", "x-ratelimit-remaining-tokens", "date")
    headers = [f"{name}: {value}".encode() for name in names]
    with wire_server([response(429, b"", *headers)]) as server:
        plan = plan_for(server.url)
        (result,) = await ask(plan)
    assert reason(result) is FailureReason.RATE_LIMITED
    assert 0 <= (result.retry_after_seconds or 0) < math.inf
    Surfaces(plan).shown(result)


ESCAPE = "\x1b]0;owned\x07\x9b31m\u202e\x00"


async def test_nothing_that_a_terminal_obeys_is_shown() -> None:
    body = json.dumps({"error": {"message": f"bad {ESCAPE} key\r\n\n{ESCAPE}"}}).encode()
    result = await result_of(response(400, body, b"x-request-id: \x1b[31mred"))
    assert result.failure is not None
    assert result.failure.detail.startswith("bad ")
    assert result.failure.detail.isprintable()
    assert result.request_id == "\N{REPLACEMENT CHARACTER}[31mred"


async def test_no_word_of_a_provider_is_longer_than_anybody_would_read() -> None:
    long = "x" * 500_000
    stop = event(choices=[{"delta": {"content": "1"}, "finish_reason": long}])
    result = await result_of(STREAM_HEAD, event(id=long), event(model=long), stop, DONE, LAST_CHUNK)
    assert result.success
    assert len(_json(result)) < 2000


async def test_a_new_model_in_every_response_does_not_make_ever_new_series() -> None:
    scripts = [[STREAM_HEAD, answer(model=f"m-{n}"), DONE, LAST_CHUNK] for n in range(20)]
    with wire_server(*scripts) as server:
        plan = plan_for(server.url)
        surfaces, shown = Surfaces(plan), ""
        for result in await ask(plan, times=len(scripts)):
            shown += surfaces.shown(result)
    served = set(re.findall(r'served_model="([^"]*)"', shown))
    assert len(served) == MAX_SERVED_MODELS + 1
    assert re.search(r"inference_served_model_changes_total\{.*\} 19.0", shown)


FORMS = {
    "as it is": KEY,
    "in upper case": KEY.upper(),
    "in a URL": quote(KEY, safe=""),
    "in JSON": json.dumps(KEY)[1:-1],
    "in base64": base64.b64encode(KEY.encode()).decode(),
    "in base64, behind a name": base64.b64encode(f"user:{KEY}!".encode()).decode(),
    "in a URL's base64": base64.urlsafe_b64encode(f"me:{KEY}".encode()).decode(),
}


def _error(said: str) -> bytes:
    return json.dumps({"error": {"message": f"bad key {said}", "code": said}}).encode()


PLACES: dict[str, Callable[[str], list[Step]]] = {
    "error body": lambda key: [response(401, _error(key))],
    "error page, cut": lambda key: [response(401, b"<p>" + b"." * 180 + key.encode())],
    "redirect": lambda key: [response(302, b"", b"location: /" + key.encode())],
    "request id": lambda key: [response(500, b"", b"x-request-id: " + key.encode())],
    "status line": lambda key: [b"HTTP/1.1 2000 " + key.encode() + b"\r\n\r\n"],
    "answer": lambda key: [STREAM_HEAD, answer(key[:9]), answer(key[9:]), DONE, LAST_CHUNK],
    "names": lambda key: [STREAM_HEAD, answer(model=key, id=key), DONE, LAST_CHUNK],
    "finish reason": lambda key: [
        STREAM_HEAD,
        event(choices=[{"delta": {"content": "1"}, "finish_reason": key}]),
        DONE,
        LAST_CHUNK,
    ],
    "error event": lambda key: [
        STREAM_HEAD,
        chunk(b"data: " + _error(key) + b"\n\n"),
        LAST_CHUNK,
    ],
    "refusal": lambda key: [
        STREAM_HEAD,
        event(choices=[{"delta": {"refusal": key}}]),
        DONE,
        LAST_CHUNK,
    ],
}


@pytest.mark.parametrize(
    ("place", "form"),
    # h11 quotes a status line like Python, so each JSON backslash is doubled.
    sorted(set(product(PLACES, FORMS)) - {("status line", "in JSON")}),
)
async def test_a_key_that_comes_back_is_shown_nowhere(
    place: str, form: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("HOSTILE_KEY", KEY)
    with wire_server(PLACES[place](FORMS[form])) as server:
        plan = plan_for(server.url, api_key={"env": "HOSTILE_KEY"})
        expecting = Chat.model_validate({"prompt": "hello", "expect": {"contains": "never"}})
        (result,) = await ask(replace(plan, probe=expecting))
    assert not result.success
    assert reason(result) is not FailureReason.INTERNAL
    log_failure(result)
    shown = (Surfaces(plan).shown(result) + repr(result) + caplog.text).lower()
    for part in (FORMS[form][4:16], provider_text(FORMS[form])[4:16]):
        assert part.lower() not in shown


DECOY = "Q" * len(encodings.KEY)


def letters(text: str) -> str:
    return "".join(filter(str.isalnum, text)).lower()


def pieces_of(encode: encodings.Encode) -> set[str]:
    """Return pieces of the encoded key, twelve letters and digits each, without the text around
    it."""
    whole, decoy = letters(encode(encodings.KEY)), letters(encode(DECOY))
    return {
        piece
        for start in range(len(whole) - 11)
        if (piece := whole[start : start + 12]) not in decoy
    }


QUICK = ("error body", "answer")
HEAD = ("redirect", "request id", "status line")
"""Places that can contain only one line of ASCII."""


def can_hold(place: str, sent: str) -> bool:
    return place not in HEAD or (sent.isascii() and sent.isprintable())


ECHOES = [
    pytest.param(place, encoding, marks=[] if place in QUICK else [pytest.mark.slow])
    for place in PLACES
    for encoding, encode in encodings.ENCODINGS.items()
    if can_hold(place, encode(encodings.KEY))
]


@pytest.mark.parametrize(("place", "encoding"), ECHOES)
async def test_a_key_that_comes_back_in_any_encoding_is_shown_nowhere(
    place: str, encoding: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    encode = encodings.ENCODINGS[encoding]
    sent = encode(encodings.KEY)
    monkeypatch.setenv("HOSTILE_KEY", encodings.KEY)
    with wire_server(PLACES[place](sent)) as server:
        plan = plan_for(server.url, api_key={"env": "HOSTILE_KEY"})
        (result,) = await ask(plan)
    log_failure(result)
    everything = Surfaces(plan).shown(result) + repr(result) + caplog.text
    shown = letters(everything.replace(REDACTED[1:-1], "\N{OHM SIGN}"))
    assert [piece for piece in pieces_of(encode) if piece in shown] == []
