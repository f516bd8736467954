"""Ollama's own chat API, from its docs/api.md.

Use ``Sign.HELD`` for the boot of a script: Ollama doesn't even send the status line before the
model is loaded.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import Field

from exporter.providers.base import OutputKind
from exporter.providers.wire import Wire
from exporter.result import NANOSECONDS, Usage
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
    Output,
    Step,
)

_WARM_LOAD_SECONDS = 0.02
"""Ollama's load time includes the time in its queue."""

_ERRORS = {
    ErrorKind.BAD_REQUEST: (400, "invalid request"),
    ErrorKind.INVALID_KEY: (401, "unauthorized"),
    ErrorKind.FORBIDDEN: (403, "forbidden"),
    ErrorKind.MODEL_NOT_FOUND: (404, "model not found"),
    ErrorKind.CONTENT_FILTER: (400, "invalid request"),  # there is no separate error
    ErrorKind.RATE_LIMITED: (429, "too many requests"),
    ErrorKind.QUOTA: (429, "you have reached your weekly usage limit"),
    ErrorKind.SERVER_ERROR: (500, "llama runner process has terminated"),
    ErrorKind.OVERLOADED: (
        503,
        "server busy, please try again.  maximum pending requests exceeded",
    ),
    ErrorKind.NOT_READY: (500, "unexpected server status: llm server loading model"),
}

_DONE_REASONS = {FinishReason.LENGTH: "length"}
"""All other reasons are ``stop``. Ollama has neither a filter nor refusals."""


class _Message(Wire):
    content: str = ""


class _Options(Wire):
    num_predict: int | None = None


class _Body(Wire):
    """chat request"""

    model: str
    messages: list[_Message]
    stream: bool = True
    options: _Options | None = None
    tools: list[OfferedTool] = Field(default=[])


class OllamaHandler:
    def claims(self, request: Request) -> bool:
        return request.method == "POST" and request.path.endswith("/api/chat")

    def key(self, request: Request) -> str | None:
        return bearer_key(request)

    def read(self, request: Request) -> OllamaCall:
        body = read_body(_Body, request)
        if not body.stream:
            raise Refused(Error(ErrorKind.BAD_REQUEST, "The simulator only streams."))
        return OllamaCall(
            model=body.model,
            prompt="\n".join(message.content for message in body.messages),
            max_tokens=body.options.num_predict if body.options else None,
            tools=tuple(tool.function.name for tool in body.tools),
        )

    def error(self, error: Error, facts: Facts) -> Response:
        status, _ = _ERRORS[error.kind]
        headers = [("content-type", "application/json; charset=utf-8")]
        if error.retry_after_seconds is not None:
            headers.append(("retry-after", f"{error.retry_after_seconds:g}"))
        return Response(status, tuple(headers), compact_json(_error_body(error)))


@dataclass(frozen=True, slots=True)
class OllamaCall:
    """One chat request."""

    model: str
    prompt: str
    max_tokens: int | None
    tools: tuple[str, ...]

    def stream(self, facts: Facts) -> OllamaStream:
        return OllamaStream(facts)


class OllamaStream:
    """The lines of one response."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._finish = Finish(FinishReason.STOP)
        self._calls = ""
        self._arguments = ""

    @property
    def headers(self) -> Headers:
        return (("content-type", "application/x-ndjson"),)

    def render(self, step: Step) -> Iterator[bytes]:
        match step:
            case Begin(alone=True):
                yield self._line({"content": ""})
            case Calling(name):
                self._calls = name
            case Output():
                yield from self._output(step)
            case Finish(FinishReason.TOOL_CALLS):
                self._finish = step
                yield self._call()
            case Finish():
                self._finish = step
            case Failed(error):
                yield compact_json(_error_body(error)) + b"\n"
            case Broken():
                yield b"{not JSON\n"
            case End():
                yield self._last_line()

    def _output(self, output: Output) -> Iterator[bytes]:
        match output.kind:
            case OutputKind.TOOL:
                self._arguments += output.text
            case OutputKind.REASONING:
                yield self._line({"content": "", "thinking": output.text})
            case _:
                yield self._line({"content": output.text})

    def _call(self) -> bytes:
        """Return the tool call, which Ollama sends as a whole."""
        function = {"name": self._calls, "arguments": json.loads(self._arguments)}
        return self._line({"content": "", "tool_calls": [{"function": function}]})

    def _last_line(self) -> bytes:
        reason = _DONE_REASONS.get(self._finish.reason or FinishReason.STOP, "stop")
        return self._line({"content": ""}, done_reason=reason, **self._statistics())

    def _line(self, message: dict[str, Any], **last: object) -> bytes:
        line = {
            "model": self._facts.served_model,
            "created_at": datetime.fromtimestamp(self._facts.created_at, UTC).isoformat(),
            "message": {"role": "assistant", **message},
            "done": bool(last),
            **last,
        }
        return compact_json(line) + b"\n"

    def _statistics(self) -> dict[str, int]:
        """Return durations in nanoseconds, and token counts. Zeros are omitted."""
        load_seconds = self._facts.load_seconds or _WARM_LOAD_SECONDS
        numbers = {
            "load_duration": round(load_seconds * NANOSECONDS),
            **_counts(self._finish.usage),
        }
        return {name: number for name, number in numbers.items() if number}


def _counts(usage: Usage | None) -> dict[str, int]:
    """Return the token counts. Ollama doesn't evaluate a cached prompt, so those tokens don't
    count."""
    if usage is None:
        return {}
    return {
        "prompt_eval_count": usage.input - usage.cached_input,
        "eval_count": usage.output,
    }


def _error_body(error: Error) -> dict[str, Any]:
    _, words = _ERRORS[error.kind]
    return {"error": f"{words}: {error.message}"}
