"""Ollama's own chat API: bytes in, events out; calls in, requests out."""

from __future__ import annotations

import json

import pytest

from exporter.config.target import Target
from exporter.providers.asks import ChatAsk
from exporter.providers.base import (
    Call,
    Ended,
    Event,
    Failed,
    Finished,
    ModelLoaded,
    ModelServed,
    Output,
    OutputKind,
    ProtocolError,
    ResponseHead,
    UsageReported,
)
from exporter.providers.framing.lines import MAX_BYTES
from exporter.providers.ollama import Ollama
from exporter.result import Failure, FailureReason, Usage
from tests.providers.calls import chat_call
from tests.providers.golden import events_of, fixture


def answer(text: str) -> Output:
    return Output(OutputKind.ANSWER, text)


def thought(text: str) -> Output:
    return Output(OutputKind.REASONING, text)


def failed(reason: FailureReason, detail: str) -> Failed:
    return Failed(Failure(reason, detail))


MODEL = ModelServed("qwen3:4b")
ONE = answer("1 2")
STOP = Finished("stop")
USAGE = UsageReported(Usage(input=9, output=4))
WARM = ModelLoaded(0.0215)
ENDING: list[Event] = [STOP, USAGE, WARM, Ended()]
WHOLE: list[Event] = [MODEL, ONE, answer(" 3 4"), *ENDING]

GOLDEN: dict[str, list[Event]] = {
    "whole": WHOLE,
    "crlf": WHOLE,
    "empty_lines": WHOLE,
    "last_line_without_end": WHOLE,
    "multibyte": [MODEL, answer("é世界🙂"), *ENDING],
    "cold": [MODEL, ONE, STOP, USAGE, ModelLoaded(6.123456789), Ended()],
    "thinking_then_content": [MODEL, thought("The"), thought(" user"), ONE, *ENDING],
    "thinking_beside_content": [MODEL, thought("so"), ONE, *ENDING],
    "empty_content": [MODEL, ONE, *ENDING],
    "zeros_left_out": [MODEL, ONE, STOP, Ended()],
    "prompt_from_cache": [
        MODEL,
        ONE,
        STOP,
        UsageReported(Usage(input=0, output=4)),
        WARM,
        Ended(),
    ],
    "length": [MODEL, ONE, Finished("length"), USAGE, WARM, Ended()],
    "load": [MODEL, Finished("load"), Ended()],
    "unload": [MODEL, Finished("unload"), Ended()],
    "without_done_reason": [MODEL, ONE, USAGE, WARM, Ended()],
    "remote_model": [ModelServed("gpt-oss:120b"), ONE, STOP, USAGE, Ended()],
    "tool_call": [
        MODEL,
        Output(OutputKind.TOOL, '{"a": 1, "b": "é"}'),
        Output(OutputKind.TOOL, "now"),
        *ENDING,
    ],
    "error_midway": [
        MODEL,
        ONE,
        failed(
            FailureReason.SERVER_ERROR,
            "llama runner process no longer running: -1 CUDA error: out of memory",
        ),
    ],
    "error_alone": [
        failed(
            FailureReason.QUOTA,
            "this model requires a subscription, upgrade for access: https://ollama.com/upgrade",
        )
    ],
    "missing_done": [MODEL, ONE, answer(" 3 4")],
    "cut_inside_line": [MODEL, ONE],
    "output_behind_done": [MODEL, ONE, *ENDING],
    "garbage_behind_done": [MODEL, ONE, *ENDING],
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_bytes_mean_these_events(name: str) -> None:
    assert events_of(Ollama(), fixture("ollama", name)) == GOLDEN[name]


def test_the_end_is_said_with_the_last_line() -> None:
    decoder = Ollama().decoder()
    assert decoder.feed(fixture("ollama", "whole"))[-1] == Ended()
    assert decoder.finish() == []


@pytest.mark.parametrize(
    "body", [b"{not JSON\n", b"7\n", b'{"message": 7}\n', b'{"done": true, "load_duration": -1}\n']
)
def test_what_is_no_line_of_a_chat_is_a_protocol_error(body: bytes) -> None:
    with pytest.raises(ProtocolError, match="line of a chat response"):
        events_of(Ollama(), body)


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_an_endless_line_is_too_large(end: bytes) -> None:
    with pytest.raises(ProtocolError, match="one line is longer") as raised:
        Ollama().decoder().feed(b"x" * (MAX_BYTES + 1) + end)
    assert raised.value.reason is FailureReason.TOO_LARGE


BUSY = "server busy, please try again.  maximum pending requests exceeded"
LIMIT = "you (someone) have reached your weekly usage limit, upgrade for higher limits"
LOADING = "unexpected server status: llm server loading model"
ERRORS = [
    (400, '"llama3" does not support thinking', FailureReason.BAD_REQUEST),
    (401, "unauthorized", FailureReason.AUTH),
    (403, "forbidden", FailureReason.AUTH),
    (403, "this model requires a subscription, upgrade for access", FailureReason.QUOTA),
    (404, "model 'llama3' not found", FailureReason.NOT_FOUND),
    (429, "too many requests", FailureReason.RATE_LIMITED),
    (429, LIMIT, FailureReason.QUOTA),
    (499, "request canceled", FailureReason.SERVER_ERROR),
    (500, LOADING, FailureReason.NOT_READY),
    (
        500,
        "model requires more system memory (9 GiB) than is available",
        FailureReason.SERVER_ERROR,
    ),
    (500, "error loading model: tensor not found", FailureReason.SERVER_ERROR),
    (502, "upstream is gone", FailureReason.SERVER_ERROR),
    (503, BUSY, FailureReason.OVERLOADED),
]


@pytest.mark.parametrize(("status", "message", "reason"), ERRORS)
def test_an_error_before_the_stream_goes_by_its_text_and_status(
    status: int, message: str, reason: FailureReason
) -> None:
    body = json.dumps({"error": message}).encode()
    expected = Failure(reason, message, status)
    assert Ollama().failure(ResponseHead(status, {}), body) == expected


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (BUSY, FailureReason.OVERLOADED),
        (LIMIT, FailureReason.QUOTA),
        (LOADING, FailureReason.NOT_READY),
        ("an error was encountered while running the model", FailureReason.SERVER_ERROR),
    ],
)
def test_an_error_with_status_200_goes_by_its_text(message: str, reason: FailureReason) -> None:
    body = json.dumps({"error": message}).encode()
    assert Ollama().failure(ResponseHead(200, {}), body) == Failure(reason, message, 200)
    assert events_of(Ollama(), body) == [failed(reason, message)]


