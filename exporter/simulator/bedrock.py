"""Amazon Bedrock's ConverseStream, from its API reference, on any path prefix.

It doesn't verify signatures, but identifies clients by access key ID or bearer key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from pydantic import Field

from exporter.providers.base import OutputKind
from exporter.providers.framing.eventstream import encode
from exporter.providers.wire import Wire
from exporter.result import Usage
from exporter.simulator.framing import compact_json
from exporter.simulator.handler import Facts, Headers, Request, Response, read_body
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
    Step,
)

_PATH = re.compile(r".*/model/[^/]+/converse-stream")
_IDENTITY = re.compile(r"Bearer (.+)|AWS4-HMAC-SHA256 Credential=([^/]+)/.*")
_PADDING = "abcdefghijklmnopqrstuvwxyz"

_ERRORS = {
    ErrorKind.BAD_REQUEST: (400, "ValidationException"),
    ErrorKind.CONTENT_FILTER: (400, "ValidationException"),  # there is no separate code
    ErrorKind.INVALID_KEY: (403, "UnrecognizedClientException"),
    ErrorKind.FORBIDDEN: (403, "AccessDeniedException"),
    ErrorKind.MODEL_NOT_FOUND: (404, "ResourceNotFoundException"),
    ErrorKind.RATE_LIMITED: (429, "ThrottlingException"),
    ErrorKind.QUOTA: (400, "ServiceQuotaExceededException"),
    ErrorKind.SERVER_ERROR: (500, "InternalServerException"),
    ErrorKind.OVERLOADED: (503, "ServiceUnavailableException"),
    ErrorKind.NOT_READY: (429, "ModelNotReadyException"),
}

_MODELLED = frozenset(
    {
        ErrorKind.BAD_REQUEST,
        ErrorKind.CONTENT_FILTER,
        ErrorKind.RATE_LIMITED,
        ErrorKind.SERVER_ERROR,
        ErrorKind.OVERLOADED,
    }
)

_STOP_REASONS = {
    FinishReason.STOP: "end_turn",
    FinishReason.LENGTH: "max_tokens",
    FinishReason.CONTENT_FILTER: "guardrail_intervened",
    FinishReason.REFUSAL: "end_turn",
    FinishReason.TOOL_CALLS: "tool_use",
}


class _Block(Wire):
    text: str = ""


class _Message(Wire):
    content: list[_Block]


class _InferenceConfig(Wire):
    maxTokens: int | None = None  # noqa: N815  the name on the wire


class _ToolSpec(Wire):
    name: str


class _Tool(Wire):
    toolSpec: _ToolSpec  # noqa: N815


class _ToolConfig(Wire):
    tools: list[_Tool] = Field(default=[])


class _Body(Wire):
    """ConverseStream request"""

    toolConfig: _ToolConfig = _ToolConfig()  # noqa: N815

    messages: list[_Message]
    inferenceConfig: _InferenceConfig = _InferenceConfig()  # noqa: N815


class BedrockHandler:
    def claims(self, request: Request) -> bool:
        return request.method == "POST" and _PATH.fullmatch(request.path) is not None

    def key(self, request: Request) -> str | None:
        """Return the bearer key, or the access key ID of a signature."""
        identity = _IDENTITY.fullmatch(request.headers.get("authorization", ""))
        return identity and (identity[1] or identity[2])

    def read(self, request: Request) -> ConverseCall:
        body = read_body(_Body, request)
        return ConverseCall(
            model=unquote(request.path.split("/")[-2]),
            prompt="\n".join(block.text for message in body.messages for block in message.content),
            max_tokens=body.inferenceConfig.maxTokens,
            tools=tuple(tool.toolSpec.name for tool in body.toolConfig.tools),
        )

    def error(self, error: Error, facts: Facts) -> Response:
        status, name = _ERRORS[error.kind]
        headers = [
            ("content-type", "application/json"),
            ("x-amzn-errortype", f"{name}:http://internal.amazon.com/coral/com.amazon.bedrock/"),
            _request_id(facts),
        ]
        if error.retry_after_seconds is not None:
            headers.append(("retry-after", f"{error.retry_after_seconds:g}"))
        return Response(status, tuple(headers), compact_json({"message": error.message}))


@dataclass(frozen=True, slots=True)
class ConverseCall:
    """One ConverseStream request."""

    model: str
    prompt: str
    max_tokens: int | None
    tools: tuple[str, ...]

    def stream(self, facts: Facts) -> ConverseStream:
        return ConverseStream(facts, self.model)


class ConverseStream:
    """The messages of one response."""

    def __init__(self, facts: Facts, model: str) -> None:
        self._facts = facts
        self._model = model
        self._block: OutputKind | None = None
        self._index = 0
        self._usage: Usage | None = None

    @property
    def headers(self) -> Headers:
        return (("content-type", "application/vnd.amazon.eventstream"), _request_id(self._facts))

    def render(self, step: Step) -> Iterator[bytes]:
        match step:
            case Begin():
                yield _event("messageStart", {"role": "assistant"})
            case Calling(name):
                yield from self._close_block()
                self._block = OutputKind.TOOL
                start = {"toolUse": {"toolUseId": "tooluse_1", "name": name}}
                yield _event(
                    "contentBlockStart", {"contentBlockIndex": self._index, "start": start}
                )
            case Output(kind, text):
                yield from self._output(kind, text)
            case Finish(reason, usage):
                self._usage = usage
                yield from self._close_block()
                if reason:
                    yield _event("messageStop", {"stopReason": _STOP_REASONS[reason]})
            case Failed(error):
                yield _failure(error)
            case Broken():
                yield _event("contentBlockDelta", {})[:-1] + b"\0"  # the CRC is wrong
            case End():
                yield _event("metadata", self._metadata())

    def _output(self, kind: OutputKind, text: str) -> Iterator[bytes]:
        if kind is not self._block:
            yield from self._close_block()
            self._block = kind
        yield _event(
            "contentBlockDelta", {"contentBlockIndex": self._index, "delta": _delta(kind, text)}
        )

    def _close_block(self) -> Iterator[bytes]:
        if self._block is not None:
            yield _event("contentBlockStop", {"contentBlockIndex": self._index})
            self._block = None
            self._index += 1

    def _metadata(self) -> dict[str, Any]:
        metadata: dict[str, Any] = {
            "metrics": {"latencyMs": round(self._facts.processing_seconds * 1000)}
        }
        if self._usage:
            metadata["usage"] = _usage(self._usage)
        if self._facts.served_model != self._model:
            router = {"invokedModelId": self._facts.served_model}
            metadata["trace"] = {"promptRouter": router}
        return metadata


def _event(kind: str, payload: dict[str, Any]) -> bytes:
    headers = {
        ":event-type": kind,
        ":content-type": "application/json",
        ":message-type": "event",
    }
    padding = _PADDING[: 1 + len(compact_json(payload)) % len(_PADDING)]
    return encode(headers, compact_json({**payload, "p": padding}))


def _failure(error: Error) -> bytes:
    """Return an exception if the service's model defines one for this stream, or else a generic
    error."""
    _, name = _ERRORS[error.kind]
    if error.kind not in _MODELLED:
        code = {":error-code": name, ":error-message": error.message}
        return encode({":message-type": "error", **code}, b"")
    headers = {
        ":exception-type": name[0].lower() + name[1:],
        ":content-type": "application/json",
        ":message-type": "exception",
    }
    return encode(headers, compact_json({"message": error.message}))


def _delta(kind: OutputKind, text: str) -> dict[str, Any]:
    match kind:
        case OutputKind.REASONING:
            return {"reasoningContent": {"text": text}}
        case OutputKind.TOOL:
            return {"toolUse": {"input": text}}
        case OutputKind.ANSWER | OutputKind.REFUSAL:
            return {"text": text}


def _usage(usage: Usage) -> dict[str, int]:
    return {
        "inputTokens": usage.input - usage.cached_input - usage.cache_write,
        "outputTokens": usage.output,
        "totalTokens": usage.input + usage.output,
        "cacheReadInputTokens": usage.cached_input,
        "cacheWriteInputTokens": usage.cache_write,
    }


def _request_id(facts: Facts) -> tuple[str, str]:
    return "x-amzn-requestid", f"00000000-0000-4000-8000-{facts.number:012d}"
