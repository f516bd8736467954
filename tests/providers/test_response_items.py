"""The items of an answer in the Responses API, which servers number in different ways."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest

from exporter.providers.calls import ToolCall
from exporter.providers.openai_responses import OpenAIResponses
from tests.providers.golden import calls_in, events_of, sse, text_of

TEXT = "response.output_text"
ARGUMENTS = "response.function_call_arguments"


def text(what: str, **fields: Any) -> dict[str, Any]:
    return {"type": f"{TEXT}.{what}", **fields}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"output_index": 0, "item_id": "a"}, {"output_index": 1, "item_id": "b"}),
        ({"output_index": 0}, {"output_index": 1}),
        ({"item_id": "a"}, {"item_id": "b"}),
        ({"item_id": "a", "content_index": 0}, {"item_id": "a", "content_index": 1}),
        ({}, {}),
    ],
    ids=["both", "position", "ID", "two parts of one item", "nothing"],
)
def test_one_text_is_streamed_and_another_comes_whole(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    body = sse(
        text("delta", delta="On", **first),
        text("delta", delta="e, ", **first),
        text("done", text="One, ", **first),
        text("done", text="two", **second),
    )
    assert text_of(events_of(OpenAIResponses(), body)) == "One, two"


@pytest.mark.parametrize(
    ("delta", "done"),
    [
        ({"output_index": 1, "item_id": "a"}, {"output_index": 2, "item_id": "a"}),
        ({"output_index": 1, "item_id": "a"}, {"output_index": 1, "item_id": "b"}),
        ({"item_id": "a", "content_index": 3}, {"item_id": "a", "content_index": 0}),
    ],
    ids=["vLLM", "GitHub Copilot", "transformers"],
)
def test_a_streamed_text_is_not_repeated_by_its_end(
    delta: dict[str, Any], done: dict[str, Any]
) -> None:
    body = sse(text("delta", delta="One", **delta), text("done", text="One", **done))
    assert text_of(events_of(OpenAIResponses(), body)) == "One"


def test_ids_that_change_with_each_event_take_no_memory() -> None:
    decoder = OpenAIResponses().decoder()
    tracemalloc.start()
    try:
        for number in range(20_000):
            decoder.feed(sse(text("delta", delta="1", item_id=f"{number:0>64}", output_index=0)))
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken < 1 << 20
    end = sse(text("done", text="1" * 20_000, item_id="end", output_index=0))
    assert decoder.feed(end) == []


def start(identity: dict[str, str], **at: int) -> dict[str, Any]:
    item = {"type": "function_call", "arguments": "", **identity}
    return {"type": "response.output_item.added", "item": item, **at}


def piece(item_id: str, text: str, **at: int) -> dict[str, Any]:
    return {"type": f"{ARGUMENTS}.delta", "item_id": item_id, "delta": text, **at}


def whole(item_id: str, arguments: str, **at: int) -> dict[str, Any]:
    return {"type": f"{ARGUMENTS}.done", "item_id": item_id, "arguments": arguments, **at}


def end(arguments: str, identity: dict[str, str], **at: int) -> dict[str, Any]:
    item = {"type": "function_call", "arguments": arguments, **identity}
    return {"type": "response.output_item.done", "item": item, **at}


ADD, SUB = ToolCall("add", '{"a":1}'), ToolCall("sub", '{"b":2}')
# llama.cpp sends no positions, and the ID of a call under another name.
LLAMA = [{"call_id": "fc_1", "name": "add"}, {"call_id": "fc_2", "name": "sub"}]
OPENAI = [{"id": "fc_1", "name": "add"}, {"id": "fc_2", "name": "sub"}]
SAME = [{"id": "fc", "name": "add"}, {"id": "fc", "name": "sub"}]


@pytest.mark.parametrize(
    "events",
    [
        [
            *(start(LLAMA[0]), piece("fc_1", '{"a":'), piece("fc_1", "1}")),
            *(start(LLAMA[1]), piece("fc_2", '{"b":'), piece("fc_2", "2}")),
            *(end(ADD.arguments, LLAMA[0]), end(SUB.arguments, LLAMA[1])),
        ],
        [
            *(start(LLAMA[0]), start(LLAMA[1]), piece("fc_1", '{"a":'), piece("fc_2", '{"b":')),
            *(piece("fc_1", "1}"), piece("fc_2", "2}")),
            *(end(ADD.arguments, LLAMA[0]), end(SUB.arguments, LLAMA[1])),
        ],
        [
            *(start(LLAMA[0]), piece("fc_1", ADD.arguments), end(ADD.arguments, LLAMA[0])),
            *(start(LLAMA[1]), end(SUB.arguments, LLAMA[1])),
        ],
        [
            *(start(SAME[0], output_index=0), piece("fc", ADD.arguments, output_index=0)),
            *(end(ADD.arguments, SAME[0], output_index=0), start(SAME[1], output_index=1)),
            *(piece("fc", SUB.arguments, output_index=1),),
            *(end(SUB.arguments, SAME[1], output_index=1),),
        ],
        [
            *(start(OPENAI[0], output_index=0), whole("fc_1", ADD.arguments, output_index=0)),
            *(end("", OPENAI[0], output_index=0), start(OPENAI[1], output_index=1)),
            *(whole("fc_2", SUB.arguments, output_index=1),),
        ],
        [
            *(start(OPENAI[0], output_index=0), piece("fc_1", ADD.arguments, output_index=0)),
            *(whole("fc_1", ADD.arguments, output_index=0),),
            *(end(ADD.arguments, OPENAI[0], output_index=0),),
            *(whole("fc_2", SUB.arguments, output_index=1),),
            *(end(SUB.arguments, OPENAI[1], output_index=1),),
        ],
        [
            *(start({"id": "fc_1", "call_id": "x", "name": "add"}, output_index=1),),
            *(piece("fc_1", ADD.arguments, output_index=1),),
            # vLLM: another ID of the call, and the position of the next item
            *(end(ADD.arguments, {"item_id": "fc_1", "call_id": "y"}, output_index=2),),
            *(start({"id": "fc_2", "call_id": "z", "name": "sub"}, output_index=2),),
            *(piece("fc_2", SUB.arguments, output_index=2),),
            *(end(SUB.arguments, {"item_id": "fc_2", "call_id": "w"}, output_index=3),),
        ],
    ],
    ids=[
        *("llama.cpp", "at the same time", "one comes whole", "one ID"),
        *("no deltas", "no start", "vLLM"),
    ],
)
def test_arguments_belong_to_the_call_of_their_item(events: list[dict[str, Any]]) -> None:
    assert calls_in(OpenAIResponses(), sse(*events)) == (ADD, SUB)
