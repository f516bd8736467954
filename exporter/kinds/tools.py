"""Tools that a prompt offers to a model, and checks of the model's calls."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Annotated

from pydantic import JsonValue, StringConstraints

from exporter.kinds.expect import ToolExpectation, same
from exporter.kinds.schema import JsonSchema, schema_mistake, validator_of
from exporter.providers.asks import Tool
from exporter.providers.calls import ToolCall
from exporter.settings.types import Model

if TYPE_CHECKING:
    import jsonschema_rs

ToolName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
"""A name that every provider accepts."""

_NOTHING: JsonSchema = {"type": "object", "properties": {}}


class OfferedTool(Model):
    """A tool that the model may call."""

    name: ToolName
    description: str | None = None
    """When and why the model should call the tool."""
    parameters: JsonSchema = _NOTHING
    """JSON Schema of the arguments, which are an object. The model's arguments must match it."""

    @cached_property
    def validator(self) -> jsonschema_rs.Validator:
        return validator_of(self.parameters)

    def asked(self) -> Tool:
        return Tool(self.name, self.description, self.parameters)


def tool_mistake(
    calls: Sequence[ToolCall], offered: Sequence[OfferedTool], expected: ToolExpectation | None
) -> str | None:
    """What is wrong with the calls of an answer; ``None`` if nothing is."""
    if not calls:
        return "the model called no tool"
    wrong = next(_broken(calls, offered), None)
    return wrong or (_unexpected(calls, expected) if expected else None)


def _broken(calls: Sequence[ToolCall], offered: Sequence[OfferedTool]) -> Iterator[str]:
    tools = {tool.name: tool for tool in offered}
    for call in calls:
        tool = tools.get(call.name)
        if tool is None:
            yield f"the model called {call.name!r}, which is not one of the tools"
        elif wrong := schema_mistake(call.arguments or "{}", tool.validator, "the call"):
            yield f"the model called {call.name!r}, but {wrong}"


def _unexpected(calls: Sequence[ToolCall], expected: ToolExpectation) -> str | None:
    named = [call for call in calls if expected.name in (None, call.name)]
    if not named:
        return f"the model called {calls[0].name!r}, not {expected.name!r}"
    if any(_has(call, expected.arguments) for call in named):
        return None
    return (
        f"the model called {named[0].name!r} with {named[0].arguments or '{}'}, "
        f"not with {json.dumps(expected.arguments, ensure_ascii=False)}"
    )


def _has(call: ToolCall, wanted: dict[str, JsonValue]) -> bool:
    arguments = json.loads(call.arguments or "{}")
    return isinstance(arguments, dict) and all(
        name in arguments and same(arguments[name], value) for name, value in wanted.items()
    )
