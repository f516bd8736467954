"""How the servers that support Chat Completions differ.

Whatever the wire shows is read from the wire, for every server. A preset holds the rest: where the
API lives, which request fields the server supports, and codes and statuses that have another
meaning than elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache
from types import MappingProxyType
from typing import Literal
from urllib.parse import urlsplit

from exporter.providers.asks import ChatAsk, Reasoning
from exporter.providers.regions import BEDROCK_REGIONS, DASHSCOPE_HOSTS
from exporter.result import FailureReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """One server, or one family of servers."""

    base_url: str | None = None
    """The public endpoint. ``None`` if there is none, or only one per region."""
    regions: Mapping[str, str] = field(default_factory=dict)
    """Public endpoints by the name of the region."""
    hosts: tuple[str, ...] = ()
    """Patterns of the host names that identify the server."""
    token_limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """The request field that limits the output."""
    reports_usage_unasked: bool = False
    """Whether the server reports usage without ``stream_options``, which some servers reject."""
    pads_chunks: bool = False
    """Whether the server sends random padding against traffic analysis by default."""
    counts_stop_token: bool = True
    """Whether the count includes the end-of-sequence token, which isn't shown, as in open inference
    engines. If that isn't known, the last output counts as the last token."""
    thought_is_in_the_total_only: bool = False
    """Whether reasoning tokens are counted only in the total."""
    request_id_headers: tuple[str, ...] = ("x-request-id",)
    """Response headers that can hold the request ID. The first one present is used."""
    reason_by_code: Mapping[str, FailureReason] = field(default_factory=dict)
    """Error codes that have another meaning than elsewhere."""
    reason_by_status: Mapping[int, FailureReason] = field(default_factory=dict)
    """Statuses that have another meaning than elsewhere, if no error code is more specific."""

    tells_likelihoods: bool = False
    """Whether the server returns token probabilities on request, for every model."""
    enables_thinking: bool = False
    """Whether reasoning is a switch (Qwen on DashScope), and not an effort level."""
    thinks_by_template: bool = False
    """Whether the chat template enables reasoning, and can disable it."""
    thought_limit: str | None = None
    """The request field that limits the reasoning tokens, if there is one."""

    def reasoning_fields(self, ask: ChatAsk) -> dict[str, object]:
        """Return the request fields for the model's reasoning.

        :raises ValueError: the ask has a reasoning budget, and this server doesn't support one.
        """
        if ask.reasoning_budget is not None and self.thought_limit:
            switch = {"enable_thinking": ask.reasoning_budget > 0} if self.enables_thinking else {}
            return {**switch, self.thought_limit: ask.reasoning_budget}
        reasoning = ask.effort
        if reasoning is None:
            return {}
        if self.enables_thinking:
            return {"enable_thinking": reasoning is not Reasoning.NONE}
        if reasoning is Reasoning.NONE and self.thinks_by_template:
            return {"chat_template_kwargs": {"enable_thinking": False}}
        return {"reasoning_effort": reasoning.value}

    @property
    def stream_options(self) -> dict[str, bool] | None:
        """The ``stream_options`` of a request."""
        if self.reports_usage_unasked:
            return None
        return {"include_usage": True} | (
            {"include_obfuscation": False} if self.pads_chunks else {}
        )

    def endpoint(self, region: str | None) -> str | None:
        """Return the public base URL, or ``None`` if only the user can know it.

        :raises ValueError: there is no such region, or you must choose one.
        """
        if region is None and (self.base_url or not self.regions):
            return self.base_url
        if region is not None and region in self.regions:
            return self.regions[region]
        if not self.regions:
            raise ValueError("this server has no regions; remove region, or set base_url")
        problem = "region must be set" if region is None else f"there is no region {region!r}"
        raise ValueError(
            f"{problem}; use one of {', '.join(self.regions)}; for any other, set base_url"
        )


COMPATIBLE = Preset()
"""The preset of an unknown server."""

PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "openai": Preset(
            counts_stop_token=False,
            base_url="https://api.openai.com/v1",
            # data residency
            regions={
                region: f"https://{region}.api.openai.com/v1"
                for region in ("us", "eu", "ae", "au", "in", "jp")
            },
            hosts=("api.openai.com", "*.api.openai.com"),
            token_limit="max_completion_tokens",  # reasoning models reject the old name
            pads_chunks=True,
        ),
        "bedrock": Preset(
            counts_stop_token=False,
            regions={
                region: f"https://bedrock-runtime.{region}.amazonaws.com/openai/v1"
                for region in BEDROCK_REGIONS
            },
            hosts=("bedrock-runtime.*.amazonaws.com", "bedrock-mantle.*.api.aws"),
            token_limit="max_completion_tokens",
            request_id_headers=("x-amzn-requestid", "x-request-id"),
        ),
        "dashscope": Preset(
            counts_stop_token=False,
            regions={
                region: f"https://{host}/compatible-mode/v1"
                for region, host in DASHSCOPE_HOSTS.items()
            },
            hosts=("*dashscope*.aliyuncs.com", "*.maas.aliyuncs.com"),
            enables_thinking=True,
            thought_limit="thinking_budget",
            reason_by_code={
                # Tokens per minute. For OpenAI, the same code means that the credit is used up.
                "insufficient_quota": FailureReason.RATE_LIMITED,
                # Codes of DashScope's own protocol:
                "BadRequest": FailureReason.BAD_REQUEST,
                "InternalError": FailureReason.SERVER_ERROR,
                "InvalidParameter": FailureReason.BAD_REQUEST,
                "ModelServingError": FailureReason.OVERLOADED,
                "ModelUnavailable": FailureReason.NOT_READY,
                "Throttling": FailureReason.RATE_LIMITED,
            },
        ),
        "cerebras": Preset(
            counts_stop_token=False,
            base_url="https://api.cerebras.ai/v1",
            hosts=("api.cerebras.ai",),
            token_limit="max_completion_tokens",
        ),
        "cloudflare": Preset(
            counts_stop_token=False,
            hosts=("gateway.ai.cloudflare.com",),
            request_id_headers=("cf-aig-log-id", "cf-ray"),
        ),
        "deepseek": Preset(
            counts_stop_token=False,
            base_url="https://api.deepseek.com",
            hosts=("api.deepseek.com",),
        ),
        "fireworks": Preset(
            counts_stop_token=False,
            base_url="https://api.fireworks.ai/inference/v1",
            hosts=("*.fireworks.ai",),
        ),
        "gemini": Preset(
            counts_stop_token=False,
            base_url="https://generativelanguage.googleapis.com/v1beta/openai",
            hosts=("generativelanguage.googleapis.com",),
            thought_is_in_the_total_only=True,
        ),
        "groq": Preset(
            counts_stop_token=False,
            base_url="https://api.groq.com/openai/v1",
            hosts=("api.groq.com",),
            token_limit="max_completion_tokens",
        ),
        "litellm": Preset(
            request_id_headers=("x-litellm-call-id", "x-request-id"),
        ),
        "llamacpp": Preset(tells_likelihoods=True, thought_limit="thinking_budget_tokens"),
        "llama_swap": Preset(
            # The server that it starts isn't up yet.
            reason_by_status={502: FailureReason.NOT_READY, 503: FailureReason.NOT_READY},
        ),
        "lmdeploy": Preset(),
        "mistral": Preset(
            counts_stop_token=False,
            base_url="https://api.mistral.ai/v1",
            hosts=("api.mistral.ai",),
            reports_usage_unasked=True,
            request_id_headers=("mistral-correlation-id", "x-request-id"),
        ),
        "moonshot": Preset(
            counts_stop_token=False,
            base_url="https://api.moonshot.ai/v1",
            regions={"cn": "https://api.moonshot.cn/v1"},
            hosts=("api.moonshot.ai", "api.moonshot.cn"),
        ),
        "nim": Preset(
            # Its nginx answers before the engine does.
            reason_by_status={502: FailureReason.NOT_READY},
        ),
        "ollama_cloud": Preset(
            base_url="https://ollama.com/v1",
            hosts=("ollama.com",),
        ),
        "openrouter": Preset(
            counts_stop_token=False,
            base_url="https://openrouter.ai/api/v1",
            hosts=("openrouter.ai",),
            reports_usage_unasked=True,
            request_id_headers=("x-generation-id", "x-request-id"),
        ),
        "pai_eas": Preset(
            reason_by_status={503: FailureReason.NOT_READY},  # no instance is ready
        ),
        "perplexity": Preset(
            counts_stop_token=False,
            base_url="https://api.perplexity.ai",
            hosts=("api.perplexity.ai",),
            reports_usage_unasked=True,
        ),
        "sglang": Preset(thinks_by_template=True, tells_likelihoods=True),
        "tensorrt_llm": Preset(),
        "tgi": Preset(
            reason_by_status={429: FailureReason.OVERLOADED},  # its queue is full
        ),
        "together": Preset(
            counts_stop_token=False,
            base_url="https://api.together.xyz/v1",
            hosts=("*.together.xyz", "*.together.ai"),
            reports_usage_unasked=True,
            reason_by_status={403: FailureReason.BAD_REQUEST},  # the prompt is too long
        ),
        "transformers": Preset(),
        "vertex": Preset(
            counts_stop_token=False,
            hosts=("*aiplatform.googleapis.com", "aiplatform.*.rep.googleapis.com"),
            thought_is_in_the_total_only=True,
        ),
        "vllm": Preset(
            thinks_by_template=True, tells_likelihoods=True, thought_limit="thinking_token_budget"
        ),
        "xai": Preset(
            counts_stop_token=False,
            base_url="https://api.x.ai/v1",
            regions={
                "us-east-1": "https://us-east-1.api.x.ai/v1",
                "eu-west-1": "https://eu-west-1.api.x.ai/v1",
            },
            hosts=("api.x.ai", "*.api.x.ai"),
            token_limit="max_completion_tokens",
        ),
    }
)
"""The servers, by the name that a target gives as its ``preset``."""


@lru_cache(maxsize=1024)
def preset_for(name: str | None, base_url: str | None) -> Preset:
    """Return the preset of this name, or the one whose hosts match the base URL.

    Without both, return the preset of OpenAI.

    :raises KeyError: there is no preset of this name.
    """
    if name is not None:
        return PRESETS[name]
    if base_url is None:
        return PRESETS["openai"]
    host = urlsplit(base_url).hostname or ""
    known = (
        preset
        for preset in PRESETS.values()
        if any(fnmatchcase(host, pattern) for pattern in preset.hosts)
    )
    return next(known, COMPATIBLE)
