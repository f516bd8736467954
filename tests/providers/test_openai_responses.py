"""OpenAI's Responses API: bytes in, events out; calls in, requests out."""

from __future__ import annotations

import json

import pytest

from exporter.config.target import Target
from exporter.providers import Kind
from exporter.providers.asks import ChatAsk
from exporter.providers.base import (
    Call,
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
from exporter.providers.openai_responses import OpenAIResponses
from exporter.providers.presets import PRESETS
from exporter.result import Failure, FailureReason, RateLimit, Usage
from tests.providers.calls import chat_call
from tests.providers.golden import events_of, fixture


def answer(text: str) -> Output:
    return Output(OutputKind.ANSWER, text)


def used(output: int, reasoning: int = 0) -> UsageReported:
    return UsageReported(Usage(input=9, output=output, reasoning=reasoning))


def failed(reason: FailureReason, detail: str) -> Failed:
    return Failed(Failure(reason, detail))


WHOSE: list[Event] = [RequestIdentified("resp_1"), ModelServed("m-2026-09-01")]
BEGUN: list[Event] = [*WHOSE, *WHOSE]  # created, in progress
TEXT: list[Event] = [answer("1 2"), answer(" 3 4")]
COMPLETED = Finished("completed")


def completed(usage: UsageReported) -> list[Event]:
    return [*WHOSE, usage, COMPLETED, Ended()]


SAID: list[Event] = [*BEGUN, *TEXT]
WHOLE: list[Event] = [*SAID, *completed(used(4))]
PARTLY: list[Event] = [*BEGUN, answer("1 2")]


def incomplete(reason: str) -> list[Event]:
    return [*PARTLY, *WHOSE, used(2), Finished(reason)]


GOLDEN: dict[str, list[Event]] = {
    "whole": WHOLE,
    "crlf": WHOLE,
    "data_only": WHOLE,
    "type_in_the_event_line_alone": WHOLE,
    "dashscope_without_spaces": WHOLE,
    "pings": WHOLE,
    "obfuscation": WHOLE,
    "empty_deltas": WHOLE,
    "unknown_events": WHOLE,
    "done_after_the_end": WHOLE,
    "data_after_the_end": WHOLE,
    "done_instead_of_an_end": SAID,
    "missing_end": SAID,
    "cut_inside_the_end": SAID,
    "queued": [*WHOSE, *WHOLE],
    "multibyte": [*BEGUN, answer("é世"), answer("界🙂"), *completed(used(4))],
    "multi_token_chunks": [
        *BEGUN,
        answer("1"),
        answer(" 2 3 4 5 6 7 8 9"),
        answer(" 10 11 12"),
        *completed(used(12)),
    ],
    "reasoning_summary": [
        *BEGUN,
        Output(OutputKind.REASONING, "**Counting**"),
        Output(OutputKind.REASONING, " up"),
        *TEXT,
        *completed(used(24, 20)),
    ],
    "reasoning_text": [
        *BEGUN,
        Output(OutputKind.REASONING, "hm"),
        Output(OutputKind.REASONING, ", so"),
        *TEXT,
        *completed(used(7, 3)),
    ],
    "silent_reasoning": [*BEGUN, *TEXT, *completed(used(132, 128))],
    "refusal": [
        *BEGUN,
        Output(OutputKind.REFUSAL, "I'm sorry"),
        Output(OutputKind.REFUSAL, ", no."),
        *completed(used(4)),
    ],
    "function_call": [
        *BEGUN,
        Output(OutputKind.TOOL, '{"a":'),
        Output(OutputKind.TOOL, "1}"),
        *completed(used(4)),
    ],
    "usage_details": [
        *PARTLY,
        *completed(UsageReported(Usage(input=1129, output=2, cached_input=1000, cache_write=120))),
    ],
    "incomplete_max_output_tokens": [*incomplete("max_output_tokens"), Ended()],
    "incomplete_max_messages": [*incomplete("max_messages"), Ended()],
    "incomplete_without_a_reason": [*incomplete("incomplete"), Ended()],
    "incomplete_content_filter": [
        *incomplete("content_filter"),
        failed(FailureReason.CONTENT_FILTER, "the stream finished with 'content_filter'"),
        Ended(),
    ],
    "failed": [
        *PARTLY,
        *WHOSE,
        Finished("failed"),
        failed(FailureReason.RATE_LIMITED, "rate_limit_exceeded: Slow down."),
        Ended(),
    ],
    "failed_without_an_error": [
        *PARTLY,
        *WHOSE,
        Finished("failed"),
        failed(FailureReason.SERVER_ERROR, "the response was failed without an error"),
        Ended(),
    ],
    "error_flat": [
        *PARTLY,
        failed(FailureReason.OVERLOADED, "server_is_overloaded: Too busy."),
        Ended(),
    ],
    "error_in_an_object": [
        *PARTLY,
        failed(FailureReason.RATE_LIMITED, "rate_limit_exceeded: Slow down."),
        Ended(),
    ],
    "error_before_failed": [
        *PARTLY,
        failed(FailureReason.RATE_LIMITED, "rate_limit_exceeded: Slow down."),
        Ended(),
    ],
    "error_of_the_event_line_alone": [
        *PARTLY,
        failed(FailureReason.SERVER_ERROR, "server_error: Broken."),
        Ended(),
    ],
    "error_without_a_type": [
        *PARTLY,
        failed(FailureReason.SERVER_ERROR, "server_error: Broken."),
    ],
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_bytes_mean_these_events(name: str) -> None:
    assert events_of(OpenAIResponses(), fixture("openai_responses", name)) == GOLDEN[name]


def test_several_events_in_one_read_come_in_order() -> None:
    assert OpenAIResponses().decoder().feed(fixture("openai_responses", "whole")) == WHOLE


def test_broken_data_behind_the_end_is_passed_over() -> None:
    body = fixture("openai_responses", "data_after_the_end")
    assert b"{not JSON" in body
    assert events_of(OpenAIResponses(), body)[-1] == Ended()


@pytest.mark.parametrize(
    "data",
    [b"data: {not JSON\n\n", b'data: {"type":"response.completed","response":7}\n\n'],
)
def test_an_event_of_another_shape_is_a_protocol_error(data: bytes) -> None:
    with pytest.raises(ProtocolError, match="Responses API event"):
        OpenAIResponses().decoder().feed(data)


ERRORS = [
    (400, "invalid_request_error", "context_length_exceeded", FailureReason.BAD_REQUEST),
    (400, "invalid_request_error", "unsupported_parameter", FailureReason.BAD_REQUEST),
    (400, "invalid_request_error", None, FailureReason.BAD_REQUEST),
    (400, "invalid_request_error", "invalid_prompt", FailureReason.CONTENT_FILTER),
    (400, "invalid_request_error", "bio_policy", FailureReason.CONTENT_FILTER),
    (400, None, "misalignment_policy_violation", FailureReason.CONTENT_FILTER),
    (400, None, "data_residency_mismatch", FailureReason.BAD_REQUEST),
    (401, "invalid_request_error", "invalid_api_key", FailureReason.AUTH),
    (403, None, "unsupported_country_region_territory", FailureReason.AUTH),
    (404, "invalid_request_error", "model_not_found", FailureReason.NOT_FOUND),
    (429, "requests", "rate_limit_exceeded", FailureReason.RATE_LIMITED),
    (429, None, "slow_down", FailureReason.RATE_LIMITED),
    (429, "insufficient_quota", "insufficient_quota", FailureReason.QUOTA),
    (429, "insufficient_quota", "credit_balance_exhausted", FailureReason.QUOTA),
    (429, None, "organization_spend_limit_exceeded", FailureReason.QUOTA),
    (429, None, "project_spend_limit_exceeded", FailureReason.QUOTA),
    (429, None, "organization_usage_limit_exceeded", FailureReason.QUOTA),
    (500, "server_error", None, FailureReason.SERVER_ERROR),
    (503, "service_unavailable_error", "server_is_overloaded", FailureReason.OVERLOADED),
]


def _told(kind: str | None, code: str | None) -> dict[str, str | None]:
    return {"message": "no", "type": kind, "param": None, "code": code}


@pytest.mark.parametrize(("status", "kind", "code", "reason"), ERRORS)
def test_an_error_response_has_the_reason_of_its_words(
    status: int, kind: str | None, code: str | None, reason: FailureReason
) -> None:
    body = json.dumps({"error": _told(kind, code)}).encode()
    failure = OpenAIResponses().failure(ResponseHead(status, {}), body)
    assert failure == Failure(reason, f"{code or kind}: no", status)


@pytest.mark.parametrize(("status", "kind", "code", "reason"), ERRORS)
def test_an_error_within_the_stream_has_the_same_reason(
    status: int, kind: str | None, code: str | None, reason: FailureReason
) -> None:
    event = {"type": "error", "sequence_number": 1, "error": _told(kind, code)}
    failure = {"type": "response.failed", "response": {"error": _told(kind, code)}}
    flat = {**_told(kind, code), "type": "error", "sequence_number": 1}
    for shape in (event, failure, *([flat] if code else [])):
        events = events_of(OpenAIResponses(), b"data: %s\n\n" % json.dumps(shape).encode())
        assert failed(reason, f"{code or kind}: no") in events


@pytest.mark.parametrize(
    ("status", "body", "failure"),
    [
        (
            200,
            b'{"error":{"message":"no","type":"server_error","code":null}}',
            Failure(FailureReason.SERVER_ERROR, "server_error: no"),
        ),
        (200, b'{"object":"response"}', None),
        (502, b"<h1>Bad", Failure(FailureReason.SERVER_ERROR, "<h1>Bad", 502)),
    ],
)
def test_a_response_without_a_stream_is_told_by_its_body_and_else_by_its_status(
    status: int, body: bytes, failure: Failure | None
) -> None:
    assert OpenAIResponses().failure(ResponseHead(status, {}), body) == failure


def test_at_dashscope_a_word_for_too_little_money_means_too_fast() -> None:
    own = "https://dashscope-intl.aliyuncs.com/compatible-mode/v1"
    dialect = Target(name="t", provider="openai_responses", model="m", base_url=own).dialect(
        Kind.CHAT
    )
    told = b'{"error":{"message":"no","code":"insufficient_quota"},"request_id":"a-b-c"}'
    slow_down = Failure(FailureReason.RATE_LIMITED, "insufficient_quota: no", 429)
    assert dialect.failure(ResponseHead(429, {}), told) == slow_down
    event = b'event:error\n:HTTP_STATUS/429\ndata:{"type":"error",%s\n\n' % told[1:]
    assert failed(FailureReason.RATE_LIMITED, "insufficient_quota: no") in events_of(dialect, event)


def test_headers_tell_the_request_id_what_is_left_and_how_long_to_wait() -> None:
    headers = {
        "x-request-id": "req_1",
        "x-ratelimit-limit-requests": "500",
        "x-ratelimit-remaining-requests": "499",
        "x-ratelimit-remaining-tokens": "30000",
        "x-ratelimit-reset-requests": "6m0s",
        "retry-after-ms": "1500",
    }
    facts = OpenAIResponses().header_facts(ResponseHead(200, headers))
    assert facts.request_id == "req_1"
    assert facts.rate_limits == (
        RateLimit("requests", 500, 499),
        RateLimit("tokens", None, 30000),
    )
    assert facts.retry_after_seconds == 1.5


def call(base_url: str = "https://api.openai.com/v1", **fields: object) -> Call[ChatAsk]:
    defaults = {"model": "m", "base_url": base_url}
    return chat_call(**(defaults | fields))


def test_the_request_is_not_stored_and_its_answer_not_padded() -> None:
    request = OpenAIResponses(PRESETS["openai"]).request(call(api_key="k"))
    assert request.url == "https://api.openai.com/v1/responses"
    assert request.headers["authorization"] == "Bearer k"
    assert json.loads(request.body) == {
        "model": "m",
        "input": "ping",
        "stream": True,
        "store": False,
        "max_output_tokens": 64,
        "stream_options": {"include_obfuscation": False},
    }


def test_a_compatible_server_is_asked_nothing_that_it_may_not_know() -> None:
    extra = {"reasoning": {"effort": "low"}, "store": None}
    request = OpenAIResponses().request(call("http://10.0.0.7:8000/v1", extra_body=extra))
    assert request.url == "http://10.0.0.7:8000/v1/responses"
    assert json.loads(request.body) == {
        "model": "m",
        "input": "ping",
        "stream": True,
        "max_output_tokens": 64,
        "reasoning": {"effort": "low"},
    }


def test_the_public_endpoint_is_openais() -> None:
    target = Target(name="t", provider="openai_responses", model="m")
    assert target.endpoint == "https://api.openai.com/v1"
    in_europe = Target(name="t", provider="openai_responses", model="m", region="eu")
    assert in_europe.endpoint == "https://eu.api.openai.com/v1"
