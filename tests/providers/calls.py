"""Calls as dialects get them."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from exporter.providers.asks import ChatAsk
from exporter.providers.base import Call


def chat_call(**given: Any) -> Call[ChatAsk]:
    """A call to chat; ``given`` are fields of the call and of what is asked."""
    asked: dict[str, Any] = {"prompt": "ping", "max_output_tokens": 64}
    for field in fields(ChatAsk):
        if field.name in given:
            asked[field.name] = given.pop(field.name)
    return Call(ask=ChatAsk(**asked), **given)
