"""Google's streamGenerateContent: bytes in, events out; calls in, requests out."""

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
    ModelServed,
    Output,
    OutputKind,
    ProtocolError,
    RequestIdentified,
    ResponseHead,
    UsageReported,
)
from exporter.providers.framing.lines import MAX_BYTES
from exporter.providers.gemini import Gemini
from exporter.result import Failure, FailureReason, Usage
from tests.providers.calls import chat_call
from tests.providers.golden import events_of, fixture


def answer(text: str) -> Output:
    return Output(OutputKind.ANSWER, text)


def thought(text: str) -> Output:
    return Output(OutputKind.REASONING, text)


def tool(text: str) -> Output:
    return Output(OutputKind.TOOL, text)


def usage(output: int, reasoning: int = 0) -> UsageReported:
    return UsageReported(Usage(input=9, output=output, reasoning=reasoning))


def failed(
    reason: FailureReason,
    detail: str,
    status: int | None = None,
    retry_after_seconds: float | None = None,
) -> Failed:
    return Failed(Failure(reason, detail, status, retry_after_seconds))


IDENTITY: list[Event] = [RequestIdentified("r1"), ModelServed("gemini-3.1-flash")]
STOP = Finished("STOP")
BEGUN: list[Event] = [*IDENTITY, answer("1 2 3 4"), usage(7)]
WHOLE: list[Event] = [*BEGUN, answer(" 5 6"), STOP, usage(11), Ended()]
AT_ONCE: list[Event] = [*IDENTITY, answer("1 2 3 4 5 6"), STOP]
OVERLOADED = failed(
    FailureReason.OVERLOADED, "UNAVAILABLE: The model is overloaded. Please try again later.", 503
)

