"""Amazon Bedrock's ConverseStream: binary messages, and requests with a signature or a bearer key.

Sources: the Amazon Bedrock API reference (ConverseStream) and botocore's model of the service.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from http import HTTPStatus
from urllib.parse import quote

from pydantic import Field

from exporter.providers import turns
from exporter.providers.asks import Ask, ChatAsk
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
    ResponseHead,
    UsageReported,
)
from exporter.providers.blocks import CallBlocks
from exporter.providers.calls import CallPiece
from exporter.providers.endings import ending, is_finish
from exporter.providers.error_body import ErrorObject, Text, error_in
from exporter.providers.errors import reason_for
from exporter.providers.framing import FramedDecoder
from exporter.providers.framing.eventstream import EventStreamDecoder, EventStreamMessage
from exporter.providers.headers import retry_after_seconds
from exporter.providers.regions import BEDROCK_REGIONS
from exporter.providers.sigv4 import sign
from exporter.providers.tools import bedrock_tools
from exporter.providers.usage import BedrockUsage
from exporter.providers.wire import (
    CamelWire,
    LenientCount,
    excerpt,
    merged,
    parse,
    parse_if,
)
from exporter.result import Failure, FailureReason

_SERVICE = "bedrock"
_ELSEWHERE = "us-east-1"
"""The signing region if none is configured and the host name (of a proxy) doesn't contain one."""

_REASON_BY_ERROR = {
    "ModelTimeoutException": FailureReason.SERVER_ERROR,
    "ModelErrorException": FailureReason.SERVER_ERROR,
    "ModelStreamErrorException": FailureReason.SERVER_ERROR,
    "InternalServerException": FailureReason.SERVER_ERROR,
    "ServiceUnavailableException": FailureReason.OVERLOADED,
    "ValidationException": FailureReason.BAD_REQUEST,
}
"""Failures by the name of the exception, which is more exact than the status. Headers say
``ThrottlingException``, streams ``throttlingException``."""


class _Reasoning(CamelWire):
    text: str | None = None  # absent next to a signature and in encrypted reasoning


class _ToolUse(CamelWire):
    input: str | None = None


class _Delta(CamelWire):
    text: str | None = None
    reasoning_content: _Reasoning | None = None
    tool_use: _ToolUse | None = None

    def outputs(self) -> Iterator[Output]:
        if self.reasoning_content and self.reasoning_content.text:
            # Claude's is a summary. The full reasoning is counted, but not separately.
            yield Output(OutputKind.REASONING, self.reasoning_content.text, is_summary=True)
        if self.text:
            yield Output(OutputKind.ANSWER, self.text)
        if self.tool_use and self.tool_use.input:
            yield Output(OutputKind.TOOL, self.tool_use.input)


class _ToolUseStart(CamelWire):
    name: Text = None
    type: Text = None  # server_tool_use for Bedrock's own tools


class _Start(CamelWire):
    tool_use: _ToolUseStart | None = None


class _ContentBlock(CamelWire):
    """content block event"""

    content_block_index: LenientCount | None = None


class _ContentBlockStart(_ContentBlock):
    """contentBlockStart event"""

    start: _Start | None = None

    @property
    def call(self) -> CallPiece | None:
        """The tool call that starts with this block, if it calls a tool that the probe offered."""
        tool = self.start and self.start.tool_use
        return CallPiece(tool.name) if tool and not tool.type else None


class _ContentBlockDelta(_ContentBlock):
    """contentBlockDelta event"""

    delta: _Delta | None = None


class _MessageStop(CamelWire):
    """messageStop event"""

    stop_reason: Text = None


class _PromptRouter(CamelWire):
    invoked_model_id: str | None = None


class _Trace(CamelWire):
    prompt_router: _PromptRouter | None = None


class _Metadata(CamelWire):
    """metadata event"""

    usage: BedrockUsage | None = None
    trace: _Trace | None = None

    @property
    def invoked_model(self) -> str | None:
        router = self.trace.prompt_router if self.trace else None
        return router.invoked_model_id if router else None


class _ErrorBody(ErrorObject):
    # modelStreamErrorException can contain only the model's own text.
    original_message: Text = Field(None, alias="originalMessage")


def public_base_url(region: str | None) -> str:
    """Return the runtime endpoint of a region.

    :raises ValueError: no region is set, or Bedrock doesn't have this region.
    """
    if region not in BEDROCK_REGIONS:
        problem = f"bedrock has no region {region!r}" if region else "region must be set"
        raise ValueError(
            f"{problem}; use one of {', '.join(BEDROCK_REGIONS)}; for any other, set base_url"
        )
    return f"https://bedrock-runtime.{region}.amazonaws.com"


def signed(call: Call[Ask], operation: str, body: Mapping[str, object]) -> HttpRequest:
    """Return a request to the model, with a bearer key or signed with ``call.aws``.

    :raises ValueError: the request needs a signature, but the call has no time.
    """
    request = HttpRequest(
        "POST",
        f"{call.base_url}/model/{quote(call.model, safe='')}/{operation}",
        {"content-type": "application/json"},
        json.dumps(merged(body, call.extra_body)).encode(),
    )
    return authorized(call, request)


