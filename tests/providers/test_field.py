"""How a whole probe interprets bytes that were seen in the field, in every applicable dialect.

``tests/fixtures/FIELD.md`` says where they were reported.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from exporter.providers.framing.eventstream import encode
from exporter.result import FailureReason, ProbeResult, Usage
from tests.contract.probing import probed
from tests.wire import LAST_CHUNK, STREAM_HEAD, Act, Step, chunk, response, wire_server

SSE_PROVIDERS = ["openai", "openai_responses", "azure", "anthropic", "vllm", "dashscope", "gemini"]
PATHS = dict.fromkeys(SSE_PROVIDERS, "/v1") | {"bedrock": "", "ollama": "", "dashscope": "/api/v1"}


KEY = "KEY_OF_THE_FIELD"


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, "key-of-the-field")


async def asked(provider: str, *script: Step) -> ProbeResult:
    with wire_server(script) as server:
        return await probed(provider, server.url + PATHS[provider], api_key={"env": KEY})


def sse(*events: object, name: str = "") -> bytes:
    lines = b"event: %s\n" % name.encode() if name else b""
    return b"".join(lines + b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)


def named(*events: dict[str, Any]) -> bytes:
    return b"".join(sse(event, name=event["type"]) for event in events)


def frame(kind: str, payload: object) -> bytes:
    headers = {":message-type": "event", ":event-type": kind}
    return encode(headers, json.dumps(payload).encode())


@dataclass(frozen=True)
class Language:
    """How one dialect sends a text and a finish reason, without an end marker."""

    text: bytes
    finish: str
    """Contains ``WORD`` in place of the finish reason."""

    def finished(self, word: str) -> bytes:
        return self.finish.replace("WORD", word).encode()


def _text(text: str) -> dict[str, Any]:
    return {"type": "content_block_delta", "delta": {"type": "text_delta", "text": text}}


CHAT = Language(
    sse({"choices": [{"delta": {"content": "1 2"}}]}),
    sse({"choices": [{"delta": {}, "finish_reason": "WORD"}]}).decode(),
)
LANGUAGES = {
    "openai": CHAT,
    "azure": CHAT,
    "vllm": CHAT,
    "anthropic": Language(
        named(_text("1 2")),
        named({"type": "message_delta", "delta": {"stop_reason": "WORD"}}).decode(),
    ),
    "dashscope": Language(
        sse({"output": {"choices": [{"message": {"content": "1 2"}, "finish_reason": "null"}]}}),
        sse({"output": {"choices": [{"message": {}, "finish_reason": "WORD"}]}}).decode(),
    ),
    "gemini": Language(
        sse({"candidates": [{"content": {"parts": [{"text": "1 2"}]}}]}),
        sse({"candidates": [{"finishReason": "WORD"}]}).decode(),
    ),
    "ollama": Language(
        b'{"message":{"content":"1 2"},"done":false}\n',
        '{"message":{"content":""},"done":true,"done_reason":"WORD"}\n',
    ),
}


def reason(result: ProbeResult) -> FailureReason | None:
    return result.failure.reason if result.failure else None


@pytest.mark.parametrize("provider", LANGUAGES)
@pytest.mark.parametrize("said", [True, False], ids=["text", "no text"])
@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("SAFETY", FailureReason.CONTENT_FILTER),
        ("safety", FailureReason.CONTENT_FILTER),
        ("Prohibited_Content", FailureReason.CONTENT_FILTER),
        ("contentFilter", FailureReason.CONTENT_FILTER),
        ("guardrail_intervened", FailureReason.CONTENT_FILTER),
        ("sensitive", FailureReason.CONTENT_FILTER),
        ("output_blocked_by_moderation", FailureReason.CONTENT_FILTER),
        ("network_error", FailureReason.SERVER_ERROR),
        ("UPSTREAM_TIMEOUT", FailureReason.SERVER_ERROR),
        ("MALFORMED_FUNCTION_CALL", FailureReason.SERVER_ERROR),
        ("insufficient_system_resource", FailureReason.OVERLOADED),
        ("copyright-policy", FailureReason.CONTENT_FILTER),
    ],
)
async def test_a_blocked_or_broken_answer_is_no_success(
    provider: str, said: bool, word: str, expected: FailureReason
) -> None:
    language = LANGUAGES[provider]
    text = chunk(language.text) if said else b""
    end = chunk(language.finished(word) + b"data: [DONE]\n\n" * (language is CHAT))
    result = await asked(provider, STREAM_HEAD, text + end, LAST_CHUNK)
    assert reason(result) is expected, result.failure


GOOD = {"anthropic": "end_turn", "gemini": "STOP"}


@pytest.mark.parametrize("provider", LANGUAGES)
@pytest.mark.parametrize("framed", ["chunked", "length", "close"])
async def test_a_finish_reason_and_a_whole_message_are_an_end_and_nothing_less(
    provider: str, framed: str
) -> None:
    language = LANGUAGES[provider]
    body = language.text + language.finished(GOOD.get(provider, "stop"))
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
    scripts: dict[str, Sequence[Step]] = {
        "chunked": [STREAM_HEAD, chunk(body), LAST_CHUNK],
        "length": [response(200, body, b"content-type: text/event-stream")],
        "close": [head + body],
    }
    result = await asked(provider, *scripts[framed], *([Act.CLOSE] if framed == "close" else []))
    marked = provider == "ollama"  # its end marker is ``done``
    expected = None if framed != "close" or marked else FailureReason.TRUNCATED
    assert reason(result) is expected, result.failure


@pytest.mark.parametrize("provider", LANGUAGES)
async def test_a_whole_message_without_a_finish_reason_is_truncated(provider: str) -> None:
    result = await asked(provider, STREAM_HEAD, chunk(LANGUAGES[provider].text), LAST_CHUNK)
    assert reason(result) is FailureReason.TRUNCATED
    assert result.failure is not None
    assert "3 characters" in result.failure.detail


NOT_ANSWERS: dict[str, tuple[bytes, str]] = {
    "gzip": (gzip.compress(b'data: {"choices":[]}\n\n'), "gzip"),
    "malformed JSON": (b"{malformed json", "{malformed json"),
    "SSH": (b"SSH-2.0-OpenSSH_9.2\r\n", "SSH-2.0-OpenSSH_9.2"),
    "HTML": (b"<!doctype html><title>Sign in</title><h1>Hello</h1>", "Sign in"),
    "words": (b"Service is on holiday", "on holiday"),
}


@pytest.mark.parametrize("provider", PATHS)
@pytest.mark.parametrize("name", NOT_ANSWERS)
async def test_what_is_not_an_answer_says_what_it_is(provider: str, name: str) -> None:
    body, words = NOT_ANSWERS[name]
    result = await asked(provider, response(200, body, b"content-type: text/odd"))
    assert reason(result) is FailureReason.PROTOCOL, result.failure
    assert result.failure is not None
    assert "text/odd" in result.failure.detail
    assert words in result.failure.detail


@pytest.mark.parametrize("provider", PATHS)
async def test_a_redirect_names_its_location_without_the_query(provider: str) -> None:
    location = b"location: https://login.example.com/in?token=abc"
    result = await asked(provider, response(302, b"", location))
    assert reason(result) is FailureReason.UNEXPECTED_STATUS
    assert result.failure is not None
    assert "https://login.example.com/in" in result.failure.detail
    assert "abc" not in result.failure.detail


@pytest.mark.parametrize("provider", PATHS)
async def test_an_error_in_a_200_needs_no_line_end(provider: str) -> None:
    body = b': keep-alive\n\n{"error":{"code":429,"message":"Too many requests"}}'
    result = await asked(provider, response(200, body, b"content-type: text/event-stream"))
    assert reason(result) is FailureReason.RATE_LIMITED, result.failure


@pytest.mark.parametrize("provider", PATHS)
async def test_a_page_of_a_gateway_says_that_it_is_one(provider: str) -> None:
    page = b"<html><title>502 Bad Gateway</title></html>"
    result = await asked(provider, response(502, page, b"content-type: text/html"))
    assert reason(result) is FailureReason.SERVER_ERROR
    assert result.failure is not None
    assert "502 Bad Gateway" in result.failure.detail
    assert "text/html" in result.failure.detail


BARE = b': keep-alive\n\n{"error":{"code":503,"message":"Loading model"}}\n'


@pytest.mark.parametrize("provider", PATHS)
async def test_an_error_that_is_no_event_is_heard_behind_a_comment(provider: str) -> None:
    result = await asked(provider, STREAM_HEAD, chunk(BARE), LAST_CHUNK)
    assert reason(result) is FailureReason.NOT_READY, result.failure


ALIVE = [
    b"event: ping\ndata:\n\n",
    b"event: ping\ndata: \n\n",
    b"event: ping\ndata: pong\n\n",
    b"event: heartbeat\ndata: ok\n\n",
    b"data:\n\n",
    b": ping\n\n",
]


@pytest.mark.parametrize("provider", [name for name in LANGUAGES if name in SSE_PROVIDERS])
async def test_signs_of_life_are_passed_over(provider: str) -> None:
    language = LANGUAGES[provider]
    body = b"".join([*ALIVE, language.text, *ALIVE])
    end = language.finished(GOOD.get(provider, "stop"))
    result = await asked(provider, STREAM_HEAD, chunk(body + end), LAST_CHUNK)
    assert result.failure is None
    assert result.answer == "1 2"


ODD = {
    "openai": sse({"id": 7, "model": None, "object": 1, "created": "x", "choices": []}),
    "anthropic": named({"type": "message_start", "message": {"id": 7, "model": ["x"]}}),
    "dashscope": sse({"request_id": 7, "output": {}}),
    "gemini": sse({"responseId": 7, "modelVersion": 2}),
    "ollama": b'{"model":7,"created_at":3,"message":{"content":""},"done":false}\n',
}


@pytest.mark.parametrize("provider", ODD)
async def test_odd_ids_are_passed_over(provider: str) -> None:
    language = LANGUAGES[provider]
    end = language.finished(GOOD.get(provider, "stop"))
    body = ODD[provider] + language.text + end
    result = await asked(provider, STREAM_HEAD, chunk(body), LAST_CHUNK)
    assert result.failure is None


@pytest.mark.parametrize("provider", LANGUAGES)
async def test_a_lone_surrogate_is_passed_over(provider: str) -> None:
    language = LANGUAGES[provider]
    text = language.text.replace(b"1 2", rb"1 2\ud83d")
    end = language.finished(GOOD.get(provider, "stop"))
    result = await asked(provider, STREAM_HEAD, chunk(text + end), LAST_CHUNK)
    assert result.failure is None
    assert result.answer.startswith("1 2")


NATIVE = sse(
    {"choices": [{"delta": {}, "finish_reason": "stop", "native_finish_reason": "network_error"}]}
)


@pytest.mark.parametrize("text", [b"", CHAT.text])
async def test_the_word_of_the_server_behind_a_gateway_counts(text: bytes) -> None:
    body = chunk(text + NATIVE + b"data: [DONE]\n\n")
    result = await asked("openai", STREAM_HEAD, body, LAST_CHUNK)
    assert reason(result) is FailureReason.SERVER_ERROR


async def test_the_word_of_the_server_behind_counts_alone_too() -> None:
    native = {"choices": [{"delta": {}, "native_finish_reason": "MALFORMED_RESPONSE"}]}
    body = chunk(CHAT.text + sse(native) + b"data: [DONE]\n\n")
    result = await asked("openai", STREAM_HEAD, body, LAST_CHUNK)
    assert reason(result) is FailureReason.SERVER_ERROR


XAI = {
    "prompt_tokens": 40,
    "completion_tokens": 11,
    "total_tokens": 131,
    "completion_tokens_details": {"reasoning_tokens": 80},
}
MOONSHOT = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
USAGES: dict[str, tuple[dict[str, Any], Usage]] = {
    "beside, as the total shows": ({"usage": XAI}, Usage(40, 91, reasoning=80)),
    "beside, since no part is larger": (
        {"usage": {**XAI, "total_tokens": None}},
        Usage(40, 91, reasoning=80),
    ),
    "within": (
        {"usage": {**XAI, "completion_tokens": 91}},
        Usage(40, 91, reasoning=80),
    ),
    "inside a choice": ({"choices": [{"usage": MOONSHOT}]}, Usage(9, 4)),
    "inside a delta": ({"choices": [{"delta": {"usage": MOONSHOT}}]}, Usage(9, 4)),
    "cache beside": (
        {
            "usage": {
                "prompt_tokens": 9,
                "completion_tokens": 4,
                "total_tokens": 113,
                "prompt_tokens_details": {"cached_tokens": 100},
            }
        },
        Usage(109, 4, cached_input=100),
    ),
    "output in the total only": (
        {"usage": {"prompt_tokens": 9, "total_tokens": 13}},
        Usage(9, 4),
    ),
}


@pytest.mark.parametrize("name", USAGES)
async def test_usage_is_what_the_sums_say_wherever_it_stands(name: str) -> None:
    block, usage = USAGES[name]
    body = CHAT.text + CHAT.finished("stop") + sse({"choices": [], **block}) + b"data: [DONE]\n\n"
    result = await asked("openai", STREAM_HEAD, chunk(body), LAST_CHUNK)
    assert result.usage == usage


@pytest.mark.parametrize("provider", LANGUAGES)
@pytest.mark.parametrize(
    "headers",
    [
        b"x-amzn-bedrock-input-token-count: 9\r\nx-amzn-bedrock-output-token-count: 4",
        b"x-prompt-tokens: 9\r\nx-generated-tokens: 4",
    ],
)
async def test_usage_is_found_in_headers(provider: str, headers: bytes) -> None:
    head = STREAM_HEAD.replace(b"x-request-id: req_1", headers)
    language = LANGUAGES[provider]
    body = chunk(language.text + language.finished(GOOD.get(provider, "stop")))
    result = await asked(provider, head, body, LAST_CHUNK)
    assert result.usage == Usage(9, 4)


async def test_limits_in_headers_are_no_usage() -> None:
    limits = b"x-ratelimit-limit-input-tokens: 9\r\nx-ratelimit-limit-output-tokens: 4"
    head = STREAM_HEAD.replace(b"x-request-id: req_1", limits)
    body = chunk(CHAT.text + CHAT.finished("stop"))
    assert (await asked("openai", head, body, LAST_CHUNK)).usage is None


async def test_zeros_at_the_end_do_not_undo_a_count() -> None:
    zeros = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    counts = sse({"choices": [], "usage": MOONSHOT}, {"choices": [], "usage": zeros})
    body = CHAT.text + CHAT.finished("stop") + counts
    result = await asked("openai", STREAM_HEAD, chunk(body), LAST_CHUNK)
    assert result.usage == Usage(9, 4)


@pytest.mark.parametrize("provider", ["openai", "anthropic", "vllm", "gemini", "ollama"])
@pytest.mark.parametrize(
    ("kind", "message", "expected"),
    [
        ("invalid_request_error", "Oh no: too many requests, wait", FailureReason.RATE_LIMITED),
        ("api_error", "upstream: rate limit exceeded", FailureReason.RATE_LIMITED),
        ("api_error", "Insufficient Balance", FailureReason.QUOTA),
        ("api_error", "The engine is currently overloaded", FailureReason.OVERLOADED),
        ("api_error", "Model m is currently loading", FailureReason.NOT_READY),
        ("api_error", "Error code: 429 - {'x': 1}", FailureReason.RATE_LIMITED),
        ("api_error", "litellm.RateLimitError: no", FailureReason.RATE_LIMITED),
        ("api_error", "ModelNotReadyException: wait", FailureReason.NOT_READY),
    ],
)
async def test_an_error_means_what_it_says(
    provider: str, kind: str, message: str, expected: FailureReason
) -> None:
    error = {"type": "error", "error": {"type": kind, "message": message}}
    whole = json.dumps(error).encode()
    assert reason(await asked(provider, response(500, whole))) is expected
    named = b"event: error\ndata: " + whole + b"\n\n"
    body = whole + b"\n" if provider == "ollama" else named
    result = await asked(provider, STREAM_HEAD, chunk(body), LAST_CHUNK)
    assert reason(result) is expected, result.failure


# fmt: off
GATEWAYS: list[tuple[int, bytes,
     FailureReason]] = [
    (
        400,
        b'{"code":"Client specified an invalid argument","error":"Incorrect API key provided"}',
        FailureReason.AUTH,
    ),
    (
        200,
        b'{"base_resp":{"status_code":1002,"status_msg":"rate limit"}}',
        FailureReason.RATE_LIMITED,
    ),
    (
        429,
        b'{"message":"Busy","type":"too_many_requests_error","code":"queue_exceeded"}',
        FailureReason.OVERLOADED,
    ),
    (200, b'{"statusCode":429,"message":"Rate limit is exceeded."}',
     FailureReason.RATE_LIMITED),
    (
        401,
        b'{"success":false,"error":[{"code":2009,"message":"Unauthorized"}]}',
        FailureReason.AUTH,
    ),
    (
        503,
        b'{"error":"Model x is currently loading","estimated_time":20.0}',
        FailureReason.NOT_READY,
    ),
    (
        403,
        b"<html><title>Access denied</title>error code: 1015 You are being rate limited</html>",
        FailureReason.RATE_LIMITED,
    ),
    (502, b"<html><head><title>502 Bad Gateway</title></head></html>",
     FailureReason.SERVER_ERROR),
    (
        403,
        b'{"code":30001,"message":"Sorry, your account balance is insufficient","data":null}',
        FailureReason.QUOTA,
    ),
    (
        400,
        b'{"error":{"message":"no","code":"x","metadata":{"raw":"is temporarily rate-limited"}}}',
        FailureReason.RATE_LIMITED,
    ),
    (500, b"<html><script>loading model</script>Oops</html>",
     FailureReason.SERVER_ERROR),
]
# fmt: on


@pytest.mark.parametrize("provider", ["openai", "anthropic", "dashscope", "gemini", "ollama"])
@pytest.mark.parametrize(("status", "body", "expected"), GATEWAYS)
async def test_gateways_are_understood_in_front_of_every_dialect(
    provider: str, status: int, body: bytes, expected: FailureReason
) -> None:
    result = await asked(provider, response(status, body))
    assert reason(result) is expected, result.failure


@pytest.mark.parametrize(
    ("status", "name", "expected"),
    [
        (
            429,
            "com.amazon.coral.service#ModelNotReadyException:http://internal/",
            FailureReason.NOT_READY,
        ),
        (400, "com.amazon.coral.service#ThrottlingException", FailureReason.RATE_LIMITED),
        (403, "aws.protocoltests#ExpiredTokenException:http://x/#y", FailureReason.AUTH),
        (400, "ValidationException:http://internal/", FailureReason.BAD_REQUEST),
    ],
)
@pytest.mark.parametrize("where", ["header", "body"])
async def test_names_of_aws_have_namespaces(
    status: int, name: str, expected: FailureReason, where: str
) -> None:
    body = {"message": "no", **({"__type": name} if where == "body" else {})}
    headers = [b"x-amzn-ErrorType: " + name.encode()] if where == "header" else []
    result = await asked("bedrock", response(status, json.dumps(body).encode(), *headers))
    assert reason(result) is expected


async def test_the_part_of_a_code_that_says_most_decides() -> None:
    error = {"code": "InternalError.Algo.DataInspectionFailed", "message": "no", "request_id": "a"}
    body = b"event:error\n:HTTP_STATUS/400\ndata:" + json.dumps(error).encode() + b"\n\n"
    result = await asked("dashscope", STREAM_HEAD, chunk(body), LAST_CHUNK)
    assert reason(result) is FailureReason.CONTENT_FILTER


DATE = b"date: Mon, 23 Nov 2026 10:00:00 GMT"
WAITS: list[tuple[list[bytes], bytes, float | None]] = [
    ([b"retry-after-ms: 0", b"retry-after: 45"], b"{}", 45),
    ([b"retry-after-ms: 90000", b"retry-after: 45"], b"{}", 90),
    ([b"retry-after-ms: 1500", b"retry-after: 2"], b"{}", 1.5),
    ([b"retry-after: 0"], b"{}", 0),
    ([b"retry-after: 2.5"], b"{}", 2.5),
    ([b"retry-after: 1_000"], b"{}", None),
    ([b"retry-after: NaN"], b"{}", None),
    ([b"retry-after: 12s"], b"{}", 12),
    ([b"retry-after: 5", b"retry-after: 30"], b"{}", 30),
    ([b"retry-after: 5,\x1c1,50"], b"{}", 50),
    ([DATE, b"retry-after: Mon, 23 Nov 2026 10:00:30 GMT"], b"{}", 30),
    ([b"retry-after: Mon, 23 Nov 1998 10:00:30 GMT"], b"{}", 0),
    ([b"retry-after: 3"], b'{"error":{"message":"Please try again in 1m26.5s."}}', 86.5),
    ([], b'{"error":{"message":"Retry after 32 seconds"}}', 32),
]


@pytest.mark.parametrize("provider", ["openai", "anthropic", "bedrock", "gemini", "ollama"])
@pytest.mark.parametrize(("headers", "body", "seconds"), WAITS)
async def test_the_longest_wait_that_is_said_holds(
    provider: str, headers: list[bytes], body: bytes, seconds: float | None
) -> None:
    result = await asked(provider, response(429, body, *headers))
    assert result.retry_after_seconds == seconds


async def test_a_date_without_the_servers_own_is_read_against_our_clock() -> None:
    late = b"retry-after: Fri, 01 Jan 2100 00:00:00 GMT"
    result = await asked("openai", response(503, b"{}", late))
    assert (result.retry_after_seconds or 0) > 3600


@pytest.mark.parametrize("word", [b"none", b"Identity", b"", b"identity, none"])
async def test_a_body_that_is_not_encoded_is_read_whatever_its_encoding_is_called(
    word: bytes,
) -> None:
    head = STREAM_HEAD.replace(b"x-request-id: req_1", b"content-encoding: " + word)
    result = await asked("openai", head, chunk(CHAT.text + CHAT.finished("stop")), LAST_CHUNK)
    assert result.failure is None
