"""Google's streamGenerateContent: the Gemini API, and Vertex AI by its base URL.

Sources: the Gemini API reference (generateContent), Google's error model (google.rpc.Status) and
the enumerations of the google-genai SDK.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from http import HTTPStatus
from urllib.parse import quote

from pydantic import JsonValue, model_validator

from exporter.providers.asks import Ask, ChatAsk
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
from exporter.providers.framing.sse import ServerSentEvent
from exporter.providers.framing.sse_or_json import SseOrJsonDecoder
from exporter.providers.google_errors import GoogleError
from exporter.providers.headers import retry_after_seconds
from exporter.providers.wire import CamelWire, Count, Few, excerpt, merged, parse, parse_if
from exporter.result import Failure, FailureReason, Usage

PUBLIC_BASE_URL = "https://generativelanguage.googleapis.com"
API_VERSIONS = ("v1", "v1beta")

_VERSION_IN_PATH = re.compile(r"/v\d+((alpha|beta)\d*)?(?=/|$)")

_FILTERED_FINISHES = (
    "SAFETY",
    "RECITATION",
    "LANGUAGE",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "MODEL_ARMOR",
    "ESCALATION",
    "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_RECITATION",
)
_BROKEN_FINISHES = (
    "OTHER",
    "IMAGE_OTHER",
    "NO_IMAGE",
    "MALFORMED_FUNCTION_CALL",
    "MALFORMED_RESPONSE",
    "UNEXPECTED_TOOL_CALL",
    "TOO_MANY_TOOL_CALLS",
    "MISSING_THOUGHT_SIGNATURE",
)
_FAILED_FINISHES = {
    **dict.fromkeys(_FILTERED_FINISHES, FailureReason.CONTENT_FILTER),
    **dict.fromkeys(_BROKEN_FINISHES, FailureReason.SERVER_ERROR),
    "PUP_LIMITED_DISABLED": FailureReason.AUTH,  # the account broke the usage policy
}
"""Words for a stop that is neither the model's own nor the limit's; one that is not known is taken
for a good one."""


class _FunctionCall(CamelWire):
    name: str | None = None
    args: dict[str, JsonValue] | None = None
    partial_args: list[JsonValue] | None = None  # Vertex AI

    @property
    def text(self) -> str:
        written = self.args or self.partial_args
        return json.dumps(written, ensure_ascii=False) if written else self.name or ""


class _ExecutableCode(CamelWire):
    code: str = ""


class _Part(CamelWire):
    text: str | None = None  # empty beside a thoughtSignature
    thought: bool = False
    function_call: _FunctionCall | None = None
    executable_code: _ExecutableCode | None = None

    def outputs(self) -> Iterator[tuple[OutputKind, str]]:
        yield OutputKind.REASONING if self.thought else OutputKind.ANSWER, self.text or ""
        if self.function_call:
            yield OutputKind.TOOL, self.function_call.text
        if self.executable_code:
            yield OutputKind.TOOL, self.executable_code.code


class _Content(CamelWire):
    parts: Few[_Part] | None = None


class _Candidate(CamelWire):
    content: _Content | None = None
    finish_reason: str | None = None
    finish_message: str | None = None

    @property
    def is_finished(self) -> bool:
        """Whether generation has stopped; a reason that is not specified says that it goes on."""
        return self.finish_reason not in (None, "", "FINISH_REASON_UNSPECIFIED")

    def events(self) -> Iterator[Event]:
        for part in (self.content and self.content.parts) or ():
            yield from (Output(kind, text) for kind, text in part.outputs() if text)
        if self.finish_reason and self.is_finished:
            yield Finished(self.finish_reason)
            if reason := _FAILED_FINISHES.get(self.finish_reason):
                detail = f"the stream finished with {self.finish_reason!r}"
                yield Failed(Failure(reason, _with(detail, self.finish_message)))


class _PromptFeedback(CamelWire):
    block_reason: str | None = None
    block_reason_message: str | None = None


class _UsageMetadata(CamelWire):
    prompt_token_count: Count | None = None
    tool_use_prompt_token_count: Count | None = None
    cached_content_token_count: Count | None = None
    candidates_token_count: Count | None = None
    thoughts_token_count: Count | None = None
    total_token_count: Count | None = None

    def normalised(self) -> Usage | None:
        """``None`` where the block holds no counts: on Vertex AI it may name the kind of traffic
        only. Cached tokens are a part of the prompt. Thoughts come on top of the candidates,
        unless the total shows that this surface counts them among the candidates."""
        if self.prompt_token_count is None and self.candidates_token_count is None:
            return None
        prompt = (self.prompt_token_count or 0) + (self.tool_use_prompt_token_count or 0)
        candidates, thoughts = self.candidates_token_count or 0, self.thoughts_token_count or 0
        inclusive = candidates >= thoughts and self.total_token_count == prompt + candidates
        return Usage(
            input=prompt,
            output=candidates + (0 if inclusive else thoughts),
            cached_input=self.cached_content_token_count or 0,
            reasoning=thoughts,
        )


class _Body(CamelWire):
    @model_validator(mode="before")
    @classmethod
    def _unwrapped(cls, value: object) -> object:
        """Some errors come as an array of one."""
        return value[0] if isinstance(value, list) and len(value) == 1 else value


class _Chunk(_Body):
    """GenerateContentResponse"""

    candidates: Few[_Candidate] | None = None
    prompt_feedback: _PromptFeedback | None = None
    usage_metadata: _UsageMetadata | None = None
    model_version: str | None = None
    response_id: str | None = None
    error: GoogleError | None = None


class _ErrorBody(_Body):
    error: GoogleError


def public_base_url(region: str | None) -> str:
    """The Gemini API.

    :raises ValueError: a region is given.
    """
    if region:
        raise ValueError("the Gemini API has no regions; remove it, or set base_url (Vertex AI)")
    return PUBLIC_BASE_URL


def check_api_version(version: str) -> None:
    """:raises ValueError: the Gemini API has no such version."""
    if version not in API_VERSIONS:
        raise ValueError(f"{version!r} is none of {', '.join(API_VERSIONS)}")


class Gemini:
    """The ``gemini`` dialect."""

    def request(self, call: Call[ChatAsk]) -> HttpRequest:
        """A base URL that names a version, as Vertex AI's do, is taken as it is."""
        headers = {"content-type": "application/json"}
        if call.api_key:
            headers["x-goog-api-key"] = call.api_key
        body = {
            "contents": [{"role": "user", "parts": [{"text": call.ask.prompt}]}],
            "generationConfig": {"maxOutputTokens": call.ask.max_output_tokens},
        }
        return HttpRequest(
            "POST",
            f"{resource_url(call)}:streamGenerateContent?alt=sse",
            headers,
            json.dumps(merged(body, call.extra_body)).encode(),
        )

    def decoder(self) -> Decoder:
        stream = _Stream()
        return FramedDecoder(SseOrJsonDecoder(), stream.events, stream.at_end)

    def failure(self, head: ResponseHead, body: bytes) -> Failure | None:
        if wrapped := parse_if(_ErrorBody, body):
            return wrapped.error.failure(head.status)
        if head.status == HTTPStatus.OK:
            return None
        return GoogleError(message=excerpt(body)).failure(head.status)

    def header_facts(self, head: ResponseHead) -> HeaderFacts:
        """Google sends no rate limits, and the request's id in the body."""
        return HeaderFacts(retry_after_seconds=retry_after_seconds(head.headers))


