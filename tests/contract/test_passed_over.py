"""Our probe ignores what the official SDKs ignore: both get the same bytes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import anthropic
import ollama
import openai
import pytest
from google import genai
from google.genai import types

from tests.contract.probing import probed
from tests.wire import LAST_CHUNK, STREAM_HEAD, chunk, wire_server

KEY = "KEY_OF_THE_FIELD"
ASKED: Any = [{"role": "user", "content": "Count."}]


def sse(event: Mapping[str, Any], name: str = "") -> bytes:
    line = f"event: {name}\n".encode() if name else b""
    return line + b"data: " + json.dumps(event).encode() + b"\n\n"


def chat(url: str) -> str:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0) as client:
        stream = client.chat.completions.create(model="m", messages=ASKED, stream=True)
        return "".join(
            choice.delta.content or "" for part in stream for choice in part.choices or ()
        )


def responses(url: str) -> str:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0) as client:
        stream = client.responses.create(model="m", input="Count.", stream=True)
        return "".join(e.delta for e in stream if e.type == "response.output_text.delta")


def messages(url: str) -> str:
    with anthropic.Anthropic(base_url=url, api_key="k", max_retries=0) as client:
        stream = client.messages.create(model="m", max_tokens=9, messages=ASKED, stream=True)
        deltas = (event.delta for event in stream if event.type == "content_block_delta")
        return "".join(delta.text for delta in deltas if delta.type == "text_delta")


def gemini(url: str) -> str:
    with genai.Client(api_key="k", http_options=types.HttpOptions(base_url=url)) as client:
        stream = client.models.generate_content_stream(model="m", contents="Count.")
        return "".join(part.text or "" for part in stream)


def ollama_chat(url: str) -> str:
    with ollama.Client(host=url) as client:
        parts = client.chat(model="m", messages=ASKED, stream=True)
        return "".join(part.message.content or "" for part in parts)


Speech = tuple[Callable[[str], str], str, Callable[[str], bytes], bytes]

SPEECHES: dict[str, Speech] = {
    "openai": (
        chat,
        "/v1",
        lambda text: sse({"id": "c", "choices": [{"index": 0, "delta": {"content": text}}]}),
        sse({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        + b"data: [DONE]\n\n",
    ),
    "openai_responses": (
        responses,
        "/v1",
        lambda text: sse({"type": "response.output_text.delta", "delta": text}),
        sse({"type": "response.completed", "response": {"id": "r", "status": "completed"}}),
    ),
    "anthropic": (
        messages,
        "",
        lambda text: sse(
            {"type": "content_block_delta", "delta": {"type": "text_delta", "text": text}},
            "content_block_delta",
        ),
        sse({"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, "message_delta")
        + sse({"type": "message_stop"}, "message_stop"),
    ),
    "gemini": (
        gemini,
        "",
        lambda text: sse({"candidates": [{"content": {"parts": [{"text": text}]}}]}),
        sse({"candidates": [{"finishReason": "STOP"}]}),
    ),
    "ollama": (
        ollama_chat,
        "",
        lambda text: (
            json.dumps({"message": {"role": "assistant", "content": text}}).encode() + b"\n"
        ),
        b'{"message":{"role":"assistant","content":""},"done":true,"done_reason":"stop"}\n',
    ),
}

ODDITIES = {
    "comment": b": keep-alive\n\n",
    "empty lines": b"\n\n\n",
    "event without data": b"event: ping\n\n",
    "ping with empty data": b"event: ping\ndata:\n\n",
    "ping in words": b"event: ping\ndata: pong\n\n",
    "empty data": b"data:\n\n",
    "unknown event": b'event: heartbeat\ndata: {"beat":1}\n\n',
    "unknown type": b'event: x\ndata: {"type":"x","y":[1]}\n\n',
    "marker of another API": b"event: done\ndata: [DONE]\n\n",
    "id and retry": b"id: 7\nretry: 9\n\n",
    "number as an id": b'event: x\ndata: {"id":7,"model":8,"object":9,"choices":[]}\n\n',
    "half a pair in an unknown field": b'event: x\ndata: {"type":"x","pad":"\\ud83d"}\n\n',
    "nothing but null": b'event: x\ndata: {"id":null,"choices":null,"usage":null}\n\n',
    "a line of nulls": b'{"model":null,"message":null,"done":null}\n',
    "a number as a model": b'{"model":7,"message":{"role":"assistant","content":""}}\n',
    "half a pair in a line": b'{"model":"\\ud83d","message":{"role":"assistant","content":""}}\n',
}


@pytest.mark.parametrize("provider", SPEECHES)
@pytest.mark.parametrize("oddity", ODDITIES)
async def test_what_the_sdk_passes_over_is_passed_over(
    provider: str, oddity: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY, "key-of-the-field")
    ask, path, said, end = SPEECHES[provider]
    odd = ODDITIES[oddity]
    body = chunk(said("1 ") + odd + said("2") + end)
    with wire_server([STREAM_HEAD, body, LAST_CHUNK]) as server:
        heard = ""
        with suppress(Exception):  # the SDK doesn't ignore it, so our probe needn't
            heard = ask(server.url)
        result = await probed(provider, server.url + path, api_key={"env": KEY})
    if heard == "1 2":
        assert result.failure is None
        assert result.answer == "1 2"
