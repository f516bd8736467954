"""OpenAI's Responses API, as described in
https://platform.openai.com/docs/api-reference/responses-streaming, with the reasoning text of
servers that show it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from exporter.providers.base import OutputKind
from exporter.providers.wire import Wire
from exporter.result import Usage
from exporter.simulator.framing import sse
from exporter.simulator.handler import (
    Facts,
    Headers,
    Refused,
    Request,
    Response,
    bearer_key,
    read_body,
)
from exporter.simulator.openai import Message, OpenAIHandler, error_object, stream_headers
from exporter.simulator.response_items import CALL, SHAPES, SUMMARY, Item, Shape
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

_CODES_OF_RESPONSES = {
    ErrorKind.SERVER_ERROR: "server_error",
    ErrorKind.RATE_LIMITED: "rate_limit_exceeded",
    ErrorKind.CONTENT_FILTER: "invalid_prompt",
}
"""Errors that a response object can contain. Others are sent as an error event."""

_FLAT = frozenset({ErrorKind.INVALID_KEY, ErrorKind.FORBIDDEN, ErrorKind.MODEL_NOT_FOUND})
"""Errors whose event is the error object itself, as in the API reference. Other events contain the
error as a member, as some servers send it."""

_INCOMPLETE = {
    FinishReason.LENGTH: "max_output_tokens",
    FinishReason.CONTENT_FILTER: "content_filter",
}

_PADDING = "abcdefghijklmnop"


class _StreamOptions(Wire):
    include_obfuscation: bool = True


class _Reasoning(Wire):
    summary: str | None = None


class _Tool(Wire):
    name: str


class _Body(Wire):
    """Responses API request"""

    tools: list[_Tool] = Field(default=[])

    model: str
    input: str | list[Message]
    stream: bool = False
    stream_options: _StreamOptions = _StreamOptions()
    max_output_tokens: int | None = None
    reasoning: _Reasoning = _Reasoning()

    @property
    def prompt(self) -> str:
        if isinstance(self.input, str):
            return self.input
        return "\n".join(message.text for message in self.input)


class OpenAIResponsesHandler:
    """Answers the Responses API on any path prefix."""

    def claims(self, request: Request) -> bool:
        return request.method == "POST" and request.path.endswith("/responses")

    def key(self, request: Request) -> str | None:
        return bearer_key(request)

    def read(self, request: Request) -> ResponsesCall:
        body = read_body(_Body, request)
        if not body.stream:
            raise Refused(Error(ErrorKind.BAD_REQUEST, "The simulator only streams."))
        return ResponsesCall(
            model=body.model,
            prompt=body.prompt,
            max_tokens=body.max_output_tokens,
            summarises=body.reasoning.summary is not None,
            obfuscates=body.stream_options.include_obfuscation,
            tools=tuple(tool.name for tool in body.tools),
        )

    def error(self, error: Error, facts: Facts) -> Response:
        return OpenAIHandler().error(error, facts)  # both APIs have the same errors


@dataclass(frozen=True, slots=True)
class ResponsesCall:
    """One Responses API request."""

    model: str
    prompt: str
    max_tokens: int | None
    summarises: bool
    """Whether reasoning is shown as a summary, or in full."""
    obfuscates: bool
    """Whether deltas are padded with random characters."""
    tools: tuple[str, ...]

    def stream(self, facts: Facts) -> ResponsesStream:
        return ResponsesStream(facts, self)


class ResponsesStream:
    """The events of one response."""

    def __init__(self, facts: Facts, call: ResponsesCall) -> None:
        self._facts = facts
        self._call = call
        self._sequence = 0
        self._item: Item | None = None
        self._done: list[dict[str, Any]] = []
        self._finish = Finish(FinishReason.STOP)

    @property
    def headers(self) -> Headers:
        return stream_headers(self._facts)

    def render(self, step: Step) -> Iterator[bytes]:
        match step:
            case Begin():
                yield self._state("response.created", "in_progress")
                yield self._state("response.in_progress", "in_progress")
            case Ping():
                yield b": ping\n\n"
            case HiddenReasoning():
                yield from self._open(SHAPES[OutputKind.REASONING])
            case Calling(name):
                yield from self._open(CALL, name)
            case Output(kind, text):
                yield from self._output(kind, text)
            case Finish():
                self._finish = step
                yield from self._close()
            case Failed(error):
                yield self._failure(error)
            case Broken():
                yield b"data: {not JSON\n\n"
            case End():
                yield self._end()

    def _output(self, kind: OutputKind, text: str) -> Iterator[bytes]:
        is_summary = kind is OutputKind.REASONING and self._call.summarises
        shape = SUMMARY if is_summary else SHAPES.get(kind, CALL)
        if self._item is None or self._item.shape is not shape:
            yield from self._open(shape)
        yield from self._delta(self._item, text) if self._item else ()

    def _open(self, shape: Shape, name: str = "") -> Iterator[bytes]:
        yield from self._close()
        number = len(self._done)
        self._item = item = Item(shape, f"{shape.item}_{self._facts.number}_{number}", name)
        added = item.whole("in_progress")
        yield self._event("response.output_item.added", output_index=number, item=added)

    def _delta(self, item: Item, text: str) -> Iterator[bytes]:
        shape = item.shape
        if not item.text and shape.part:
            yield self._in_item(item, f"{shape.part}.added", part=shape.content(""))
        item.text += text
        padding = {"obfuscation": _PADDING[len(text) % len(_PADDING) :]}
        yield self._in_item(
            item, f"{shape.text}.delta", delta=text, **(padding if self._call.obfuscates else {})
        )

    def _close(self) -> Iterator[bytes]:
        item, self._item = self._item, None
        if item is None:
            return
        shape, done = item.shape, item.whole("completed")
        if item.text:
            yield self._in_item(item, f"{shape.text}.done", **{shape.field: item.text})
            if shape.part:
                yield self._in_item(item, f"{shape.part}.done", part=shape.content(item.text))
        yield self._event("response.output_item.done", output_index=len(self._done), item=done)
        self._done.append(done)

    def _end(self) -> bytes:
        usage = {"usage": _usage(self._finish.usage)} if self._finish.usage else {}
        if reason := _INCOMPLETE.get(self._finish.reason or FinishReason.STOP):
            details = {"incomplete_details": {"reason": reason}}
            return self._state("response.incomplete", "incomplete", **details, **usage)
        return self._state("response.completed", "completed", **usage)

    def _failure(self, error: Error) -> bytes:
        if code := _CODES_OF_RESPONSES.get(error.kind):
            described = {"code": code, "message": error.message}
            return self._state("response.failed", "failed", error=described)
        described = error_object(error)
        if error.kind in _FLAT:
            return self._event("error", code=described["code"], message=error.message, param=None)
        return self._event("error", error=described)

    def _state(self, kind: str, status: str, **more: Any) -> bytes:
        response = {
            "id": f"resp_{self._facts.number}",
            "object": "response",
            "created_at": self._facts.created_at,
            "status": status,
            "error": None,
            "incomplete_details": None,
            "model": self._facts.served_model,
            "output": self._done,
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
            "usage": None,
        }
        return self._event(kind, response=response | more)

    def _in_item(self, item: Item, kind: str, **fields: Any) -> bytes:
        where = {"item_id": item.id, "output_index": len(self._done)}
        if item.shape.part:
            where[item.shape.index] = 0
        return self._event(kind, **where, **fields)

    def _event(self, kind: str, **fields: Any) -> bytes:
        number, self._sequence = self._sequence, self._sequence + 1
        return sse({"type": kind, "sequence_number": number, **fields}, kind)


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.input,
        "input_tokens_details": {
            "cached_tokens": usage.cached_input,
            "cache_write_tokens": usage.cache_write,
        },
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.input + usage.output,
    }