GOLDEN: dict[str, list[Event]] = {
    "whole": WHOLE,
    "lf_line_ends": WHOLE,
    "last_line_without_end": WHOLE,
    "without_model_or_id": [answer("1 2 3 4"), answer(" 5 6"), STOP, usage(11), Ended()],
    "multibyte": [*IDENTITY, answer("é世界🙂"), STOP, usage(4), Ended()],
    "thoughts_then_answer": [
        *IDENTITY,
        thought("Weighing"),
        usage(6, 6),
        thought(" it."),
        usage(12, 12),
        answer("1 2 3 4"),
        usage(19, 12),
        answer(" 5 6"),
        STOP,
        usage(23, 12),
        Ended(),
    ],
    "silent_thoughts": [*AT_ONCE, usage(31, 20), Ended()],
    "signature_on_empty_text": [*BEGUN, STOP, usage(27, 20), Ended()],
    "thoughts_within_candidates": [*AT_ONCE, usage(31, 20), Ended()],
    "cached_prompt": [
        *AT_ONCE,
        UsageReported(Usage(input=4120, output=11, cached_input=4096)),
        Ended(),
    ],
    "vertex": [*IDENTITY, answer("1 2 3 4"), answer(" 5 6"), STOP, usage(11), Ended()],
    "max_tokens": [*BEGUN, Finished("MAX_TOKENS"), usage(7), Ended()],
    "safety": [
        *BEGUN,
        Finished("SAFETY"),
        failed(FailureReason.CONTENT_FILTER, "the stream finished with 'SAFETY'"),
        usage(7),
        Ended(),
    ],
    "malformed_function_call": [
        *IDENTITY,
        Finished("MALFORMED_FUNCTION_CALL"),
        failed(
            FailureReason.SERVER_ERROR,
            "the stream finished with 'MALFORMED_FUNCTION_CALL': Malformed function call: print(",
        ),
        usage(0),
        Ended(),
    ],
    "blocked_prompt": [
        *IDENTITY,
        failed(FailureReason.CONTENT_FILTER, "the prompt was blocked: PROHIBITED_CONTENT"),
        usage(0),
        Ended(),
    ],
    "blocked_prompt_with_message": [
        *IDENTITY,
        failed(
            FailureReason.CONTENT_FILTER,
            "the prompt was blocked: MODEL_ARMOR: Blocked by the floor setting.",
        ),
        Ended(),
    ],
    "finish_reason_on_every_chunk": [
        *IDENTITY,
        answer("1 2 3 4"),
        STOP,
        usage(7),
        answer(" 5 6"),
        STOP,
        usage(11),
        Ended(),
    ],
    "usage_behind_finish": [*AT_ONCE, usage(11), Ended()],
    "missing_end": BEGUN,
    "cut_inside_chunk": BEGUN,
    "tool_call": [
        *IDENTITY,
        tool('{"a": 1, "b": "é"}'),
        tool("now"),
        STOP,
        usage(4),
        Ended(),
    ],
    "tool_call_in_pieces": [
        *IDENTITY,
        tool("add"),
        tool('[{"jsonPath": "$.a", "numberValue": 1}]'),
        STOP,
        usage(4),
        Ended(),
    ],
    "code_execution": [
        *IDENTITY,
        tool("print(1)"),
        answer("1"),
        STOP,
        UsageReported(Usage(input=39, output=4)),
        Ended(),
    ],
    "error_in_data_line": [*BEGUN, OVERLOADED],
    "error_pretty_printed": [*BEGUN, OVERLOADED],
    "error_in_array": [
        *BEGUN,
        failed(FailureReason.SERVER_ERROR, "INTERNAL: An internal error has occurred.", 500),
    ],
    "error_with_retry_delay": [
        *BEGUN,
        failed(
            FailureReason.RATE_LIMITED,
            'RESOURCE_EXHAUSTED: Quota exceeded for metric {requests}: "10" per minute \\ project',
            429,
            17.0,
        ),
    ],
    "error_alone": [
        failed(
            FailureReason.RATE_LIMITED,
            "RESOURCE_EXHAUSTED: Resource has been exhausted (e.g. check quota).",
            429,
            17.0,
        )
    ],
    "error_without_code": [
        *BEGUN,
        failed(
            FailureReason.SERVER_ERROR,
            "DEADLINE_EXCEEDED: Deadline expired before operation could complete.",
        ),
    ],
    "error_behind_finish": [*WHOLE[:-1], OVERLOADED, Ended()],
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_bytes_mean_these_events(name: str) -> None:
    assert events_of(Gemini(), fixture("gemini", name)) == GOLDEN[name]


def test_the_end_is_not_said_before_the_body_is_over() -> None:
    decoder = Gemini().decoder()
    assert Ended() not in decoder.feed(fixture("gemini", "whole"))
    assert decoder.finish() == [Ended()]


def test_an_error_that_is_no_event_is_told_as_soon_as_it_is_whole() -> None:
    events = Gemini().decoder().feed(fixture("gemini", "error_pretty_printed"))
    assert events[-1] == OVERLOADED


@pytest.mark.parametrize(
    "body",
    [
        b"data: {not JSON\r\n\r\n",
        b'data: {"candidates": 7}\r\n\r\n',
        b'data: {"usageMetadata": {"promptTokenCount": 1%s}}\r\n\r\n' % (b"0" * 400),
        b"data: [DONE]\r\n\r\n",
        b'[{"candidates": []},\r\n{"candidates": []}]\r\n',  # as without alt=sse
    ],
)
def test_what_is_no_response_is_a_protocol_error(body: bytes) -> None:
    with pytest.raises(ProtocolError, match="GenerateContentResponse"):
        events_of(Gemini(), body)


@pytest.mark.parametrize("opening", [b"data: ", b'{"a": "', b'{"a": "\r\n"', b""])
def test_an_endless_chunk_is_too_large(opening: bytes) -> None:
    with pytest.raises(ProtocolError) as raised:
        Gemini().decoder().feed(opening + b"x" * (MAX_BYTES + 1))
    assert raised.value.reason is FailureReason.TOO_LARGE


FINISH_REASONS: list[tuple[str, FailureReason | None]] = [
    ("STOP", None),
    ("MAX_TOKENS", None),
    ("CONTINUATION", None),
    ("SOMETHING_NEW", None),
    ("SAFETY", FailureReason.CONTENT_FILTER),
    ("RECITATION", FailureReason.CONTENT_FILTER),
    ("LANGUAGE", FailureReason.CONTENT_FILTER),
    ("BLOCKLIST", FailureReason.CONTENT_FILTER),
    ("PROHIBITED_CONTENT", FailureReason.CONTENT_FILTER),
    ("SPII", FailureReason.CONTENT_FILTER),
    ("MODEL_ARMOR", FailureReason.CONTENT_FILTER),
    ("ESCALATION", FailureReason.CONTENT_FILTER),
    ("MALFORMED_FUNCTION_CALL", FailureReason.SERVER_ERROR),
    ("MALFORMED_RESPONSE", FailureReason.SERVER_ERROR),
    ("UNEXPECTED_TOOL_CALL", FailureReason.SERVER_ERROR),
    ("OTHER", FailureReason.SERVER_ERROR),
    ("PUP_LIMITED_DISABLED", FailureReason.AUTH),
]


@pytest.mark.parametrize(("word", "reason"), FINISH_REASONS)
def test_a_finish_reason_is_the_models_own_or_a_failure(
    word: str, reason: FailureReason | None
) -> None:
    chunk = json.dumps({"candidates": [{"finishReason": word}]}).encode()
    failures = [failed(reason, f"the stream finished with {word!r}")] if reason else []
    expected = [Finished(word), *failures, Ended()]
    assert events_of(Gemini(), b"data: %s\r\n\r\n" % chunk) == expected


def test_a_reason_that_is_not_specified_is_no_end() -> None:
    body = b'data: {"candidates": [{"finishReason": "FINISH_REASON_UNSPECIFIED"}]}\r\n\r\n'
    assert events_of(Gemini(), body) == []


ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"
ERRORS: list[tuple[int, str, str, list[dict[str, str]], FailureReason]] = [
    (
        400,
        "INVALID_ARGUMENT",
        "Request contains an invalid argument.",
        [],
        FailureReason.BAD_REQUEST,
    ),
    (
        400,
        "INVALID_ARGUMENT",
        "API key not valid. Please pass a valid API key.",
        [{"@type": ERROR_INFO, "reason": "API_KEY_INVALID", "domain": "googleapis.com"}],
        FailureReason.AUTH,
    ),
    (400, "INVALID_ARGUMENT", "API key expired. Please renew the API key.", [], FailureReason.AUTH),
    (
        400,
        "FAILED_PRECONDITION",
        "User location is not supported for the API use.",
        [],
        FailureReason.BAD_REQUEST,
    ),
    (401, "UNAUTHENTICATED", "Invalid authentication credentials.", [], FailureReason.AUTH),
    (402, "RESOURCE_EXHAUSTED", "The prepaid credit is used up.", [], FailureReason.QUOTA),
    (403, "PERMISSION_DENIED", "The caller does not have permission", [], FailureReason.AUTH),
    (
        403,
        "PERMISSION_DENIED",
        "This API method requires billing to be enabled.",
        [{"@type": ERROR_INFO, "reason": "BILLING_DISABLED", "domain": "googleapis.com"}],
        FailureReason.QUOTA,
    ),
    (404, "NOT_FOUND", "models/m is not found for API version v1", [], FailureReason.NOT_FOUND),
    (429, "RESOURCE_EXHAUSTED", "Resource has been exhausted", [], FailureReason.RATE_LIMITED),
    (
        429,
        "RESOURCE_EXHAUSTED",
        "You exceeded your current quota, please check your plan and billing details.",
        [{"@type": "type.googleapis.com/google.rpc.QuotaFailure"}],
        FailureReason.RATE_LIMITED,  # requests per minute, by the violation
    ),
    (
        429,
        "RESOURCE_EXHAUSTED",
        "Your prepayment credits are depleted. Please go to AI Studio to manage your project.",
        [],
        FailureReason.QUOTA,
    ),
    (
        429,
        "RESOURCE_EXHAUSTED",
        "You exceeded your spend-based rate limit.",
        [],
        FailureReason.RATE_LIMITED,  # of ten minutes
    ),
    (
        429,
        "RESOURCE_EXHAUSTED",
        "Your project has exceeded its monthly spending cap.",
        [],
        FailureReason.QUOTA,
    ),
    (
        429,
        "RESOURCE_EXHAUSTED",
        "No capacity available for model m on the server",
        [{"@type": ERROR_INFO, "reason": "MODEL_CAPACITY_EXHAUSTED"}],
        FailureReason.OVERLOADED,
    ),
    (499, "CANCELLED", "The operation was cancelled.", [], FailureReason.SERVER_ERROR),
    (500, "INTERNAL", "An internal error has occurred.", [], FailureReason.SERVER_ERROR),
    (503, "UNAVAILABLE", "The model is overloaded.", [], FailureReason.OVERLOADED),
    (503, "UNAVAILABLE", "The model is loading.", [], FailureReason.NOT_READY),
    (504, "DEADLINE_EXCEEDED", "Deadline expired.", [], FailureReason.SERVER_ERROR),
]


@pytest.mark.parametrize("wrapped", [False, True], ids=["bare", "in an array"])
@pytest.mark.parametrize("sent_status", ["own", "200", "event"])
@pytest.mark.parametrize(("code", "word", "message", "details", "reason"), ERRORS)
def test_an_error_means_the_same_before_and_inside_a_stream(
    code: int,
    word: str,
    message: str,
    details: list[dict[str, str]],
    reason: FailureReason,
    sent_status: str,
    wrapped: bool,
) -> None:
    error = {"error": {"code": code, "message": message, "status": word, "details": details}}
    body = json.dumps([error] if wrapped else error).encode()
    expected = Failure(reason, f"{word}: {message}", code)
    if sent_status == "event":
        assert events_of(Gemini(), b"data: %s\r\n\r\n" % body) == [Failed(expected)]
    else:
        status = code if sent_status == "own" else 200
        assert Gemini().failure(ResponseHead(status, {}), body) == expected


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("UNAUTHENTICATED", FailureReason.AUTH),
        ("NOT_FOUND", FailureReason.NOT_FOUND),
        ("RESOURCE_EXHAUSTED", FailureReason.RATE_LIMITED),
        ("UNAVAILABLE", FailureReason.OVERLOADED),
        ("UNKNOWN", FailureReason.SERVER_ERROR),
    ],
)
def test_an_error_without_a_code_goes_by_its_word(word: str, reason: FailureReason) -> None:
    body = json.dumps({"error": {"status": word}}).encode()
    expected = failed(reason, f"{word}: the error has no message")
    assert events_of(Gemini(), b"data: %s\r\n\r\n" % body) == [expected]


