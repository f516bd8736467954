"""The tools that a probe offers, in each provider's format.

Sources: the API references of OpenAI (function calling), Anthropic (tool use), Amazon Bedrock
(ToolConfiguration), Alibaba Cloud (function calling), Google (function calling), and Ollama.
"""

from __future__ import annotations

from exporter.providers.asks import ChatAsk, Tool

Fields = dict[str, object]
"""What the tools add to a request body. Empty if there are none."""


def openai_tools(ask: ChatAsk) -> Fields:
    """Return the tools for Chat Completions and compatible servers."""
    if not ask.tools:
        return {}
    return {"tools": _functions(ask), **({"tool_choice": "required"} if ask.must_call else {})}


def responses_tools(ask: ChatAsk) -> Fields:
    if not ask.tools:
        return {}
    # The default is strict here, which rewrites the schema.
    tools = [{"type": "function", **_named(tool), "strict": False} for tool in ask.tools]
    return {"tools": tools, **({"tool_choice": "required"} if ask.must_call else {})}


def anthropic_tools(ask: ChatAsk) -> Fields:
    if not ask.tools:
        return {}
    tools = [_described(tool) | {"input_schema": tool.parameters} for tool in ask.tools]
    return {"tools": tools, **({"tool_choice": {"type": "any"}} if ask.must_call else {})}


def bedrock_tools(ask: ChatAsk) -> Fields:
    if not ask.tools:
        return {}
    specs = [_described(tool) | {"inputSchema": {"json": tool.parameters}} for tool in ask.tools]
    config: Fields = {"tools": [{"toolSpec": spec} for spec in specs]}
    if ask.must_call:
        config["toolChoice"] = {"any": {}}
    return {"toolConfig": config}


def dashscope_tools(ask: ChatAsk) -> Fields:
    """Return the tools for DashScope, which can require a specific tool but not just any."""
    if not ask.tools:
        return {}
    fields: Fields = {"tools": _functions(ask)}
    if ask.must_call and len(ask.tools) == 1:
        fields["tool_choice"] = {"type": "function", "function": {"name": ask.tools[0].name}}
    return fields


def gemini_tools(ask: ChatAsk) -> Fields:
    if not ask.tools:
        return {}
    tools = [_described(tool) | {"parametersJsonSchema": tool.parameters} for tool in ask.tools]
    config = {"functionCallingConfig": {"mode": "ANY"}} if ask.must_call else None
    return {"tools": [{"functionDeclarations": tools}], "toolConfig": config}


def ollama_tools(ask: ChatAsk) -> Fields:
    """Return the tools for Ollama, which has no tool choice."""
    return {"tools": _functions(ask)} if ask.tools else {}


def _functions(ask: ChatAsk) -> list[Fields]:
    return [{"type": "function", "function": _named(tool)} for tool in ask.tools]


def _named(tool: Tool) -> Fields:
    return _described(tool) | {"parameters": tool.parameters}


def _described(tool: Tool) -> Fields:
    described = {"description": tool.description} if tool.description else {}
    return {"name": tool.name, **described}
