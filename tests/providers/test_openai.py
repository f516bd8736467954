"""Chat Completions of OpenAI and of compatible servers: bytes in, events out; calls in, requests
out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest

from exporter.providers.asks import ChatAsk
from exporter.providers.base import (
    Call,
    Dialect,
    Ended,
    Event,
    Failed,
    Finished,
    ModelServed,
    Output,
    OutputKind,
    ProtocolError,
    RequestIdentified,
    ResponseHead,
    UsageReported,
)
from exporter.providers.openai import OpenAI
from exporter.providers.presets import PRESETS
from exporter.result import Failure, FailureReason, RateLimit, Usage
from tests.providers.calls import chat_call
from tests.providers.golden import events_of, fixture

CONTENT_FILTER = FailureReason.CONTENT_FILTER
OVERLOADED = FailureReason.OVERLOADED
RATE_LIMITED = FailureReason.RATE_LIMITED
SERVER_ERROR = FailureReason.SERVER_ERROR


def answer(text: str) -> Output:
    return Output(OutputKind.ANSWER, text)


def thought(text: str) -> Output:
    return Output(OutputKind.REASONING, text)


def identity(request_id: str = "c-1", model: str = "m-2026") -> list[Event]:
    return [RequestIdentified(request_id), ModelServed(model)]


def failed(reason: FailureReason, detail: str, status: int | None = None) -> Failed:
    return Failed(Failure(reason, detail, status))


def finished_wrongly(reason: FailureReason, word: str) -> list[Event]:
    return [Finished(word), failed(reason, f"the stream finished with {word!r}")]


def used(output: int = 4, **more: int) -> UsageReported:
    return UsageReported(Usage(**{"input": 9, "output": output, **more}))


HI = answer("Hi")
STOP = Finished("stop")
START: list[Event] = [*identity(), HI]
PLAIN: list[Event] = [*START, STOP, Ended()]
WITH_USAGE: list[Event] = [*START, STOP, used(), Ended()]
THINKING: list[Event] = [*identity(), thought("Hm"), HI]

GOLDEN: dict[str, list[Event]] = {
    # OpenAI itself
    "openai": [
        *identity("chatcmpl-1", "gpt-6.1-2026-09-01"),
        HI,
        answer(" there"),
        STOP,
        used(input=1129, cached_input=1000, cache_write=120),
        Ended(),
    ],
    "silent_thinking": [
        *identity("chatcmpl-1", "gpt-6.1-2026-09-01"),
        answer("42"),
        STOP,
        used(129, reasoning=128),
        Ended(),
    ],
    "thought_up_all_tokens": [
        *identity("chatcmpl-1", "gpt-6.1-2026-09-01"),
        Finished("length"),
        used(64, reasoning=64),
        Ended(),
    ],
    "refusal": [
        *identity(),
        Output(OutputKind.REFUSAL, "I can't"),
        Output(OutputKind.REFUSAL, " help."),
        STOP,
        Ended(),
    ],
    "tool_calls": [
        *identity(),
        Output(OutputKind.TOOL, "add"),
        Output(OutputKind.TOOL, '{"a":'),
        Output(OutputKind.TOOL, "1}"),
        Finished("tool_calls"),
        Ended(),
    ],
    "content_filter": [*START, *finished_wrongly(CONTENT_FILTER, "content_filter"), Ended()],
    # variants of server-sent events
    "comments": PLAIN,
    "crlf": PLAIN,
    "carriage_returns": PLAIN,
    "no_space_after_colon": PLAIN,
    "data_on_two_lines": PLAIN,
    "byte_order_mark": PLAIN,
    "multibyte": [*identity(), answer("é世"), answer("界🙂"), STOP, Ended()],
    "many_tokens_in_a_chunk": [
        *identity(),
        answer("1 2 3 4 5 6 7 8"),
        answer(" 9"),
        STOP,
        used(17),
        Ended(),
    ],
    # chunks without output, and usage that comes late, often, or never
    "empty_and_unknown_deltas": PLAIN,
    "no_usage": PLAIN,
    "usage_in_every_chunk": [*identity(), used(0), HI, used(), STOP, used(), Ended()],
    # the end marker
    "without_end_marker": PLAIN,  # a finish reason and a complete HTTP message also end the stream
    "cut_inside_an_event": START,
    "cut_behind_the_end_marker": PLAIN,
    "data_after_the_end_marker": PLAIN,
    # errors in a stream
    "error_object": [*START, failed(SERVER_ERROR, "server_error: The server had an error")],
    "error_text": [*START, failed(SERVER_ERROR, "CUDA out of memory")],
    "error_flat": [*START, failed(SERVER_ERROR, "InternalServerError: scheduler died", 500)],
    "error_in_a_list": [
        *START,
        failed(OVERLOADED, "UNAVAILABLE: The model is overloaded.", 503),
    ],
    # compatible servers
    "vllm": [
        *identity(),
        thought("Let me"),
        thought(" see."),
        HI,
        STOP,
        used(7, cached_input=5, reasoning=3),
        Ended(),
    ],
    "vllm_error_then_end_marker": [
        *START,
        failed(SERVER_ERROR, "InternalServerError: EngineCore encountered an issue.", 500),
        Ended(),
    ],
    "sglang": [
        *identity(),
        thought("Hm."),
        HI,
        STOP,
        used(6, cached_input=4, reasoning=2),
        Ended(),
    ],
    "sglang_abort": [*START, *finished_wrongly(SERVER_ERROR, "abort"), Ended()],
    "sglang_error": [
        *identity(),
        failed(OVERLOADED, "ServiceUnavailableError: The request queue is full.", 503),
        Ended(),
    ],
    "tgi": [ModelServed("m-2026"), HI, Finished("length"), used(), Ended()],
    "tgi_error": [
        ModelServed("m-2026"),
        HI,
        failed(SERVER_ERROR, "Request failed during generation", 424),
    ],
    "tgi_error_text": [
        ModelServed("m-2026"),
        HI,
        failed(OVERLOADED, "overloaded: Model is overloaded"),
    ],
    "llama_cpp_progress": [*identity(), thought("So"), HI, STOP, used(input=24), Ended()],
    "llama_cpp_error": [*START, failed(SERVER_ERROR, "server_error: Failed to decode", 500)],
    "ollama": [*THINKING, STOP, used(), Ended()],
    "groq": [*identity("req_01j"), thought("Hm"), HI, STOP, used(cached_input=8), Ended()],
    "groq_error": [
        *identity("req_01j"),
        HI,
        failed(SERVER_ERROR, "over capacity, generation stopped early"),
        STOP,
        Ended(),
    ],
    "mistral": [
        *identity(),
        thought("Let me"),
        thought(" see."),
        answer("H"),
        answer("i"),
        STOP,
        used(),
        Ended(),
    ],
    "mistral_error": [*START, *finished_wrongly(SERVER_ERROR, "error"), Ended()],
    "together": [*identity("o-1"), thought("Hm"), HI, Finished("eos"), used(), Ended()],
    "fireworks": WITH_USAGE,
    "deepseek": [*THINKING, STOP, used(input=1009, cached_input=960, reasoning=1), Ended()],
    "deepseek_out_of_resources": [
        *START,
        *finished_wrongly(OVERLOADED, "insufficient_system_resource"),
        Ended(),
    ],
    "openrouter": [
        *identity("gen-1", "meta/m-2026"),
        thought("Hm"),
        HI,
        STOP,
        used(input=1129, cached_input=1000, cache_write=120, reasoning=1),
        Ended(),
    ],
    "openrouter_error": [
        *identity("gen-1", "meta/m-2026"),
        HI,
        failed(RATE_LIMITED, "Upstream is rate-limited", 429),
        *finished_wrongly(SERVER_ERROR, "error"),
        Ended(),
    ],
    "dashscope": [
        *THINKING,
        STOP,
        used(input=1129, cached_input=1000, cache_write=120, reasoning=2),
        Ended(),
    ],
    "azure": [*identity("chatcmpl-1", "gpt-2026"), HI, STOP, used(), Ended()],
    "azure_late_block": [
        *identity("chatcmpl-1", "gpt-2026"),
        HI,
        STOP,
        *finished_wrongly(CONTENT_FILTER, "content_filter"),
        Ended(),
    ],
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_bytes_mean_these_events(name: str) -> None:
    assert events_of(OpenAI(), fixture("openai", name)) == GOLDEN[name]


REAL: dict[str, tuple[str, str | None, Usage | None, bool]] = {
    "real-llama-server": (" dano bile bako bega", "length", Usage(24, 4), True),
    "real-llama-cpp-python": (" bake bume bomo baru", "length", None, True),
    "real-llama-cpp-python-interrupted": (" bina belo bepo busa", None, None, True),
    "real-litellm-mock": ("The quick brownain.", "stop", Usage(8, 15), True),
    "real-litellm-llama-server": (
        " dano bile bako bega",
        "length",
        Usage(24, 4, cached_input=23),
        True,
    ),
    "real-litellm-upstream-died": (" dano bile bako defe", None, None, False),
}
"""Text, finish reason, usage, and whether the stream had an end marker."""


@pytest.mark.parametrize("name", REAL)
def test_real_streams_are_read_to_their_end(name: str) -> None:
    events = events_of(OpenAI(), fixture("openai", name))
    text = "".join(event.text for event in events if isinstance(event, Output))
    reasons = [event.reason for event in events if isinstance(event, Finished)]
    usages = [event.usage for event in events if isinstance(event, UsageReported)]
    reason, usage = next(reversed(reasons), None), next(reversed(usages), None)
    assert (text, reason, usage, Ended() in events) == REAL[name]


def test_a_stream_that_died_upstream_is_a_server_error() -> None:
    events = events_of(OpenAI(), fixture("openai", "real-litellm-upstream-died"))
    (failure,) = [event.failure for event in events if isinstance(event, Failed)]
    assert (failure.reason, failure.status) == (SERVER_ERROR, 500)


@pytest.mark.parametrize(
    "data",
    [b"{", b"[1]", b"null", b'{"choices":7}', b'{"choices":[{"delta":"x"}]}'],
)
def test_an_event_of_another_shape_is_a_protocol_error(data: bytes) -> None:
    with pytest.raises(ProtocolError, match=r"not a chat\.completion\.chunk"):
        events_of(OpenAI(), b"data: " + data + b"\n\n")


@pytest.mark.parametrize("piece_bytes", [None, 1])
def test_an_error_is_heard_although_nonsense_follows_it(piece_bytes: int | None) -> None:
    data = b'data: {"error":{"message":"no","code":429}}\n\ndata: {nonsense\n\n'
    decoder = OpenAI().decoder()
    heard: list[Event] = []
    size = piece_bytes or len(data)
    with suppress(ProtocolError):
        for start in range(0, len(data), size):
            heard += decoder.feed(data[start : start + size])
    assert heard == [failed(RATE_LIMITED, "no", 429)]


USAGES: list[tuple[dict[str, Any], Usage | None]] = [
    ({}, None),
    ({"prompt_tokens": None, "completion_tokens": None}, None),
    ({"prompt_tokens": 9}, Usage(input=9, output=0)),
    ({"completion_tokens": 4}, Usage(input=0, output=4)),
    ({"prompt_tokens": 9, "completion_tokens": 4, "prompt_tokens_details": None}, Usage(9, 4)),
    (
        {"prompt_tokens": 9, "completion_tokens": 4, "prompt_tokens_details": {}},
        Usage(9, 4),
    ),
    (
        {"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 8}},
        Usage(9, 0, cached_input=8),
    ),
    ({"prompt_tokens": 9, "prompt_cache_hit_tokens": 8}, Usage(9, 0, cached_input=8)),
    # LiteLLM in front of Claude
    (
        {
            "prompt_tokens": 129,
            "completion_tokens": 4,
            "total_tokens": 133,
            "prompt_tokens_details": {"cached_tokens": 100},
            "cache_read_input_tokens": 100,
            "cache_creation_input_tokens": 20,
        },
        Usage(129, 4, cached_input=100, cache_write=20),
    ),
    # gateways that pass on Claude's counts, of which only the parts outside the cache are input
    (
        {"prompt_tokens": 9, "completion_tokens": 4, "cache_read_input_tokens": 100},
        Usage(109, 4, cached_input=100),
    ),
    ({"completion_tokens": 4, "reasoning_tokens": 3}, Usage(0, 4, reasoning=3)),
    ({"prompt_tokens": -9, "completion_tokens": -1}, Usage(0, 0)),
]


@pytest.mark.parametrize(("block", "usage"), USAGES)
def test_cached_and_reasoning_tokens_are_parts_of_the_counts(
    block: Mapping[str, object], usage: Usage | None
) -> None:
    data = b"data: " + json.dumps({"choices": [], "usage": block}).encode() + b"\n\n"
    assert events_of(OpenAI(), data) == ([UsageReported(usage)] if usage else [])


def test_header_facts() -> None:
    headers = {
        "x-request-id": "req_1",
        "x-ratelimit-limit-requests": "500",
        "x-ratelimit-remaining-requests": "499",
        "x-ratelimit-reset-requests": "12ms",
        "x-ratelimit-remaining-tokens": "7000",
        "x-ratelimit-limit-tokens": "-1",
        "retry-after-ms": "1500",
        "retry-after": "2",
    }
    facts = OpenAI().header_facts(ResponseHead(429, headers))
    assert facts.request_id == "req_1"
    assert facts.rate_limits == (
        RateLimit("requests", 500, 499),
        RateLimit("tokens", None, 7000),
    )
    assert facts.retry_after_seconds == 1.5


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "2"}, 2),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-2"}, 0),
        (
            {
                "date": "Mon, 23 Nov 2026 10:00:00 GMT",
                "retry-after": "Mon, 23 Nov 2026 10:00:30 GMT",
            },
            30,
        ),
    ],
)
def test_retry_after_is_seconds_or_a_date(
    headers: Mapping[str, str], seconds: float | None
) -> None:
    assert OpenAI().header_facts(ResponseHead(503, headers)).retry_after_seconds == seconds


def call(base_url: str = "http://127.0.0.1:8000/v1", **fields: Any) -> Call[ChatAsk]:
    return chat_call(model="m", base_url=base_url, **fields)


def body_of(dialect: Dialect[ChatAsk], **fields: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(dialect.request(call(**fields)).body)
    return body


def test_the_request_asks_for_a_stream_of_bounded_length_and_its_usage() -> None:
    request = OpenAI().request(call(api_key="k"))
    assert (request.method, request.url) == (
        "POST",
        "http://127.0.0.1:8000/v1/chat/completions",
    )
    assert request.headers == {
        "content-type": "application/json",
        "accept": "text/event-stream",
        "authorization": "Bearer k",
    }
    assert json.loads(request.body) == {
        "model": "m",
        "messages": [{"role": "user", "content": "ping"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 64,
    }


def test_openai_itself_knows_the_new_name_of_the_limit_and_can_leave_out_padding() -> None:
    body = body_of(OpenAI(PRESETS["openai"]))
    assert "max_tokens" not in body
    assert body["max_completion_tokens"] == 64
    assert body["stream_options"] == {"include_usage": True, "include_obfuscation": False}


def test_a_server_that_reports_usage_unasked_is_not_asked() -> None:
    assert "stream_options" not in body_of(OpenAI(PRESETS["mistral"]))


def test_own_fields_go_over_the_dialects_and_null_takes_one_out() -> None:
    body = body_of(OpenAI(), extra_body={"temperature": 0, "max_tokens": None})
    assert body["temperature"] == 0
    assert "max_tokens" not in body


def test_without_a_key_there_is_no_authorization() -> None:
    assert "authorization" not in OpenAI().request(call()).headers


@pytest.mark.parametrize("text", [b"[" * 500_000, b"[]" * 250_000, b'{"a":"' + b"x" * 400_000])
def test_of_a_json_text_that_is_no_event_little_is_read(text: bytes) -> None:
    with pytest.raises(ProtocolError, match="no event"):
        OpenAI().decoder().feed(text + b"\n")


def test_in_a_long_chunk_only_the_error_of_its_own_is_heard() -> None:
    long = b"x" * 100_000
    decoder = OpenAI().decoder()
    assert not decoder.feed(b'data: {"code":"429","message":"%s"}\n\n' % long)
    (told,) = decoder.feed(b'data: {"error":{"code":429,"message":"%s"}}\n\n' % long)
    assert isinstance(told, Failed)
    assert told.failure.reason is FailureReason.RATE_LIMITED
