"""OpenAI's Responses API, and all servers that are compatible with it.

Sources: the OpenAI API reference (responses-streaming), OpenAI's Python SDK, and captured responses
of compatible servers. Comments name the server where its quirk is handled.
"""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from itertools import count

from pydantic import AliasChoices, Field

from exporter.providers.asks import ChatAsk
from exporter.providers.base import (
    Call,
    Decoder,
    Ended,
    Event,
    Failed,
    Finished,
    ModelServed,
    Output,
    OutputKind,
    RequestIdentified,
    UsageReported,
)
from exporter.providers.calls import Arguments, CallPiece
from exporter.providers.endings import ending
from exporter.providers.error_body import ErrorMember, ErrorObject, Text
from exporter.providers.error_words import plain
from exporter.providers.framing import FramedDecoder
from exporter.providers.framing.sse import ServerSentEvent
from exporter.providers.framing.sse_or_json import SseOrJsonDecoder
from exporter.providers.greedy import likelihoods, responses_greedy
from exporter.providers.openai import END_MARKER, OpenAI
from exporter.providers.openai_errors import explain, failure_of
from exporter.providers.presets import Preset
from exporter.providers.tools import responses_tools
from exporter.providers.turns import data_url, messages
from exporter.providers.usage import InputOutputUsage
from exporter.providers.wire import IfObject, LenientCount, Wire, excerpt, parse

_SUMMARY = "response.reasoning_summary_text.delta"
_ARGUMENTS = "response.function_call_arguments.delta"
_ADDED = "response.output_item.added"
_MAX_ITEMS = 256
"""The most items whose positions are remembered. Answers have a few."""

_KIND_BY_DELTA = {
    "response.reasoning_text.delta": OutputKind.REASONING,  # open-weight models
    _SUMMARY: OutputKind.REASONING,
    "response.output_text.delta": OutputKind.ANSWER,
    "response.refusal.delta": OutputKind.REFUSAL,
    _ARGUMENTS: OutputKind.TOOL,
    "response.custom_tool_call_input.delta": OutputKind.TOOL,
    "response.mcp_call_arguments.delta": OutputKind.TOOL,
    "response.code_interpreter_call_code.delta": OutputKind.TOOL,
    "response.shell_call_command.delta": OutputKind.TOOL,
}

_DELTA_BY_DONE = {
    "response.reasoning_text.done": "response.reasoning_text.delta",
    "response.reasoning_summary_text.done": _SUMMARY,
    "response.output_text.done": "response.output_text.delta",
    "response.refusal.done": "response.refusal.delta",
}
"""The deltas that an event repeats as a whole. Some servers send only that event."""

_TERMINALS = frozenset(
    {
        "response.completed",
        "response.incomplete",
        "response.failed",
        "response.cancelled",
        "response.canceled",
        "error",
    }
)


class _IncompleteDetails(Wire):
    reason: Text = None


class _Response(Wire):
    id: Text = None
    model: Text = None
    status: Text = None
    error: ErrorMember = None
    incomplete_details: _IncompleteDetails | None = None
    usage: IfObject[InputOutputUsage] = None

    def facts(self) -> Iterator[Event]:
        """Yield the response's ID and model, and the usage so far."""
        if self.id:
            yield RequestIdentified(self.id)
        if self.model:
            yield ModelServed(self.model)
        if self.usage and (usage := self.usage.normalised()):
            yield UsageReported(usage)


class _Item(Wire):
    type: Text = None
    id: Text = None
    item_id: Text = None  # some versions of vLLM, at the end of a call
    call_id: Text = None
    name: Text = None
    arguments: Arguments = ""

    @property
    def identity(self) -> str | None:
        """What the deltas of this item have as ``item_id``. llama.cpp repeats the ``call_id``."""
        return self.id or self.item_id or self.call_id


class _Event(ErrorObject):
    """Responses API event"""

    # An error event is an error object (as in the API reference), or contains one.
    delta: object = None  # a string for output, but an object for the output of a shell
    whole: object = Field(None, validation_alias=AliasChoices("text", "refusal", "arguments"))
    item: IfObject[_Item] = None
    item_id: Text = None
    output_index: LenientCount | None = None
    logprobs: object = None
    response: _Response | None = None
    error: ErrorMember = None
    usage: IfObject[InputOutputUsage] = None  # gateways that put it outside the response

    @property
    def problem(self) -> ErrorObject | str:
        return self.error or ErrorObject(code=self.code, message=self.message)

    @property
    def identity(self) -> str | None:
        """The ID of the item that this event is about."""
        return self.item_id or (self.item.identity if self.item else None)


class OpenAIResponses(OpenAI):
    """The ``openai_responses`` dialect. Hosts, headers, and errors are those of Chat
    Completions."""

    _path = "/responses"

    def _body(self, call: Call[ChatAsk]) -> dict[str, object]:
        padding = {"stream_options": {"include_obfuscation": False}}
        return {
            "model": call.model,
            "input": _input(call.ask),
            "text": _text(call.ask),
            "reasoning": {"effort": call.ask.effort} if call.ask.effort else None,
            "stream": True,
            "store": False,
            "max_output_tokens": call.ask.max_output_tokens,
            **responses_tools(call.ask),
            **responses_greedy(call.ask),
            **(padding if self._preset.pads_chunks else {}),
        }

    def decoder(self) -> Decoder:
        return FramedDecoder(SseOrJsonDecoder(), _ResponseStream(self._preset).events)


