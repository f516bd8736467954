"""Azure's Chat Completions stream: bytes in, events out; calls in, requests out."""

from __future__ import annotations

import json

import pytest

from exporter.config.target import Target
from exporter.providers.asks import ChatAsk
from exporter.providers.azure import Azure
from exporter.providers.base import (
    Call,
    Ended,
    Event,
    Failed,
    Finished,
    ModelServed,
    Output,
    OutputKind,
    RequestIdentified,
    ResponseHead,
    UsageReported,
)
from exporter.result import Failure, FailureReason, RateLimit, Usage
from tests.providers.calls import chat_call
from tests.providers.golden import events_of, fixture

START: list[Event] = [RequestIdentified("chatcmpl-1"), ModelServed("m-2026-03-17")]
STOP = Finished("stop")
USAGE = UsageReported(Usage(input=9, output=4))


def answer(text: str) -> Output:
    return Output(OutputKind.ANSWER, text)


def failed(reason: FailureReason, detail: str, status: int | None = None) -> Failed:
    return Failed(Failure(reason, detail, status))


ONE = answer("1 2")
ANSWERED: list[Event] = [*START, ONE, answer(" 3 4")]
WHOLE: list[Event] = [*ANSWERED, STOP, USAGE, Ended()]
BLOCKED: list[Event] = [
    Finished("content_filter"),
    failed(FailureReason.CONTENT_FILTER, "the stream finished with 'content_filter'"),
]

GOLDEN: dict[str, list[Event]] = {
    "whole": WHOLE,
    "crlf": WHOLE,
    "older_preamble": WHOLE,
    "annotations": WHOLE,
    "latency_checkpoint_in_usage": WHOLE,
    "latency_checkpoint_in_service_tier_details": WHOLE,
    "inference_endpoint": WHOLE,
    "late_block": [*ANSWERED, *BLOCKED, USAGE, Ended()],
    "late_block_behind_the_finish": [*ANSWERED, STOP, *BLOCKED, USAGE, Ended()],
    "filter_stops_the_answer": [*START, ONE, *BLOCKED, USAGE, Ended()],
    "buffered": [
        *START,
        answer("1 2 3 4 5 6 7 8 9 10"),
        answer(" 11 12 13 14 15 16 17 18 19 20"),
        STOP,
        UsageReported(Usage(input=9, output=39)),
        Ended(),
    ],
    "cached_and_hidden_thought": [
        *ANSWERED,
        STOP,
        UsageReported(Usage(input=1129, output=20, cached_input=1024, reasoning=16)),
        Ended(),
    ],
    "reasoning_of_a_foundry_model": [
        *START,
        Output(OutputKind.REASONING, "hm"),
        ONE,
        answer(" 3 4"),
        STOP,
        USAGE,
        Ended(),
    ],
    "error_midway": [
        *START,
        ONE,
        failed(FailureReason.RATE_LIMITED, "Rate limit is exceeded. Try again in 7 seconds.", 429),
    ],
    "error_in_words": [
        *START,
        ONE,
        failed(FailureReason.RATE_LIMITED, "RateLimitReached: Please retry after 7 seconds."),
    ],
    "error_of_the_filter": [
        failed(FailureReason.CONTENT_FILTER, "content_filter: The response was filtered.")
    ],
    "error_of_the_server": [
        *START,
        failed(
            FailureReason.SERVER_ERROR,
            "server_error: The server had an error while processing your request. "
            "Sorry about that!",
        ),
    ],
    "missing_done": WHOLE,  # a finish reason and a complete HTTP message
    "cut_inside_done": WHOLE[:-1],
    "data_after_the_end": WHOLE,
    "multibyte": [*START, answer("é世界🙂"), STOP, USAGE, Ended()],
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_bytes_mean_these_events(name: str) -> None:
    assert events_of(Azure(), fixture("azure", name)) == GOLDEN[name]


def error(code: str | None, message: str, **more: object) -> bytes:
    return json.dumps({"error": {"code": code, "message": message, **more}}).encode()


CROWDED = "The system is currently experiencing high demand and cannot process your request."
FILTERED = {
    "param": "prompt",
    "status": 400,
    "innererror": {"code": "ResponsibleAIPolicyViolation"},
}


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (400, error("content_filter", "filtered", **FILTERED), FailureReason.CONTENT_FILTER),
        (
            400,
            error(None, "Unsupported parameter", type="invalid_request_error"),
            FailureReason.BAD_REQUEST,
        ),
        (400, error("context_length_exceeded", "too long"), FailureReason.BAD_REQUEST),
        (401, error("401", "Access denied due to invalid subscription key"), FailureReason.AUTH),
        (401, error("PermissionDenied", "The principal lacks the action"), FailureReason.AUTH),
        (401, b'{"statusCode":401,"message":"Unauthorized"}', FailureReason.AUTH),
        (403, error("403", "Public access is disabled"), FailureReason.AUTH),
        (404, error("DeploymentNotFound", "does not exist"), FailureReason.NOT_FOUND),
        (404, error("404", "Resource not found"), FailureReason.NOT_FOUND),
        (408, b"", FailureReason.SERVER_ERROR),
        (504, b"", FailureReason.SERVER_ERROR),
        (429, error("429", "retry after 7 seconds"), FailureReason.RATE_LIMITED),
        (429, error("RateLimitReached", "retry after 7 seconds"), FailureReason.RATE_LIMITED),
        (429, error("429", CROWDED), FailureReason.OVERLOADED),
        (429, error("insufficient_quota", "pay"), FailureReason.QUOTA),
        (500, error("InternalServerError", "oops"), FailureReason.SERVER_ERROR),
        (502, b"<html>Bad Gateway</html>", FailureReason.SERVER_ERROR),
        (503, error("ServiceUnavailable", "busy"), FailureReason.OVERLOADED),
        (503, error("503", "Loading model"), FailureReason.NOT_READY),
        (200, error("429", "retry after 7 seconds"), FailureReason.RATE_LIMITED),
        (200, error("DeploymentNotFound", "does not exist"), FailureReason.NOT_FOUND),
    ],
)
def test_an_error_has_its_reason(status: int, body: bytes, reason: FailureReason) -> None:
    failure = Azure().failure(ResponseHead(status, {}), body)
    assert failure is not None
    assert failure.reason is reason


