"""The kind ``chat`` with dialogues, pictures, schemas, and reasoning. Each provider's own SDK
accepts the requests as its own, and the answers are checked."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import anthropic.types
import botocore.session
import botocore.validate
import ollama
import openai.types.chat.completion_create_params as openai_chat
import openai.types.responses.response_create_params as openai_responses
import pytest
from google.genai import types as genai_types
from pydantic import TypeAdapter, ValidationError

from exporter.config.root import Config
from exporter.kinds import CachedPrefix, Chat, Kind
from exporter.kinds.picture import code_of, drawn, load_picture
from exporter.net.kernel_clock import Arrival
from exporter.probing.record import StreamRecord
from exporter.providers import PROVIDERS
from exporter.providers.asks import ChatAsk, Reasoning
from exporter.providers.base import Call, Ended, Output, OutputKind
from exporter.result import FailureReason
from exporter.settings.mistakes import ConfigError

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "people": {"type": "integer", "minimum": 1}},
    "required": ["city", "people"],
    "additionalProperties": False,
}
DIALOGUE = [
    {"role": "system", "content": "Answer briefly."},
    {"role": "user", "content": "Who wrote Faust?"},
    {"role": "assistant", "content": "Goethe."},
    {"role": "user", "content": "When?"},
]
PROBES: dict[str, dict[str, Any]] = {
    "dialogue": {"messages": DIALOGUE},
    "picture": {"prompt": "Which number is in the picture?", "image": "code"},
    "schema": {"prompt": "Name a city.", "json_schema": SCHEMA},
    "thought": {"prompt": "Think.", "reasoning": "low"},
    "no thought": {"prompt": "Do not think.", "reasoning": "none"},
    "tools": {
        "prompt": "Call one.",
        "tools": [{"name": "now"}, {"name": "add", "description": "Adds.", "parameters": SCHEMA}],
        "tool_choice": "required",
    },
    "all": {
        "messages": DIALOGUE,
        "image": "code",
        "json_schema": SCHEMA,
        "reasoning": "high",
    },
}
NONCE = "00ff00ff00ff00ff"


def call_of(probe: Chat, model: str = "m") -> Call[ChatAsk]:
    return Call(model, probe.ask(probe.texts[0], NONCE), "https://host.example", api_key="k")


def body_of(provider: str, probe: Chat) -> dict[str, Any]:
    row = PROVIDERS[provider]
    request = row.dialect(row.server(None, None), Kind.CHAT).request(call_of(probe))
    body: dict[str, Any] = json.loads(request.body)
    return body


def _typed(shape: Any) -> Callable[[Mapping[str, Any]], None]:
    """Check a body against a type that the SDK declares."""

    def judge(body: Mapping[str, Any]) -> None:
        TypeAdapter(shape).validate_python(body)

    return judge


def _bedrock(body: Mapping[str, Any]) -> None:
    model = botocore.session.get_session().get_service_model("bedrock-runtime")
    shape = model.operation_model("ConverseStream").input_shape
    asked = json.loads(json.dumps(body))
    for message in asked["messages"]:
        for part in message["content"]:
            if "image" in part:  # the SDK encodes the bytes itself
                part["image"]["source"]["bytes"] = part["image"]["source"]["bytes"].encode()
    report = botocore.validate.ParamValidator().validate({"modelId": "m", **asked}, shape)
    assert not report.has_errors(), report.generate_report()


def _gemini(body: Mapping[str, Any]) -> None:
    config = dict(body["generationConfig"])
    if "systemInstruction" in body:
        config["systemInstruction"] = body["systemInstruction"]
    genai_types.GenerateContentConfig.model_validate(config)
    for content in body["contents"]:
        genai_types.Content.model_validate(content)


def _ollama(body: Mapping[str, Any]) -> None:
    for message in body["messages"]:
        # The SDK reads files and bytes, and encodes them as this string.
        images = [{"value": image} for image in message.get("images", ())]
        ollama.Message.model_validate({**message, "images": images})


JUDGES: dict[str, Callable[[Mapping[str, Any]], None]] = {
    "openai": _typed(openai_chat.CompletionCreateParamsStreaming),
    "azure": _typed(openai_chat.CompletionCreateParamsStreaming),
    "openai_responses": _typed(openai_responses.ResponseCreateParamsStreaming),
    "anthropic": _typed(anthropic.types.MessageCreateParams),
    "bedrock": _bedrock,
    "gemini": _gemini,
    "ollama": _ollama,
}


@pytest.mark.parametrize("provider", JUDGES)
@pytest.mark.parametrize("name", PROBES)
def test_the_sdk_takes_the_request_for_its_own(provider: str, name: str) -> None:
    JUDGES[provider](body_of(provider, Chat.model_validate(PROBES[name])))


@pytest.mark.parametrize("provider", JUDGES)
def test_the_sdk_takes_a_prefix_to_be_cached_for_its_own(provider: str) -> None:
    probe, row = CachedPrefix(kind=Kind.CACHED_PREFIX), PROVIDERS[provider]
    call = Call("m", probe.ask("", NONCE), "https://host.example", api_key="k")
    request = row.dialect(row.server(None, None), Kind.CHAT).request(call)
    JUDGES[provider](json.loads(request.body))


@pytest.mark.parametrize("provider", PROVIDERS)
def test_everything_that_is_asked_is_in_the_body(provider: str) -> None:
    body = json.dumps(body_of(provider, Chat.model_validate(PROBES["all"])))
    for text in ("Answer briefly.", "Goethe.", "When?", "city", "iVBORw0KGgo"):
        assert text in body


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_plain_prompt_asks_for_nothing_more(provider: str) -> None:
    body = body_of(provider, Chat(prompt="hi"))
    words = json.dumps(body)
    for word in ("schema", "image", "think", "reason", "system", "effort"):
        assert word not in words


@pytest.mark.parametrize(
    ("provider", "preset", "reasoning", "fields"),
    [
        ("openai", None, "none", {"reasoning_effort": "none"}),
        ("openai", "vllm", "none", {"chat_template_kwargs": {"enable_thinking": False}}),
        ("openai", "sglang", "low", {"reasoning_effort": "low"}),
        ("openai", "dashscope", "none", {"enable_thinking": False}),
        ("openai_responses", None, "high", {"reasoning": {"effort": "high"}}),
        ("anthropic", None, "none", {"thinking": {"type": "disabled"}}),
        (
            "anthropic",
            None,
            "low",
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}},
        ),
        ("bedrock", None, "low", {"outputConfig": {"effort": "low"}}),
        ("ollama", None, "none", {"think": False}),
        ("ollama", None, "high", {"think": "high"}),
    ],
)
def test_thought_in_each_ones_words(
    provider: str, preset: str | None, reasoning: str, fields: dict[str, Any]
) -> None:
    row = PROVIDERS[provider]
    probe = Chat(prompt="hi", reasoning=Reasoning(reasoning))
    request = row.dialect(row.server(preset, None), Kind.CHAT).request(call_of(probe))
    body = json.loads(request.body)
    assert {name: body[name] for name in fields} == fields


def test_thought_within_other_objects() -> None:
    low = Chat(prompt="hi", reasoning=Reasoning.LOW)
    none = Chat(prompt="hi", reasoning=Reasoning.NONE)
    thinking = [
        body_of("gemini", probe)["generationConfig"]["thinkingConfig"] for probe in (low, none)
    ]
    assert thinking == [{"thinkingLevel": "LOW"}, {"thinkingBudget": 0}]
    enabled = [
        body_of("dashscope", probe)["parameters"]["enable_thinking"] for probe in (low, none)
    ]
    assert enabled == [True, False]


BUDGETS: list[tuple[str, str | None, int, dict[str, Any]]] = [
    ("openai", "vllm", 64, {"thinking_token_budget": 64}),
    ("openai", "llamacpp", 0, {"thinking_budget_tokens": 0}),
    ("openai", "dashscope", 64, {"enable_thinking": True, "thinking_budget": 64}),
    ("anthropic", None, 1024, {"thinking": {"type": "enabled", "budget_tokens": 1024}}),
    ("anthropic", None, 0, {"thinking": {"type": "disabled"}}),
    (
        "bedrock",
        None,
        1024,
        {"additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 1024}}},
    ),
]


@pytest.mark.parametrize(("provider", "preset", "budget", "fields"), BUDGETS)
def test_a_budget_in_each_ones_words(
    provider: str, preset: str | None, budget: int, fields: dict[str, Any]
) -> None:
    row = PROVIDERS[provider]
    probe = Chat(prompt="hi", reasoning_budget=budget)
    request = row.dialect(row.server(preset, None), Kind.CHAT).request(call_of(probe))
    body = json.loads(request.body)
    assert {name: body[name] for name in fields} == fields


def test_a_budget_within_other_objects() -> None:
    probe = Chat(prompt="hi", reasoning_budget=64)
    config = body_of("gemini", probe)["generationConfig"]
    assert config["thinkingConfig"] == {"thinkingBudget": 64}
    asked = body_of("dashscope", probe)["parameters"]
    assert (asked["enable_thinking"], asked["thinking_budget"]) == (True, 64)


@pytest.mark.parametrize("provider", ["openai", "azure", "openai_responses", "ollama"])
def test_who_has_no_budget_is_told_so_before_anything_is_sent(provider: str) -> None:
    target = {"name": "t", "provider": provider, "model": "m", "base_url": "http://a.test/v1"}
    probes = {"plain": {"prompt": "a"}, "bound": {"prompt": "a", "reasoning_budget": 9}}
    with pytest.raises(
        ValidationError, match="this provider has no reasoning_budget; set reasoning to low"
    ):
        Config.model_validate({"targets": [target], "probes": probes})


def test_a_picture_from_a_file_is_sent_as_what_it_is(tmp_path: Path) -> None:
    file = tmp_path / "seen.jpg"
    file.write_bytes(b"\xff\xd8\xff\xe0 a picture")
    probe = Chat.model_validate({"prompt": "What is it?", "image": str(file)})
    for provider in PROVIDERS:
        words = json.dumps(body_of(provider, probe))
        assert b64encode(file.read_bytes()).decode() in words
        if provider != "ollama":  # Ollama detects the type itself
            assert "jpeg" in words
    assert judged(probe, "Nobody knows what it says.") is None
    file.write_bytes(b"%PDF-1.7")
    with pytest.raises(ConfigError, match="is not a picture; use PNG, JPEG, GIF or WebP"):
        load_picture(file)


def test_the_nonce_stands_where_the_conversation_begins() -> None:
    ask = Chat.model_validate({"messages": DIALOGUE}).ask("When?", NONCE)
    assert ask.system == f"{NONCE}\n\nAnswer briefly."
    assert ask.prompt == "When?"
    ask = Chat.model_validate({"messages": DIALOGUE[1:]}).ask("When?", NONCE)
    assert ask.earlier[0].text == f"{NONCE}\n\nWho wrote Faust?"
    assert Chat(prompt="When?").ask("When?", NONCE).prompt == f"{NONCE}\n\nWhen?"


def judged(probe: Chat, answer: str) -> tuple[FailureReason, str] | None:
    record = StreamRecord()
    record.take([Output(OutputKind.ANSWER, answer), Ended()], Arrival(1, None))
    failure = probe.judge(record, call_of(probe))
    return (failure.reason, failure.detail) if failure else None


def test_a_picture_must_be_read() -> None:
    probe = Chat.model_validate(PROBES["picture"])
    code = code_of(NONCE)
    assert judged(probe, f"The number is {code}.") is None
    assert judged(probe, " ".join(code)) is None
    wrong = f"the answer does not say {code}, which is in the picture"
    assert judged(probe, "12") == (FailureReason.WRONG_ANSWER, wrong)


def test_each_nonce_has_a_number_and_each_number_a_picture() -> None:
    codes = {code_of(f"{number:x}") for number in range(200)}
    assert len(codes) > 190
    assert {len(code) for code in codes} == {5}
    assert len({drawn(code) for code in codes}) == len(codes)


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        ('{"city": "Ulm", "people": 3}', None),
        ("Ulm", "the answer is not JSON"),
        ('{"city": "Ulm", "people": 0}', "people does not match the schema: 0 is less than"),
        ('{"city": "Ulm"}', 'the answer does not match the schema: "people" is a required'),
    ],
)
def test_a_schema_must_be_kept(answer: str, wrong: str | None) -> None:
    found = judged(Chat.model_validate(PROBES["schema"]), answer)
    if wrong is None:
        assert found is None
    else:
        assert found is not None
        assert found[0] is FailureReason.WRONG_ANSWER
        assert found[1].startswith(wrong)


@pytest.mark.parametrize(
    ("probe", "wrong"),
    [
        ({"prompt": "a", "messages": DIALOGUE}, "set exactly one of prompt, prompts_file and"),
        ({"messages": DIALOGUE[:3]}, "the last message must be the user's"),
        ({"messages": [DIALOGUE[1], DIALOGUE[0]]}, "only the first message can be the system's"),
        ({"prompt": "a", "json_schema": {"type": "objekt"}}, "is not a valid JSON Schema"),
        (
            {"prompt": "a", "json_schema": {"$ref": "http://127.0.0.1:9/"}},
            "is not a valid JSON Schema",
        ),
        ({"prompt": "a", "reasoning": "low", "reasoning_budget": 9}, "set reasoning or reasoning_"),
        ({"prompt": "a", "image": "no/such/file.png"}, "there is no such file"),
        ({"prompt": "a", "reasoning": "off"}, "Input should be 'none', 'low', 'medium' or 'high'"),
    ],
)
def test_mistakes(probe: dict[str, Any], wrong: str) -> None:
    with pytest.raises(ValidationError, match=wrong):
        Config.model_validate({"probes": {"p": probe}})


def test_what_goes_with_the_prompt_is_paid_for() -> None:
    plain, full = Chat(prompt="When?"), Chat.model_validate(PROBES["all"])
    assert full.size.longest_input_bytes > plain.size.longest_input_bytes + 1_600
    assert full.size.input_characters > plain.size.input_characters + 1_200
