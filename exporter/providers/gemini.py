"""Google's streamGenerateContent: the Gemini API, and Vertex AI with its own base URL.

Sources: the Gemini API reference (generateContent), Google's error model (google.rpc.Status), and
the enumerations of the google-genai SDK.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Annotated
from urllib.parse import quote

from pydantic import Field, model_validator

from exporter.providers.asks import Ask, ChatAsk, Reasoning
from exporter.providers.base import (
    Call,
    Decoder,
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
from exporter.providers.endings import ending, is_finish
from exporter.providers.error_body import Text
from exporter.providers.framing import FramedDecoder
from exporter.providers.framing.sse import ServerSentEvent
from exporter.providers.framing.sse_or_json import SseOrJsonDecoder
from exporter.providers.google_errors import GoogleError
from exporter.providers.greedy import gemini_greedy, gemini_likelihoods
from exporter.providers.headers import retry_after_seconds
from exporter.providers.openai_errors import explain, failure_of
from exporter.providers.tools import gemini_tools
from exporter.providers.turns import gemini_contents
from exporter.providers.usage import Counter, counted
from exporter.providers.wire import (
    CamelWire,
    Few,
    IfObject,
    LenientCount,
    OrEmpty,
    count,
    excerpt,
    merged,
    parse,
    parse_if,
)
from exporter.result import Failure, FailureReason, Usage

PUBLIC_BASE_URL = "https://generativelanguage.googleapis.com"
API_VERSIONS = ("v1", "v1beta")

_MAX_CANDIDATES = 8
"""The highest ``candidateCount``. Many parts of many candidates would be slow to read."""
_VERSION_IN_PATH = re.compile(r"/v\d+((alpha|beta)\d*)?(?=/|$)")


class _FunctionCall(CamelWire):
    name: str | None = None
    args: Arguments = ""
    partial_args: Arguments = ""  # Vertex AI

    def output(self) -> Output:
        arguments, name = self.args or self.partial_args, self.name
        return Output(OutputKind.TOOL, arguments or name or "", call=CallPiece(name, arguments))


class _ExecutableCode(CamelWire):
    code: str | None = None


class _Part(CamelWire):
    text: str | None = None  # empty next to a thoughtSignature
    thought: bool | None = None
    function_call: _FunctionCall | None = None
    executable_code: _ExecutableCode | None = None

    def outputs(self) -> Iterator[Output]:
        # Google streams summaries of the thoughts, but counts all of their tokens.
        kind = OutputKind.REASONING if self.thought else OutputKind.ANSWER
        yield Output(kind, self.text or "", is_summary=bool(self.thought))
        if self.function_call:
            yield self.function_call.output()
        if self.executable_code:
            yield Output(OutputKind.TOOL, self.executable_code.code or "")


class _Content(CamelWire):
    parts: Few[_Part] | None = None


class _Candidate(CamelWire):
    content: OrEmpty[_Content] = None
    finish_reason: Text = None
    finish_message: Text = None
    logprobs_result: object = None

    def events(self) -> Iterator[Event]:
        for part in (self.content and self.content.parts) or ():
            yield from (output for output in part.outputs() if output.text)
        yield from gemini_likelihoods(self.logprobs_result)
        if self.finish_reason and is_finish(self.finish_reason):
            yield from ending(self.finish_reason, more=self.finish_message)


class _PromptFeedback(CamelWire):
    block_reason: Text = None
    block_reason_message: Text = None


class _UsageMetadata(CamelWire):
    prompt_token_count: LenientCount | None = None
    tool_use_prompt_token_count: LenientCount | None = None
    cached_content_token_count: LenientCount | None = None
    candidates_token_count: LenientCount | None = None
    thoughts_token_count: LenientCount | None = None
    total_token_count: LenientCount | None = None

    def normalised(self) -> Usage | None:
        """Normalize the counts. Return ``None`` if there are none: on Vertex AI, the block may name
        only the kind of traffic.

        The prompt includes cached tokens. The candidates exclude thoughts, unless the total proves
        otherwise.
        """
        if self.prompt_token_count is None and self.candidates_token_count is None:
            return None
        return counted(
            input=count(self.prompt_token_count) + count(self.tool_use_prompt_token_count),
            output=count(self.candidates_token_count),
            cached=count(self.cached_content_token_count),
            reasoning=count(self.thoughts_token_count),
            total=self.total_token_count,
            thought_is_beside=True,
        )


class _Body(CamelWire):
    @model_validator(mode="before")
    @classmethod
    def _unwrapped(cls, value: object) -> object:
        """Unwrap an array of one item, which some errors are."""
        return value[0] if isinstance(value, list) and len(value) == 1 else value


class _Chunk(_Body):
    """GenerateContentResponse"""

    candidates: Annotated[list[_Candidate], Field(max_length=_MAX_CANDIDATES)] | None = None
    prompt_feedback: OrEmpty[_PromptFeedback] = None
    usage_metadata: IfObject[_UsageMetadata] = None
    model_version: Text = None
    response_id: Text = None
    error: GoogleError | None = None


class _ErrorBody(_Body):
    error: GoogleError


def public_base_url(region: str | None) -> str:
    """Return the base URL of the Gemini API.

    :raises ValueError: a region is set.
    """
    if region:
        raise ValueError("the Gemini API has no regions; remove it, or set base_url (Vertex AI)")
    return PUBLIC_BASE_URL


def check_api_version(version: str) -> None:
    """Check the API version.

    :raises ValueError: the Gemini API doesn't have this version.
    """
    if version not in API_VERSIONS:
        raise ValueError(f"{version!r} is none of {', '.join(API_VERSIONS)}")


class Gemini:
    """The ``gemini`` dialect."""

    def request(self, call: Call[ChatAsk]) -> HttpRequest:
        """Return the request. If the base URL contains a version, as Vertex AI's does, it isn't
        changed."""
        headers = {"content-type": "application/json"}
        if call.api_key:
            headers["x-goog-api-key"] = call.api_key
        ask = call.ask
        body = {
            "systemInstruction": {"parts": [{"text": ask.system}]} if ask.system else None,
            "contents": gemini_contents(ask),
            **gemini_tools(ask),
            "generationConfig": {"maxOutputTokens": ask.max_output_tokens, **_choices(ask)},
        }
        return HttpRequest(
            "POST",
            f"{resource_url(call)}:streamGenerateContent?alt=sse",
            headers,
            json.dumps(merged(body, call.extra_body)).encode(),
        )

    def decoder(self) -> Decoder:
        return FramedDecoder(SseOrJsonDecoder(), _Stream().events)

    def failure(self, head: ResponseHead, body: bytes) -> Failure | None:
        if (wrapped := parse_if(_ErrorBody, body)) and wrapped.error.is_googles:
            return wrapped.error.failure(head.status)
        return explain(head.status, body)  # an error from a gateway

    def header_facts(self, head: ResponseHead) -> HeaderFacts:
        """Return the wait. Google sends no rate limits, and sends the request ID in the body."""
        return HeaderFacts(retry_after_seconds=retry_after_seconds(head))


class _Stream:
    """Interprets the chunks of one stream.

    There is no end marker. The stream is complete when the body ends after a finish reason. Some
    models send the reason in every chunk, so text after it is still part of the answer.
    """

    def __init__(self) -> None:
        self._model: str | None = None
        self._id: str | None = None
        self._counter = Counter()

    def events(self, message: ServerSentEvent) -> Iterator[Event]:
        if message.is_error_in_words:
            yield Failed(failure_of(excerpt(message.data), message.status))
            return
        if not message.is_ours:
            return
        chunk = parse(_Chunk, message.data)
        yield from self._identity(chunk)
        for candidate in chunk.candidates or ():
            yield from candidate.events()
        if chunk.prompt_feedback and (reason := chunk.prompt_feedback.block_reason):
            detail = _with(
                f"the prompt was blocked: {reason}", chunk.prompt_feedback.block_reason_message
            )
            yield Failed(Failure(FailureReason.CONTENT_FILTER, detail), is_ending=True)
        usage = chunk.usage_metadata and chunk.usage_metadata.normalised()
        if usage and self._counter.holds(usage):
            yield UsageReported(usage)
        if chunk.error and chunk.error.is_googles:
            yield Failed(chunk.error.failure())
        elif not chunk.candidates and (failure := explain(HTTPStatus.OK, message.data)):
            yield Failed(failure)

    def _identity(self, chunk: _Chunk) -> Iterator[Event]:
        if chunk.response_id and chunk.response_id != self._id:
            self._id = chunk.response_id
            yield RequestIdentified(chunk.response_id)
        if chunk.model_version and chunk.model_version != self._model:
            self._model = chunk.model_version
            yield ModelServed(chunk.model_version)


def _choices(ask: ChatAsk) -> dict[str, object]:
    """Return the generation options. Only models before Gemini 3 have a thinking budget, and can
    disable thinking."""
    choices = gemini_greedy(ask)
    if ask.json_schema is not None:
        choices["responseMimeType"] = "application/json"
        choices["responseJsonSchema"] = ask.json_schema
    if ask.reasoning_budget is not None:
        choices["thinkingConfig"] = {"thinkingBudget": ask.reasoning_budget}
    elif ask.reasoning is Reasoning.NONE:
        choices["thinkingConfig"] = {"thinkingBudget": 0}
    elif ask.reasoning:
        choices["thinkingConfig"] = {"thinkingLevel": ask.reasoning.upper()}
    return choices


def resource_url(call: Call[Ask]) -> str:
    """Return the URL of the model: ``models/NAME``, or its own collection, such as tunedModels."""
    model = call.model if "/" in call.model else f"models/{call.model}"
    return f"{_versioned(call)}/{quote(model)}"


def _versioned(call: Call[Ask]) -> str:
    if _VERSION_IN_PATH.search(call.base_url):
        return call.base_url
    return f"{call.base_url}/{call.api_version or API_VERSIONS[0]}"


def _with(detail: str, message: str | None) -> str:
    return f"{detail}: {message}" if message else detail
