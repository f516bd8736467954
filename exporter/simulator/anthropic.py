"""Anthropic's Messages API in both versions, from its reference, on any path prefix."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import Field

from exporter.providers.anthropic import FIRST_VERSION, VERSIONS
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
from exporter.simulator.openai import Message
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
    HiddenReasoning,
    Output,
    Ping,
    Step,
)

_ERRORS = {
    ErrorKind.BAD_REQUEST: (400, "invalid_request_error"),
    ErrorKind.CONTENT_FILTER: (400, "invalid_request_error"),
    ErrorKind.INVALID_KEY: (401, "authentication_error"),
    ErrorKind.QUOTA: (402, "billing_error"),
    ErrorKind.FORBIDDEN: (403, "permission_error"),
    ErrorKind.MODEL_NOT_FOUND: (404, "not_found_error"),
    ErrorKind.RATE_LIMITED: (429, "rate_limit_error"),
    ErrorKind.SERVER_ERROR: (500, "api_error"),
    ErrorKind.OVERLOADED: (529, "overloaded_error"),
    ErrorKind.NOT_READY: (503, "unavailable_error"),  # the wording of llama.cpp on this path
}

_FILTERED = "Output blocked by content filtering policy"
"""The only text that distinguishes this error from other bad requests."""

_STOP_REASONS = {
    FinishReason.STOP: "end_turn",
    FinishReason.LENGTH: "max_tokens",
    FinishReason.CONTENT_FILTER: "refusal",
    FinishReason.REFUSAL: "refusal",
    FinishReason.TOOL_CALLS: "tool_use",
}

_BLOCKS: dict[OutputKind, dict[str, Any]] = {
    OutputKind.REASONING: {"type": "thinking", "thinking": "", "signature": ""},
    OutputKind.ANSWER: {"type": "text", "text": ""},
    OutputKind.REFUSAL: {"type": "text", "text": ""},
    OutputKind.TOOL: {"type": "tool_use", "id": "toolu_1", "input": {}},
}

_DELTAS = {
    OutputKind.REASONING: ("thinking_delta", "thinking"),
    OutputKind.ANSWER: ("text_delta", "text"),
    OutputKind.REFUSAL: ("text_delta", "text"),
    OutputKind.TOOL: ("input_json_delta", "partial_json"),
}
"""The type of a delta, and the name of its content field."""

_RATE_LIMIT_WINDOW = timedelta(minutes=1)


class _Tool(Wire):
    name: str


class _Body(Wire):
    """Messages request"""

    tools: list[_Tool] = Field(default=[])

    model: str
    max_tokens: int
    messages: list[Message]
    stream: bool = False
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None

    @property
    def sampling(self) -> list[str]:
        """The parameters that version 2026-10-21 removed. A null value counts as sent."""
        return sorted({"temperature", "top_p", "top_k"} & self.model_fields_set)


class AnthropicHandler:
    def claims(self, request: Request) -> bool:
        return request.method == "POST" and request.path.endswith("/v1/messages")

    def key(self, request: Request) -> str | None:
        return bearer_key(request) or request.headers.get("x-api-key")

    def read(self, request: Request) -> MessagesCall:
        version = request.headers.get("anthropic-version", "")
        if version not in VERSIONS:
            raise _bad_request(f"anthropic-version: {version!r} is not a valid version")
        body = read_body(_Body, request)
        if version != FIRST_VERSION and body.sampling:
            raise _bad_request(f"{body.sampling[0]}: Extra inputs are not permitted")
        if not body.stream:
            raise _bad_request("The simulator only streams.")
        return MessagesCall(
            model=body.model,
            prompt="\n".join(message.text for message in body.messages),
            max_tokens=body.max_tokens,
            tools=tuple(tool.name for tool in body.tools),
        )

    def error(self, error: Error, facts: Facts) -> Response:
        status, _ = _ERRORS[error.kind]
        headers = [("content-type", "application/json"), *_headers(facts)]
        if error.retry_after_seconds is not None:
            headers.append(("retry-after", f"{error.retry_after_seconds:g}"))
        body = {**_error_body(error), "request_id": _request_id(facts)}
        return Response(status, tuple(headers), compact_json(body))


@dataclass(frozen=True, slots=True)
class MessagesCall:
    """One request to the Messages API."""

    model: str
    prompt: str
    max_tokens: int
    tools: tuple[str, ...]

    def stream(self, facts: Facts) -> MessageStream:
        return MessageStream(facts)


class MessageStream:
    """The events of one response: a message that consists of blocks, each opened and closed."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._block: OutputKind | None = None
        self._index = 0
        self._refusal = ""

    @property
    def headers(self) -> Headers:
        return (("content-type", "text/event-stream; charset=utf-8"), *_headers(self._facts))

    def render(self, step: Step) -> Iterator[bytes]:
        match step:
            case Begin(usage=usage):
                yield _event("message_start", message=self._message(usage))
            case Ping():
                yield _event("ping")
            case HiddenReasoning():
                yield from self._open(OutputKind.REASONING)
                yield from self._close()
            case Calling(name):
                yield from self._close()
                yield from self._open(OutputKind.TOOL, {"name": name})
                # The API streams an empty piece first.
                yield self._delta({"type": "input_json_delta", "partial_json": ""})
            case Output(kind, text):
                yield from self._output(kind, text)
            case Finish(reason, usage):
                yield from self._close()
                yield self._stopped(reason, usage)
            case Failed(error):
                yield sse(_error_body(error), "error")
            case Broken():
                yield b"event: content_block_delta\ndata: {not JSON\n\n"
            case End():
                yield _event("message_stop")

    def _message(self, usage: Usage | None) -> dict[str, Any]:
        return {
            "id": f"msg_{self._facts.number}",
            "type": "message",
            "role": "assistant",
            "model": self._facts.served_model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            # The API counts one output token before there is any output.
            "usage": {**_prompt_usage(usage), "output_tokens": 1, "service_tier": "standard"},
        }

    def _output(self, kind: OutputKind, text: str) -> Iterator[bytes]:
        if kind is not self._block:
            yield from self._close()
            yield from self._open(kind)
        if kind is OutputKind.REFUSAL:
            self._refusal += text
        name, field = _DELTAS[kind]
        yield self._delta({"type": name, field: text})

    def _open(self, kind: OutputKind, more: Mapping[str, str] = {}) -> Iterator[bytes]:
        self._block, block = kind, {**_BLOCKS[kind], **more}
        yield _event("content_block_start", index=self._index, content_block=block)

    def _close(self) -> Iterator[bytes]:
        if self._block is None:
            return
        if self._block is OutputKind.REASONING:
            yield self._delta({"type": "signature_delta", "signature": "c2lnbmVk"})
        yield _event("content_block_stop", index=self._index)
        self._block = None
        self._index += 1

    def _delta(self, delta: dict[str, str]) -> bytes:
        return _event("content_block_delta", index=self._index, delta=delta)

    def _stopped(self, reason: FinishReason | None, usage: Usage | None) -> bytes:
        word = _STOP_REASONS[reason] if reason else None
        delta: dict[str, Any] = {"stop_reason": word, "stop_sequence": None}
        if delta["stop_reason"] == "refusal":
            details = {"category": None, "explanation": self._refusal or None}
            delta["stop_details"] = {"type": "refusal", **details}
        counts = {"usage": _usage(usage)} if usage else {}
        return _event("message_delta", delta=delta, **counts)