@pytest.mark.parametrize(
    ("status", "body", "reason", "detail"),
    [
        (404, b"<html>404</html>", FailureReason.NOT_FOUND, "<html>404</html>"),
        (502, b"", FailureReason.SERVER_ERROR, "the response has no body"),
        (403, b"[]", FailureReason.AUTH, "[]"),
    ],
)
def test_an_error_of_no_known_shape_goes_by_its_status(
    status: int, body: bytes, reason: FailureReason, detail: str
) -> None:
    assert Gemini().failure(ResponseHead(status, {}), body) == Failure(reason, detail, status)


def test_a_sound_response_is_no_failure() -> None:
    assert Gemini().failure(ResponseHead(200, {}), fixture("gemini", "whole")) is None


@pytest.mark.parametrize(
    ("delays", "seconds"),
    [
        (["17s"], 17.0),
        (["0.250s"], 0.25),
        (["1s", "3s"], 3.0),
        ([""], None),
        (["-3s"], None),
        (["soon"], None),
        (["inf"], None),
        ([], None),
    ],
)
def test_the_retry_delay_of_the_error_is_understood(
    delays: list[str], seconds: float | None
) -> None:
    kind = "type.googleapis.com/google.rpc.RetryInfo"
    details = [{"@type": kind, "retryDelay": delay} for delay in delays]
    body = json.dumps({"error": {"code": 429, "details": details}}).encode()
    failure = Gemini().failure(ResponseHead(429, {}), body)
    assert failure is not None
    assert failure.retry_after_seconds == seconds


