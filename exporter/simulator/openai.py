"""OpenAI's Chat Completions, as described in
https://platform.openai.com/docs/api-reference/chat-streaming, with the ``reasoning_content`` of
servers that show their reasoning."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from exporter.providers.base import OutputKind
from exporter.providers.wire import Wire
from exporter.result import Usage
from exporter.simulator.framing import compact_json, sse
from exporter.simulator.handler import (
    Facts,
    Headers,
    Refused,
    Request,
    Response,
    bearer_key,
    read_body,
)
from exporter.simulator.steps import (
    Begin,
    Broken,
    Calling,
    End,
    Error,
    ErrorKind,
    Failed,
    Finish,
    FinishReason,
    Output,
    Ping,
    Step,
)

_ERRORS: dict[ErrorKind, tuple[int, str, str | int | None]] = {
    ErrorKind.BAD_REQUEST: (400, "invalid_request_error", None),
    ErrorKind.CONTENT_FILTER: (400, "invalid_request_error", "content_filter"),
    ErrorKind.INVALID_KEY: (401, "invalid_request_error", "invalid_api_key"),
    ErrorKind.FORBIDDEN: (403, "invalid_request_error", "unsupported_country_region_territory"),
    ErrorKind.MODEL_NOT_FOUND: (404, "invalid_request_error", "model_not_found"),
    ErrorKind.RATE_LIMITED: (429, "requests", "rate_limit_exceeded"),
    ErrorKind.QUOTA: (429, "insufficient_quota", "insufficient_quota"),
    ErrorKind.SERVER_ERROR: (500, "server_error", None),
    ErrorKind.OVERLOADED: (503, "service_unavailable_error", "server_is_overloaded"),
    ErrorKind.NOT_READY: (503, "unavailable_error", 503),  # the wording of llama.cpp
}
"""Status, type, and code of each error."""

_FINISH_REASONS = {FinishReason.REFUSAL: "stop"}
"""Finish reasons that differ from the neutral ones."""

_DELTA_FIELDS = {
    OutputKind.REASONING: "reasoning_content",
    OutputKind.ANSWER: "content",
    OutputKind.REFUSAL: "refusal",
}


class _Part(Wire):
    text: str = ""


class Message(Wire):
    """One message of a request, with its text."""

    content: str | list[_Part] | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, list):
            return " ".join(part.text for part in self.content)
        return self.content or ""


class _StreamOptions(Wire):
    include_usage: bool = False


class _Function(Wire):
    name: str


class OfferedTool(Wire):
    """One tool of a request."""

    function: _Function


class _Body(Wire):
    """chat completion request"""

    tools: list[OfferedTool] = Field(default=[])

    model: str
    messages: list[Message]
    stream: bool = False
    stream_options: _StreamOptions | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    logprobs: bool = False


class OpenAIHandler:
    """Answers Chat Completions on any path prefix."""

    def claims(self, request: Request) -> bool:
        return request.method == "POST" and request.path.endswith("/chat/completions")

    def key(self, request: Request) -> str | None:
        return bearer_key(request)

    def read(self, request: Request) -> ChatCall:
        body = read_body(_Body, request)
        if not body.stream:
            raise Refused(Error(ErrorKind.BAD_REQUEST, "The simulator only streams."))
        return ChatCall(
            model=body.model,
            prompt="\n".join(message.text for message in body.messages),
            max_tokens=body.max_completion_tokens or body.max_tokens,
            include_usage=bool(body.stream_options and body.stream_options.include_usage),
            tools=tuple(tool.function.name for tool in body.tools),
            logprobs=body.logprobs,
        )

    def error(self, error: Error, facts: Facts) -> Response:
        status, _, _ = _ERRORS[error.kind]
        headers = [("content-type", "application/json"), *_headers(facts)]
        if error.retry_after_seconds is not None:
            headers.append(("retry-after", f"{error.retry_after_seconds:g}"))
        return Response(status, tuple(headers), compact_json(_error_body(error)))


@dataclass(frozen=True, slots=True)
class ChatCall:
    """One chat completion request."""

    model: str
    prompt: str
    max_tokens: int | None
    include_usage: bool
    tools: tuple[str, ...] = ()
    logprobs: bool = False
    """Whether the request asks for the probabilities of the first token."""

    def stream(self, facts: Facts) -> ChatStream:
        return ChatStream(facts, self.include_usage, logprobs=self.logprobs)


class ChatStream:
    """The chunks of one response."""

    def __init__(self, facts: Facts, include_usage: bool, *, logprobs: bool = False) -> None:
        self._facts = facts
        self._include_usage = include_usage
        self._role: dict[str, Any] = {"role": "assistant"}
        self._logprobs = logprobs
        """Whether the probabilities still have to be sent."""

    @property
    def headers(self) -> Headers:
        return stream_headers(self._facts)

    def render(self, step: Step) -> Iterator[bytes]:
        match step:
            case Begin(alone=True):
                yield self._chunk(self._opened({"content": "", "refusal": None}))
            case Ping():
                yield b": ping\n\n"
            case Calling() | Output():
                yield self._chunk(self._opened(_delta(step)), logprobs=self._top_logprobs(step))
            case Finish(reason, usage):
                yield self._chunk({}, _FINISH_REASONS.get(reason, reason) if reason else None)
                if usage and self._include_usage:
                    yield sse(self._envelope([], usage=_usage(usage)))
            case Failed(error):
                yield sse(_error_body(error))
            case Broken():
                yield b"data: {not JSON\n\n"
            case End():
                yield b"data: [DONE]\n\n"

    def _opened(self, delta: dict[str, Any]) -> dict[str, Any]:
        """Return the delta. The first one also contains the role."""
        role, self._role = self._role, {}
        return role | delta

    def _top_logprobs(self, step: Calling | Output) -> dict[str, Any] | None:
        if not self._logprobs or isinstance(step, Calling) or step.kind is not OutputKind.ANSWER:
            return None
        self._logprobs = False
        sure = self._facts.first_token_probability
        candidates = [_token(step.text, sure), _token(" something", 1 - sure)]
        return {"content": [{**candidates[0], "top_logprobs": candidates}], "refusal": None}

    def _chunk(
        self,
        delta: dict[str, Any],
        finish_reason: str | None = None,
        logprobs: dict[str, Any] | None = None,
    ) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason}
        usage = {"usage": None} if self._include_usage else {}
        return sse(self._envelope([choice], **usage))

    def _envelope(self, choices: list[dict[str, Any]], **usage: object) -> dict[str, Any]:
        return {
            "id": f"chatcmpl-{self._facts.number}",
            "object": "chat.completion.chunk",
            "created": self._facts.created_at,
            "model": self._facts.served_model,
            "service_tier": "default",
            "system_fingerprint": "fp_simulator",
            "choices": choices,
            **usage,
        }


def _delta(step: Calling | Output) -> dict[str, Any]:
    match step:
        case Calling(name):
            function = {"name": name, "arguments": ""}
            call = {"index": 0, "id": "call_1", "type": "function", "function": function}
            return {"content": None, "tool_calls": [call]}
        case Output(OutputKind.TOOL, text):
            return {"tool_calls": [{"index": 0, "function": {"arguments": text}}]}
        case Output(kind, text):
            return {_DELTA_FIELDS[kind]: text}


def _token(text: str, probability: float) -> dict[str, Any]:
    logprob = math.log(max(probability, 1e-9))
    return {"token": text, "logprob": logprob, "bytes": [*text.encode()]}


def stream_headers(facts: Facts) -> Headers:
    """Return the headers of a streamed response."""
    return (("content-type", "text/event-stream; charset=utf-8"), *_headers(facts))


def _headers(facts: Facts) -> Iterator[tuple[str, str]]:
    yield "x-request-id", f"req_{facts.number}"
    yield "openai-version", "2020-10-01"
    yield "openai-processing-ms", f"{facts.processing_seconds * 1000:.0f}"
    yield from rate_limit_headers(facts)


def rate_limit_headers(facts: Facts) -> Iterator[tuple[str, str]]:
    """Yield the headers for the remaining quota of each limited resource."""
    for limited in facts.rate_limits:
        if limited.limit is not None:
            yield f"x-ratelimit-limit-{limited.resource}", f"{limited.limit:.0f}"
        if limited.remaining is not None:
            yield f"x-ratelimit-remaining-{limited.resource}", f"{limited.remaining:.0f}"


def _error_body(error: Error) -> dict[str, Any]:
    return {"error": error_object(error)}


def error_object(error: Error) -> dict[str, Any]:
    """Return an error in OpenAI's format."""
    _, kind, code = _ERRORS[error.kind]
    return {"message": error.message, "type": kind, "param": None, "code": code}


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {
            "cached_tokens": usage.cached_input,
            "cache_write_tokens": usage.cache_write,
            "audio_tokens": 0,
        },
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
