"""OpenAI's Chat Completions stream, and every server that speaks it too.

Sources: the OpenAI API reference (chat/streaming) and the wire of the compatible servers, whose
quirks are named where they are handled.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from http import HTTPStatus

from exporter.providers.asks import ChatAsk
from exporter.providers.base import (
    Call,
    Decoder,
    Ended,
    Event,
    Failed,
    Finished,
    HeaderFacts,
    HttpRequest,
    ModelServed,
    Output,
    OutputKind,
    RequestIdentified,
    ResponseHead,
    UsageReported,
)
from exporter.providers.framing import FramedDecoder
from exporter.providers.framing.sse import ServerSentEvent, SseDecoder
from exporter.providers.headers import rate_limits, retry_after_seconds
from exporter.providers.openai_errors import ErrorObject, explain, failure_of, unwrapped
from exporter.providers.presets import COMPATIBLE, Preset
from exporter.providers.usage import CachedTokens, ReasoningTokens
from exporter.providers.wire import Few, LenientCount, Wire, count, merged, parse
from exporter.result import Failure, FailureReason, Usage

END_MARKER = b"[DONE]"

_FAILED_FINISHES = {
    "content_filter": FailureReason.CONTENT_FILTER,
    "error": FailureReason.SERVER_ERROR,  # OpenRouter, Mistral
    "abort": FailureReason.SERVER_ERROR,  # SGLang
    "insufficient_system_resource": FailureReason.OVERLOADED,  # DeepSeek
}


class _Usage(Wire):
    prompt_tokens: LenientCount | None = None
    completion_tokens: LenientCount | None = None
    prompt_tokens_details: CachedTokens | None = None
    completion_tokens_details: ReasoningTokens | None = None
    reasoning_tokens: LenientCount | None = None  # SGLang
    prompt_cache_hit_tokens: LenientCount | None = None  # DeepSeek

    def normalised(self) -> Usage | None:
        """``None`` where the block holds no counts. Cached and reasoning tokens are parts of
        the prompt and completion counts here (OpenAI API reference, usage object)."""
        if self.prompt_tokens is None and self.completion_tokens is None:
            return None
        prompt = self.prompt_tokens_details or CachedTokens()
        completion = self.completion_tokens_details or ReasoningTokens()
        return Usage(
            input=count(self.prompt_tokens),
            output=count(self.completion_tokens),
            cached_input=count(prompt.cached_tokens, self.prompt_cache_hit_tokens),
            cache_write=count(prompt.cache_write_tokens, prompt.cache_creation_input_tokens),
            reasoning=count(completion.reasoning_tokens, self.reasoning_tokens),
        )


class _Thought(Wire):
    text: str = ""


class _ContentPart(_Thought):
    """Mistral's reasoning models send content as typed parts; ``thinking`` has parts in turn."""

    type: str = ""
    thinking: Few[_Thought] | str | None = None

    def outputs(self) -> Iterator[tuple[OutputKind, str]]:
        if self.type != "thinking":
            yield OutputKind.ANSWER, self.text
        elif isinstance(self.thinking, str):
            yield OutputKind.REASONING, self.thinking
        else:
            for part in self.thinking or ():
                yield OutputKind.REASONING, part.text


class _Function(Wire):
    name: str | None = None
    arguments: str | None = None


class _ToolCall(Wire):
    function: _Function | None = None


class Delta(Wire):
    """What a chunk adds to the message."""

    content: str | Few[_ContentPart] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None  # vLLM, Groq, Together, OpenRouter, Ollama
    refusal: str | None = None
    tool_calls: Few[_ToolCall] | None = None

    def outputs(self) -> Iterator[tuple[OutputKind, str]]:
        # Some servers send both names of the reasoning field with the same text.
        yield OutputKind.REASONING, self.reasoning or self.reasoning_content or ""
        if isinstance(self.content, str):
            yield OutputKind.ANSWER, self.content
        for part in self.content if isinstance(self.content, list) else ():
            yield from part.outputs()
        yield OutputKind.REFUSAL, self.refusal or ""
        for call in self.tool_calls or ():
            if call.function:
                yield OutputKind.TOOL, call.function.arguments or call.function.name or ""


