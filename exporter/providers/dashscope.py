"""DashScope, Alibaba Cloud Model Studio's own protocol: server-sent events, one host per region.

Sources: Alibaba Cloud's Model Studio documentation ("DashScope API reference", "Error codes") and
the official SDK for Python. For its OpenAI-compatible endpoints, see ``openai`` and
``openai_responses``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from http import HTTPStatus

from exporter.providers.asks import ChatAsk
from exporter.providers.base import (
    Call,
    Decoder,
    Event,
    Failed,
    HeaderFacts,
    HttpRequest,
    RequestIdentified,
    ResponseHead,
    UsageReported,
)
from exporter.providers.calls import CallPiece
from exporter.providers.endings import ending, is_finish
from exporter.providers.error_body import ErrorMember, ErrorObject, Text
from exporter.providers.framing import FramedDecoder
from exporter.providers.framing.sse import ServerSentEvent, SseDecoder
from exporter.providers.framing.sse_or_json import SseOrJsonDecoder
from exporter.providers.greedy import likelihoods, openai_greedy
from exporter.providers.headers import retry_after_seconds
from exporter.providers.increments import Increments
from exporter.providers.openai import END_MARKER, Delta
from exporter.providers.openai_errors import explain, failure_of
from exporter.providers.presets import PRESETS
from exporter.providers.tools import dashscope_tools
from exporter.providers.turns import data_url, openai_messages, response_format
from exporter.providers.usage import Counter, InputOutputUsage
from exporter.providers.wire import Few, IfObject, OrEmpty, Wire, excerpt, merged, parse, parse_if
from exporter.result import Failure

_SERVER = PRESETS["dashscope"]
_COMPATIBLE_PATH, _PATH = "/compatible-mode/v1", "/api/v1"
_MAX_EVENTS = 32
_MAX_EVENTS_BYTES = 1 << 12
"""The searched part of an error body. If an error is an event, it comes first."""
_SERVICE = "/services/aigc/text-generation/generation"
_SEEING_SERVICE = "/services/aigc/multimodal-generation/generation"


class _Choice(Wire):
    message: OrEmpty[Delta] = None  # as in Chat Completions; multimodal models send parts
    finish_reason: Text = None  # the string "null" until there is one
    logprobs: object = None


class _Output(Wire):
    choices: Few[_Choice] | None = None
    # Older result format, without choices:
    text: str | None = None
    finish_reason: Text = None

    def unified(self) -> list[_Choice]:
        own = _Choice(message=Delta(content=self.text), finish_reason=self.finish_reason)
        return self.choices or [own]


class _Chunk(ErrorObject):
    """DashScope event"""

    # An error chunk is the error object itself, or contains one in the compatible format.
    output: _Output | None = None
    usage: IfObject[InputOutputUsage] = None
    request_id: Text = None
    error: ErrorMember = None

    @property
    def problem(self) -> ErrorObject | str | None:
        return self.error or (self if self.code else None)


def public_base_url(region: str | None) -> str | None:
    """Return the shared endpoint of a region. Users set the host of their workspace as the base
    URL.

    There is no default region, because a key is valid only in its own region.

    :raises ValueError: no region is set, or Model Studio doesn't have this region.
    """
    endpoint = _SERVER.endpoint(region)
    return endpoint and endpoint.replace(_COMPATIBLE_PATH, _PATH)


class DashScope:
    """The ``dashscope`` dialect. Its base URL is the SDK's ``base_http_api_url``."""

    def request(self, call: Call[ChatAsk]) -> HttpRequest:
        headers = {
            "content-type": "application/json",
            "accept": "text/event-stream",
            "x-dashscope-sse": "enable",
        }
        if call.api_key:
            headers["authorization"] = f"Bearer {call.api_key}"
        ask = call.ask
        body: dict[str, object] = {
            "model": call.model,
            "input": {"messages": _messages(ask)},
            "parameters": merged(
                {
                    "result_format": "message",
                    "incremental_output": True,
                    "max_tokens": ask.max_output_tokens,
                    "response_format": response_format(ask),
                    **dashscope_tools(ask),
                    **openai_greedy(ask),
                    **_SERVER.reasoning_fields(ask),
                },
                {},
            ),
        }
        return HttpRequest(
            "POST",
            f"{call.base_url}{_SEEING_SERVICE if ask.picture else _SERVICE}",
            headers,
            json.dumps(merged(body, call.extra_body)).encode(),
        )

    def decoder(self) -> Decoder:
        return FramedDecoder(SseOrJsonDecoder(), _GenerationStream().events)

    def failure(self, head: ResponseHead, body: bytes) -> Failure | None:
        if (event := _error_event(body)) and (error := parse_if(_Chunk, event.data)):
            status = event.status if head.status == HTTPStatus.OK else head.status
            return failure_of(error.problem or error, status, _SERVER)
        return explain(head.status, body, _SERVER)

    def header_facts(self, head: ResponseHead) -> HeaderFacts:
        return HeaderFacts(
            request_id=head.headers.get("x-request-id"),
            retry_after_seconds=retry_after_seconds(head),
        )