def test_header_facts() -> None:
    facts = Gemini().header_facts(ResponseHead(429, {"retry-after": "3"}))
    assert (facts.request_id, facts.retry_after_seconds, facts.rate_limits) == (None, 3, ())


def call(**fields: object) -> Call[ChatAsk]:
    given = {
        "model": "gemini-3.1-flash",
        "base_url": "https://generativelanguage.googleapis.com",
        **fields,
    }
    return chat_call(**given)


def test_the_request_asks_for_a_stream_of_bounded_length() -> None:
    request = Gemini().request(call(api_key="k"))
    assert request.method == "POST"
    assert request.url == (
        "https://generativelanguage.googleapis.com/v1/models/gemini-3.1-flash"
        ":streamGenerateContent?alt=sse"
    )
    assert request.headers == {"content-type": "application/json", "x-goog-api-key": "k"}
    assert json.loads(request.body) == {
        "contents": [{"role": "user", "parts": [{"text": "ping"}]}],
        "generationConfig": {"maxOutputTokens": 64},
    }


def test_further_fields_join_those_of_the_dialect() -> None:
    thinking = {"thinkingConfig": {"includeThoughts": True}}
    request = Gemini().request(call(extra_body={"generationConfig": thinking}))
    assert json.loads(request.body)["generationConfig"] == {"maxOutputTokens": 64, **thinking}


