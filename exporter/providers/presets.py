"""What the servers that speak Chat Completions do each in their own way.

Everything that can be told from the wire is read from the wire, whichever server it is. A preset
holds what cannot: where the API lives, what a request may say, and words and statuses that mean
something else than everywhere.
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
from exporter.providers.bedrock import REGIONS as BEDROCK_REGIONS
from exporter.result import FailureReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """One server, or one family of them."""

    base_url: str | None = None
    """Its public endpoint; ``None`` where it has none, or one for each region only."""
    regions: Mapping[str, str] = field(default_factory=dict)
    """Its public endpoints by the name of the region."""
    hosts: tuple[str, ...] = ()
    """Patterns of the host names by which it is recognised."""
    token_limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """The request field that bounds the output."""
    reports_usage_unasked: bool = False
    """Whether ``stream_options`` can be left out; some servers do not know it."""
    pads_chunks: bool = False
    """Whether it sends random padding against traffic analysis unless told not to."""
    counts_stop_token: bool = True
    """Whether it counts the token by which a model ends its answer, and does not show it, as the
    open engines do. Where that is not known, the last output is the last token."""
    thought_is_in_the_total_only: bool = False
    """Whether the total of its token count is the only place that holds what was thought."""
    request_id_headers: tuple[str, ...] = ("x-request-id",)
    """The first of these that a response has names the request."""
    reason_by_code: Mapping[str, FailureReason] = field(default_factory=dict)
    """Error codes that mean something else than everywhere."""
    reason_by_status: Mapping[int, FailureReason] = field(default_factory=dict)
    """Statuses that mean something else than everywhere, where no code says more."""

    tells_likelihoods: bool = False
    """Whether it tells the probabilities of its tokens when it is asked to, whatever the model."""
    enables_thinking: bool = False
    """Whether thought is switched on and off (Qwen at DashScope), instead of being measured out."""
    thinks_by_template: bool = False
    """Whether it is the chat template that lets the model think, and can be told not to."""
    thought_limit: str | None = None
    """The request field that bounds the tokens of thought, if it has one."""

    def reasoning_fields(self, ask: ChatAsk) -> dict[str, object]:
        """What to ask of the model's thought.

        :raises ValueError: a budget is asked for, and this server has none.
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
        """What to ask of the stream."""
        if self.reports_usage_unasked:
            return None
        return {"include_usage": True} | (
            {"include_obfuscation": False} if self.pads_chunks else {}
        )

    def endpoint(self, region: str | None) -> str | None:
        """Where its public API lives; ``None`` where only the user can know.

        :raises ValueError: it has no such region, or one must be chosen.
        """
        if region is None and (self.base_url or not self.regions):
            return self.base_url
        if region is not None and region in self.regions:
            return self.regions[region]
        if not self.regions:
            raise ValueError("this server has no regions; remove region, or set base_url")
        problem = "region must be set" if region is None else f"there is no region {region!r}"
        raise ValueError(
            f"{problem}; known are {', '.join(self.regions)}; set base_url for any other"
        )


DASHSCOPE_HOSTS = {
    "beijing": "dashscope.aliyuncs.com",
    "singapore": "dashscope-intl.aliyuncs.com",
    "us": "dashscope-us.aliyuncs.com",  # Virginia
    "hongkong": "cn-hongkong.dashscope.aliyuncs.com",
    # Alibaba Cloud's own names for the same:
    "cn-beijing": "dashscope.aliyuncs.com",
    "ap-southeast-1": "dashscope-intl.aliyuncs.com",
    "us-east-1": "dashscope-us.aliyuncs.com",
    "cn-hongkong": "cn-hongkong.dashscope.aliyuncs.com",
}
"""Where Alibaba Cloud Model Studio lives, without the hosts of single workspaces."""

COMPATIBLE = Preset()
"""A server that nothing is known of."""

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
            token_limit="max_completion_tokens",  # reasoning models refuse the old name
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
                # Tokens per minute; at OpenAI the same word means "pay".
                "insufficient_quota": FailureReason.RATE_LIMITED,
                # Of its own protocol:
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
            # The server that it starts is not there yet.
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
            # Its nginx answers before the engine behind it does.
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
"""The servers by the name that a target gives as its ``preset``."""


@lru_cache(maxsize=1024)
def preset_for(name: str | None, base_url: str | None) -> Preset:
    """The named server; else the one that lives at this base URL, which is OpenAI without one.

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
