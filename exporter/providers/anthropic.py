"""Anthropic's Messages API, as Anthropic and the servers and clouds that speak it stream it.

Sources: Anthropic's API reference (versioning, streaming, errors, rate limits) and its Python SDK.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
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
from exporter.providers.errors import reason_for_status, says_not_ready
from exporter.providers.framing import FramedDecoder
from exporter.providers.framing.sse import ServerSentEvent, SseDecoder
from exporter.providers.headers import rate_limit, retry_after_seconds
from exporter.providers.wire import Count, Wire, excerpt, merged, parse, parse_if
from exporter.result import Failure, FailureReason, RateLimit, Usage

PUBLIC_BASE_URL = "https://api.anthropic.com"
FIRST_VERSION = "2023-06-01"
VERSIONS = (FIRST_VERSION, "2026-10-21")

_REASON_BY_TYPE = {
    "invalid_request_error": FailureReason.BAD_REQUEST,
    "authentication_error": FailureReason.AUTH,
    "billing_error": FailureReason.QUOTA,
    "permission_error": FailureReason.AUTH,
    "not_found_error": FailureReason.NOT_FOUND,
    "conflict_error": FailureReason.BAD_REQUEST,
    "request_too_large": FailureReason.BAD_REQUEST,
    "rate_limit_error": FailureReason.RATE_LIMITED,
    "api_error": FailureReason.SERVER_ERROR,
    "timeout_error": FailureReason.SERVER_ERROR,
    "overloaded_error": FailureReason.OVERLOADED,
    "no_db_connection": FailureReason.AUTH,  # LiteLLM: not its master key, and no other is known
}

_REASON_BY_PHRASE = {
    "credit balance is too low": FailureReason.QUOTA,
    "specified api usage limits": FailureReason.QUOTA,  # a spend limit that the user has set
    "content filtering policy": FailureReason.CONTENT_FILTER,
}
"""What only the text of an ``invalid_request_error`` tells apart."""

_NAMELESS = Failure(
    FailureReason.PROTOCOL, "events have no name (event: ...): Anthropic's SDK passes over them"
)


class _OutputDetails(Wire):
    thinking_tokens: Count | None = None


class _Usage(Wire):
    input_tokens: Count | None = None
    cache_read_input_tokens: Count | None = None
    cache_creation_input_tokens: Count | None = None
    output_tokens: Count | None = None
    output_tokens_details: _OutputDetails | None = None

    def normalised(self) -> Usage:
        """``input_tokens`` leaves out what was read from a cache or written to one; thinking is a
        part of ``output_tokens`` (Anthropic API reference, prompt caching and usage)."""
        read, written = self.cache_read_input_tokens or 0, self.cache_creation_input_tokens or 0
        details = self.output_tokens_details or _OutputDetails()
        return Usage(
            input=(self.input_tokens or 0) + read + written,
            output=self.output_tokens or 0,
            cached_input=read,
            cache_write=written,
            reasoning=details.thinking_tokens or 0,
        )

    def updated(self, later: _Usage) -> _Usage:
        """The counts are cumulative: a later one replaces an earlier one, and where a count is
        not told again the earlier one stays."""
        told = {name: value for name, value in later if value is not None}
        return self.model_copy(update=told)


class _Message(Wire):
    id: str | None = None
    model: str | None = None
    usage: _Usage | None = None


class _Content(Wire):
    """A block as it starts, or a piece of it. Signatures, citations and the opaque data of
    redacted thinking are no output."""

    text: str | None = None
    thinking: str | None = None
    partial_json: str | None = None

    def outputs(self) -> Iterator[Output]:
        if self.thinking:
            yield Output(OutputKind.REASONING, self.thinking)
        if self.text:
            yield Output(OutputKind.ANSWER, self.text)
        if self.partial_json:
            yield Output(OutputKind.TOOL, self.partial_json)


class _StopDetails(Wire):
    category: str | None = None
    explanation: str | None = None


class _Delta(_Content):
    stop_reason: str | None = None
    stop_details: _StopDetails | None = None


class _Error(Wire):
    type: str | None = None
    message: str | None = None


class _Event(Wire):
    """Messages event"""

    type: str = ""
    message: _Message | None = None
    content_block: _Content | None = None
    delta: _Delta | None = None
    usage: _Usage | None = None
    error: _Error | str | None = None


class _ErrorBody(Wire):
    error: _Error | str


def public_base_url(region: str | None) -> str:
    """Anthropic's own API.

    :raises ValueError: a region is given.
    """
    if region:
        raise ValueError("anthropic has no regions; remove it, or set a cloud's base_url")
    return PUBLIC_BASE_URL


def check_api_version(version: str) -> None:
    """:raises ValueError: Anthropic's API has no such version."""
    if version not in VERSIONS:
        raise ValueError(f"anthropic has no version {version!r}; it has {', '.join(VERSIONS)}")


