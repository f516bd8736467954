"""OpenAI's Chat Completions stream, and all servers that are compatible with it.

Sources: the OpenAI API reference (chat/streaming), and captured responses of compatible servers.
Comments name the server where its quirk is handled.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from http import HTTPStatus

from exporter.providers.alike import AlikeDecoder
from exporter.providers.asks import ChatAsk
from exporter.providers.base import (
    Call,
    Decoder,
    Ended,
    Event,
    Failed,
    HeaderFacts,
    HttpRequest,
    ModelServed,
    Output,
    OutputKind,
    RequestIdentified,
    ResponseHead,
    UsageReported,
)
from exporter.providers.calls import Arguments, CallPiece
from exporter.providers.endings import ending, failed_ending, is_finish
from exporter.providers.error_body import ErrorMember, ErrorObject, Text, unwrapped
from exporter.providers.framing.sse import ServerSentEvent
from exporter.providers.framing.sse_or_json import SseOrJsonDecoder
from exporter.providers.greedy import likelihoods, openai_greedy
from exporter.providers.headers import rate_limits, retry_after_seconds
from exporter.providers.openai_errors import explain, failure_in_event, failure_of
from exporter.providers.presets import COMPATIBLE, Preset
from exporter.providers.tools import openai_tools
from exporter.providers.turns import openai_messages, response_format
from exporter.providers.usage import ChatUsage, Counter
from exporter.providers.wire import (
    Few,
    IfObject,
    LenientCount,
    OrEmpty,
    Wire,
    excerpt,
    merged,
    parse,
)
from exporter.result import Failure

END_MARKER = b"[DONE]"
_MAX_ERROR_BYTES = 64 << 10
"""In a longer chunk, only the ``error`` member is checked for an error."""


class _Thought(Wire):
    text: str | None = None


class _ContentPart(_Thought):
    """A typed content part, from Mistral's reasoning models. ``thinking`` contains further
    parts."""

    type: Text = None
    thinking: Few[_Thought] | str | None = None

    def outputs(self) -> Iterator[tuple[OutputKind, str]]:
        if self.type != "thinking":
            yield OutputKind.ANSWER, self.text or ""
        elif isinstance(self.thinking, str):
            yield OutputKind.REASONING, self.thinking
        else:
            for part in self.thinking or ():
                yield OutputKind.REASONING, part.text or ""


class _Function(Wire):
    name: str | None = None
    arguments: Arguments = ""


class _ToolCall(Wire):
    index: LenientCount | None = None
    id: Text = None
    function: _Function | None = None

    def output(self) -> Output:
        function = self.function or _Function()
        name, arguments = function.name, function.arguments
        piece = CallPiece(name, arguments, self.index, self.id)
        return Output(OutputKind.TOOL, arguments or name or "", call=piece)


class Delta(Wire):
    """What a chunk adds to the message."""

    usage: IfObject[ChatUsage] = None
    content: str | Few[_ContentPart] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None  # vLLM, Groq, Together, OpenRouter, Ollama
    refusal: str | None = None
    tool_calls: Few[_ToolCall] | None = None

    def outputs(self) -> Iterator[Output]:
        """Yield the generated output, if it isn't empty."""
        for kind, text in self._texts():
            if text:
                yield Output(kind, text)
        for call in self.tool_calls or ():
            if (output := call.output()).text:
                yield output

    def _texts(self) -> Iterator[tuple[OutputKind, str]]:
        # Some servers send the same text in both reasoning fields.
        yield OutputKind.REASONING, self.reasoning or self.reasoning_content or ""
        if isinstance(self.content, str):
            yield OutputKind.ANSWER, self.content
        for part in self.content if isinstance(self.content, list) else ():
            yield from part.outputs()
        yield OutputKind.REFUSAL, self.refusal or ""


class _Choice(Wire):
    delta: OrEmpty[Delta] = None  # absent in Azure's late content-filter annotations
    finish_reason: Text = None
    native_finish_reason: Text = None  # OpenRouter: the finish reason of the upstream server
    usage: IfObject[ChatUsage] = None  # Moonshot
    logprobs: object = None
    error: ErrorMember = None  # OpenRouter


class _Groq(Wire):
    """Groq's additions to OpenAI's fields."""

    id: Text = None
    usage: IfObject[ChatUsage] = None
    error: str | None = None


class _Chunk(Wire):
    """chat.completion.chunk"""

    id: Text = None
    object: Text = None
    model: Text = None
    choices: Few[_Choice] | None = None
    usage: IfObject[ChatUsage] = None
    error: ErrorMember = None
    x_groq: _Groq | None = None

    @property
    def is_usage(self) -> bool:
        """Whether this chunk only counts the tokens of the answer. MiniMax's errors have a usage
        too, but ``null`` for the choices."""
        return self.choices == [] and bool(self.usage and self.usage.prompt_tokens)

    def usages(self) -> Iterator[ChatUsage | None]:
        """Yield every place where servers put their counts, the last place first."""
        yield self.usage
        yield self.x_groq.usage if self.x_groq else None
        for choice in self.choices or ():
            yield choice.usage
            yield choice.delta.usage if choice.delta else None


