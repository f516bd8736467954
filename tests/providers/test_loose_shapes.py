"""Fields of another shape than the provider documents, in answers that are otherwise good.

Gateways in PHP and Lua send an empty list for an empty object. Others pass on objects where a text
that contains one should be, or a number where a text should be.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from exporter.providers.anthropic import Anthropic
from exporter.providers.asks import Ranking, Vectors
from exporter.providers.base import (
    Event,
    Failed,
    Finished,
    Output,
    OutputKind,
    Replied,
    RequestIdentified,
    UsageReported,
)
from exporter.providers.calls import ToolCall
from exporter.providers.dashscope import DashScope
from exporter.providers.embeddings import DashScopeEmbeddings, OpenAIEmbeddings
from exporter.providers.gemini import Gemini
from exporter.providers.ollama import Ollama
from exporter.providers.openai import OpenAI
from exporter.providers.openai_responses import OpenAIResponses
from exporter.providers.rerank import OpenAIRerank
from exporter.result import FailureReason, Usage
from tests.providers.golden import calls_in, events_of, sse, text_of


def answered(dialect: Any, body: bytes) -> tuple[str, Usage | None]:
    """Return the text and the usage of an answer without failures."""
    events = events_of(dialect, body)
    assert not [event for event in events if isinstance(event, Failed)]
    usages = [event.usage for event in events if isinstance(event, UsageReported)]
    return text_of(events), usages[-1] if usages else None


def messages(start: object, end: object) -> bytes:
    text = {"type": "text_delta", "text": "Hi"}
    return sse(
        {"type": "message_start", "message": {"id": "m", "usage": start}},
        {"type": "content_block_delta", "index": 0, "delta": text},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": end},
        {"type": "message_stop"},
    )


NOTHING: dict[str, Any] = {"usageMetadata": [], "promptFeedback": []}
HI = {"choices": [{"delta": {"content": "Hi"}}]}
DONE = {"type": "response.completed", "response": {"status": "completed", "usage": []}}


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        (OpenAI(), sse({**HI, "usage": []})),
        (OpenAI(), sse({**HI, "x_groq": {"usage": []}})),
        (OpenAIResponses(), sse({"type": "response.output_text.delta", "delta": "Hi"}, DONE)),
        (Anthropic(), messages([], [])),
        (DashScope(), sse({"output": {"text": "Hi"}, "usage": []})),
        (Gemini(), sse({"candidates": [{"content": {"parts": [{"text": "Hi"}]}}]} | NOTHING)),
    ],
)
def test_an_empty_list_in_place_of_the_usage_is_no_usage(dialect: Any, body: bytes) -> None:
    assert answered(dialect, body) == ("Hi", None)


@pytest.mark.parametrize(
    ("dialect", "chunk"),
    [
        (OpenAI(), {"choices": [{"delta": [], "finish_reason": "stop"}]}),
        (Gemini(), {"candidates": [{"content": [], "finishReason": "stop"}]}),
        (DashScope(), {"output": {"choices": [{"message": [], "finish_reason": "stop"}]}}),
    ],
)
def test_an_empty_list_in_place_of_the_last_piece_is_no_output(
    dialect: Any, chunk: dict[str, Any]
) -> None:
    """Bailu sends it before and at the end."""
    assert Finished("stop") in events_of(dialect, sse(chunk))


@pytest.mark.parametrize(
    ("start", "end", "usage"),
    [
        ({"input_tokens": 9}, {"input_tokens": 0, "output_tokens": 4}, Usage(9, 4)),
        (
            {"input_tokens": 9, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 20},
            {
                "input_tokens": 0,
                "cache_read_input_tokens": 0,
                "cache_creation_input_tokens": 0,
                "output_tokens": 4,
            },
            Usage(129, 4, cached_input=100, cache_write=20),
        ),
        ({"input_tokens": 0}, {"input_tokens": 9, "output_tokens": 4}, Usage(9, 4)),
        ({"input_tokens": 9, "output_tokens": 1}, {"output_tokens": 0}, Usage(9, 0)),
        # An end that counts input is the whole truth: its zeros correct an estimate.
        (
            {"input_tokens": 25},
            {"input_tokens": 0, "cache_read_input_tokens": 25, "output_tokens": 4},
            Usage(25, 4, cached_input=25),
        ),
        (
            {"input_tokens": 5, "cache_read_input_tokens": 90},
            {"input_tokens": 95, "cache_read_input_tokens": 0, "output_tokens": 4},
            Usage(95, 4),
        ),
    ],
)
def test_an_input_of_zero_at_the_end_takes_nothing_back(
    start: dict[str, int], end: dict[str, int], usage: Usage
) -> None:
    assert answered(Anthropic(), messages(start, end)) == ("Hi", usage)


def vectors(*items: dict[str, Any], **fields: Any) -> bytes:
    return json.dumps({"data": items, **fields}).encode()


ONE: list[Event] = [Replied(Vectors(((1.0, 0.0),)))]
ITEM = {"index": 0, "embedding": [1.0, 0.0]}


@pytest.mark.parametrize(
    ("body", "before", "after"),
    [
        (vectors(ITEM, id=7), [RequestIdentified("7")], []),
        (vectors(ITEM, model={"name": "m"}), [], []),
        (vectors(ITEM, usage=[]), [], []),
        (vectors({**ITEM, "index": None}, usage={"total_tokens": 9}), [], [Usage(9, 0)]),
    ],
)
def test_vectors_are_read_whatever_stands_beside_them(
    body: bytes, before: list[Event], after: list[Usage]
) -> None:
    events = events_of(OpenAIEmbeddings(), body)[:-1]
    assert events == [*before, *ONE, *map(UsageReported, after)]


def test_vectors_without_an_index_keep_their_order() -> None:
    items = [{"index": None, "embedding": [float(number)]} for number in range(3)]
    (replied, _) = events_of(OpenAIEmbeddings(), vectors(*items))
    assert replied == Replied(Vectors(((0.0,), (1.0,), (2.0,))))
    output = {"embeddings": [{"text_index": None, "embedding": [1.0]}]}
    body = json.dumps({"output": output, "usage": [], "request_id": 7}).encode()
    assert Replied(Vectors(((1.0,),))) in events_of(DashScopeEmbeddings(), body)


def test_a_ranking_is_read_whatever_stands_beside_it() -> None:
    results = [{"index": 1, "relevance_score": 0.1}, {"index": 0, "relevance_score": 0.9}]
    body = json.dumps({"id": 7, "model": 8, "usage": [], "results": results}).encode()
    assert Replied(Ranking((0, 1))) in events_of(OpenAIRerank(), body)


def chat_call(*pieces: object) -> bytes:
    return sse(
        *(
            {"choices": [{"delta": {"tool_calls": [{"index": 0, "function": function}]}}]}
            for function in pieces
        ),
        {"choices": [{"delta": {}, "finish_reason": "tool_calls"}]},
    )


def response_call(arguments: object) -> bytes:
    item = {"type": "function_call", "name": "add", "arguments": arguments}
    return sse({"type": "response.output_item.done", "output_index": 0, "item": item}, DONE)


ADD = ToolCall("add", '{"a": 1}')


@pytest.mark.parametrize(
    ("dialect", "body", "call"),
    [
        (OpenAI(), chat_call({"name": "add", "arguments": {"a": 1}}), ADD),
        (OpenAI(), chat_call({"name": "add", "arguments": {}}), ToolCall("add", "")),
        (OpenAI(), chat_call({"name": "add", "arguments": "{}"}), ToolCall("add", "{}")),
        # Envoy's AI gateway and servers that decode the arguments begin with an empty object.
        (OpenAI(), chat_call({"name": "add", "arguments": "{}"}, {"arguments": '{"a": 1}'}), ADD),
        (OpenAI(), chat_call({"name": "add", "arguments": {}}, {"arguments": '{"a": 1}'}), ADD),
        (OpenAIResponses(), response_call({"a": 1}), ADD),
        (OpenAIResponses(), response_call('{"a": 1}'), ADD),
    ],
)
def test_arguments_can_be_an_object_or_begin_with_an_empty_one(
    dialect: Any, body: bytes, call: ToolCall
) -> None:
    assert calls_in(dialect, body) == (call,)


def block(kind: str, at: int, **fields: Any) -> dict[str, Any]:
    return {"type": f"content_block_{kind}", "index": at, **fields}


def tool_block(at: int, name: str, **identity: str) -> dict[str, Any]:
    return block("start", at, content_block={"type": "tool_use", "name": name, **identity})


def argument(at: int, text: str) -> dict[str, Any]:
    return block("delta", at, delta={"type": "input_json_delta", "partial_json": text})


@pytest.mark.parametrize(
    "blocks",
    [
        [tool_block(0, "add"), tool_block(1, "sub"), argument(0, "{}"), argument(1, "[]")],
        [
            *(tool_block(0, "add"), argument(0, "{"), tool_block(1, "sub")),
            *(argument(0, "}"), argument(1, "[]"), block("stop", 0), block("stop", 1)),
        ],
        [
            *(tool_block(0, "add"), block("stop", 0), tool_block(1, "sub"), block("stop", 1)),
            *(argument(0, "{}"), argument(1, "[]")),
        ],
        [
            *(tool_block(0, "add"), argument(0, "{}"), block("stop", 0)),
            *(tool_block(0, "sub"), argument(0, "[]"), block("stop", 0)),
        ],
        [
            *(tool_block(0, "add", id="x"), argument(0, "{}"), block("stop", 0)),
            *(tool_block(0, "sub", id="x"), argument(0, "[]"), block("stop", 0)),
        ],
    ],
    ids=["both", "overlapping", "after the end", "one index", "one index and ID"],
)
def test_arguments_belong_to_the_block_of_their_index(blocks: list[dict[str, Any]]) -> None:
    """Gateways in front of servers that call several tools at once mix their pieces."""
    assert calls_in(Anthropic(), sse(*blocks)) == (ToolCall("add", "{}"), ToolCall("sub", "[]"))


@pytest.mark.parametrize(
    ("kind", "text", "output"),
    [
        ("response.output_text", {"text": "Hi"}, Output(OutputKind.ANSWER, "Hi")),
        ("response.refusal", {"refusal": "No"}, Output(OutputKind.REFUSAL, "No")),
        ("response.reasoning_text", {"text": "Hm"}, Output(OutputKind.REASONING, "Hm")),
        ("response.reasoning_summary_text", {"text": "Hm"}, Output(OutputKind.REASONING, "Hm")),
    ],
)
def test_a_text_that_comes_only_as_a_whole_is_output_once(
    kind: str, text: dict[str, str], output: Output
) -> None:
    whole = {"type": f"{kind}.done", **text}
    pieces = [{"type": f"{kind}.delta", "delta": character} for character in output.text]
    assert events_of(OpenAIResponses(), sse(whole))[:1] == [output]
    streamed = events_of(OpenAIResponses(), sse(*pieces, whole))
    assert [event.text for event in streamed if isinstance(event, Output)] == list(output.text)
    assert events_of(OpenAIResponses(), sse({"type": f"{kind}.done", "text": ""})) == []


@pytest.mark.parametrize("word", ["cancelled", "canceled"])
def test_a_response_that_was_cancelled_has_ended_and_failed(word: str) -> None:
    body = sse({"type": f"response.{word}", "response": {"status": word}})
    events = events_of(OpenAIResponses(), body)
    (failed,) = [event.failure for event in events if isinstance(event, Failed)]
    assert failed.reason is FailureReason.SERVER_ERROR
    assert word in failed.detail


def test_other_dialects_take_an_object_or_a_text_as_arguments() -> None:
    called = {"function": {"name": "add", "arguments": '{"a": 1}'}}
    line = json.dumps({"message": {"tool_calls": [called]}, "done": True}).encode()
    assert events_of(Ollama(), line)[0] == Output(OutputKind.TOOL, '{"a": 1}')
    part = {"functionCall": {"name": "add", "args": {"a": 1}}}
    chunk = sse({"candidates": [{"content": {"parts": [part]}, "finishReason": "STOP"}]})
    assert events_of(Gemini(), chunk)[0] == Output(OutputKind.TOOL, '{"a": 1}')