@pytest.mark.parametrize(
    ("status", "body", "reason", "detail"),
    [
        (404, b"404 page not found", FailureReason.NOT_FOUND, "404 page not found"),
        (502, b"", FailureReason.SERVER_ERROR, "the response has no body"),
    ],
)
def test_an_error_of_no_known_shape_goes_by_its_status(
    status: int, body: bytes, reason: FailureReason, detail: str
) -> None:
    assert Ollama().failure(ResponseHead(status, {}), body) == Failure(reason, detail, status)


def test_a_sound_response_is_no_failure() -> None:
    assert Ollama().failure(ResponseHead(200, {}), fixture("ollama", "whole")) is None


def test_header_facts() -> None:
    facts = Ollama().header_facts(ResponseHead(429, {"retry-after": "3"}))
    assert (facts.request_id, facts.retry_after_seconds, facts.rate_limits) == (None, 3, ())


def call(**fields: object) -> Call[ChatAsk]:
    given = {
        "model": "qwen3:4b",
        "base_url": "http://localhost:11434",
        **fields,
    }
    return chat_call(**given)


def test_the_request_asks_for_a_stream_of_bounded_length() -> None:
    extra = {"options": {"temperature": 0}, "think": False}
    request = Ollama().request(call(extra_body=extra))
    assert (request.method, request.url) == ("POST", "http://localhost:11434/api/chat")
    assert "authorization" not in request.headers
    assert json.loads(request.body) == {
        "model": "qwen3:4b",
        "messages": [{"role": "user", "content": "ping"}],
        "stream": True,
        "options": {"num_predict": 64, "temperature": 0},
        "think": False,
    }


def test_a_key_is_a_bearer_token() -> None:
    assert Ollama().request(call(api_key="k")).headers["authorization"] == "Bearer k"


def test_only_the_user_knows_where_the_server_is() -> None:
    with pytest.raises(ValueError, match="base_url must be set"):
        Target(name="t", provider="ollama", model="m")
    with pytest.raises(ValueError, match="no API versions"):
        Target(name="t", provider="ollama", model="m", base_url="http://h", api_version="v1")
