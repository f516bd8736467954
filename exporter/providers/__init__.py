"""The providers, by their names in the configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from exporter.providers.asks import Kind
from exporter.providers.base import Dialect
from exporter.providers.credentials.aws import AwsCredentialChain
from exporter.providers.credentials.azure import EntraTokens
from exporter.providers.presets import PRESETS, Preset
from exporter.providers.provider import Provider, always, located


def _nowhere(region: str | None) -> None:
    """Return nothing, because the provider has no public endpoint."""


_OPENAI_COMPATIBLE: Mapping[Kind, Callable[[Preset], Dialect[Any]]] = {
    Kind.CHAT: located("openai:OpenAI"),
    Kind.CACHED_PREFIX: located("openai:OpenAI"),
    Kind.FINGERPRINT: located("openai:OpenAI"),
    Kind.MODELS: located("listing:OpenAIModels"),
    Kind.EMBEDDINGS: located("embeddings:OpenAIEmbeddings"),
    Kind.RERANK: located("rerank:OpenAIRerank"),
}

_ROWS = (
    Provider(name="openai", speaks=_OPENAI_COMPATIBLE, presets=PRESETS),
    Provider(
        name="openai_responses",
        speaks={
            Kind.CHAT: located("openai_responses:OpenAIResponses"),
            Kind.CACHED_PREFIX: located("openai_responses:OpenAIResponses"),
            Kind.FINGERPRINT: located("openai_responses:OpenAIResponses"),
            Kind.MODELS: located("listing:OpenAIModels"),
        },
    ),
    Provider(
        name="azure",
        speaks={
            Kind.CHAT: always("azure:Azure"),
            Kind.CACHED_PREFIX: always("azure:Azure"),
            Kind.FINGERPRINT: always("azure:Azure"),
            Kind.MODELS: always("listing:AzureModels"),
            Kind.EMBEDDINGS: always("embeddings:AzureEmbeddings"),
        },
        public_base_url=_nowhere,
        check_api_version=located("azure:check_api_version"),
        credentials=EntraTokens(),
        billed_as=("azure", "azure_ai"),
    ),
    Provider(
        name="anthropic",
        speaks={
            Kind.CHAT: always("anthropic:Anthropic"),
            Kind.CACHED_PREFIX: always("anthropic:Anthropic"),
            Kind.FINGERPRINT: always("anthropic:Anthropic"),
            Kind.MODELS: always("listing:AnthropicModels"),
        },
        public_base_url=located("anthropic:public_base_url"),
        check_api_version=located("anthropic:check_api_version"),
        billed_as=("anthropic",),
    ),
    Provider(
        name="bedrock",
        speaks={
            Kind.CHAT: always("bedrock:Bedrock"),
            Kind.CACHED_PREFIX: always("bedrock:Bedrock"),
            Kind.FINGERPRINT: always("bedrock:Bedrock"),
            Kind.MODELS: always("listing:BedrockModels"),
            Kind.EMBEDDINGS: always("embeddings:BedrockEmbeddings"),
            Kind.RERANK: always("rerank:BedrockRerank"),
        },
        public_base_url=located("bedrock:public_base_url"),
        credentials=AwsCredentialChain(),
        billed_as=("bedrock", "bedrock_converse"),
    ),
    Provider(
        name="dashscope",
        speaks={
            Kind.CHAT: always("dashscope:DashScope"),
            Kind.CACHED_PREFIX: always("dashscope:DashScope"),
            Kind.FINGERPRINT: always("dashscope:DashScope"),
            Kind.MODELS: always("listing:DashScopeModels"),
            Kind.EMBEDDINGS: always("embeddings:DashScopeEmbeddings"),
            Kind.RERANK: always("rerank:DashScopeRerank"),
        },
        public_base_url=located("dashscope:public_base_url"),
    ),
    Provider(
        name="gemini",
        speaks={
            Kind.CHAT: always("gemini:Gemini"),
            Kind.CACHED_PREFIX: always("gemini:Gemini"),
            Kind.FINGERPRINT: always("gemini:Gemini"),
            Kind.MODELS: always("listing:GeminiModels"),
            Kind.EMBEDDINGS: always("embeddings:GeminiEmbeddings"),
        },
        public_base_url=located("gemini:public_base_url"),
        check_api_version=located("gemini:check_api_version"),
        billed_as=("gemini",),
    ),
    Provider(
        name="ollama",
        speaks={
            Kind.CHAT: always("ollama:Ollama"),
            Kind.FINGERPRINT: always("ollama:Ollama"),
            Kind.MODELS: always("listing:OllamaModels"),
            Kind.EMBEDDINGS: always("embeddings:OllamaEmbeddings"),
        },
        public_base_url=_nowhere,
        tells_load_time=True,
    ),
    # vLLM binds its port before it loads the model, but listens only afterwards. Connections are
    # therefore refused during the whole boot (vLLM's OpenAI-compatible server).
    Provider(name="vllm", speaks=_OPENAI_COMPATIBLE, preset=PRESETS["vllm"], watches_boots=True),
)

PROVIDERS: Mapping[str, Provider] = MappingProxyType({row.name: row for row in _ROWS})

__all__ = ["PRESETS", "PROVIDERS", "Dialect", "Kind", "Provider"]