class Anthropic:
    """The ``anthropic`` dialect."""

    def request(self, call: Call[ChatAsk]) -> HttpRequest:
        version = call.api_version or VERSIONS[-1]
        body = {
            "model": call.model,
            "max_tokens": call.ask.max_output_tokens,
            "messages": [{"role": "user", "content": call.ask.prompt}],
            "stream": True,
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
        return FramedDecoder(SseDecoder(), _MessageStream().events)

    def failure(self, head: ResponseHead, body: bytes) -> Failure | None:
        wrapped = parse_if(_ErrorBody, body)
        if wrapped is None and head.status == HTTPStatus.OK:
            return None
        return _failure_of(wrapped.error if wrapped else excerpt(body), head.status)

    def header_facts(self, head: ResponseHead) -> HeaderFacts:
        return HeaderFacts(
            request_id=head.headers.get("request-id"),
            rate_limits=tuple(_rate_limits(head.headers)),
            retry_after_seconds=retry_after_seconds(head.headers),
        )


def authorization(api_key: str | None, version: str) -> dict[str, str]:
    """The key as the SDKs of that version send it; Anthropic takes it in either header."""
    if not api_key:
        return {}
    if version == FIRST_VERSION:
        return {"x-api-key": api_key}
    return {"authorization": f"Bearer {api_key}"}


class _MessageStream:
    """What the events of one stream mean."""

    def __init__(self) -> None:
        self._usage = _Usage()

    def events(self, message: ServerSentEvent) -> Iterator[Event]:
        if message.event == "error":
            error = parse_if(_ErrorBody, message.data)
            yield Failed(_failure_of(error.error if error else excerpt(message.data)))
            return
        event = parse(_Event, message.data)
        if event.error:
            yield Failed(_failure_of(event.error))
        elif not message.event:
            # Anthropic's SDK passes over such events, so whoever uses it gets no answer.
            yield Failed(_NAMELESS)
        else:
            yield from self._named(event)

    def _named(self, event: _Event) -> Iterator[Event]:
        match event.type:
            case "message_start" if event.message:
                yield from self._started(event.message)
            case "content_block_start" if event.content_block:
                yield from event.content_block.outputs()
            case "content_block_delta" if event.delta:
                yield from event.delta.outputs()
            case "message_delta":
                yield from self._stopped(event)
            case "message_stop":
                yield Ended()

    def _started(self, message: _Message) -> Iterator[Event]:
        if message.id:
            yield RequestIdentified(message.id)
        if message.model:
            yield ModelServed(message.model)
        if message.usage:  # not reported: its output_tokens is a placeholder
            self._usage = message.usage

    def _stopped(self, event: _Event) -> Iterator[Event]:
        if event.usage and event.usage.output_tokens is not None:
            self._usage = self._usage.updated(event.usage)
            yield UsageReported(self._usage.normalised())
        if event.delta and event.delta.stop_reason:
            yield Finished(event.delta.stop_reason)
            if event.delta.stop_reason == "refusal":
                yield Failed(_refusal(event.delta.stop_details or _StopDetails()))


def _refusal(details: _StopDetails) -> Failure:
    said = [word for word in (details.category, details.explanation) if word]
    return Failure(FailureReason.REFUSAL, ": ".join(["the model refused", *said]))


def _failure_of(error: _Error | str, status: int | None = None) -> Failure:
    """The failure that one error object means; inside a stream there is no ``status``."""
    if isinstance(error, str):
        error = _Error(message=error)
    message = error.message or "the error has no message"
    detail = f"{error.type}: {message}" if error.type else message
    return Failure(_reason(error.type, message, status), detail, status)


def _reason(kind: str | None, message: str, status: int | None) -> FailureReason:
    if kind == "invalid_request_error":
        lowered = message.lower()
        for phrase, reason in _REASON_BY_PHRASE.items():
            if phrase in lowered:
                return reason
    if kind in _REASON_BY_TYPE:
        return _REASON_BY_TYPE[kind]
    # What follows is no word of Anthropic's, but of a gateway or of a compatible server.
    if status in (None, HTTPStatus.SERVICE_UNAVAILABLE) and says_not_ready(message):
        return FailureReason.NOT_READY
    if status in (None, HTTPStatus.OK):
        return FailureReason.SERVER_ERROR
    return reason_for_status(status)


def _rate_limits(headers: Mapping[str, str]) -> Iterator[RateLimit]:
    """``tokens`` is by Anthropic's documentation the most restrictive limit in force; where only
    input and output are told, the one of which the smaller share is left stands for it."""
    of = {
        resource: limit
        for resource in ("requests", "tokens", "input-tokens", "output-tokens")
        if (limit := _rate_limit(headers, resource))
    }
    if "requests" in of:
        yield of["requests"]
    tokens = [of["tokens"]] if "tokens" in of else [of[name] for name in of if name != "requests"]
    if tokens:
        tightest = min(tokens, key=_share_left)
        yield RateLimit("tokens", tightest.limit, tightest.remaining)


def _rate_limit(headers: Mapping[str, str], resource: str) -> RateLimit | None:
    prefix = f"anthropic-ratelimit-{resource}-"
    return rate_limit(resource, headers.get(f"{prefix}limit"), headers.get(f"{prefix}remaining"))


def _share_left(limit: RateLimit) -> float:
    if not limit.limit or limit.remaining is None:
        return 1.0
    return limit.remaining / limit.limit