def test_a_field_set_to_null_is_left_out() -> None:
    request = Gemini().request(call(extra_body={"generationConfig": {"maxOutputTokens": None}}))
    assert json.loads(request.body)["generationConfig"] == {}


VERTEX = "https://aiplatform.googleapis.com/v1beta1/projects/p/locations/global/publishers/google"


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        (
            {"base_url": "http://h", "api_version": "v1beta", "model": "m"},
            "http://h/v1beta/models/m",
        ),
        ({"base_url": "http://h/v1beta", "model": "m"}, "http://h/v1beta/models/m"),
        ({"base_url": "http://h/gemini", "model": "m"}, "http://h/gemini/v1/models/m"),
        ({"base_url": "http://v1.h/v1x", "model": "m"}, "http://v1.h/v1x/v1/models/m"),
        ({"base_url": "http://h", "model": "tunedModels/t"}, "http://h/v1/tunedModels/t"),
        ({"base_url": "http://h", "model": "models/m"}, "http://h/v1/models/m"),
        ({"base_url": "http://h", "model": "a b?c"}, "http://h/v1/models/a%20b%3Fc"),
        ({"base_url": VERTEX, "model": "m"}, f"{VERTEX}/models/m"),
    ],
)
def test_where_a_model_is_asked(fields: dict[str, str], url: str) -> None:
    assert Gemini().request(call(**fields)).url == f"{url}:streamGenerateContent?alt=sse"


def test_no_key_no_header() -> None:
    assert "x-goog-api-key" not in Gemini().request(call()).headers


def test_the_public_api_has_versions_but_no_regions() -> None:
    target = Target(name="t", provider="gemini", model="m", api_version="v1beta")
    assert target.endpoint == "https://generativelanguage.googleapis.com"
    with pytest.raises(ValueError, match="'v2' is none of v1, v1beta"):
        Target(name="t", provider="gemini", model="m", api_version="v2")
    with pytest.raises(ValueError, match="no regions"):
        Target(name="t", provider="gemini", model="m", region="eu")
