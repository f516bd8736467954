"""OpenAI's Chat Completions stream, and every server that speaks it too.

Sources: the OpenAI API reference (chat/streaming) and the wire of the compatible servers, whose
quirks are named where they are handled.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import Annotated, Literal

from pydantic import BeforeValidator

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
    Unversioned,
    UsageReported,
)
from exporter.providers.errors import reason_for_status, says_not_ready
from exporter.providers.framing import FramedDecoder
from exporter.providers.framing.sse import ServerSentEvent, SseDecoder
from exporter.providers.headers import rate_limits, retry_after_seconds
from exporter.providers.wire import Wire, excerpt, merged, parse, parse_if
from exporter.result import Failure, FailureReason, Usage

PUBLIC_BASE_URL = "https://api.openai.com/v1"
END_MARKER = b"[DONE]"

_REASON_BY_CODE = {
    "invalid_api_key": FailureReason.AUTH,
    "authentication_error": FailureReason.AUTH,
    "permission_error": FailureReason.AUTH,
    "access_denied": FailureReason.AUTH,
    "no_db_connection": FailureReason.AUTH,  # LiteLLM: not its master key, and no other is known
    "model_not_found": FailureReason.NOT_FOUND,
    "content_filter": FailureReason.CONTENT_FILTER,
    "data_inspection_failed": FailureReason.CONTENT_FILTER,
    "rate_limit_exceeded": FailureReason.RATE_LIMITED,
    "slow_down": FailureReason.RATE_LIMITED,
    "limit_requests": FailureReason.RATE_LIMITED,
    "limit_burst_rate": FailureReason.RATE_LIMITED,
    "insufficient_quota": FailureReason.QUOTA,
    "credit_balance_exhausted": FailureReason.QUOTA,
    "organization_spend_limit_exceeded": FailureReason.QUOTA,
    "project_spend_limit_exceeded": FailureReason.QUOTA,
    "organization_usage_limit_exceeded": FailureReason.QUOTA,
    "Arrearage": FailureReason.QUOTA,  # Alibaba: the account is overdue
    "server_is_overloaded": FailureReason.OVERLOADED,
    "overloaded": FailureReason.OVERLOADED,  # TGI
    "capacity_exceeded": FailureReason.OVERLOADED,  # Groq
}
"""Words exact enough to overrule the HTTP status."""

_REASON_BY_TYPE = {
    "invalid_request_error": FailureReason.BAD_REQUEST,
    "BadRequestError": FailureReason.BAD_REQUEST,
    "not_found_error": FailureReason.NOT_FOUND,
    "NotFoundError": FailureReason.NOT_FOUND,
    "ServiceUnavailableError": FailureReason.OVERLOADED,
    "unavailable_error": FailureReason.OVERLOADED,
    "overloaded_error": FailureReason.OVERLOADED,
}
"""Words that say less than an HTTP status, for errors inside a stream, which have none."""

_FAILED_FINISHES = {
    "content_filter": FailureReason.CONTENT_FILTER,
    "error": FailureReason.SERVER_ERROR,  # OpenRouter, Mistral
    "abort": FailureReason.SERVER_ERROR,  # SGLang
    "insufficient_system_resource": FailureReason.OVERLOADED,  # DeepSeek
}


class _CachedTokens(Wire):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_creation_input_tokens: int | None = None  # DashScope's explicit cache


class _ReasoningTokens(Wire):
    reasoning_tokens: int | None = None


class _Usage(Wire):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _CachedTokens | None = None
    completion_tokens_details: _ReasoningTokens | None = None
    reasoning_tokens: int | None = None  # SGLang
    prompt_cache_hit_tokens: int | None = None  # DeepSeek

    def normalised(self) -> Usage | None:
        """``None`` where the block holds no counts. Cached and reasoning tokens are parts of
        the prompt and completion counts here (OpenAI API reference, usage object)."""
        if self.prompt_tokens is None and self.completion_tokens is None:
            return None
        prompt = self.prompt_tokens_details or _CachedTokens()
        completion = self.completion_tokens_details or _ReasoningTokens()
        return Usage(
            input=self.prompt_tokens or 0,
            output=self.completion_tokens or 0,
            cached_input=prompt.cached_tokens or self.prompt_cache_hit_tokens or 0,
            cache_write=prompt.cache_write_tokens or prompt.cache_creation_input_tokens or 0,
            reasoning=completion.reasoning_tokens or self.reasoning_tokens or 0,
        )


class _ContentPart(Wire):
    """Mistral's reasoning models send content as typed parts; ``thinking`` nests them again."""

    type: str = ""
    text: str = ""
    thinking: list[_ContentPart] | str | None = None

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


class _Delta(Wire):
    content: str | list[_ContentPart] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None  # vLLM, Groq, Together, OpenRouter, Ollama
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None

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
    delta: _Delta | None = None  # absent in Azure's late content-filter annotations
    finish_reason: str | None = None


def _as_text(value: object) -> object:
    return str(value) if isinstance(value, int) else value


