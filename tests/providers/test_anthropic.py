"""Anthropic's Messages stream: bytes in, events out; calls in, requests out."""

from __future__ import annotations

import json

import pytest

from exporter.config.target import Target
from exporter.providers.anthropic import Anthropic
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
from exporter.result import Failure, FailureReason, RateLimit, Usage
from tests.providers.calls import chat_call
from tests.providers.golden import events_of, fixture

START: list[Event] = [RequestIdentified("msg_1"), ModelServed("claude-haiku-5-5")]
USAGE = UsageReported(Usage(input=9, output=4))
THOUGHTFUL = UsageReported(Usage(input=9, output=20, reasoning=16))
CACHED = UsageReported(Usage(input=1129, output=4, cached_input=1000, cache_write=120))


def answer(text: str) -> Output:
    return Output(OutputKind.ANSWER, text)


def ended(reason: str = "end_turn", usage: UsageReported = USAGE) -> list[Event]:
    return [usage, Finished(reason), Ended()]


def failed(reason: FailureReason, detail: str) -> Failed:
    return Failed(Failure(reason, detail))


ONE = answer("1 2")
ANSWERED: list[Event] = [*START, ONE, answer(" 3 4")]
WHOLE: list[Event] = [*ANSWERED, *ended()]
UNFINISHED: list[Event] = [*ANSWERED, USAGE, Finished("end_turn")]