class _Stream:
    """What the chunks of one stream mean.

    There is no end marker: the stream is whole when the body ends after a finish reason. Some
    models write the reason into every chunk, so text that follows one is still of the answer.
    """

    def __init__(self) -> None:
        self._model: str | None = None
        self._id: str | None = None
        self._is_finished = False

    def events(self, message: ServerSentEvent) -> Iterator[Event]:
        chunk = parse(_Chunk, message.data)
        yield from self._identity(chunk)
        for candidate in chunk.candidates or ():
            self._is_finished |= candidate.is_finished
            yield from candidate.events()
        if chunk.prompt_feedback and (reason := chunk.prompt_feedback.block_reason):
            self._is_finished = True
            detail = _with(
                f"the prompt was blocked: {reason}", chunk.prompt_feedback.block_reason_message
            )
            yield Failed(Failure(FailureReason.CONTENT_FILTER, detail))
        if chunk.usage_metadata and (usage := chunk.usage_metadata.normalised()):
            yield UsageReported(usage)
        if chunk.error:
            yield Failed(chunk.error.failure())

    def at_end(self) -> Iterator[Event]:
        if self._is_finished:
            yield Ended()

    def _identity(self, chunk: _Chunk) -> Iterator[Event]:
        if chunk.response_id and chunk.response_id != self._id:
            self._id = chunk.response_id
            yield RequestIdentified(chunk.response_id)
        if chunk.model_version and chunk.model_version != self._model:
            self._model = chunk.model_version
            yield ModelServed(chunk.model_version)


def resource_url(call: Call[Ask]) -> str:
    """The URL of the model: ``models/NAME``, unless it is in another collection, as tunedModels."""
    model = call.model if "/" in call.model else f"models/{call.model}"
    return f"{_versioned(call)}/{quote(model)}"


def _versioned(call: Call[Ask]) -> str:
    if _VERSION_IN_PATH.search(call.base_url):
        return call.base_url
    return f"{call.base_url}/{call.api_version or API_VERSIONS[0]}"


def _with(detail: str, message: str | None) -> str:
    return f"{detail}: {message}" if message else detail
