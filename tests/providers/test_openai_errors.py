"""Errors of OpenAI and of the servers that are compatible with its API."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from exporter.config.target import Target
from exporter.providers import Kind
from exporter.providers.base import Failed, ResponseHead
from exporter.providers.openai import OpenAI
from exporter.providers.presets import PRESETS
from exporter.result import FailureReason
from tests.providers.golden import events_of

AUTH = FailureReason.AUTH
BAD_REQUEST = FailureReason.BAD_REQUEST
CONTENT_FILTER = FailureReason.CONTENT_FILTER
NOT_FOUND = FailureReason.NOT_FOUND
NOT_READY = FailureReason.NOT_READY
OVERLOADED = FailureReason.OVERLOADED
QUOTA = FailureReason.QUOTA
RATE_LIMITED = FailureReason.RATE_LIMITED
SERVER_ERROR = FailureReason.SERVER_ERROR


def openai_error(kind: str | None, code: str | int | None, message: str = "no") -> bytes:
    error = {"message": message, "type": kind, "param": None, "code": code}
    return json.dumps({"error": error}).encode()


def gemini_error(status: str, *reasons: str) -> bytes:
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": r} for r in reasons]
    error = {"code": 400, "message": "no", "status": status, "details": details}
    return json.dumps([{"error": error}]).encode()


INVALID = "invalid_request_error"
LOADING = b'{"error":{"message":"Loading model","type":"unavailable_error","code":503}}'

ERRORS: dict[str, list[tuple[int, bytes, FailureReason]]] = {
    "OpenAI": [
        (400, openai_error(INVALID, "context_length_exceeded"), BAD_REQUEST),
        (400, openai_error(INVALID, "unsupported_parameter"), BAD_REQUEST),
        (401, openai_error(INVALID, "invalid_api_key"), AUTH),
        (403, openai_error(INVALID, "unsupported_country_region_territory"), AUTH),
        (404, openai_error(INVALID, "model_not_found"), NOT_FOUND),
        (429, openai_error("requests", "rate_limit_exceeded"), RATE_LIMITED),
        (429, openai_error("requests", "slow_down"), RATE_LIMITED),
        (429, openai_error("insufficient_quota", "insufficient_quota"), QUOTA),
        (429, openai_error("insufficient_quota", "credit_balance_exhausted"), QUOTA),
        (429, openai_error("x", "organization_spend_limit_exceeded"), QUOTA),
        (429, openai_error("x", "project_spend_limit_exceeded"), QUOTA),
        (429, openai_error("x", "organization_usage_limit_exceeded"), QUOTA),
        # LiteLLM, which gives every 429 this type
        (
            429,
            openai_error("throttling_error", "429", "the prepayment credits are depleted"),
            QUOTA,
        ),
        (429, openai_error("throttling_error", "429", "Insufficient Balance"), QUOTA),
        (500, openai_error("server_error", None), SERVER_ERROR),
        (503, openai_error("service_unavailable_error", "server_is_overloaded"), OVERLOADED),
    ],
    "Azure": [
        (400, openai_error(None, "content_filter"), CONTENT_FILTER),
        (401, openai_error(None, "401"), AUTH),
        (404, openai_error(None, "DeploymentNotFound"), NOT_FOUND),
        (404, openai_error(None, "404"), NOT_FOUND),
        (429, openai_error(None, "RateLimitReached"), RATE_LIMITED),
        (504, b"", SERVER_ERROR),
    ],
    "DashScope": [
        (400, openai_error(INVALID, "invalid_parameter_error"), BAD_REQUEST),
        (400, openai_error(INVALID, "data_inspection_failed"), CONTENT_FILTER),
        (400, openai_error("Arrearage", "Arrearage"), QUOTA),
        (403, openai_error("access_denied", "access_denied"), AUTH),
        (401, openai_error(INVALID, "invalid_api_key"), AUTH),
        (404, openai_error(INVALID, "model_not_found"), NOT_FOUND),
        (429, openai_error("limit_requests", "limit_requests"), RATE_LIMITED),
        (429, openai_error("limit_burst_rate", "limit_burst_rate"), RATE_LIMITED),
        (429, openai_error(None, "CommodityNotPurchased"), QUOTA),
        (429, openai_error(None, "PrepaidBillOverdue"), QUOTA),
        (429, openai_error(None, "PostpaidBillOverdue"), QUOTA),
        (500, openai_error("internal_error", "InternalError.Algo"), SERVER_ERROR),
        (503, openai_error(None, "ModelServingError"), OVERLOADED),
    ],
    "PAI-EAS": [(408, b"", SERVER_ERROR), (450, b"", OVERLOADED), (503, b"", OVERLOADED)],
    "vLLM": [
        (400, openai_error("BadRequestError", 400), BAD_REQUEST),
        (401, b'{"error":"Unauthorized"}', AUTH),
        (404, openai_error("NotFoundError", 404), NOT_FOUND),
        (422, openai_error("UnprocessableEntityError", 422), BAD_REQUEST),
        (500, openai_error("InternalServerError", 500), SERVER_ERROR),
        (501, openai_error("NotImplementedError", 501), BAD_REQUEST),
        (503, openai_error("ServiceUnavailableError", 503), OVERLOADED),
    ],
    "SGLang": [
        (
            400,
            b'{"object":"error","message":"no","type":"BadRequestError","code":400}',
            BAD_REQUEST,
        ),
        (401, b'{"error":"Unauthorized"}', AUTH),
        (503, b'{"object":"error","message":"The request queue is full."}', OVERLOADED),
    ],
    "TGI": [
        (422, b'{"error":"too long","error_type":"validation"}', BAD_REQUEST),
        (424, b'{"error":"no","error_type":"generation"}', SERVER_ERROR),
        (429, b'{"error":"Model is overloaded","error_type":"overloaded"}', OVERLOADED),
        (500, b'{"error":"no","error_type":"incomplete_generation"}', SERVER_ERROR),
        (503, b'{"error":"unhealthy","error_type":"healthcheck"}', OVERLOADED),
    ],
    "llama.cpp": [
        (400, openai_error(INVALID, 400), BAD_REQUEST),
        (400, openai_error("exceed_context_size_error", 400), BAD_REQUEST),
        (500, openai_error("server_error", 500, "it exceeds the context size"), BAD_REQUEST),
        (401, openai_error("authentication_error", 401), AUTH),
        (403, openai_error("permission_error", 403), AUTH),
        (404, openai_error("not_found_error", 404), NOT_FOUND),
        (500, openai_error("server_error", 500), SERVER_ERROR),
        (501, openai_error("not_supported_error", 501), BAD_REQUEST),
        (503, LOADING, NOT_READY),
        (503, openai_error("unavailable_error", 503), OVERLOADED),
    ],
    "LiteLLM": [
        (400, openai_error("no_db_connection", "400"), AUTH),
        (401, openai_error("auth_error", "401"), AUTH),
        (429, openai_error("budget_exceeded", "429"), QUOTA),
        (429, openai_error("throttling_error", "429"), RATE_LIMITED),
    ],
    "models that are gone": [
        (400, openai_error(INVALID, "model_decommissioned"), NOT_FOUND),  # Groq
        (400, openai_error(None, None, "The model has been decommissioned"), NOT_FOUND),
        (400, openai_error(INVALID, "model_not_available"), NOT_FOUND),  # Together
        (400, openai_error(INVALID, "dedicated_endpoint_not_running"), NOT_FOUND),
        (400, openai_error(None, None, "Unable to access non-serverless model x"), NOT_FOUND),
        (400, openai_error(None, 400, "x/y is not a valid model ID"), NOT_FOUND),  # OpenRouter
        (400, b'{"error":"Bad Request: The endpoint is paused, ask ...","code":"x"}', NOT_FOUND),
    ],
    "429 of other kinds": [
        (429, openai_error("service_tier_capacity_exceeded", "3505"), OVERLOADED),  # Mistral
        (429, openai_error("TooManyRequests", "ServerOverloaded"), OVERLOADED),  # Volcengine
        (429, openai_error("TooManyRequests", "SetLimitExceeded"), QUOTA),
        # Zhipu, whose windows are five hours, a week, and a month
        (429, openai_error("rate_limit_error", "1302", "Rate limit reached"), RATE_LIMITED),
        (
            429,
            openai_error("rate_limit_error", "1308", "Usage limit reached for 5 hour."),
            QUOTA,
        ),
        (
            429,
            openai_error("rate_limit_error", "1310", "Weekly/Monthly Limit Exhausted."),
            QUOTA,
        ),
    ],
    "Ollama": [
        (404, openai_error("not_found_error", None), NOT_FOUND),
        (503, openai_error("api_error", None, "server busy"), OVERLOADED),
    ],
    "Gemini": [
        (400, gemini_error("INVALID_ARGUMENT"), BAD_REQUEST),
        (400, gemini_error("INVALID_ARGUMENT", "API_KEY_INVALID"), AUTH),
        (402, gemini_error("RESOURCE_EXHAUSTED"), QUOTA),
        (403, gemini_error("PERMISSION_DENIED"), AUTH),
        (404, gemini_error("NOT_FOUND"), NOT_FOUND),
        (429, gemini_error("RESOURCE_EXHAUSTED"), RATE_LIMITED),
        (500, gemini_error("INTERNAL"), SERVER_ERROR),
        (503, gemini_error("UNAVAILABLE"), OVERLOADED),
        (504, gemini_error("DEADLINE_EXCEEDED"), SERVER_ERROR),
    ],
    "others": [
        (402, b"", QUOTA),  # DeepSeek, Fireworks, OpenRouter, Together
        (403, b'{"error":{"code":403,"message":"Key limit exceeded (total limit)."}}', QUOTA),
        (403, b'{"error":"Your team doesn\'t have any credits or licenses yet."}', QUOTA),  # xAI
        (403, b'{"statusCode":403,"message":"Out of call volume quota."}', QUOTA),  # Azure
        (429, b'{"error":{"message":"API key limit exceeded (5/minute)"}}', RATE_LIMITED),
        (408, b"", SERVER_ERROR),  # Fireworks, OpenRouter
        (412, b"", QUOTA),  # Fireworks
        (413, b"", BAD_REQUEST),  # Groq
        (422, b'{"detail":[{"loc":["body"],"msg":"no"}]}', BAD_REQUEST),  # Mistral
        (498, openai_error(None, "capacity_exceeded"), OVERLOADED),  # Groq
        (502, openai_error(None, 502), SERVER_ERROR),  # OpenRouter
        (503, openai_error(None, 503), OVERLOADED),  # OpenRouter
        (529, b"", OVERLOADED),
    ],
    "gateways": [
        (301, b"", FailureReason.UNEXPECTED_STATUS),
        (400, b'{"status":400,"detail":"DEGRADED function cannot be invoked"}', SERVER_ERROR),
        (418, b"<html>", FailureReason.UNEXPECTED_STATUS),
        (502, b"<html>Bad Gateway</html>", SERVER_ERROR),
        (503, b"the model is loading, try again", NOT_READY),
    ],
    "odd shapes": [
        (500, b'{"error":null}', SERVER_ERROR),
        (500, b'{"error":{}}', SERVER_ERROR),
        (400, b'{"error":{"message":["a"],"code":{"b":1},"details":"c"}}', BAD_REQUEST),
        (401, b'{"error":{"message":"no","code":true}}', AUTH),
    ],
    "success in name only": [
        (200, openai_error(INVALID, "invalid_api_key"), AUTH),
        (200, openai_error("Internal", 503), OVERLOADED),
        (200, b'{"object":"error","message":"no","code":404}', NOT_FOUND),
    ],
}


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        pytest.param(*row, id=f"{server}-{row[0]}-{row[1].decode()[:40]}")
        for server, rows in ERRORS.items()
        for row in rows
    ],
)
def test_an_error_response_has_its_reason(status: int, body: bytes, reason: FailureReason) -> None:
    failure = OpenAI().failure(ResponseHead(status, {}), body)
    assert failure is not None
    assert failure.reason is reason


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        # Mistral
        (b'{"message":{"detail":[{"loc":["body","seed"],"msg":"extra"}]}}', "body.seed: extra"),
        (b'{"detail":[{"loc":["body",0],"msg":"too long"}]}', "body.0: too long"),
        (b'{"detail":[{"msg":"too long"}]}', "too long"),
        (b'{"detail":{"message":"no"}}', "no"),
        (openai_error("None", "400", "no"), "no"),  # LiteLLM
    ],
)
def test_the_detail_of_an_error_is_readable(body: bytes, detail: str) -> None:
    failure = OpenAI().failure(ResponseHead(422, {}), body)
    assert failure is not None
    assert failure.detail == detail


def test_a_success_without_an_error_is_no_failure() -> None:
    assert OpenAI().failure(ResponseHead(200, {}), b'{"choices":[]}') is None


@pytest.mark.parametrize(
    ("error", "reason", "status"),
    [
        ({"code": "rate_limit_exceeded"}, RATE_LIMITED, None),
        ({"code": "insufficient_quota"}, QUOTA, None),
        ({"code": "data_inspection_failed"}, CONTENT_FILTER, None),
        ({"code": "DataInspectionFailed"}, CONTENT_FILTER, None),
        ({"code": 400, "type": "BadRequestError"}, BAD_REQUEST, 400),
        ({"code": "503"}, OVERLOADED, 503),
        ({"code": 402}, QUOTA, 402),
        ({"http_status_code": 422}, BAD_REQUEST, 422),
        ({"type": "invalid_request_error"}, BAD_REQUEST, None),
        ({"type": "NotFoundError"}, NOT_FOUND, None),
        ({"type": "overloaded_error"}, OVERLOADED, None),
        ({"type": "service_unavailable_error"}, OVERLOADED, None),
        ({"message": "Loading model"}, NOT_READY, None),
        ({"code": 1234}, SERVER_ERROR, None),
        ({}, SERVER_ERROR, None),
    ],
)
def test_an_error_inside_a_stream_has_the_reason_that_it_names(
    error: Mapping[str, object], reason: FailureReason, status: int | None
) -> None:
    data = b"data: " + json.dumps({"error": error}).encode() + b"\n\n"
    (event,) = events_of(OpenAI(), data)
    assert isinstance(event, Failed)
    assert (event.failure.reason, event.failure.status) == (reason, status)


@pytest.mark.parametrize("choices", [None, []])
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ({"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}, QUOTA),
        ({"object": "error", "message": "no", "code": 404}, NOT_FOUND),
    ],
    ids=["MiniMax", "SGLang"],
)
def test_an_error_beside_a_usage_without_tokens_is_no_chunk_of_usage(
    choices: object, error: Mapping[str, object], reason: FailureReason
) -> None:
    chunk = {"choices": choices, "usage": {"total_tokens": 0}, **error}
    events = events_of(OpenAI(), b"data: " + json.dumps(chunk).encode() + b"\n\n")
    assert [event.failure.reason for event in events if isinstance(event, Failed)] == [reason]


@pytest.mark.parametrize(
    ("preset", "status", "body", "reason"),
    [
        ("dashscope", 429, openai_error(None, "insufficient_quota"), RATE_LIMITED),
        ("openai", 429, openai_error(None, "insufficient_quota"), QUOTA),
        ("together", 403, b"", BAD_REQUEST),
        ("together", 403, openai_error(None, "invalid_api_key"), AUTH),
        ("groq", 403, b"", AUTH),
        ("tgi", 429, b"", OVERLOADED),
        ("nim", 502, b"<html>", NOT_READY),
        ("vllm", 502, b"<html>", SERVER_ERROR),
    ],
)
def test_what_means_something_else_at_one_server_is_read_so_there_alone(
    preset: str, status: int, body: bytes, reason: FailureReason
) -> None:
    failure = OpenAI(PRESETS[preset]).failure(ResponseHead(status, {}), body)
    assert failure is not None
    assert failure.reason is reason


def test_a_server_s_own_words_hold_inside_a_stream_too() -> None:
    data = b"data: " + openai_error(None, "insufficient_quota") + b"\n\n"
    (event,) = events_of(OpenAI(PRESETS["dashscope"]), data)
    assert isinstance(event, Failed)
    assert event.failure.reason is RATE_LIMITED


def test_a_target_without_a_preset_speaks_as_its_host_does() -> None:
    together = "https://api.together.xyz/v1"
    known = Target(name="t", provider="openai", model="m", base_url=together).dialect(Kind.CHAT)
    failure = known.failure(ResponseHead(403, {}), b"")
    assert failure is not None
    assert failure.reason is BAD_REQUEST
