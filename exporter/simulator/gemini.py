"""Google's streamGenerateContent, as described in https://ai.google.dev/api/generate-content, with
the paths of the Gemini API and of Vertex AI."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote

from pydantic import Field

from exporter.providers.base import OutputKind
from exporter.providers.wire import CamelWire
from exporter.result import Usage
from exporter.simulator.framing import compact_json
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
    HiddenReasoning,
    Output,
    Step,
)

_PATH = re.compile(r".*/([^/:]+):streamGenerateContent")
_JSON: Headers = (("content-type", "application/json; charset=UTF-8"),)
_SSE: Headers = (("content-type", "text/event-stream"),)

_ERRORS = {
    ErrorKind.BAD_REQUEST: (400, "INVALID_ARGUMENT"),
    ErrorKind.INVALID_KEY: (400, "INVALID_ARGUMENT"),
    ErrorKind.FORBIDDEN: (403, "PERMISSION_DENIED"),
    ErrorKind.MODEL_NOT_FOUND: (404, "NOT_FOUND"),
    ErrorKind.CONTENT_FILTER: (400, "INVALID_ARGUMENT"),  # only in a stream: see error()
    ErrorKind.RATE_LIMITED: (429, "RESOURCE_EXHAUSTED"),
    ErrorKind.QUOTA: (402, "RESOURCE_EXHAUSTED"),
    ErrorKind.SERVER_ERROR: (500, "INTERNAL"),
    ErrorKind.OVERLOADED: (503, "UNAVAILABLE"),
    ErrorKind.NOT_READY: (503, "UNAVAILABLE"),  # there is no separate status
}

_FINISH_REASONS = {
    FinishReason.STOP: "STOP",
    FinishReason.LENGTH: "MAX_TOKENS",
    FinishReason.CONTENT_FILTER: "SAFETY",
    FinishReason.REFUSAL: "STOP",
    FinishReason.TOOL_CALLS: "STOP",  # there is no separate finish reason
}


class _Part(CamelWire):
    text: str = ""


class _Content(CamelWire):
    parts: list[_Part]


class _ThinkingConfig(CamelWire):
    include_thoughts: bool = False


class _GenerationConfig(CamelWire):
    max_output_tokens: int | None = None
    thinking_config: _ThinkingConfig = _ThinkingConfig()


class _Declaration(CamelWire):
    name: str


class _Tool(CamelWire):
    function_declarations: list[_Declaration] = Field(default=[])


class _Body(CamelWire):
    """GenerateContentRequest"""

    tools: list[_Tool] = Field(default=[])

    contents: list[_Content]
    generation_config: _GenerationConfig = _GenerationConfig()


class GeminiHandler:
    """Answers streamGenerateContent on any path prefix."""

    def claims(self, request: Request) -> bool:
        return request.method == "POST" and _PATH.fullmatch(request.path) is not None

    def key(self, request: Request) -> str | None:
        """Return the Gemini API's key, or an access token (Vertex AI)."""
        return request.headers.get("x-goog-api-key") or bearer_key(request)

    def read(self, request: Request) -> GenerateCall:
        if parse_qs(request.query).get("alt") != ["sse"]:
            raise Refused(Error(ErrorKind.BAD_REQUEST, "The simulator only streams with alt=sse."))
        body = read_body(_Body, request)
        return GenerateCall(
            model=unquote(_PATH.sub(r"\1", request.path)),
            prompt="\n".join(part.text for content in body.contents for part in content.parts),
            max_tokens=body.generation_config.max_output_tokens,
            include_thoughts=body.generation_config.thinking_config.include_thoughts,
            tools=tuple(it.name for tool in body.tools for it in tool.function_declarations),
        )

    def error(self, error: Error, facts: Facts) -> Response:
        if error.kind is ErrorKind.CONTENT_FILTER:
            return Response(200, _SSE, _event(_blocked(error, facts)))
        status, _ = _ERRORS[error.kind]
        return Response(status, _JSON, _pretty(error))


@dataclass(frozen=True, slots=True)
class GenerateCall:
    """One streamGenerateContent request."""

    model: str
    prompt: str
    max_tokens: int | None
    include_thoughts: bool
    tools: tuple[str, ...]

    def stream(self, facts: Facts) -> GenerateStream:
        return GenerateStream(facts, self.include_thoughts)


