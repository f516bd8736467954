"""Alibaba Cloud Model Studio's native protocol, from its documentation and SDK."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from pydantic import Field

from exporter.providers.base import OutputKind
from exporter.providers.wire import Wire
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
from exporter.simulator.openai import OfferedTool
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
    ErrorKind.BAD_REQUEST: (400, "InvalidParameter"),
    ErrorKind.CONTENT_FILTER: (400, "DataInspectionFailed"),
    ErrorKind.INVALID_KEY: (401, "InvalidApiKey"),
    ErrorKind.FORBIDDEN: (403, "AccessDenied"),
    ErrorKind.MODEL_NOT_FOUND: (404, "ModelNotFound"),
    ErrorKind.RATE_LIMITED: (429, "Throttling.RateQuota"),
    ErrorKind.QUOTA: (400, "Arrearage"),
    ErrorKind.SERVER_ERROR: (500, "InternalError.Algo"),
    ErrorKind.OVERLOADED: (503, "ModelServingError"),
    ErrorKind.NOT_READY: (503, "ModelUnavailable"),
}

_FINISH_REASONS = {FinishReason.REFUSAL: "stop"}
"""Finish reasons that differ from the neutral ones."""

_FILTERED = Error(ErrorKind.CONTENT_FILTER, "Output data may contain inappropriate content.")

_FIELDS = {
    OutputKind.REASONING: "reasoning_content",
    OutputKind.ANSWER: "content",
    OutputKind.REFUSAL: "content",  # there is no separate field
}


_TEXTS = ("content", "reasoning_content")


class _Message(Wire):
    content: str = ""


class _Input(Wire):
    messages: tuple[_Message, ...] = ()
    prompt: str | None = None


class _Parameters(Wire):
    result_format: str = "text"
    incremental_output: bool = False
    max_tokens: int | None = None
    tools: list[OfferedTool] = Field(default=[])


class _Body(Wire):
    """DashScope request"""

    model: str
    input: _Input
    parameters: _Parameters = _Parameters()


class DashScopeHandler:
    def claims(self, request: Request) -> bool:
        return request.method == "POST" and request.path.endswith("/text-generation/generation")

    def key(self, request: Request) -> str | None:
        return bearer_key(request)

    def read(self, request: Request) -> GenerationCall:
        if request.headers.get("x-dashscope-sse") != "enable":
            raise Refused(Error(ErrorKind.BAD_REQUEST, "The simulator only streams."))
        body = read_body(_Body, request)
        texts = [message.content for message in body.input.messages]
        return GenerationCall(
            model=body.model,
            prompt="\n".join(texts) or body.input.prompt or "",
            max_tokens=body.parameters.max_tokens,
            tools=tuple(tool.function.name for tool in body.parameters.tools),
            incremental=body.parameters.incremental_output,
            in_messages=body.parameters.result_format == "message",
        )

    def error(self, error: Error, facts: Facts) -> Response:
        """Return the error as an event, because the request asks for a stream."""
        status, _ = _ERRORS[error.kind]
        return Response(status, _headers(facts), _error_event(1, error, facts))


@dataclass(frozen=True, slots=True)
class GenerationCall:
    """One text generation request."""

    model: str
    prompt: str
    max_tokens: int | None
    tools: tuple[str, ...]
    incremental: bool
    """Whether each chunk contains only the new text, or the whole answer so far."""
    in_messages: bool
    """Whether output comes as messages, or as the plain text of the older format."""

    def stream(self, facts: Facts) -> GenerationStream:
        return GenerationStream(facts, self)


class GenerationStream:
    """The events of one response."""

    def __init__(self, facts: Facts, call: GenerationCall) -> None:
        self._facts = facts
        self._call = call
        self._events = 0
        self._so_far: dict[str, str] = {}
        self._last: OutputKind | None = None
        self._usage: Usage | None = None
        self._finish = FinishReason.STOP

    @property
    def headers(self) -> Headers:
        return _headers(self._facts)

    def render(self, step: Step) -> Iterator[bytes]:
        match step:
            case Begin(alone, usage):
                self._usage = usage
                if alone:
                    yield self._chunk()
            case Ping():
                yield b":ping\n\n"
            case HiddenReasoning(tokens):
                self._count(tokens, reasoning=tokens)
            case Calling() | Output():
                yield from self._output(step)
            case Finish(reason):
                self._finish = reason or self._finish  # sent in the chunk that ends the stream
            case Failed(error):
                yield self._failure(error)
            case Broken():
                yield b"data:{not JSON\n\n"
            case End():
                yield self._end()

    def _output(self, output: Calling | Output) -> Iterator[bytes]:
        if isinstance(output, Calling):
            self._last = OutputKind.TOOL
            yield self._chunk(_call("call_1", {"name": output.name, "arguments": ""}))
            return
        if self._last not in (None, output.kind):
            yield self._chunk()  # an empty chunk between reasoning and answer
        self._last = output.kind
        thought = output.tokens if output.kind is OutputKind.REASONING else 0
        self._count(output.tokens, reasoning=thought)
        if output.kind is OutputKind.TOOL:
            yield self._chunk(_call("", {"arguments": output.text}))
        else:
            yield self._chunk({_FIELDS[output.kind]: output.text})

    def _count(self, tokens: int, reasoning: int) -> None:
        if usage := self._usage:
            self._usage = replace(
                usage, output=usage.output + tokens, reasoning=usage.reasoning + reasoning
            )

    def _end(self) -> bytes:
        if self._finish is FinishReason.CONTENT_FILTER:
            return self._failure(_FILTERED)
        return self._chunk(finish_reason=_FINISH_REASONS.get(self._finish, self._finish))

    def _failure(self, error: Error) -> bytes:
        self._events += 1
        return _error_event(self._events, error, self._facts)

    def _chunk(self, new: dict[str, Any] | None = None, finish_reason: str = "null") -> bytes:
        self._events += 1
        message: dict[str, Any] = {"content": "", "reasoning_content": ""} | (new or {})
        if not self._call.incremental:
            self._so_far |= {name: self._so_far.get(name, "") + message[name] for name in _TEXTS}
            message |= self._so_far
        data = {
            "output": self._format(message, finish_reason),
            **({"usage": _usage(self._usage)} if self._usage else {}),
            "request_id": _request_id(self._facts),
        }
        return _event(self._events, "result", 200, data)

    def _format(self, message: dict[str, Any], finish_reason: str) -> dict[str, Any]:
        if not self._call.in_messages:
            return {"text": message["content"], "finish_reason": finish_reason}
        return {
            "choices": [
                {"message": {**message, "role": "assistant"}, "finish_reason": finish_reason}
            ]
        }


def _call(id_: str, function: dict[str, str]) -> dict[str, Any]:
    call = {"index": 0, "id": id_, "type": "function", "function": function}
    return {"tool_calls": [call]}


def _event(number: int, kind: str, status: int, data: dict[str, Any]) -> bytes:
    head = f"id:{number}\nevent:{kind}\n:HTTP_STATUS/{status}\n".encode()
    return b"%sdata:%s\n\n" % (head, compact_json(data))


def _error_event(number: int, error: Error, facts: Facts) -> bytes:
    status, code = _ERRORS[error.kind]
    body = {"code": code, "message": error.message, "request_id": _request_id(facts)}
    return _event(number, "error", status, body)


def _headers(facts: Facts) -> Headers:
    return (
        ("content-type", "text/event-stream;charset=UTF-8"),
        ("x-request-id", _request_id(facts)),
    )


def _request_id(facts: Facts) -> str:
    return f"00000000-0000-4000-8000-{facts.number:012d}"


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "total_tokens": usage.input + usage.output,
        "output_tokens": usage.output,
        "input_tokens": usage.input,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "prompt_tokens_details": {"cached_tokens": usage.cached_input},
    }
