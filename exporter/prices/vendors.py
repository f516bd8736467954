"""The vendor whose prices apply to a target, with its names in LiteLLM's price file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Vendor:
    """A vendor that bills for requests."""

    names: tuple[str, ...]
    """The possible values of ``litellm_provider``."""
    processed_in: str | None = None
    """``eu`` or ``us`` for an endpoint that guarantees the region, for a surcharge."""


_BY_HOST: Mapping[str, Vendor] = {
    "api.openai.com": Vendor(("openai",)),
    "eu.api.openai.com": Vendor(("openai",), processed_in="eu"),
    "us.api.openai.com": Vendor(("openai",), processed_in="us"),
    "api.anthropic.com": Vendor(("anthropic",)),
    "generativelanguage.googleapis.com": Vendor(("gemini",)),
    "dashscope-intl.aliyuncs.com": Vendor(("dashscope",)),
    "dashscope-us.aliyuncs.com": Vendor(("dashscope",)),
    "api.cerebras.ai": Vendor(("cerebras",)),
    "api.cohere.com": Vendor(("cohere_chat", "cohere")),
    "api.deepinfra.com": Vendor(("deepinfra",)),
    "api.deepseek.com": Vendor(("deepseek",)),
    "api.fireworks.ai": Vendor(("fireworks_ai",)),
    "api.groq.com": Vendor(("groq",)),
    "api.mistral.ai": Vendor(("mistral",)),
    "api.moonshot.ai": Vendor(("moonshot",)),
    "openrouter.ai": Vendor(("openrouter",)),
    "api.perplexity.ai": Vendor(("perplexity",)),
    "api.sambanova.ai": Vendor(("sambanova",)),
    "api.together.ai": Vendor(("together_ai",)),
    "api.together.xyz": Vendor(("together_ai",)),
    "api.x.ai": Vendor(("xai",)),
    "api.z.ai": Vendor(("zai",)),
}
"""Vendors by host. OpenAI's other regions are missing, because the price file lacks their
surcharge. Alibaba's mainland hosts are missing, because they bill in CNY at other prices."""

_BY_DOMAIN: Mapping[str, Vendor] = {
    ".openai.azure.com": Vendor(("azure",)),
    ".services.ai.azure.com": Vendor(("azure_ai", "azure")),
    ".api.aws": Vendor(("bedrock_mantle",)),
    ".ap-southeast-1.maas.aliyuncs.com": Vendor(("dashscope",)),
    ".us-east-1.maas.aliyuncs.com": Vendor(("dashscope",)),
}


def vendor_of(endpoint: str, billed_as: tuple[str, ...] = ()) -> Vendor | None:
    """Return the vendor that bills for a target; ``None`` if it is unknown, as with a gateway.

    :param billed_as: the vendor's names, for a provider with only one vendor. They apply to unknown
        hosts.
    """
    host = urlsplit(endpoint).hostname or ""
    of_domain = (vendor for domain, vendor in _BY_DOMAIN.items() if host.endswith(domain))
    otherwise = Vendor(billed_as) if billed_as else None
    return _BY_HOST.get(host) or next(of_domain, None) or otherwise
