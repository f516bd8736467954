"""Calls, as dialects receive them."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from exporter.providers.asks import ChatAsk
from exporter.providers.base import Call


def chat_call(**given: Any) -> Call[ChatAsk]:
    """Return a chat call. ``given`` contains fields of the call and of the ask."""
    asked: dict[str, Any] = {"prompt": "ping", "max_output_tokens": 64}
    for field in fields(ChatAsk):
        if field.name in given:
            asked[field.name] = given.pop(field.name)
    return Call(ask=ChatAsk(**asked), **given)