class _Error(Wire):
    message: str | None = None
    type: str | None = None
    code: Annotated[str | None, BeforeValidator(_as_text)] = None
    http_status_code: int | None = None  # TGI

    @property
    def status(self) -> int | None:
        """The HTTP status that an error inside a stream names: vLLM, llama.cpp and OpenRouter
        put it into ``code``."""
        if self.http_status_code:
            return self.http_status_code
        return int(self.code) if self.code and re.fullmatch(r"[45]\d\d", self.code) else None


class _Chunk(Wire):
    """chat.completion.chunk"""

    id: str | None = None
    model: str | None = None
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: _Error | str | None = None


class _FlatError(_Error):
    """SGLang's error body, which has no ``error`` member."""

    object: Literal["error"]


class _ErrorBody(Wire):
    error: _Error | str
    error_type: str | None = None  # TGI, whose ``error`` is a text
    request_id: str | None = None  # DashScope's compatible mode

    def unified(self) -> _Error:
        if isinstance(self.error, str):
            return _Error(message=self.error, type=self.error_type)
        if self.error.code == "insufficient_quota" and self.request_id:
            # The word means "pay" at OpenAI, but "slow down for a minute" at DashScope.
            return self.error.model_copy(update={"code": "limit_requests"})
        return self.error


class OpenAI(Unversioned):
    """The ``openai`` dialect."""

    def public_base_url(self, region: str | None) -> str | None:
        """OpenAI's own endpoint, or its data-residency host (``us``, ``eu``, ``jp``, ...)."""
        return PUBLIC_BASE_URL.replace("//", f"//{region}.") if region else PUBLIC_BASE_URL

    def request(self, call: Call) -> HttpRequest:
        headers = {"content-type": "application/json", "accept": "text/event-stream"}
        if call.api_key:
            headers["authorization"] = f"Bearer {call.api_key}"
        return HttpRequest(
            "POST",
            f"{call.base_url}/chat/completions",
            headers,
            json.dumps(merged(self._body(call), call.extra_body)).encode(),
        )

    def _body(self, call: Call) -> dict[str, object]:
        body: dict[str, object] = {
            "model": call.model,
            "messages": [{"role": "user", "content": call.prompt}],
            "stream": True,
        }
        if ".openai.com/" in call.base_url:
            # Reasoning models refuse max_tokens; compatible servers may not know the new name.
            body["max_completion_tokens"] = call.max_output_tokens
            body["stream_options"] = {"include_usage": True, "include_obfuscation": False}
        else:
            body["max_tokens"] = call.max_output_tokens
            body["stream_options"] = {"include_usage": True}
        return body

    def decoder(self) -> Decoder:
        return FramedDecoder(SseDecoder(), _ChatStream().events)

    def failure(self, head: ResponseHead, body: bytes) -> Failure | None:
        return explain(head.status, body)

    def header_facts(self, head: ResponseHead) -> HeaderFacts:
        return HeaderFacts(
            request_id=head.headers.get("x-request-id"),
            rate_limits=rate_limits(head.headers),
            retry_after_seconds=retry_after_seconds(head.headers),
        )


class _ChatStream:
    """What the chunks of one stream mean; remembers whose they are."""

    def __init__(self) -> None:
        self._model: str | None = None
        self._id: str | None = None

    def events(self, message: ServerSentEvent) -> Iterator[Event]:
        if message.data.strip() == END_MARKER:
            yield Ended()
            return
        chunk = parse(_Chunk, message.data)
        yield from self._identity(chunk)
        for choice in chunk.choices or ():
            yield from _choice_events(choice)
        if chunk.usage and (usage := chunk.usage.normalised()):
            yield UsageReported(usage)
        if chunk.error:
            yield Failed(failure_of(chunk.error))

    def _identity(self, chunk: _Chunk) -> Iterator[Event]:
        if chunk.id and chunk.id != self._id:
            self._id = chunk.id
            yield RequestIdentified(chunk.id)
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


def explain(status: int, body: bytes) -> Failure | None:
    """The failure that an error body of OpenAI or of a compatible server describes.

    ``None`` where the status is 200 and the body holds no error.
    """
    error = _error_in(body)
    if error is None and status == HTTPStatus.OK:
        return None
    return failure_of(error or _Error(message=excerpt(body)), status)


def failure_of(error: _Error | str, status: int | None = None) -> Failure:
    """The failure that one error object means; inside a stream there is no ``status``."""
    if isinstance(error, str):
        error = _Error(message=error)
    if status is None or status == HTTPStatus.OK:
        status = error.status
    words = [word for word in (error.code, error.type) if word]
    detail = ": ".join([*words[:1], error.message or "the error has no message"])
    return Failure(_reason(error, status, words), detail, status)


def _reason(error: _Error, status: int | None, words: Sequence[str]) -> FailureReason:
    for word in words:
        if word in _REASON_BY_CODE:
            return _REASON_BY_CODE[word]
    if status in (None, HTTPStatus.SERVICE_UNAVAILABLE) and says_not_ready(error.message or ""):
        return FailureReason.NOT_READY
    if status is not None:
        return reason_for_status(status)
    for word in words:
        if word in _REASON_BY_TYPE:
            return _REASON_BY_TYPE[word]
    return FailureReason.SERVER_ERROR


def _error_in(body: bytes) -> _Error | None:
    if wrapped := parse_if(_ErrorBody, body):
        return wrapped.unified()
    return parse_if(_FlatError, body)