def _input(ask: ChatAsk) -> object:
    if not (ask.system or ask.earlier or ask.picture):
        return ask.prompt
    return messages(
        ask,
        lambda it: {"type": "input_image", "image_url": data_url(it), "detail": "auto"},
        text_type="input_text",
    )


def _text(ask: ChatAsk) -> object:
    if ask.json_schema is None:
        return None
    schema = {"name": "answer", "strict": True, "schema": ask.json_schema}
    return {"format": {"type": "json_schema", **schema}}


class _ResponseStream:
    """Interprets the events of one stream, up to the terminal event."""

    def __init__(self, preset: Preset) -> None:
        self._preset = preset
        self._over = False
        self._numbers = count()
        """Positions of items that came without one."""
        self._places: dict[str, int] = {}
        """The positions of the items in the answer, by their IDs."""
        self._streamed: set[tuple[str, int | None]] = set()
        """The kinds of deltas that came, each with the position of its item."""
        self._names: dict[int | None, str | None] = {}
        """The names of the called tools, by position."""

    def events(self, message: ServerSentEvent) -> Iterator[Event]:
        # OpenAI sends no [DONE]. If one comes, it proves nothing: only the terminal event does.
        if self._over or message.data.strip().startswith(END_MARKER):
            return
        if message.is_bare:
            if failure := explain(HTTPStatus.OK, message.data, self._preset):
                yield Failed(failure)
        elif message.is_error_in_words:
            yield Failed(failure_of(excerpt(message.data), message.status, self._preset))
        elif message.is_ours:
            event = parse(_Event, message.data)
            kind = event.type or message.event
            yield from self._meaning(kind, event)
            if kind in _TERMINALS:
                self._over = True
                yield Ended()

    def _meaning(self, kind: str, event: _Event) -> Iterator[Event]:
        if output := _KIND_BY_DELTA.get(kind):
            if isinstance(event.delta, str) and event.delta:
                yield self._delta(kind, output, event.delta, self._place(kind, event))
                yield from likelihoods(event.logprobs)
        elif delta := _DELTA_BY_DONE.get(kind):
            is_streamed = self._ends(delta, self._place(kind, event))
            if isinstance(event.whole, str) and event.whole and not is_streamed:
                yield Output(_KIND_BY_DELTA[delta], event.whole, is_summary=delta == _SUMMARY)
        elif kind == "response.function_call_arguments.done":
            yield from self._arguments(event.whole, self._place(kind, event))
        elif event.item and event.item.type == "function_call":
            yield from self._call(kind, event.item, self._place(kind, event))
        elif kind == "error" or event.error:
            yield Failed(failure_of(event.problem, preset=self._preset))
        else:
            response = event.response or _Response()
            yield from response.facts()
            if event.usage and (usage := event.usage.normalised()):
                yield UsageReported(usage)
            if kind in _TERMINALS:
                yield from self._end(response, response.status or kind.removeprefix("response."))

    def _place(self, kind: str, event: _Event) -> int | None:
        """Return the position of the item that an event is about: the first one that came with
        its ID.

        llama.cpp sends only IDs. Some versions of vLLM end an item with the position of the next
        one. GitHub Copilot gives each event another ID.
        """
        at, identity = event.output_index, event.identity
        if identity is None:
            return at
        place = None if kind == _ADDED else self._places.get(identity)
        if place is None:
            place = next(self._numbers) if at is None else at
            if len(self._places) < _MAX_ITEMS:
                self._places[identity] = place
        return place

    def _delta(self, kind: str, output: OutputKind, text: str, at: int | None) -> Output:
        if len(self._streamed) < _MAX_ITEMS:
            self._streamed.add((kind, at))
        call = CallPiece(self._names.get(at), text, at) if kind == _ARGUMENTS else None
        return Output(output, text, is_summary=kind == _SUMMARY, call=call)

    def _ends(self, delta: str, at: int | None) -> bool:
        """Return whether deltas of this kind came for the part that ends. The item can have another
        part."""
        is_streamed = (delta, at) in self._streamed
        self._streamed.discard((delta, at))
        return is_streamed

    def _arguments(self, whole: object, at: int | None) -> Iterator[Event]:
        """Handle whole arguments, which some models send without deltas (gpt-5.3-codex-spark)."""
        is_new = self._names.get(at) and (_ARGUMENTS, at) not in self._streamed
        if isinstance(whole, str) and whole and is_new:
            yield self._delta(_ARGUMENTS, OutputKind.TOOL, whole, at)

    def _call(self, kind: str, item: _Item, at: int | None) -> Iterator[Event]:
        """Handle the start or the end of a call. Some servers stream nothing in between."""
        if kind == _ADDED:
            self._names[at] = item.name
        elif kind == "response.output_item.done" and not self._ends(_ARGUMENTS, at):
            call = CallPiece(item.name, item.arguments, at)
            if text := call.arguments or call.name:
                yield Output(OutputKind.TOOL, text, call=call)

    def _end(self, response: _Response, status: str) -> Iterator[Event]:
        """Yield why generation stopped: the status, or the details of an incomplete response."""
        details = response.incomplete_details
        reason = (details and details.reason) or status
        if plain(status) in ("failed", "cancelled", "canceled") and reason == status:
            error = response.error or f"the response was {status} without an error"
            yield Finished(reason)
            yield Failed(failure_of(error, preset=self._preset))
        else:
            counts = self._preset.counts_stop_token
            yield from ending(reason, status, counts_stop_token=counts)