def _messages(ask: ChatAsk) -> list[dict[str, object]]:
    """Return the messages. With a picture, all messages consist of parts, which have no type."""
    if ask.picture is None:
        return openai_messages(ask)
    earlier = [("system", ask.system)] if ask.system else []
    earlier += [(turn.role.value, turn.text) for turn in ask.earlier]
    before: list[dict[str, object]] = [
        {"role": role, "content": [{"text": text}]} for role, text in earlier
    ]
    question = [{"image": data_url(ask.picture)}, {"text": ask.prompt}]
    return [*before, {"role": "user", "content": question}]


class _GenerationStream:
    """Interprets the events of one stream.

    There is no end marker. The stream is complete when the body ends after a finish reason.
    """

    def __init__(self) -> None:
        self._request_id: str | None = None
        self._increments = Increments()
        self._counter = Counter()
        self._finished = False

    def events(self, message: ServerSentEvent) -> Iterator[Event]:
        if message.is_bare:
            if failure := explain(HTTPStatus.OK, message.data, _SERVER):
                yield Failed(failure)
        elif message.is_error_in_words:
            yield Failed(failure_of(excerpt(message.data), message.status, _SERVER))
        elif message.is_ours and not message.data.strip().startswith(END_MARKER):
            yield from self._meaning(parse(_Chunk, message.data), message)

    def _meaning(self, chunk: _Chunk, message: ServerSentEvent) -> Iterator[Event]:
        if chunk.request_id and chunk.request_id != self._request_id:
            self._request_id = chunk.request_id
            yield RequestIdentified(chunk.request_id)
        if message.event == "error" or chunk.problem:
            yield Failed(failure_of(chunk.problem or chunk, message.status, _SERVER))
            return
        if chunk.output and not self._finished:  # content after the end isn't part of the answer
            for choice in chunk.output.unified():
                yield from self._choice_events(choice)
        if chunk.usage and (usage := chunk.usage.normalised()) and self._counter.holds(usage):
            yield UsageReported(usage)

    def _choice_events(self, choice: _Choice) -> Iterator[Event]:
        reason = choice.finish_reason if is_finish(choice.finish_reason) else None
        for output in choice.message.outputs() if choice.message else ():
            new = self._increments.new_in(output.kind, output.text, last=bool(reason))
            if new:
                yield replace(output, text=new, call=_increment(output.call, new))
        if isinstance(choice.logprobs, dict):
            yield from likelihoods(choice.logprobs.get("content"))
        if reason:
            self._finished = True
            yield from ending(reason)


def _increment(call: CallPiece | None, new: str) -> CallPiece | None:
    """Return the new part of a tool call. The name comes before the arguments."""
    return replace(call, arguments=new) if call and call.arguments else call


def _error_event(body: bytes) -> ServerSentEvent | None:
    """Return the error event in a response that isn't a stream.

    Some errors are sent as an event even then, because the request asked for a stream.
    """
    framing = SseDecoder()
    for event in [*framing.feed(body[:_MAX_EVENTS_BYTES]), *framing.finish()][:_MAX_EVENTS]:
        if (chunk := parse_if(_Chunk, event.data)) and chunk.problem:
            return event
    return None