def test_a_sound_response_is_no_failure() -> None:
    assert Azure().failure(ResponseHead(200, {}), fixture("azure", "whole")) is None


def test_header_facts() -> None:
    headers = {
        "apim-request-id": "apim-1",
        "x-request-id": "x-1",
        "x-ratelimit-limit-requests": "250",
        "x-ratelimit-remaining-requests": "249",
        "x-ratelimit-reset-requests": "60",
        "x-ratelimit-limit-tokens": "0",
        "x-ratelimit-remaining-tokens": "-1",
        "retry-after": "7",
        "retry-after-ms": "6900",
    }
    facts = Azure().header_facts(ResponseHead(429, headers))
    assert facts.request_id == "x-1"
    assert facts.retry_after_seconds == 6.9
    assert facts.rate_limits == (RateLimit("requests", 250, 249), RateLimit("tokens", 0, None))


def test_a_request_that_ended_at_the_gateway_has_the_gateways_id() -> None:
    facts = Azure().header_facts(ResponseHead(401, {"apim-request-id": "apim-1"}))
    assert facts.request_id == "apim-1"


HOST = "https://res.openai.azure.com"
DEPLOYMENT = f"{HOST}/openai/deployments/gpt-deployed/chat/completions"
FOUNDRY = "https://res.services.ai.azure.com"


def call(**fields: object) -> Call[ChatAsk]:
    given = {
        "model": "gpt-deployed",
        "base_url": HOST,
        "api_key": "k",
        **fields,
    }
    return chat_call(**given)


@pytest.mark.parametrize(
    ("base_url", "version", "url"),
    [
        (HOST, None, f"{HOST}/openai/v1/chat/completions"),
        (f"{HOST}/openai", None, f"{HOST}/openai/v1/chat/completions"),
        (f"{HOST}/openai/v1", None, f"{HOST}/openai/v1/chat/completions"),
        (f"{FOUNDRY}/openai/v1", None, f"{FOUNDRY}/openai/v1/chat/completions"),
        (
            f"{HOST}/openai/v1",
            "preview",
            f"{HOST}/openai/v1/chat/completions?api-version=preview",
        ),
        (HOST, "preview", f"{HOST}/openai/v1/chat/completions?api-version=preview"),
        (f"{HOST}/openai", "v1", f"{HOST}/openai/v1/chat/completions?api-version=v1"),
        (
            HOST,
            "2024-10-21",
            f"{DEPLOYMENT}?api-version=2024-10-21",
        ),
        (
            f"{HOST}/openai",
            "2025-04-01-preview",
            f"{DEPLOYMENT}?api-version=2025-04-01-preview",
        ),
        (
            f"{FOUNDRY}/models",
            None,
            f"{FOUNDRY}/models/chat/completions?api-version=2024-05-01-preview",
        ),
        (
            f"{FOUNDRY}/models",
            "2025-01-01-preview",
            f"{FOUNDRY}/models/chat/completions?api-version=2025-01-01-preview",
        ),
    ],
)
def test_base_url_and_version_choose_the_way_in(
    base_url: str, version: str | None, url: str
) -> None:
    assert Azure().request(call(base_url=base_url, api_version=version)).url == url


def test_a_deployment_is_one_path_segment() -> None:
    request = Azure().request(call(model="a/b c", api_version="2024-10-21"))
    assert "/deployments/a%2Fb%20c/chat/" in request.url


def test_the_request_asks_for_a_stream_of_bounded_length_with_usage() -> None:
    request = Azure().request(call(extra_body={"temperature": 0}))
    assert json.loads(request.body) == {
        "model": "gpt-deployed",
        "messages": [{"role": "user", "content": "ping"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_completion_tokens": 64,
        "temperature": 0,
    }
    assert "extra-parameters" not in request.headers


def test_the_inference_endpoint_knows_the_older_limit_and_is_told_to_pass_on_the_rest() -> None:
    request = Azure().request(call(base_url=f"{FOUNDRY}/models"))
    body = json.loads(request.body)
    assert body["max_tokens"] == 64
    assert "max_completion_tokens" not in body
    assert request.headers["extra-parameters"] == "pass-through"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"api_key": "k"}, {"api-key": "k"}),
        ({"api_key": "k", "entra_token": "t"}, {"api-key": "k"}),
        ({"api_key": None, "entra_token": "t"}, {"authorization": "Bearer t"}),
        ({"api_key": None}, {}),
    ],
)
def test_a_key_has_a_header_of_its_own_and_a_token_is_a_bearers(
    fields: dict[str, object], expected: dict[str, str]
) -> None:
    headers = Azure().request(call(**fields)).headers
    sent = {name: headers[name] for name in ("api-key", "authorization") if name in headers}
    assert sent == expected


def test_a_target_needs_a_base_url_and_a_version_that_can_be_one() -> None:
    with pytest.raises(ValueError, match="base_url must be set for provider 'azure'"):
        Target(name="t", provider="azure", model="m")
    with pytest.raises(ValueError, match="azure has no version 'newest'"):
        Target(name="t", provider="azure", model="m", base_url=HOST, api_version="newest")
    target = Target(name="t", provider="azure", model="m", base_url=HOST, api_version="2024-10-21")
    assert target.endpoint == HOST