class _Choice(Wire):
    delta: Delta | None = None  # absent in Azure's late content-filter annotations
    finish_reason: str | None = None


class _Groq(Wire):
    """What Groq says beside OpenAI's fields."""

    id: str | None = None
    usage: _Usage | None = None
    error: str | None = None


class _Chunk(Wire):
    """chat.completion.chunk"""

    id: str | None = None
    object: str | None = None
    model: str | None = None
    choices: Few[_Choice] | None = None
    usage: _Usage | None = None
    error: ErrorObject | str | None = None
    x_groq: _Groq | None = None


class OpenAI:
    """The ``openai`` dialect, as one server speaks it."""

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
            "messages": [{"role": "user", "content": call.ask.prompt}],
            "stream": True,
            self._preset.token_limit: call.ask.max_output_tokens,
        }
        if options := self._preset.stream_options:
            body["stream_options"] = options
        return body

    def decoder(self) -> Decoder:
        return FramedDecoder(SseDecoder(), _ChatStream(self._preset).events)

    def failure(self, head: ResponseHead, body: bytes) -> Failure | None:
        return explain(head.status, body, self._preset)

    def header_facts(self, head: ResponseHead) -> HeaderFacts:
        ids = (head.headers.get(name) for name in self._preset.request_id_headers)
        return HeaderFacts(
            request_id=next(filter(None, ids), None),
            rate_limits=rate_limits(head.headers),
            retry_after_seconds=retry_after_seconds(head.headers),
        )


class _ChatStream:
    """What the chunks of one stream mean; remembers whose they are, and whether it is over."""

    def __init__(self, preset: Preset) -> None:
        self._preset = preset
        self._model: str | None = None
        self._id: str | None = None
        self._over = False

    def events(self, message: ServerSentEvent) -> Iterator[Event]:
        if self._over:
            return  # whatever follows the end marker, even nonsense, was sent for nobody
        if message.data.strip() == END_MARKER:
            self._over = True
            yield Ended()
            return
        data = unwrapped(message.data)
        yield from self._meaning(parse(_Chunk, data), data)

    def _meaning(self, chunk: _Chunk, data: bytes) -> Iterator[Event]:
        yield from self._identity(chunk)
        # An error is more exact than the finish reason beside it (OpenRouter).
        if failure := self._failure(chunk, data):
            yield Failed(failure)
        for choice in chunk.choices or ():
            yield from _choice_events(choice)
        reported = chunk.usage or (chunk.x_groq and chunk.x_groq.usage)
        if reported and (usage := reported.normalised()):
            yield UsageReported(usage)

    def _failure(self, chunk: _Chunk, data: bytes) -> Failure | None:
        if chunk.error or chunk.object == "error":
            return explain(HTTPStatus.OK, data, self._preset)
        if chunk.x_groq and chunk.x_groq.error:
            return failure_of(chunk.x_groq.error, preset=self._preset)
        return None

    def _identity(self, chunk: _Chunk) -> Iterator[Event]:
        identity = (chunk.x_groq and chunk.x_groq.id) or chunk.id
        if identity and self._id is None:
            self._id = identity
            yield RequestIdentified(identity)
        if chunk.model and chunk.model != self._model:
            self._model = chunk.model
            yield ModelServed(chunk.model)


def _choice_events(choice: _Choice) -> Iterator[Event]:
    if choice.delta:
        yield from (Output(kind, text) for kind, text in choice.delta.outputs() if text)
    if choice.finish_reason:
        yield Finished(choice.finish_reason)
        if reason := _FAILED_FINISHES.get(choice.finish_reason):
            yield Failed(Failure(reason, f"the stream finished with {choice.finish_reason!r}"))