def authorized(call: Call[Ask], request: HttpRequest) -> HttpRequest:
    """Return the request with a bearer key or a signature.

    :raises ValueError: the request needs a signature, but the call has no time.
    """
    if call.api_key:
        return replace(
            request, headers={**request.headers, "authorization": f"Bearer {call.api_key}"}
        )
    if not call.aws:
        return request
    if not call.now:
        raise ValueError("a request cannot be signed without the time")
    return sign(request, call.aws, _signing_region(call), _SERVICE, call.now)


class Bedrock:
    """The ``bedrock`` dialect."""

    def request(self, call: Call[ChatAsk]) -> HttpRequest:
        """Return the request, signed with ``call.aws`` if there is no API key.

        :raises ValueError: the request needs a signature, but the call has no time.
        """
        body = {
            "system": turns.bedrock_system(call.ask),
            "messages": turns.bedrock_messages(call.ask),
            "inferenceConfig": turns.bedrock_limits(call.ask),
            "outputConfig": turns.bedrock_output_config(call.ask),
            **turns.bedrock_thought(call.ask),
            **bedrock_tools(call.ask),
        }
        return signed(call, "converse-stream", body)

    def decoder(self) -> Decoder:
        return FramedDecoder(EventStreamDecoder(), _ConverseStream().events)

    def failure(self, head: ResponseHead, body: bytes) -> Failure | None:
        name, error = head.headers.get("x-amzn-errortype", ""), error_in(body, head.status)
        own = parse_if(_ErrorBody, body)
        if error is None and own and (own.message or own.original_message):
            error = own
        if error is None and not name and head.status == HTTPStatus.OK:
            return None
        message = (error and error.text) or (own and own.original_message) or excerpt(body)
        return _failure_of(name or (error and error.name) or "", message, head.status)

    def header_facts(self, head: ResponseHead) -> HeaderFacts:
        return HeaderFacts(
            request_id=head.headers.get("x-amzn-requestid"),
            retry_after_seconds=retry_after_seconds(head),
        )


class _ConverseStream:
    """Interprets the messages of one stream. ``metadata`` follows ``messageStop`` and is the last;
    the stream is complete when the body then ends."""

    def __init__(self) -> None:
        self._has_metadata = False
        self._blocks = CallBlocks()

    def events(self, message: EventStreamMessage) -> Iterator[Event]:
        match message.text(":message-type"):
            case "exception":
                error = parse_if(_ErrorBody, message.payload) or _ErrorBody()
                detail = error.message or error.original_message or excerpt(message.payload)
                yield Failed(_failure_of(message.text(":exception-type"), detail))
            case "error":
                detail = message.text(":error-message")
                yield Failed(_failure_of(message.text(":error-code"), detail))
            case _:
                yield from self._event(message.text(":event-type"), message.payload)

    def _event(self, kind: str, payload: bytes) -> Iterator[Event]:
        if self._has_metadata:
            return  # content after the end isn't part of the answer
        match kind:
            case "contentBlockStart":
                start = parse(_ContentBlockStart, payload)
                self._blocks.begin(start.content_block_index, start.call)
            case "contentBlockDelta":
                block = parse(_ContentBlockDelta, payload)
                for output in block.delta.outputs() if block.delta else ():
                    yield self._blocks.output(block.content_block_index, output)
            case "contentBlockStop":
                yield from self._blocks.end(parse(_ContentBlock, payload).content_block_index)
            case "messageStop":
                if (reason := parse(_MessageStop, payload).stop_reason) and is_finish(reason):
                    yield from ending(reason, verb="stopped")
            case "metadata":
                self._has_metadata = True
                yield from _metadata_events(parse(_Metadata, payload))


def _metadata_events(metadata: _Metadata) -> Iterator[Event]:
    if metadata.invoked_model:
        yield ModelServed(metadata.invoked_model)
    if metadata.usage and (usage := metadata.usage.normalised()):
        yield UsageReported(usage)


def _failure_of(name: str, message: str, status: int | None = None) -> Failure:
    """Return the failure that an exception's name describes. Errors in a stream have no ``status``.

    A name can have a namespace as a prefix and an address as a suffix
    (``com.amazon.coral.service#ThrottlingException:http://...``). botocore removes both too.
    """
    name = name.partition(":")[0].rpartition("#")[2].strip()
    reason = reason_for([name], message, status, by_code=_REASON_BY_ERROR)
    return Failure(reason, f"{name}: {message}" if name else message, status)


def _signing_region(call: Call[Ask]) -> str:
    named = re.search(r"\bbedrock-runtime(?:-fips)?\.([a-z0-9-]+)\.", call.base_url)
    return call.region or (named[1] if named else _ELSEWHERE)
