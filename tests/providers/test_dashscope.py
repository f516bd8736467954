"""DashScope's own protocol: bytes in, events out; calls in, requests out."""

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
    HeaderFacts,
    Output,
    OutputKind,
    ProtocolError,
    RequestIdentified,
    ResponseHead,
    UsageReported,
)
from exporter.providers.dashscope import DashScope
from exporter.result import Failure, FailureReason, Usage
from tests.providers.calls import chat_call
from tests.providers.golden import events_of, fixture

REQUEST = RequestIdentified("a1b2c3d4-0000-9000-8000-0123456789ab")
STOP = Finished("stop")


def answer(text: str) -> Output:
    return Output(OutputKind.ANSWER, text)


def thought(text: str) -> Output:
    return Output(OutputKind.REASONING, text)


def used(output: int, reasoning: int = 0) -> UsageReported:
    return UsageReported(Usage(input=9, output=output, reasoning=reasoning))


def failed(reason: FailureReason, detail: str, status: int | None = None) -> Failed:
    return Failed(Failure(reason, detail, status))


BEGUN: list[Event] = [REQUEST, used(0), answer("1 2"), used(2)]
SAID: list[Event] = [*BEGUN, answer(" 3 4"), used(4)]
WHOLE: list[Event] = [*SAID, STOP, used(4), Ended()]

