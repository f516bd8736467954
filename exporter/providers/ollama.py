"""Ollama's own chat API: one JSON object per line.

Source: Ollama's docs/api.md and its server's source code.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from http import HTTPStatus

from exporter.providers.asks import ChatAsk, Reasoning
from exporter.providers.base import (
    Call,
    Decoder,
    Ended,
    Event,
    Failed,
    HeaderFacts,
    HttpRequest,
    ModelLoaded,
    ModelServed,
    Output,
    OutputKind,
    ResponseHead,
    UsageReported,
)
from exporter.providers.calls import Arguments, CallPiece
from exporter.providers.endings import ending, is_finish
from exporter.providers.error_body import ErrorMember, Text
from exporter.providers.framing import FramedDecoder
from exporter.providers.framing.ndjson import NdjsonDecoder
from exporter.providers.greedy import likelihoods, ollama_greedy
from exporter.providers.headers import retry_after_seconds
from exporter.providers.openai_errors import explain, failure_of
from exporter.providers.tools import ollama_tools
from exporter.providers.turns import base64_of, data_url, messages
from exporter.providers.wire import Count, Few, LenientCount, Wire, count, merged, parse
from exporter.result import NANOSECONDS, Failure, Usage


class _Function(Wire):
    name: str | None = None
    arguments: Arguments = ""


class _ToolCall(Wire):
    function: _Function = _Function()

    def output(self) -> Output:
        """Return the call, which Ollama sends as a whole."""
        name, arguments = self.function.name, self.function.arguments
        return Output(OutputKind.TOOL, arguments or name or "", call=CallPiece(name, arguments))


class _Message(Wire):
    content: str | None = None
    thinking: str | None = None
    tool_calls: Few[_ToolCall] | None = None

    def outputs(self) -> Iterator[Output]:
        yield Output(OutputKind.REASONING, self.thinking or "")
        yield Output(OutputKind.ANSWER, self.content or "")
        for call in self.tool_calls or ():
            yield call.output()


class _Line(Wire):
    """line of a chat response"""

    model: Text = None
    remote_model: Text = None  # the model on ollama.com behind a local name
    message: _Message | None = None
    done: bool | None = None
    done_reason: Text = None
    load_duration: Count | None = None
    prompt_eval_count: LenientCount | None = None
    eval_count: LenientCount | None = None
    error: ErrorMember = None
    logprobs: object = None

    def usage(self) -> Usage | None:
        """Return the counts, or ``None`` if there are none.

        Ollama omits counts that are zero, and prompt tokens that its cache saved. ``eval_count``
        includes reasoning, which isn't reported separately.
        """
        if self.prompt_eval_count is None and self.eval_count is None:
            return None
        return Usage(input=count(self.prompt_eval_count), output=count(self.eval_count))


class Ollama:
    """The ``ollama`` dialect."""

    def request(self, call: Call[ChatAsk]) -> HttpRequest:
        """Return the request. Only ollama.com and proxies need an API key."""
        headers = {"content-type": "application/json", "accept": "application/x-ndjson"}
        if call.api_key:
            headers["authorization"] = f"Bearer {call.api_key}"
        greedy, greedy_options = ollama_greedy(call.ask)
        body = {
            "model": call.model,
            "messages": _messages(call.ask),
            "stream": True,
            "format": call.ask.json_schema,
            "think": _think(call.ask.effort),
            **ollama_tools(call.ask),
            **greedy,
            "options": {"num_predict": call.ask.max_output_tokens, **greedy_options},
        }
        return HttpRequest(
            "POST",
            f"{call.base_url}/api/chat",
            headers,
            json.dumps(merged(body, call.extra_body)).encode(),
        )

    def decoder(self) -> Decoder:
        return FramedDecoder(NdjsonDecoder(), _ChatStream().events)

    def failure(self, head: ResponseHead, body: bytes) -> Failure | None:
        failure = explain(head.status, body)
        return failure and replace(failure, status=head.status)

    def header_facts(self, head: ResponseHead) -> HeaderFacts:
        return HeaderFacts(retry_after_seconds=retry_after_seconds(head))


def _messages(ask: ChatAsk) -> list[dict[str, object]]:
    text_only = messages(replace(ask, picture=None), data_url)
    if ask.picture:
        text_only[-1]["images"] = [base64_of(ask.picture)]
    return text_only


def _think(reasoning: Reasoning | None) -> bool | str | None:
    """Return the reasoning effort. A model without levels treats every level as on."""
    return False if reasoning is Reasoning.NONE else reasoning


class _ChatStream:
    """Interprets the lines of one stream. The line with ``done`` is the last."""

    def __init__(self) -> None:
        self._model: str | None = None
        self._is_done = False

    def events(self, text: bytes) -> Iterator[Event]:
        if self._is_done:
            return  # content after the end isn't part of the answer
        line = parse(_Line, text)
        model = line.remote_model or line.model
        if model and model != self._model:
            self._model = model
            yield ModelServed(model)
        if line.message:
            yield from (output for output in line.message.outputs() if output.text)
            yield from likelihoods(line.logprobs)
        if line.error:
            yield Failed(failure_of(line.error))
        elif not line.message and not line.done and (failure := explain(HTTPStatus.OK, text)):
            yield Failed(failure)  # an error from a gateway
        if line.done:
            self._is_done = True
            yield from _last_events(line)


def _last_events(line: _Line) -> Iterator[Event]:
    if line.done_reason and is_finish(line.done_reason):
        yield from ending(line.done_reason, counts_stop_token=True)
    if usage := line.usage():
        yield UsageReported(usage)
    if line.load_duration is not None:
        yield ModelLoaded(line.load_duration / NANOSECONDS)
    yield Ended()