class GenerateStream:
    """The chunks of one response. The last one has the finish reason, and there is no other end
    marker.

    There are no pings, because Google's SDK can't parse comments.
    """

    def __init__(self, facts: Facts, include_thoughts: bool) -> None:
        self._facts = facts
        self._include_thoughts = include_thoughts
        self._usage: Usage | None = None
        self._thoughts = 0
        self._candidates = 0
        self._finish_reason = ""
        self._calls = ""
        self._arguments = ""

    @property
    def headers(self) -> Headers:
        milliseconds = f"{self._facts.processing_seconds * 1000:.0f}"
        return (*_SSE, ("server-timing", f"gfet4t7; dur={milliseconds}"))

    def render(self, step: Step) -> Iterator[bytes]:
        match step:
            case Begin(alone, usage):
                self._usage = usage
                if alone:
                    yield self._chunk({"text": ""})
            case HiddenReasoning(tokens):
                self._thoughts += tokens
            case Calling(name):
                self._calls = name
            case Output(kind, text, tokens):
                yield from self._output(kind, text, tokens)
            case Finish(reason, _) if reason:
                yield from self._finish(reason)
            case Failed(error):
                yield _failure(error, self._facts)
            case Broken():
                yield b"data: {not JSON\r\n\r\n"
            case End():
                yield self._last_chunk()

    def _output(self, kind: OutputKind, text: str, tokens: int) -> Iterator[bytes]:
        if kind is OutputKind.REASONING:
            self._thoughts += tokens
            if self._include_thoughts:
                yield self._chunk({"text": text, "thought": True})
            return
        self._candidates += tokens
        if kind is OutputKind.TOOL:
            self._arguments += text
        else:
            yield self._chunk({"text": text})

    def _finish(self, reason: FinishReason) -> Iterator[bytes]:
        self._finish_reason = _FINISH_REASONS[reason]
        if reason is FinishReason.TOOL_CALLS:  # a call is sent as a whole
            call = {"name": self._calls, "args": json.loads(self._arguments)}
            yield self._chunk({"functionCall": call})

    def _last_chunk(self) -> bytes:
        signature = {"thoughtSignature": "c2lnbmF0dXJl"} if self._thoughts else {}
        return self._chunk({"text": "", **signature}, finishReason=self._finish_reason)

    def _chunk(self, part: dict[str, Any], **candidate: str) -> bytes:
        content = {"parts": [part], "role": "model"}
        return _event(
            {
                "candidates": [{"content": content, **candidate, "index": 0}],
                **self._usage_metadata(),
                **_identity(self._facts),
            }
        )

    def _usage_metadata(self) -> dict[str, Any]:
        """Return the usage so far, which is part of every chunk. Zeros are omitted."""
        if self._usage is None:
            return {}
        counts = {
            "promptTokenCount": self._usage.input,
            "cachedContentTokenCount": self._usage.cached_input,
            "candidatesTokenCount": self._candidates,
            "thoughtsTokenCount": self._thoughts,
            "totalTokenCount": self._usage.input + self._candidates + self._thoughts,
        }
        return {"usageMetadata": {name: count for name, count in counts.items() if count}}


def _event(chunk: dict[str, Any]) -> bytes:
    return b"data: %s\r\n\r\n" % compact_json(chunk)


def _identity(facts: Facts) -> dict[str, str]:
    return {"modelVersion": facts.served_model, "responseId": f"response-{facts.number}"}


def _blocked(error: Error, facts: Facts) -> dict[str, Any]:
    """Return a blocked prompt: status 200 without candidates."""
    feedback = {"blockReason": "PROHIBITED_CONTENT", "blockReasonMessage": error.message}
    return {"promptFeedback": feedback, **_identity(facts)}


def _failure(error: Error, facts: Facts) -> bytes:
    blocked = error.kind is ErrorKind.CONTENT_FILTER
    return _event(_blocked(error, facts)) if blocked else _pretty(error)


def _pretty(error: Error) -> bytes:
    """Return an error as the whole body, or inside a stream, where it isn't an event."""
    status, word = _ERRORS[error.kind]
    described = {"code": status, "message": error.message, "status": word}
    if details := list(_details(error)):
        described["details"] = details
    return json.dumps({"error": described}, indent=2).encode() + b"\n"


def _details(error: Error) -> Iterator[dict[str, str]]:
    if error.kind is ErrorKind.INVALID_KEY:
        yield {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "API_KEY_INVALID",
            "domain": "googleapis.com",
        }
    if error.retry_after_seconds is not None:
        yield {
            "@type": "type.googleapis.com/google.rpc.RetryInfo",
            "retryDelay": f"{error.retry_after_seconds:g}s",
        }
