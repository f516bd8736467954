"""Azure OpenAI and Foundry Models: OpenAI's chunks with the gateway's content filter results, on
the v1, deployments, and inference paths."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, unquote

from exporter.simulator.framing import compact_json, sse
from exporter.simulator.handler import Facts, Headers, Refused, Request, Response, bearer_key
from exporter.simulator.openai import ChatCall, ChatStream, OpenAIHandler, rate_limit_headers
from exporter.simulator.steps import (
    Begin,
    Error,
    ErrorKind,
    Failed,
    Finish,
    FinishReason,
    Ping,
    Step,
)

_PATH = re.compile(
    r".*/(openai/v1|openai/deployments/(?P<deployment>[^/]+)|(?P<inference>models))/chat/completions"
)

_NO_RESOURCE = "Resource not found"

_ERRORS = {
    ErrorKind.BAD_REQUEST: (400, None),
    ErrorKind.CONTENT_FILTER: (400, "content_filter"),
    ErrorKind.INVALID_KEY: (401, "401"),
    ErrorKind.FORBIDDEN: (403, "403"),
    ErrorKind.MODEL_NOT_FOUND: (404, "DeploymentNotFound"),
    ErrorKind.RATE_LIMITED: (429, "RateLimitReached"),
    ErrorKind.QUOTA: (429, "insufficient_quota"),
    ErrorKind.SERVER_ERROR: (500, "500"),
    ErrorKind.OVERLOADED: (503, "503"),
    ErrorKind.NOT_READY: (503, "503"),
}
"""Status and code of each error."""

_SAFE = {
    name: {"filtered": False, "severity": "safe"}
    for name in ("hate", "self_harm", "sexual", "violence")
}


class AzureHandler(OpenAIHandler):
    def claims(self, request: Request) -> bool:
        return request.method == "POST" and _PATH.fullmatch(request.path) is not None

    def key(self, request: Request) -> str | None:
        """Return the resource's key. It can also be sent as a bearer token."""
        return request.headers.get("api-key") or bearer_key(request)

    def read(self, request: Request) -> AzureCall:
        path = _PATH.fullmatch(request.path)
        deployment = path and path["deployment"]
        inference = bool(path and path["inference"])
        if (deployment or inference) and not parse_qs(request.query).get("api-version"):
            raise Refused(Error(ErrorKind.MODEL_NOT_FOUND, _NO_RESOURCE))
        call = super().read(request)
        if inference and call.include_usage:
            call = _with_extra_parameters(call, request.headers.get("extra-parameters", "error"))
        model = unquote(deployment) if deployment else call.model
        return AzureCall(
            model, call.prompt, call.max_tokens, call.include_usage, call.tools, call.logprobs
        )

    def error(self, error: Error, facts: Facts) -> Response:
        status, _ = _ERRORS[error.kind]
        headers = [("content-type", "application/json"), *_headers(facts)]
        if error.retry_after_seconds is not None:
            headers.append(("retry-after", f"{error.retry_after_seconds:.0f}"))
            headers.append(("retry-after-ms", f"{error.retry_after_seconds * 1000:.0f}"))
        return Response(status, tuple(headers), compact_json(_error_body(error)))


class AzureCall(ChatCall):
    """One chat completion request to a deployment."""

    def stream(self, facts: Facts) -> AzureStream:
        return AzureStream(facts, self.include_usage, logprobs=self.logprobs)


class AzureStream(ChatStream):
    """The chunks of one response, followed by the annotations of the asynchronous filter."""

    @property
    def headers(self) -> Headers:
        return (("content-type", "text/event-stream; charset=utf-8"), *_headers(self._facts))

    def render(self, step: Step) -> Iterator[bytes]:
        match step:
            case Begin():
                yield _prompt_filter_results()
                yield from super().render(step)
            case Ping():
                yield self._annotation()  # no comments, because the inference SDK rejects them
            case Finish(FinishReason.CONTENT_FILTER):
                _, *usage = super().render(step)
                yield self._annotation("content_filter")
                yield from usage
            case Finish():
                finish, *usage = super().render(step)
                yield finish
                yield self._annotation()
                yield from usage
            case Failed(error):
                yield sse(_error_body(error))
            case _:
                yield from super().render(step)

    def _annotation(self, finish_reason: str | None = None) -> bytes:
        """Return the filter's result for text that was sent earlier: a choice without a delta."""
        choice = {
            "index": 0,
            "finish_reason": finish_reason,
            "content_filter_offsets": {"check_offset": 0, "start_offset": 0, "end_offset": 0},
        }
        return sse(self._envelope([choice]))

    def _envelope(self, choices: list[dict[str, Any]], **usage: object) -> dict[str, Any]:
        filtered = [{**choice, "content_filter_results": _SAFE} for choice in choices]
        chunk = super()._envelope(filtered, **usage)
        if not choices:
            chunk["latency_checkpoint"] = {"engine_ttft_ms": 28, "total_duration_ms": 293}
        return chunk


def _prompt_filter_results() -> bytes:
    """Return the gateway's own chunk. It comes before the model's first chunk and doesn't name the
    model."""
    results = [{"prompt_index": 0, "content_filter_results": _SAFE}]
    no_model = {"id": "", "object": "", "created": 0, "model": "", "choices": []}
    return sse({**no_model, "prompt_filter_results": results})


def _with_extra_parameters(call: ChatCall, mode: str) -> ChatCall:
    """Return the call as the inference endpoint reads it, which doesn't know ``stream_options``."""
    if mode == "pass-through":
        return call
    if mode == "drop":
        return replace(call, include_usage=False)
    raise Refused(Error(ErrorKind.BAD_REQUEST, "stream_options: Extra inputs are not permitted"))


def _headers(facts: Facts) -> Iterator[tuple[str, str]]:
    yield "apim-request-id", f"apim-{facts.number}"
    yield "x-request-id", f"00000000-0000-4000-8000-{facts.number:012d}"
    yield "x-ms-region", "East US 2"
    yield "x-ms-rai-invoked", "true"
    yield from rate_limit_headers(facts)
    for limited in facts.rate_limits:
        yield f"x-ratelimit-reset-{limited.resource}", "60"


def _error_body(error: Error) -> dict[str, Any]:
    status, code = _ERRORS[error.kind]
    body: dict[str, Any] = {"code": code, "message": error.message}
    match error.kind:
        case ErrorKind.BAD_REQUEST:
            body |= {"type": "invalid_request_error", "param": None}
        case ErrorKind.CONTENT_FILTER:
            inner = {"code": "ResponsibleAIPolicyViolation", "content_filter_result": _SAFE}
            body |= {"type": None, "param": "prompt", "status": status, "innererror": inner}
        case ErrorKind.MODEL_NOT_FOUND if error.message == _NO_RESOURCE:
            body["code"] = "404"
    return {"error": body}
