"""The dialects, by the name that a configuration calls them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from exporter.providers.anthropic import Anthropic
from exporter.providers.azure import Azure
from exporter.providers.base import Dialect
from exporter.providers.bedrock import Bedrock
from exporter.providers.dashscope import DashScope
from exporter.providers.gemini import Gemini
from exporter.providers.ollama import Ollama
from exporter.providers.openai import OpenAI
from exporter.providers.openai_responses import OpenAIResponses
from exporter.providers.presets import PRESETS, preset_for
from exporter.providers.vllm import VLLM

PROVIDERS: Mapping[str, Dialect] = MappingProxyType(
    {
        "openai": OpenAI(PRESETS["openai"]),
        "openai_responses": OpenAIResponses(PRESETS["openai"]),
        "azure": Azure(),
        "anthropic": Anthropic(),
        "bedrock": Bedrock(),
        "dashscope": DashScope(),
        "gemini": Gemini(),
        "ollama": Ollama(),
        "vllm": VLLM(PRESETS["vllm"]),
    }
)

WITH_PRESETS = "openai"
"""The provider whose dialect many servers speak, each a little differently."""


def dialect_for(provider: str, preset: str | None, base_url: str | None) -> Dialect:
    """The dialect of one target.

    :raises KeyError: there is no such provider, or no such preset.
    """
    dialect = PROVIDERS[provider]
    if isinstance(dialect, OpenAI) and not isinstance(dialect, VLLM):
        return type(dialect)(preset_for(preset, base_url))
    return dialect


__all__ = ["PRESETS", "PROVIDERS", "WITH_PRESETS", "Dialect", "dialect_for"]