class OpenAI:
    """The ``openai`` dialect, adapted to one server."""

    _path = "/chat/completions"

    def __init__(self, preset: Preset = COMPATIBLE) -> None:
        self._preset = preset

    def request(self, call: Call[ChatAsk]) -> HttpRequest:
        headers = {"content-type": "application/json", "accept": "text/event-stream"}
        if call.api_key:
            headers["authorization"] = f"Bearer {call.api_key}"
        return HttpRequest(
            "POST",
            f"{call.base_url}{self._path}",
            headers,
            json.dumps(merged(self._body(call), call.extra_body)).encode(),
        )

    def _body(self, call: Call[ChatAsk]) -> dict[str, object]:
        body: dict[str, object] = {
            "model": call.model,
            "messages": openai_messages(call.ask),
            "stream": True,
            self._preset.token_limit: call.ask.max_output_tokens,
            "response_format": response_format(call.ask),
            **openai_tools(call.ask),
            **openai_greedy(call.ask, tells=self._preset.tells_likelihoods),
            **self._preset.reasoning_fields(call.ask),
        }
        if options := self._preset.stream_options:
            body["stream_options"] = options
        return body

    def decoder(self) -> Decoder:
        return AlikeDecoder(SseOrJsonDecoder(), _ChatStream(self._preset).events)

    def failure(self, head: ResponseHead, body: bytes) -> Failure | None:
        return explain(head.status, body, self._preset)

    def header_facts(self, head: ResponseHead) -> HeaderFacts:
        ids = (head.headers.get(name) for name in self._preset.request_id_headers)
        return HeaderFacts(
            request_id=next(filter(None, ids), None),
            rate_limits=rate_limits(head.headers),
            retry_after_seconds=retry_after_seconds(head),
        )


class _ChatStream:
    """Interprets the chunks of one stream. Remembers the stream's identity, and whether it has
    ended."""

    def __init__(self, preset: Preset) -> None:
        self._preset = preset
        self._model: str | None = None
        self._id: str | None = None
        self._counter = Counter()
        self._over = False

    def events(self, message: ServerSentEvent) -> Iterator[Event]:
        if self._over:
            return  # ignore everything after the end marker, even if it is invalid
        if message.data.strip().startswith(END_MARKER):
            self._over = True
            yield Ended()
            return
        data = unwrapped(message.data)
        if message.is_bare:
            # SDKs ignore text that isn't an event. But an error in it explains why no answer came.
            if failure := explain(HTTPStatus.OK, data, self._preset):
                yield Failed(failure)
        elif message.is_error_in_words:
            yield Failed(failure_of(excerpt(data), message.status, self._preset))
        elif message.event == "error":
            yield Failed(failure_in_event(data, message.status, self._preset))
        elif message.is_ours:
            yield from self._meaning(parse(_Chunk, data), data)

    def _meaning(self, chunk: _Chunk, data: bytes) -> Iterator[Event]:
        yield from self._identity(chunk)
        # The error is more exact than the finish reason in the same chunk (OpenRouter).
        if failure := self._failure(chunk, data):
            yield Failed(failure)
        for choice in chunk.choices or ():
            yield from self._choice(choice)
        yield from self._usage(chunk)

    def _choice(self, choice: _Choice) -> Iterator[Event]:
        if choice.delta:
            yield from choice.delta.outputs()
        if isinstance(choice.logprobs, dict):
            yield from likelihoods(choice.logprobs.get("content"))
        if choice.error:
            yield Failed(failure_of(choice.error, preset=self._preset))
        if choice.finish_reason and is_finish(choice.finish_reason):
            yield from ending(
                choice.finish_reason,
                choice.native_finish_reason,
                counts_stop_token=self._preset.counts_stop_token,
            )
        elif reason := failed_ending(choice.native_finish_reason):
            detail = f"the upstream server finished with {choice.native_finish_reason!r}"
            yield Failed(Failure(reason, detail))

    def _usage(self, chunk: _Chunk) -> Iterator[Event]:
        rest = self._preset.thought_is_in_the_total_only
        usages = (it.normalised(rest_is_thought=rest) for it in chunk.usages() if it)
        usage = next(filter(None, usages), None)
        if usage and self._counter.holds(usage):
            yield UsageReported(usage)

    def _failure(self, chunk: _Chunk, data: bytes) -> Failure | None:
        if chunk.x_groq and chunk.x_groq.error:
            return failure_of(chunk.x_groq.error, preset=self._preset)
        if isinstance(chunk.error, ErrorObject):
            return failure_of(chunk.error, HTTPStatus.OK, self._preset)
        is_bare = not chunk.choices and not chunk.is_usage
        if chunk.error or (is_bare and len(data) <= _MAX_ERROR_BYTES):
            return explain(HTTPStatus.OK, data, self._preset)
        return None

    def _identity(self, chunk: _Chunk) -> Iterator[Event]:
        identity = (chunk.x_groq and chunk.x_groq.id) or chunk.id
        if identity and self._id is None:
            self._id = identity
            yield RequestIdentified(identity)
        if chunk.model and chunk.model != self._model:
            self._model = chunk.model
            yield ModelServed(chunk.model)
