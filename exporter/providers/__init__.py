"""The dialects, by the name that a configuration calls them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from exporter.providers.base import Dialect
from exporter.providers.bedrock import Bedrock
from exporter.providers.gemini import Gemini
from exporter.providers.ollama import Ollama
from exporter.providers.openai import OpenAI

PROVIDERS: Mapping[str, Dialect] = MappingProxyType(
    {
        "openai": OpenAI(),
        "bedrock": Bedrock(),
        "gemini": Gemini(),
        "ollama": Ollama(),
    }
)

__all__ = ["PROVIDERS", "Dialect"]