GOLDEN: dict[str, list[Event]] = {
    "whole": WHOLE,
    "crlf": WHOLE,
    "spaces_after_colons": WHOLE,
    "comments_between": WHOLE,
    "without_the_last_empty_line": WHOLE,
    "finish_reason_null_itself": WHOLE,
    "text_format": [*BEGUN, answer(" 3 4"), STOP, used(4), Ended()],
    "content_in_parts": WHOLE,
    "missing_end": SAID,
    "cut_inside_the_last_event": SAID,
    "data_after_the_end": [*SAID, STOP, used(4), used(5), Ended()],
    "usage_after_the_end": [*SAID, STOP, used(4), Ended()],
    "without_usage": [REQUEST, answer("1 2"), answer(" 3 4"), STOP, Ended()],
    "finish_reason_beside_text": [*BEGUN, answer(" 3 4"), STOP, used(4), Ended()],
    "length": [*BEGUN, Finished("length"), used(2), Ended()],
    "thinking": [
        REQUEST,
        used(0),
        thought("hm"),
        used(1, 1),
        thought(", so"),
        used(3, 3),
        used(3, 3),
        answer("1 2"),
        used(5, 3),
        STOP,
        used(5, 3),
        Ended(),
    ],
    "multi_token_chunks": [
        REQUEST,
        answer("1"),
        used(1),
        answer(" 2 3 4 5 6 7 8 9"),
        used(9),
        answer(" 10 11 12"),
        used(12),
        STOP,
        used(12),
        Ended(),
    ],
    "multibyte": [REQUEST, answer("é世"), used(2), answer("界🙂"), used(4), STOP, used(4), Ended()],
    "cached_input": [
        REQUEST,
        answer("1 2"),
        used(2),
        STOP,
        UsageReported(Usage(input=1129, output=2, cached_input=1000, cache_write=120)),
        Ended(),
    ],
    "cumulative": [
        *BEGUN,
        answer(" 3"),
        used(3),
        answer(" 4"),
        used(4),
        STOP,
        used(4),
        Ended(),
    ],
    "cumulative_in_two_chunks": [REQUEST, answer("1 2"), used(2), STOP, used(2), Ended()],
    "cumulative_thinking": [
        REQUEST,
        thought("hm"),
        used(1, 1),
        thought(", so"),
        used(3, 3),
        answer("1"),
        used(4, 3),
        answer(" 2"),
        used(5, 3),
        STOP,
        used(5, 3),
        Ended(),
    ],
    "cumulative_with_half_a_character": [
        REQUEST,
        answer("1"),
        used(1),
        answer(" \ufffd"),
        used(2),
        answer("🙂 2"),
        used(4),
        STOP,
        used(4),
        Ended(),
    ],
    "repeated_words_are_no_repetition": [
        REQUEST,
        answer("ha"),
        used(1),
        answer("ha"),
        used(2),
        answer("haha"),
        used(4),
        STOP,
        used(4),
        Ended(),
    ],
    "tool_calls": [
        REQUEST,
        Output(OutputKind.TOOL, "f"),
        used(1),
        Output(OutputKind.TOOL, '{"a":'),
        used(3),
        Output(OutputKind.TOOL, "1}"),
        used(4),
        Finished("tool_calls"),
        used(4),
        Ended(),
    ],
    "error_event": [
        *BEGUN,
        failed(
            FailureReason.RATE_LIMITED, "Throttling.AllocationQuota: Allocated quota exceeded.", 429
        ),
    ],
    "error_event_with_spaces": [
        *BEGUN,
        failed(
            FailureReason.RATE_LIMITED, "Throttling.AllocationQuota: Allocated quota exceeded.", 429
        ),
    ],
    "error_with_a_status_line": [
        *BEGUN,
        failed(FailureReason.OVERLOADED, "SomethingNew: Try later.", 503),
    ],
    "error_with_an_unknown_code": [
        *BEGUN,
        failed(FailureReason.OVERLOADED, "SomethingNew: Try later.", 503),
    ],
    "error_without_event_name": [
        *BEGUN,
        failed(
            FailureReason.CONTENT_FILTER,
            "DataInspectionFailed: Output data may contain inappropriate content.",
        ),
    ],
    "error_without_code": [*BEGUN, failed(FailureReason.SERVER_ERROR, "Broken.")],
    "error_in_the_compatible_shape": [
        *BEGUN,
        failed(FailureReason.RATE_LIMITED, "insufficient_quota: You exceeded your current quota."),
    ],
    "error_before_any_output": [
        REQUEST,
        failed(
            FailureReason.SERVER_ERROR,
            "InternalError.Algo: An internal error has occurred.",
            500,
        ),
    ],
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_bytes_mean_these_events(name: str) -> None:
    assert events_of(DashScope(), fixture("dashscope", name)) == GOLDEN[name]


def test_the_end_is_not_said_before_the_body_is_over() -> None:
    decoder = DashScope().decoder()
    assert Ended() not in decoder.feed(fixture("dashscope", "whole"))
    assert decoder.finish() == [Ended()]


def test_several_events_in_one_read_come_in_order() -> None:
    first, *rest = fixture("dashscope", "whole").split(b"\n\n")
    decoder = DashScope().decoder()
    assert decoder.feed(first + b"\n\n") == [REQUEST, used(0)]
    assert decoder.feed(b"\n\n".join(rest)) == WHOLE[2:-1]


@pytest.mark.parametrize("data", [b"data:{not JSON\n\n", b'data:{"output":{"choices":7}}\n\n'])
def test_an_event_of_another_shape_is_a_protocol_error(data: bytes) -> None:
    with pytest.raises(ProtocolError, match="DashScope event"):
        DashScope().decoder().feed(data)


ERRORS = [
    (400, "InvalidParameter", FailureReason.BAD_REQUEST),
    (400, "BadRequest.EmptyInput", FailureReason.BAD_REQUEST),
    (400, "InvalidURL", FailureReason.BAD_REQUEST),
    (400, "DataInspectionFailed", FailureReason.CONTENT_FILTER),
    (400, "Arrearage", FailureReason.QUOTA),
    (403, "Arrearage", FailureReason.QUOTA),
    (400, "AccessDenied", FailureReason.AUTH),
    (403, "AccessDenied", FailureReason.AUTH),
    (403, "AccessDenied.Unpurchased", FailureReason.AUTH),
    (403, "Model.AccessDenied", FailureReason.AUTH),
    (403, "AllocationQuota.FreeTierOnly", FailureReason.QUOTA),
    (401, "InvalidApiKey", FailureReason.AUTH),
    (404, "ModelNotFound", FailureReason.NOT_FOUND),
    (408, "RequestTimeOut", FailureReason.SERVER_ERROR),
    (429, "Throttling", FailureReason.RATE_LIMITED),
    (429, "Throttling.RateQuota", FailureReason.RATE_LIMITED),
    (429, "Throttling.AllocationQuota", FailureReason.RATE_LIMITED),
    (429, "Throttling.BurstRate", FailureReason.RATE_LIMITED),
    (429, "CommodityNotPurchased", FailureReason.QUOTA),
    (429, "PrepaidBillOverdue", FailureReason.QUOTA),
    (429, "PostpaidBillOverdue", FailureReason.QUOTA),
    (500, "InternalError", FailureReason.SERVER_ERROR),
    (500, "InternalError.Algo", FailureReason.SERVER_ERROR),
    (500, "InternalError.Timeout", FailureReason.SERVER_ERROR),
    (500, "ModelServingError", FailureReason.OVERLOADED),
    (503, "ModelServingError", FailureReason.OVERLOADED),
    (503, "ModelUnavailable", FailureReason.NOT_READY),
    (503, "SomethingNew", FailureReason.OVERLOADED),
    (400, "invalid_parameter_error", FailureReason.BAD_REQUEST),
    (400, "data_inspection_failed", FailureReason.CONTENT_FILTER),
    (403, "access_denied", FailureReason.AUTH),
    (401, "invalid_api_key", FailureReason.AUTH),
    (404, "model_not_found", FailureReason.NOT_FOUND),
    (429, "limit_requests", FailureReason.RATE_LIMITED),
    (429, "insufficient_quota", FailureReason.RATE_LIMITED),
    (429, "limit_burst_rate", FailureReason.RATE_LIMITED),
]


@pytest.mark.parametrize(("status", "code", "reason"), ERRORS)
def test_an_error_response_has_the_reason_of_its_code(
    status: int, code: str, reason: FailureReason
) -> None:
    native = json.dumps({"code": code, "message": "no", "request_id": "r"}).encode()
    compatible = json.dumps({"error": {"code": code, "message": "no"}, "request_id": "r"}).encode()
    event = b"id:1\nevent:error\n:HTTP_STATUS/%d\ndata:%s\n\n" % (status, native)
    for body in (native, compatible, event):
        failure = DashScope().failure(ResponseHead(status, {}), body)
        assert failure == Failure(reason, f"{code}: no", status)


@pytest.mark.parametrize(("status", "code", "reason"), ERRORS)
def test_an_error_within_the_stream_has_the_same_reason(
    status: int, code: str, reason: FailureReason
) -> None:
    event = b'event:error\n:HTTP_STATUS/%d\ndata:{"code":"%s","message":"no"}\n\n'
    events = events_of(DashScope(), event % (status, code.encode()))
    assert events == [failed(reason, f"{code}: no", status)]


@pytest.mark.parametrize(
    ("status", "body", "failure"),
    [
        (
            200,
            b'{"code":"Arrearage","message":"Pay."}',
            Failure(FailureReason.QUOTA, "Arrearage: Pay."),
        ),
        (
            200,
            b'event:error\n:HTTP_STATUS/503\ndata:{"code":"X","message":"Later."}\n\n',
            Failure(FailureReason.OVERLOADED, "X: Later.", 503),
        ),
        (
            503,
            b'{"code":"X","message":"The model is not ready."}',
            Failure(FailureReason.NOT_READY, "X: The model is not ready.", 503),
        ),
        (502, b"<h1>Bad", Failure(FailureReason.SERVER_ERROR, "<h1>Bad", 502)),
        (401, b"", Failure(FailureReason.AUTH, "the response has no body", 401)),
        (429, b'{"code":""}', Failure(FailureReason.RATE_LIMITED, '{"code":""}', 429)),
        (302, b"", Failure(FailureReason.UNEXPECTED_STATUS, "the response has no body", 302)),
    ],
)
def test_a_response_without_a_stream_is_told_by_its_body_and_else_by_its_status(
    status: int, body: bytes, failure: Failure
) -> None:
    assert DashScope().failure(ResponseHead(status, {}), body) == failure


@pytest.mark.parametrize("body", [b"", b"{}", b'{"code":"","output":{"text":"hi"}}'])
def test_a_response_with_status_200_may_hold_no_error(body: bytes) -> None:
    assert DashScope().failure(ResponseHead(200, {}), body) is None


def test_headers_tell_the_request_id_and_how_long_to_wait() -> None:
    head = ResponseHead(429, {"x-request-id": "a-b-c", "retry-after": "7"})
    facts = HeaderFacts(request_id="a-b-c", retry_after_seconds=7)
    assert DashScope().header_facts(head) == facts


def call(**fields: object) -> Call[ChatAsk]:
    defaults = {
        "model": "qwen-plus",
        "base_url": "https://dashscope-intl.aliyuncs.com/api/v1",
    }
    return chat_call(**(defaults | fields))


def test_the_request_asks_for_increments_in_messages() -> None:
    request = DashScope().request(call(api_key="k"))
    assert request.url == (
        "https://dashscope-intl.aliyuncs.com/api/v1/services/aigc/text-generation/generation"
    )
    assert request.headers == {
        "content-type": "application/json",
        "accept": "text/event-stream",
        "x-dashscope-sse": "enable",
        "authorization": "Bearer k",
    }
    assert json.loads(request.body) == {
        "model": "qwen-plus",
        "input": {"messages": [{"role": "user", "content": "ping"}]},
        "parameters": {
            "result_format": "message",
            "incremental_output": True,
            "max_tokens": 64,
        },
    }


def test_the_users_own_parameters_stand_beside_the_dialects() -> None:
    extra = {"parameters": {"enable_thinking": False, "max_tokens": None}}
    body = json.loads(DashScope().request(call(extra_body=extra)).body)
    assert body["parameters"] == {
        "result_format": "message",
        "incremental_output": True,
        "enable_thinking": False,
    }


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("beijing", "dashscope.aliyuncs.com"),
        ("cn-beijing", "dashscope.aliyuncs.com"),
        ("singapore", "dashscope-intl.aliyuncs.com"),
        ("ap-southeast-1", "dashscope-intl.aliyuncs.com"),
        ("us", "dashscope-us.aliyuncs.com"),
        ("us-east-1", "dashscope-us.aliyuncs.com"),
        ("hongkong", "cn-hongkong.dashscope.aliyuncs.com"),
        ("cn-hongkong", "cn-hongkong.dashscope.aliyuncs.com"),
    ],
)
def test_each_region_has_its_host(region: str, host: str) -> None:
    target = Target(name="t", provider="dashscope", model="m", region=region)
    assert target.endpoint == f"https://{host}/api/v1"


def test_a_target_needs_a_region_or_a_base_url() -> None:
    with pytest.raises(ValueError, match="region must be set; use one of beijing, singapore, us"):
        Target(name="t", provider="dashscope", model="m")
    with pytest.raises(ValueError, match="no region 'tokyo'; use one of beijing"):
        Target(name="t", provider="dashscope", model="m", region="tokyo")
    own = "https://ws-1.ap-northeast-1.maas.aliyuncs.com/api/v1"
    target = Target(name="t", provider="dashscope", model="m", region="tokyo", base_url=own)
    assert target.endpoint == own