GOLDEN: dict[str, list[Event]] = {
    "whole": WHOLE,
    "crlf": WHOLE,
    "pings_everywhere": WHOLE,
    "text_in_block_start": WHOLE,
    "without_last_empty_line": WHOLE,
    "multibyte": [*START, answer("é世界🙂"), *ended()],
    "thinking": [
        *START,
        Output(OutputKind.REASONING, "hm"),
        Output(OutputKind.REASONING, ", so"),
        ONE,
        *ended(usage=THOUGHTFUL),
    ],
    "thinking_omitted": [*START, ONE, *ended(usage=THOUGHTFUL)],
    "thinking_without_an_answer": [
        *START,
        *ended("max_tokens", UsageReported(Usage(input=9, output=64, reasoning=64))),
    ],
    "redacted_thinking": [*START, ONE, *ended()],
    "empty_and_unknown_parts": [*START, ONE, *ended()],
    "tool_use": [
        *START,
        Output(OutputKind.TOOL, '{"a":'),
        Output(OutputKind.TOOL, "1}"),
        *ended("tool_use"),
    ],
    "cached_input": [*ANSWERED, *ended(usage=CACHED)],
    "cumulative_usage": [
        *ANSWERED,
        UsageReported(Usage(input=9, output=3)),
        *ended(usage=UsageReported(Usage(input=9, output=7))),
    ],
    "input_counted_at_the_start_only": [*ANSWERED, *ended(usage=CACHED)],
    "input_counted_at_the_end_only": WHOLE,
    "placeholder_usage_only": [*ANSWERED, Finished("end_turn"), Ended()],
    "model_context_window_exceeded": [*ANSWERED, *ended("model_context_window_exceeded")],
    "refusal": [
        *START,
        ONE,
        USAGE,
        Finished("refusal"),
        failed(FailureReason.REFUSAL, "the model refused: cyber: This may be harmful."),
        Ended(),
    ],
    "refusal_without_details": [
        *START,
        USAGE,
        Finished("refusal"),
        failed(FailureReason.REFUSAL, "the model refused"),
        Ended(),
    ],
    "error_first": [failed(FailureReason.SERVER_ERROR, "api_error: Internal server error")],
    "error_midway": [*START, ONE, failed(FailureReason.OVERLOADED, "overloaded_error: Overloaded")],
    "error_with_details": [
        *START,
        failed(FailureReason.RATE_LIMITED, "rate_limit_error: Too fast."),
    ],
    "error_of_a_compatible_server": [
        *START,
        failed(FailureReason.SERVER_ERROR, "server_error: Compute error."),
    ],
    "error_as_text": [*START, failed(FailureReason.SERVER_ERROR, "upstream connect error")],
    "error_as_a_string": [*START, failed(FailureReason.SERVER_ERROR, "upstream gone")],
    "error_without_event_name": [
        *START,
        failed(FailureReason.SERVER_ERROR, "timeout_error: Too slow."),
    ],
    "missing_message_stop": [*UNFINISHED, Ended()],  # a stop reason and a complete HTTP message
    "cut_inside_message_stop": UNFINISHED,
    "real-llama-server": [
        RequestIdentified("chatcmpl-n98qDm0bFGwD0Wy5O9UEr2mP5mXPhmrs"),
        ModelServed("tiny"),
        *map(answer, (" bisa", " deki", " betu", " daga")),
        *ended("max_tokens", UsageReported(Usage(input=24, output=4, cached_input=23))),
    ],
    "real-litellm-llama-server": [
        RequestIdentified("msg_bd5c6843-eb1b-4d72-a2a6-5b6801508232"),
        ModelServed("llama"),
        answer(" boso"),
        answer(" biba"),
        *ended(usage=UsageReported(Usage(input=24, output=16, cached_input=23))),
    ],
    "real-litellm-upstream-died": [
        RequestIdentified("msg_cda824b7-9844-4cbe-aeec-5b6b5972931c"),
        ModelServed("llama"),
        answer(" bemi"),
        answer(" bebe"),
        failed(
            FailureReason.SERVER_ERROR,
            "api_error: Response payload is not completed: <TransferEncodingError: 400, "
            "message='Not enough data to satisfy transfer length header.'>",
        ),
    ],
    "data_after_the_end": [
        *WHOLE,
        answer(" and more"),
        failed(FailureReason.SERVER_ERROR, "api_error: late"),
    ],
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_bytes_mean_these_events(name: str) -> None:
    assert events_of(Anthropic(), fixture("anthropic", name)) == GOLDEN[name]


def test_events_without_a_name_are_a_failure_since_the_sdk_would_drop_them() -> None:
    events = events_of(Anthropic(), fixture("anthropic", "without_event_names"))
    detail = "events have no name (event: ...): Anthropic's SDK passes over them"
    assert set(events) == {failed(FailureReason.PROTOCOL, detail)}


def test_an_event_of_another_shape_is_a_protocol_error() -> None:
    with pytest.raises(ProtocolError, match="not a Messages event: delta"):
        events_of(Anthropic(), b'event: message_delta\ndata: {"delta": 7}\n\n')


ERRORS = [
    (400, "invalid_request_error", "max_tokens: required", FailureReason.BAD_REQUEST),
    (400, "invalid_request_error", "prompt is too long", FailureReason.BAD_REQUEST),
    (400, "invalid_request_error", "Your credit balance is too low", FailureReason.QUOTA),
    (
        400,
        "invalid_request_error",
        "You have reached your specified API usage limits.",
        FailureReason.QUOTA,
    ),
    (
        400,
        "invalid_request_error",
        "Output blocked by content filtering policy",
        FailureReason.CONTENT_FILTER,
    ),
    (401, "authentication_error", "invalid x-api-key", FailureReason.AUTH),
    (402, "billing_error", "pay", FailureReason.QUOTA),
    (403, "permission_error", "not yours", FailureReason.AUTH),
    (404, "not_found_error", "model: m", FailureReason.NOT_FOUND),
    (409, "conflict_error", "changed meanwhile", FailureReason.BAD_REQUEST),
    (413, "request_too_large", "too large", FailureReason.BAD_REQUEST),
    (429, "rate_limit_error", "slow down", FailureReason.RATE_LIMITED),
    (429, "rate_limit_error", "You have reached your API usage limits: ...", FailureReason.QUOTA),
    (500, "api_error", "Internal server error", FailureReason.SERVER_ERROR),
    (504, "timeout_error", "too slow", FailureReason.SERVER_ERROR),
    (529, "overloaded_error", "Overloaded", FailureReason.OVERLOADED),
]


def error_body(kind: str, message: str) -> bytes:
    error = {"type": kind, "message": message}
    return json.dumps({"type": "error", "error": error, "request_id": "req_1"}).encode()


@pytest.mark.parametrize(("status", "kind", "message", "reason"), ERRORS)
def test_an_error_has_the_reason_that_its_type_names_wherever_it_stands(
    status: int, kind: str, message: str, reason: FailureReason
) -> None:
    body, detail = error_body(kind, message), f"{kind}: {message}"
    for given in (status, 200):
        failure = Anthropic().failure(ResponseHead(given, {}), body)
        assert failure == Failure(reason, detail, given)
    assert events_of(Anthropic(), b"event: error\ndata: %s\n\n" % body) == [failed(reason, detail)]


def test_the_spend_limit_of_a_tier_is_a_quota_by_its_code_alone() -> None:
    details = {"error_code": "enforced_spend_limit_reached"}
    error = {"type": "rate_limit_error", "message": "no", "details": details}
    body = json.dumps({"type": "error", "error": error}).encode()
    failure = Anthropic().failure(ResponseHead(429, {}), body)
    assert failure == Failure(FailureReason.QUOTA, "rate_limit_error: no", 429)


@pytest.mark.parametrize(
    ("status", "body", "reason", "detail"),
    [
        (503, error_body("unavailable_error", "Loading model"), FailureReason.NOT_READY, None),
        (503, error_body("unavailable_error", "no slot"), FailureReason.OVERLOADED, None),
        (400, error_body("no_db_connection", "No connected db."), FailureReason.AUTH, None),
        (429, error_body("None", "budget exceeded"), FailureReason.RATE_LIMITED, None),
        (401, b'{"error":"no key"}', FailureReason.AUTH, "no key"),
        (413, b"<html>too large</html>", FailureReason.BAD_REQUEST, "<html>too large</html>"),
        (502, b"", FailureReason.SERVER_ERROR, "the response has no body"),
        (302, b"", FailureReason.UNEXPECTED_STATUS, "the response has no body"),
        (500, b'{"error":{}}', FailureReason.SERVER_ERROR, "the error has no message"),
    ],
)
def test_an_error_of_a_gateway_or_a_compatible_server_goes_by_its_status(
    status: int, body: bytes, reason: FailureReason, detail: str | None
) -> None:
    failure = Anthropic().failure(ResponseHead(status, {}), body)
    assert failure is not None
    assert (failure.reason, failure.status) == (reason, status)
    assert detail in (None, failure.detail)


def test_a_model_that_is_loaded_only_now_says_so_within_the_stream_too() -> None:
    data = b'event: error\ndata: {"error":{"message":"Loading model"}}\n\n'
    assert events_of(Anthropic(), data) == [failed(FailureReason.NOT_READY, "Loading model")]


def test_a_sound_response_is_no_failure() -> None:
    assert Anthropic().failure(ResponseHead(200, {}), fixture("anthropic", "whole")) is None


def limits(**remaining: int) -> dict[str, str]:
    """Return headers with a limit of 1000 for each family, and these remaining values."""
    told = {}
    for name, left in remaining.items():
        prefix = f"anthropic-ratelimit-{name.replace('_', '-')}"
        told[f"{prefix}-limit"], told[f"{prefix}-remaining"] = "1000", str(left)
        told[f"{prefix}-reset"] = "2026-11-23T10:00:05Z"
    return told


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, ()),
        (limits(requests=7), (RateLimit("requests", 1000, 7),)),
        (
            limits(requests=7, tokens=500, input_tokens=600, output_tokens=400),
            (RateLimit("requests", 1000, 7), RateLimit("tokens", 1000, 500)),
        ),
        (limits(input_tokens=600, output_tokens=400), (RateLimit("tokens", 1000, 400),)),
        (limits(input_tokens=300, output_tokens=400), (RateLimit("tokens", 1000, 300),)),
        (
            {"anthropic-ratelimit-tokens-limit": "1000"},
            (RateLimit("tokens", 1000, None),),
        ),
        ({"anthropic-ratelimit-tokens-remaining": "many"}, ()),
    ],
)
def test_the_four_families_of_rate_limits_become_two_resources(
    headers: dict[str, str], expected: tuple[RateLimit, ...]
) -> None:
    assert Anthropic().header_facts(ResponseHead(200, headers)).rate_limits == expected


