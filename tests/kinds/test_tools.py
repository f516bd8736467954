"""The kind ``chat`` with tools. Each provider's own SDK sends requests to the simulator and reads
the tool call. Our probe reads the same, and checks it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import anthropic
import boto3
import dashscope
import httpx
import ollama
import openai
import pytest
from dashscope.api_entities.http_request import close_shared_sync_session
from google import genai
from google.genai import types as genai_types
from pydantic import ValidationError

from exporter.config.root import Config
from exporter.kinds import Chat, Kind
from exporter.net.kernel_clock import Arrival
from exporter.probing.record import StreamRecord
from exporter.providers import PROVIDERS
from exporter.providers.base import Call, Ended, Event, Output, OutputKind
from exporter.providers.calls import CallPiece, ToolCall
from exporter.result import FailureReason
from tests.kinds.rig import KEY, ask, simulator, speakers
from tests.providers.golden import events_of, fixture

PROMPT = "What is the weather in Paris?"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
WEATHER = {"name": "get_weather", "description": "Tells the weather.", "parameters": SCHEMA}
TIME = {"name": "get_time"}
PROBE: dict[str, Any] = {
    "prompt": PROMPT,
    "tools": [WEATHER, TIME],
    "expect": {"tool": {"name": "get_weather", "arguments": {"city": "Paris"}}},
}
CALLED = ("get_weather", {"city": "Paris", "days": 2})
SCRIPT: dict[str, Any] = {
    "tool_call": ToolCall("get_weather", '{"city": "Paris", "days": 2}'),
    "first_token_seconds": 0.01,
    "token_gap_seconds": 0.001,
    "reasoning_tokens": 2,
}
OPENAI_TOOL: Any = {"type": "function", "function": {**WEATHER, "strict": True}}

GENERATE: Any = dashscope.Generation.call

Read = tuple[str, dict[str, Any]]


async def _openai(url: str) -> Read:
    async with (
        openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0) as client,
        client.chat.completions.stream(
            model="m",
            messages=[{"role": "user", "content": PROMPT}],
            tools=[OPENAI_TOOL],
        ) as stream,
    ):
        completion = await stream.get_final_completion()
    (call,) = completion.choices[0].message.tool_calls or []
    assert completion.choices[0].finish_reason == "tool_calls"
    return call.function.name, json.loads(call.function.arguments)


async def _azure(url: str) -> Read:
    """Assemble the chunks here, because the SDK's own way fails on Azure's annotations."""
    client = openai.AsyncAzureOpenAI(
        azure_endpoint=url, api_version="2024-10-21", api_key=KEY, max_retries=0
    )
    async with client:
        chunks = await client.chat.completions.create(
            model="m",
            messages=[{"role": "user", "content": PROMPT}],
            tools=[OPENAI_TOOL],
            stream=True,
        )
        choices = [choice async for chunk in chunks for choice in chunk.choices]
    deltas: list[Any] = [choice.delta for choice in choices]  # None next to an annotation
    told = [call.function for delta in deltas if delta for call in delta.tool_calls or ()]
    names = [function.name for function in told if function and function.name]
    written = "".join(function.arguments or "" for function in told if function)
    return names[0], json.loads(written)


async def _responses(url: str) -> Read:
    async with (
        openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0) as client,
        client.responses.stream(
            model="m",
            input=PROMPT,
            tools=[{"type": "function", **WEATHER, "strict": True}],  # type: ignore[list-item]
        ) as stream,
    ):
        response = await stream.get_final_response()
    (call,) = [item for item in response.output if item.type == "function_call"]
    return call.name, json.loads(call.arguments)


async def _anthropic(url: str) -> Read:
    tool: Any = {"name": "get_weather", "input_schema": SCHEMA}
    async with (
        anthropic.AsyncAnthropic(base_url=url, api_key=KEY, max_retries=0) as client,
        client.messages.stream(
            model="m",
            max_tokens=64,
            messages=[{"role": "user", "content": PROMPT}],
            tools=[tool],
        ) as stream,
    ):
        message = await stream.get_final_message()
    (block,) = [block for block in message.content if block.type == "tool_use"]
    assert message.stop_reason == "tool_use"
    return block.name, dict(block.input)


async def _bedrock(url: str) -> Read:
    return await asyncio.to_thread(_with_boto3, url)


def _with_boto3(url: str) -> Read:
    client = boto3.client(
        "bedrock-runtime",
        "us-east-1",
        endpoint_url=url,
        aws_access_key_id=KEY,
        aws_secret_access_key="simulated",
    )
    spec = {"name": "get_weather", "inputSchema": {"json": SCHEMA}}
    with closing(client):
        answer = client.converse_stream(
            modelId="m",
            messages=[{"role": "user", "content": [{"text": PROMPT}]}],
            toolConfig={"tools": [{"toolSpec": spec}]},
        )
        with closing(answer["stream"]) as stream:
            events = list(stream)
    starts = [
        event["contentBlockStart"]["start"] for event in events if "contentBlockStart" in event
    ]
    deltas = [
        event["contentBlockDelta"]["delta"] for event in events if "contentBlockDelta" in event
    ]
    written = "".join(delta["toolUse"]["input"] for delta in deltas if "toolUse" in delta)
    return starts[0]["toolUse"]["name"], json.loads(written)


async def _dashscope(url: str) -> Read:
    def asked() -> list[Any]:
        return list(
            GENERATE(
                model="m",
                messages=[{"role": "user", "content": PROMPT}],
                api_key=KEY,
                base_address=f"{url}/api/v1",
                result_format="message",
                incremental_output=True,
                stream=True,
                tools=[{"type": "function", "function": WEATHER}],
            )
        )

    try:
        responses = await asyncio.to_thread(asked)
    finally:
        close_shared_sync_session()
    messages = [response.output.choices[0].message for response in responses]
    told = [call for message in messages for call in message.get("tool_calls") or ()]
    names = [call["function"].get("name") for call in told]
    written = "".join(call["function"]["arguments"] for call in told)
    return names[0], json.loads(written)


async def _gemini(url: str) -> Read:
    tool = genai_types.FunctionDeclaration(name="get_weather", parameters_json_schema=SCHEMA)
    config = genai_types.GenerateContentConfig(
        tools=[genai_types.Tool(function_declarations=[tool])],
        automatic_function_calling=genai_types.AutomaticFunctionCallingConfig(disable=True),
    )
    async with httpx.AsyncClient() as http:
        options = genai_types.HttpOptions(base_url=url, httpx_async_client=http)
        client = genai.Client(api_key=KEY, http_options=options)
        stream = await client.aio.models.generate_content_stream(
            model="m", contents=PROMPT, config=config
        )
        chunks = [chunk async for chunk in stream]
    (call,) = [call for chunk in chunks for call in chunk.function_calls or ()]
    return call.name or "", dict(call.args or {})


async def _ollama(url: str) -> Read:
    headers = {"authorization": f"Bearer {KEY}"}
    async with ollama.AsyncClient(host=url, headers=headers) as client:
        lines = await client.chat(
            model="m",
            messages=[{"role": "user", "content": PROMPT}],
            tools=[{"type": "function", "function": WEATHER}],
            stream=True,
        )
        told = [line async for line in lines]
    (call,) = [call for line in told for call in line.message.tool_calls or ()]
    return call.function.name, dict(call.function.arguments)


SDKS: dict[str, Callable[[str], Awaitable[Read]]] = {
    "openai": _openai,
    "vllm": _openai,
    "azure": _azure,
    "openai_responses": _responses,
    "anthropic": _anthropic,
    "bedrock": _bedrock,
    "dashscope": _dashscope,
    "gemini": _gemini,
    "ollama": _ollama,
}


def test_every_chat_can_have_tools() -> None:
    assert set(SDKS) == set(speakers(Kind.CHAT))


@pytest.mark.parametrize("provider", SDKS)
async def test_the_sdk_and_our_probe_read_the_same_call(provider: str, tmp_path: Path) -> None:
    async with simulator(**SCRIPT) as server:
        read = await SDKS[provider](server.url)
        result = await ask(server, provider, Chat.model_validate(PROBE), tmp_path)
    assert read == CALLED
    assert result.failure is None
    name, _, arguments = result.answer.partition("(")
    assert (name, json.loads(arguments.removesuffix(")"))) == CALLED
    assert result.time_to_first_token_seconds is not None
    assert result.time_to_first_answer_token_seconds is None
    assert result.time_per_output_token_seconds is None  # it counts unsent tokens


async def test_a_model_that_answers_in_words_called_no_tool(tmp_path: Path) -> None:
    async with simulator(**(SCRIPT | {"tool_call": None})) as server:
        result = await ask(server, "openai", Chat.model_validate(PROBE), tmp_path)
    assert result.failure is not None
    assert result.failure.reason is FailureReason.WRONG_ANSWER
    assert result.failure.detail == "the model called no tool"


REQUIRED: dict[str, tuple[str, Any]] = {
    "openai": ("tool_choice", "required"),
    "vllm": ("tool_choice", "required"),
    "azure": ("tool_choice", "required"),
    "openai_responses": ("tool_choice", "required"),
    "anthropic": ("tool_choice", {"type": "any"}),
    "bedrock": ("toolConfig.toolChoice", {"any": {}}),
    "dashscope": (
        "parameters.tool_choice",
        {"type": "function", "function": {"name": "get_weather"}},
    ),
    "gemini": ("toolConfig.functionCallingConfig", {"mode": "ANY"}),
    "ollama": ("tool_choice", None),
}


@pytest.mark.parametrize("provider", REQUIRED)
@pytest.mark.parametrize("choice", ["auto", "required"])
def test_a_call_is_required_in_each_ones_words(provider: str, choice: str) -> None:
    probe = Chat.model_validate({"prompt": "a", "tools": [WEATHER], "tool_choice": choice})
    row = PROVIDERS[provider]
    call = Call("m", probe.ask("a", "00"), "https://host.example", api_key="k")
    value = json.loads(row.dialect(row.server(None, None), Kind.CHAT).request(call).body)
    path, wanted = REQUIRED[provider]
    for name in path.split("."):
        value = (value or {}).get(name)
    assert value == (wanted if choice == "required" else None)


def judged(probe: dict[str, Any], *calls: CallPiece) -> str | None:
    chat, record = Chat.model_validate(probe), StreamRecord()
    told: list[Event] = [Output(OutputKind.TOOL, "x", call=call) for call in calls]
    record.take([*told, Ended()], Arrival(1, None))
    call = Call("m", chat.ask("a", "00"), "https://host.example")
    failure = chat.judge(record, call)
    assert failure is None or failure.reason is FailureReason.WRONG_ANSWER
    return failure.detail if failure else None


RIGHT = CallPiece("get_weather", '{"city":"Paris","days":2}')
WRONG = [
    (CallPiece("get_weather", '{"city":"Paris"'), "'get_weather', but the call is not JSON"),
    (CallPiece("get_weather", ""), "'get_weather', but the call does not match the schema: "),
    (CallPiece("get_weather", '{"city":"Rome","days":0}'), "but days does not match the schema"),
    (CallPiece("get_wether", "{}"), "'get_wether', which is not one of the tools"),
    (CallPiece("get_time"), "'get_time', not 'get_weather'"),
    (
        CallPiece("get_weather", '{"city":"Rome","days":1}'),
        """with {"city":"Rome","days":1}, not with {"city": "Paris"}""",
    ),
]


def test_the_name_and_the_arguments_are_judged() -> None:
    assert judged(PROBE, RIGHT) is None
    assert judged(PROBE, CallPiece("get_time"), RIGHT) is None
    assert judged({"prompt": "a", "tools": [TIME]}, CallPiece("get_time")) is None
    for piece, wrong in WRONG:
        assert wrong in (judged(PROBE, piece) or "")


def calls_of(provider: str, name: str) -> list[tuple[str, str]]:
    row = PROVIDERS[provider]
    record = StreamRecord()
    dialect = row.dialect(row.server(None, None), Kind.CHAT)
    record.take(events_of(dialect, fixture(provider, name)), Arrival(1, None))
    assert record.failure is None
    return [(call.name, call.arguments) for call in record.calls]


@pytest.mark.parametrize(
    ("provider", "name", "calls"),
    [
        ("openai", "tool_calls", [("add", '{"a":1}')]),
        ("openai", "tool_calls_in_parallel", [("add", '{"a":1}'), ("now", "{}")]),
        ("openai", "tool_calls_of_one_index", [("add", '{"a":1}'), ("add", '{"a":2}')]),
        ("openai", "tool_calls_with_repeated_names", [("add", '{"a":1}')]),
        ("anthropic", "tool_use", [("f", '{"a":1}')]),
        ("anthropic", "tool_use_without_arguments", [("now", ""), ("add", '{"a": 1}')]),
        ("bedrock", "tool_use", [("f", '{"a":1}')]),
        ("openai_responses", "function_call", [("f", '{"a":1}')]),
        ("openai_responses", "function_call_in_one_piece", [("f", '{"a":1}')]),
        ("dashscope", "tool_calls", [("f", '{"a":1}')]),
        ("gemini", "tool_call", [("add", '{"a": 1, "b": "é"}'), ("now", "")]),
        ("ollama", "tool_call", [("add", '{"a": 1, "b": "é"}'), ("now", "")]),
    ],
)
def test_calls_are_put_together_as_the_server_tells_them(
    provider: str, name: str, calls: list[tuple[str, str]]
) -> None:
    assert calls_of(provider, name) == calls


@pytest.mark.parametrize(
    ("probe", "wrong"),
    [
        ({"tools": [TIME, TIME]}, "two tools are named 'get_time'"),
        ({"tools": [{"name": "a b"}]}, "String should match pattern"),
        (
            {"tools": [{"name": "a", "parameters": {"type": "objekt"}}]},
            "is not a valid JSON Schema",
        ),
        ({"tools": [TIME], "json_schema": {}}, "an answer is a call of a tool, or keeps a schema"),
        ({"tool_choice": "required"}, "there are no tools; add tools"),
        ({"expect": {"tool": {"name": "f"}}}, "there is no tool 'f'; add it to tools"),
        ({"tools": [TIME], "expect": {"tool": {"name": "f"}}}, "there is no tool 'f'"),
    ],
)
def test_mistakes(probe: dict[str, Any], wrong: str) -> None:
    with pytest.raises(ValidationError, match=wrong):
        Config.model_validate({"probes": {"p": {"prompt": "a", **probe}}})


def test_tools_are_paid_for() -> None:
    plain, full = Chat(prompt=PROMPT), Chat.model_validate(PROBE)
    assert full.size.longest_input_bytes > plain.size.longest_input_bytes + 200
