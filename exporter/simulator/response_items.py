"""The output items of OpenAI's Responses API: reasoning, messages, calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from exporter.providers.base import OutputKind


@dataclass(frozen=True, slots=True)
class Shape:
    """The names that the Responses API uses for one kind of output."""

    item: str
    part: str
    """The prefix of the events around a part of the item. Empty if the item has no parts."""
    part_type: str
    text: str
    """The prefix of the events with the text of the part."""
    field: str = "text"
    index: str = "content_index"

    def content(self, text: str) -> dict[str, Any]:
        """Return the part with this text."""
        part: dict[str, Any] = {"type": self.part_type, self.field: text}
        return {**part, "annotations": []} if self.part_type == "output_text" else part


_CONTENT = "response.content_part"
SUMMARY = Shape(
    "reasoning",
    "response.reasoning_summary_part",
    "summary_text",
    "response.reasoning_summary_text",
    index="summary_index",
)
CALL = Shape("function_call", "", "", "response.function_call_arguments", "arguments")
SHAPES = {
    OutputKind.REASONING: Shape("reasoning", _CONTENT, "reasoning_text", "response.reasoning_text"),
    OutputKind.ANSWER: Shape("message", _CONTENT, "output_text", "response.output_text"),
    OutputKind.REFUSAL: Shape("message", _CONTENT, "refusal", "response.refusal", "refusal"),
}


@dataclass(slots=True)
class Item:
    """An output item in progress."""

    shape: Shape
    id: str
    name: str = ""
    """The name of the called tool."""
    text: str = ""
    """The text so far. Empty if reasoning is hidden."""

    def whole(self, status: str) -> dict[str, Any]:
        if self.shape is CALL:
            call = {"call_id": f"call_{self.id}", "name": self.name, "arguments": self.text}
            return {"id": self.id, "type": self.shape.item, "status": status, **call}
        content = [self.shape.content(self.text)] if self.text else []
        item = {"id": self.id, "type": self.shape.item, "status": status}
        if self.shape.item == "message":
            return {**item, "role": "assistant", "content": content}
        if self.shape is SUMMARY:
            return {**item, "summary": content}
        return {**item, "summary": [], "content": content}
