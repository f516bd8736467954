"""The providers, by the name that a configuration calls them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from exporter.providers import anthropic, azure, bedrock, dashscope, gemini
from exporter.providers.asks import Kind
from exporter.providers.base import Dialect
from exporter.providers.credentials.aws import AwsCredentialChain
from exporter.providers.credentials.azure import EntraTokens
from exporter.providers.listing import AnthropicModels, GeminiModels, OllamaModels, OpenAIModels
from exporter.providers.ollama import Ollama
from exporter.providers.openai import OpenAI
from exporter.providers.openai_responses import OpenAIResponses
from exporter.providers.presets import PRESETS
from exporter.providers.provider import Provider, always


def _nowhere(region: str | None) -> None:
    """Every server has a host of its own."""


_ROWS = (
    Provider(name="openai", speaks={Kind.CHAT: OpenAI, Kind.MODELS: OpenAIModels}, presets=PRESETS),
    Provider(
        name="openai_responses", speaks={Kind.CHAT: OpenAIResponses, Kind.MODELS: OpenAIModels}
    ),
    Provider(
        name="azure",
        speaks={Kind.CHAT: always(azure.Azure())},
        public_base_url=_nowhere,
        check_api_version=azure.check_api_version,
        credentials=EntraTokens(),
        billed_as=("azure", "azure_ai"),
    ),
    Provider(
        name="anthropic",
        speaks={Kind.CHAT: always(anthropic.Anthropic()), Kind.MODELS: always(AnthropicModels())},
        public_base_url=anthropic.public_base_url,
        check_api_version=anthropic.check_api_version,
        billed_as=("anthropic",),
    ),
    Provider(
        name="bedrock",
        speaks={Kind.CHAT: always(bedrock.Bedrock())},
        public_base_url=bedrock.public_base_url,
        credentials=AwsCredentialChain(),
        billed_as=("bedrock", "bedrock_converse"),
    ),
    Provider(
        name="dashscope",
        speaks={Kind.CHAT: always(dashscope.DashScope())},
        public_base_url=dashscope.public_base_url,
    ),
    Provider(
        name="gemini",
        speaks={Kind.CHAT: always(gemini.Gemini()), Kind.MODELS: always(GeminiModels())},
        public_base_url=gemini.public_base_url,
        check_api_version=gemini.check_api_version,
        billed_as=("gemini",),
    ),
    Provider(
        name="ollama",
        speaks={Kind.CHAT: always(Ollama()), Kind.MODELS: always(OllamaModels())},
        public_base_url=_nowhere,
    ),
    # vLLM binds its port before it loads the model, but listens only afterwards, so that its whole
    # boot is refused connections (vLLM's OpenAI-compatible server).
    Provider(
        name="vllm",
        speaks={Kind.CHAT: OpenAI, Kind.MODELS: OpenAIModels},
        preset=PRESETS["vllm"],
        watches_boots=True,
    ),
)

PROVIDERS: Mapping[str, Provider] = MappingProxyType({row.name: row for row in _ROWS})

__all__ = ["PRESETS", "PROVIDERS", "Dialect", "Kind", "Provider"]
