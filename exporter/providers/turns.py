"""Chat messages and their options, as OpenAI, Anthropic, Gemini, and Bedrock expect them."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable

from exporter.providers.asks import ChatAsk, Picture, Reasoning, Role

Messages = list[dict[str, object]]


def base64_of(picture: Picture) -> str:
    return b64encode(picture.data).decode()


def data_url(picture: Picture) -> str:
    """Return the picture as a data URL, as OpenAI and compatible servers expect it."""
    return f"data:{picture.media_type};base64,{base64_of(picture)}"


def messages(ask: ChatAsk, part: Callable[[Picture], object], text_type: str = "text") -> Messages:
    """Return the system prompt, the earlier turns, and the question in OpenAI's format.

    :param part: formats the picture as a part of a message.
    """
    turns = [("system", ask.system)] if ask.system else []
    turns += [(turn.role.value, turn.text) for turn in ask.earlier]
    before: Messages = [{"role": role, "content": text} for role, text in turns]
    question: object = ask.prompt
    if ask.picture:
        question = [part(ask.picture), {"type": text_type, "text": ask.prompt}]
    return [*before, {"role": "user", "content": question}]


def openai_messages(ask: ChatAsk) -> Messages:
    """Return the messages for Chat Completions."""
    return messages(ask, lambda it: {"type": "image_url", "image_url": {"url": data_url(it)}})


def response_format(ask: ChatAsk) -> dict[str, object] | None:
    """Return the JSON schema of the answer for Chat Completions."""
    if ask.json_schema is None:
        return None
    schema = {"name": "answer", "strict": True, "schema": ask.json_schema}
    return {"type": "json_schema", "json_schema": schema}


def anthropic_system(ask: ChatAsk) -> object:
    """Return the system prompt. To be cached, it must be a block with ``cache_control``."""
    if not ask.caches_system:
        return ask.system
    return [{"type": "text", "text": ask.system, "cache_control": {"type": "ephemeral"}}]


def anthropic_messages(ask: ChatAsk) -> Messages:
    question: object = ask.prompt
    if ask.picture:
        data = {
            "type": "base64",
            "media_type": ask.picture.media_type,
            "data": base64_of(ask.picture),
        }
        question = [{"type": "image", "source": data}, {"type": "text", "text": ask.prompt}]
    earlier: Messages = [{"role": turn.role.value, "content": turn.text} for turn in ask.earlier]
    return [*earlier, {"role": "user", "content": question}]


def anthropic_thought(ask: ChatAsk) -> dict[str, object]:
    if ask.reasoning_budget is not None:
        return {"thinking": _bounded(ask.reasoning_budget)}
    if ask.reasoning is None:
        return {}
    switched = "disabled" if ask.reasoning is Reasoning.NONE else "adaptive"
    return {"thinking": {"type": switched}}


def anthropic_output_config(ask: ChatAsk) -> dict[str, object] | None:
    config: dict[str, object] = {}
    if ask.reasoning not in (None, Reasoning.NONE):
        config["effort"] = ask.reasoning
    if ask.json_schema is not None:
        config["format"] = {"type": "json_schema", "schema": ask.json_schema}
    return config or None


def gemini_contents(ask: ChatAsk) -> Messages:
    question: list[dict[str, object]] = [{"text": ask.prompt}]
    if it := ask.picture:
        question.insert(0, {"inlineData": {"mimeType": it.media_type, "data": base64_of(it)}})
    earlier: Messages = [
        {
            "role": "user" if turn.role is Role.USER else "model",
            "parts": [{"text": turn.text}],
        }
        for turn in ask.earlier
    ]
    return [*earlier, {"role": "user", "parts": question}]


def bedrock_system(ask: ChatAsk) -> list[dict[str, object]] | None:
    """Return the system prompt, followed by a cache point if it should be cached."""
    if not ask.system:
        return None
    mark: list[dict[str, object]] = [{"cachePoint": {"type": "default"}}]
    return [{"text": ask.system}, *(mark if ask.caches_system else [])]


def bedrock_messages(ask: ChatAsk) -> Messages:
    question: list[dict[str, object]] = [{"text": ask.prompt}]
    if ask.picture:
        source = {"bytes": base64_of(ask.picture)}
        question.insert(
            0, {"image": {"format": ask.picture.media_type.partition("/")[2], "source": source}}
        )
    earlier: Messages = [
        {"role": turn.role.value, "content": [{"text": turn.text}]} for turn in ask.earlier
    ]
    return [*earlier, {"role": "user", "content": question}]


def bedrock_limits(ask: ChatAsk) -> dict[str, object]:
    chosen = {"temperature": 0} if ask.greedy else {}
    return {"maxTokens": ask.max_output_tokens, **chosen}


def bedrock_thought(ask: ChatAsk) -> dict[str, object]:
    """Return the reasoning budget. Each model has its own field: this is Claude's."""
    if ask.reasoning_budget is None:
        return {}
    return {"additionalModelRequestFields": {"thinking": _bounded(ask.reasoning_budget)}}


def _bounded(tokens: int) -> dict[str, object]:
    return {"type": "enabled", "budget_tokens": tokens} if tokens else {"type": "disabled"}


def bedrock_output_config(ask: ChatAsk) -> dict[str, object] | None:
    """Return effort and schema. Bedrock's models don't reason by default, so ``none`` needs no
    field."""
    config: dict[str, object] = {}
    if ask.reasoning not in (None, Reasoning.NONE):
        config["effort"] = ask.reasoning
    if ask.json_schema is not None:
        schema = {"name": "answer", "schema": json.dumps(ask.json_schema)}
        structure = {"jsonSchema": schema}
        config["textFormat"] = {"type": "json_schema", "structure": structure}
    return config or None