def test_header_facts() -> None:
    facts = Anthropic().header_facts(
        ResponseHead(429, {"request-id": "req_1", "retry-after": "30"})
    )
    assert (facts.request_id, facts.retry_after_seconds) == ("req_1", 30)


def call(**fields: object) -> Call[ChatAsk]:
    given = {
        "model": "claude-haiku-5-5",
        "base_url": "https://api.anthropic.com",
        **fields,
    }
    return chat_call(**given)


def test_the_request_asks_for_a_stream_of_bounded_length_and_for_nothing_removed() -> None:
    request = Anthropic().request(call())
    assert request.url == "https://api.anthropic.com/v1/messages"
    assert json.loads(request.body) == {
        "model": "claude-haiku-5-5",
        "max_tokens": 64,
        "messages": [{"role": "user", "content": "ping"}],
        "stream": True,
    }


def test_the_users_own_fields_are_sent_too() -> None:
    thinking = {"type": "adaptive", "display": "summarized"}
    body = json.loads(Anthropic().request(call(extra_body={"thinking": thinking})).body)
    assert body["thinking"] == thinking


@pytest.mark.parametrize(
    ("version", "sent", "key_header"),
    [
        (None, "2026-10-21", ("authorization", "Bearer k")),
        ("2026-10-21", "2026-10-21", ("authorization", "Bearer k")),
        ("2023-06-01", "2023-06-01", ("x-api-key", "k")),
    ],
)
def test_each_version_is_asked_as_its_sdks_ask(
    version: str | None, sent: str, key_header: tuple[str, str]
) -> None:
    headers = dict(Anthropic().request(call(api_version=version, api_key="k")).headers)
    assert headers.pop("anthropic-version") == sent
    assert key_header in headers.items()
    assert len({"authorization", "x-api-key"} & set(headers)) == 1


def test_without_a_key_none_is_sent() -> None:
    headers = Anthropic().request(call()).headers
    assert not {"authorization", "x-api-key"} & set(headers)


def test_a_target_is_told_which_versions_there_are_and_that_there_are_no_regions() -> None:
    with pytest.raises(ValueError, match=r"no version '2024-01-01'; it has 2023-06-01, 2026-10-21"):
        Target(name="t", provider="anthropic", model="m", api_version="2024-01-01")
    with pytest.raises(ValueError, match="anthropic has no regions"):
        Target(name="t", provider="anthropic", model="m", region="eu")
    target = Target(name="t", provider="anthropic", model="m", api_version="2023-06-01")
    assert target.endpoint == "https://api.anthropic.com"
