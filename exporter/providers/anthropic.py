"""Anthropic's Messages API, as streamed by Anthropic and by compatible servers and clouds.

Sources: Anthropic's API reference (versioning, streaming, errors, rate limits) and its Python SDK.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from http import HTTPStatus

from exporter.providers import turns
from exporter.providers.alike import AlikeDecoder
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
from exporter.providers.blocks import CallBlocks
from exporter.providers.calls import Arguments, CallPiece
from exporter.providers.endings import ending, is_finish
from exporter.providers.error_body import ErrorMember, Text
from exporter.providers.framing.sse import ServerSentEvent
from exporter.providers.framing.sse_or_json import SseOrJsonDecoder
from exporter.providers.headers import rate_limit, retry_after_seconds, share_left
from exporter.providers.openai_errors import explain, failure_in_event, failure_of
from exporter.providers.tools import anthropic_tools
from exporter.providers.usage import AnthropicUsage, Counter
from exporter.providers.wire import IfObject, LenientCount, Wire, merged, parse, parse_if
from exporter.result import Failure, FailureReason, RateLimit

PUBLIC_BASE_URL = "https://api.anthropic.com"
FIRST_VERSION = "2023-06-01"
VERSIONS = (FIRST_VERSION, "2026-10-21")

_NAMELESS = Failure(
    FailureReason.PROTOCOL, "events have no name (event: ...): Anthropic's SDK passes over them"
)

_DONE = b"[DONE]"
"""What gateways send after Anthropic's own end (LiteLLM, one-api)."""


class _Message(Wire):
    id: Text = None
    model: Text = None
    usage: IfObject[AnthropicUsage] = None


class _Content(Wire):
    """The start of a content block, or a piece of it.

    Signatures, citations, and the opaque data of redacted thinking aren't output.
    """

    text: str | None = None
    thinking: str | None = None
    partial_json: str | None = None
    type: Text = None
    id: Text = None
    name: Text = None
    input: Arguments = ""

    def outputs(self) -> Iterator[Output]:
        if self.thinking:
            yield Output(OutputKind.REASONING, self.thinking, is_summary=True)
        if self.text:
            yield Output(OutputKind.ANSWER, self.text)
        if self.partial_json:
            yield Output(OutputKind.TOOL, self.partial_json)

    @property
    def call(self) -> CallPiece | None:
        """The tool call that starts with this block, if it calls a tool that the probe offered.

        Some gateways send the arguments here, in ``input``, and don't stream them.
        """
        if self.type != "tool_use":
            return None
        return CallPiece(self.name, self.input, id=self.id)


class _StopDetails(Wire):
    category: Text = None
    explanation: Text = None


class _Delta(_Content):
    stop_reason: Text = None
    stop_details: IfObject[_StopDetails] = None


class _Event(Wire):
    """Messages event"""

    type: str = ""
    message: _Message | None = None
    index: LenientCount | None = None
    content_block: _Content | None = None
    delta: _Delta | None = None
    usage: IfObject[AnthropicUsage] = None
    error: ErrorMember = None


def public_base_url(region: str | None) -> str:
    """Return the base URL of Anthropic's own API.

    :raises ValueError: a region is set.
    """
    if region:
        raise ValueError("anthropic has no regions; remove it, or set a cloud's base_url")
    return PUBLIC_BASE_URL


def check_api_version(version: str) -> None:
    """Check the API version.

    :raises ValueError: Anthropic's API doesn't have this version.
    """
    if version not in VERSIONS:
        raise ValueError(f"anthropic has no version {version!r}; it has {', '.join(VERSIONS)}")


class Anthropic:
    """The ``anthropic`` dialect."""

    def request(self, call: Call[ChatAsk]) -> HttpRequest:
        version = call.api_version or VERSIONS[-1]
        body = {
            "model": call.model,
            "max_tokens": call.ask.max_output_tokens,
            "system": turns.anthropic_system(call.ask),
            "messages": turns.anthropic_messages(call.ask),
            "stream": True,
            # Later versions don't have this parameter.
            "temperature": 0 if call.ask.greedy and version == FIRST_VERSION else None,
            **anthropic_tools(call.ask),
            **turns.anthropic_thought(call.ask),
            "output_config": turns.anthropic_output_config(call.ask),
        }
        return HttpRequest(
            "POST",
            f"{call.base_url}/v1/messages",
            {
                "content-type": "application/json",
                "accept": "text/event-stream",
                "anthropic-version": version,
                **authorization(call.api_key, version),
            },
            json.dumps(merged(body, call.extra_body)).encode(),
        )

    def decoder(self) -> Decoder:
        return AlikeDecoder(SseOrJsonDecoder(), _MessageStream().events)

    def failure(self, head: ResponseHead, body: bytes) -> Failure | None:
        failure = explain(head.status, body)
        return failure and replace(failure, status=head.status)

    def header_facts(self, head: ResponseHead) -> HeaderFacts:
        return HeaderFacts(
            request_id=head.headers.get("request-id"),
            rate_limits=tuple(_rate_limits(head.headers)),
            retry_after_seconds=retry_after_seconds(head),
        )