def _event(kind: str, **members: object) -> bytes:
    return sse({"type": kind, **members}, kind)


def _bad_request(message: str) -> Refused:
    return Refused(Error(ErrorKind.BAD_REQUEST, message))


def _error_body(error: Error) -> dict[str, Any]:
    _, kind = _ERRORS[error.kind]
    filtered = error.kind is ErrorKind.CONTENT_FILTER
    message = f"{_FILTERED}: {error.message}" if filtered else error.message
    return {"type": "error", "error": {"type": kind, "message": message}}


def _prompt_usage(usage: Usage | None) -> dict[str, int]:
    """Return the usage of the prompt. ``input_tokens`` excludes tokens from the cache."""
    usage = usage or Usage(input=0, output=0)
    return {
        "input_tokens": usage.input - usage.cached_input - usage.cache_write,
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cached_input,
    }


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        **_prompt_usage(usage),
        "output_tokens": usage.output,
        "output_tokens_details": {"thinking_tokens": usage.reasoning},
    }


def _request_id(facts: Facts) -> str:
    return f"req_{facts.number}"


def _headers(facts: Facts) -> Iterator[tuple[str, str]]:
    yield "request-id", _request_id(facts)
    yield "anthropic-organization-id", "00000000-0000-4000-8000-000000000000"
    reset = datetime.fromtimestamp(facts.created_at, UTC) + _RATE_LIMIT_WINDOW
    for limited in facts.rate_limits:
        prefix = f"anthropic-ratelimit-{limited.resource}"
        if limited.limit is not None:
            yield f"{prefix}-limit", f"{limited.limit:.0f}"
        if limited.remaining is not None:
            yield f"{prefix}-remaining", f"{limited.remaining:.0f}"
        yield f"{prefix}-reset", f"{reset:%Y-%m-%dT%H:%M:%SZ}"