def authorization(api_key: str | None, version: str) -> dict[str, str]:
    """Return the header in which the SDKs of this version send the key. Anthropic accepts both."""
    if not api_key:
        return {}
    if version == FIRST_VERSION:
        return {"x-api-key": api_key}
    return {"authorization": f"Bearer {api_key}"}


class _MessageStream:
    """Interprets the events of one stream."""

    def __init__(self) -> None:
        self._usage = AnthropicUsage()
        self._counter = Counter()
        self._blocks = CallBlocks()

    def events(self, message: ServerSentEvent) -> Iterator[Event]:
        if message.event == "error":
            yield Failed(replace(failure_in_event(message.data, None), status=None))
        elif message.is_bare:
            if failure := explain(HTTPStatus.OK, message.data):
                yield Failed(failure)
        elif message.event == "ping" or message.data.strip().startswith(_DONE):
            return  # ignore the data, as Anthropic's SDK does
        elif message.event and message.is_ours:
            yield from self._event(parse(_Event, message.data), message.event)
        elif not message.event and (event := parse_if(_Event, message.data)):
            yield from self._event(event, "")

    def _event(self, event: _Event, name: str) -> Iterator[Event]:
        if event.error:
            yield Failed(replace(failure_of(event.error), status=None))
        elif name:
            yield from self._named(event)
        elif event.type != "ping":
            # Anthropic's SDK ignores such events, so its users would get no answer.
            yield Failed(_NAMELESS)

    def _named(self, event: _Event) -> Iterator[Event]:
        match event.type:
            case "message_start" if event.message:
                yield from self._started(event.message)
            case "content_block_start" if event.content_block:
                self._blocks.begin(event.index, event.content_block.call)
                yield from event.content_block.outputs()
            case "content_block_delta" if event.delta:
                for output in event.delta.outputs():
                    yield self._blocks.output(event.index, output)
            case "content_block_stop":
                yield from self._blocks.end(event.index)
            case "message_delta":
                yield from self._counted(event.usage)
                yield from self._stopped(event.delta or _Delta())
            case "message_stop":
                yield from self._counted(event.usage)
                yield Ended()

    def _started(self, message: _Message) -> Iterator[Event]:
        if message.id:
            yield RequestIdentified(message.id)
        if message.model:
            yield ModelServed(message.model)
        if message.usage:  # not reported, because its output_tokens is a placeholder
            self._usage = message.usage

    def _counted(self, usage: AnthropicUsage | None) -> Iterator[Event]:
        if usage and usage.output_tokens is not None:
            self._usage = self._usage.updated(usage)
            counts = self._usage.normalised()
            if counts and self._counter.holds(counts):
                yield UsageReported(counts)

    def _stopped(self, delta: _Delta) -> Iterator[Event]:
        reason = delta.stop_reason
        if not reason or not is_finish(reason):
            return
        if reason == "refusal":
            yield Finished(reason)
            yield Failed(_refusal(delta.stop_details or _StopDetails()))
        else:
            yield from ending(reason, counts_stop_token=True)


def _refusal(details: _StopDetails) -> Failure:
    parts = [word for word in (details.category, details.explanation) if word]
    return Failure(FailureReason.REFUSAL, ": ".join(["the model refused", *parts]))


def _rate_limits(headers: Mapping[str, str]) -> Iterator[RateLimit]:
    """Yield the request limit and the token limit.

    By Anthropic's documentation, ``tokens`` is the most restrictive limit in force. If the headers
    have only input and output limits, the one with the smaller remaining share is used.
    """
    of = {
        resource: limit
        for resource in ("requests", "tokens", "input-tokens", "output-tokens")
        if (limit := _rate_limit(headers, resource))
    }
    if "requests" in of:
        yield of["requests"]
    tokens = [of["tokens"]] if "tokens" in of else [of[name] for name in of if name != "requests"]
    if tokens:
        tightest = min(tokens, key=share_left)
        yield RateLimit("tokens", tightest.limit, tightest.remaining)


def _rate_limit(headers: Mapping[str, str], resource: str) -> RateLimit | None:
    prefix = f"anthropic-ratelimit-{resource}-"
    return rate_limit(resource, headers.get(f"{prefix}limit"), headers.get(f"{prefix}remaining"))
