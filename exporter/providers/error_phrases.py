"""Phrases in the error messages of all providers, which say more than a status, and where each was
seen."""

from __future__ import annotations

from typing import NamedTuple

from exporter.providers.error_words import Words
from exporter.result import FailureReason as Reason

_GATEWAY_TROUBLE = frozenset({500, 502, 503, 504, 520, 521, 522, 523, 524, 529})
ANY_OR_NONE = frozenset({None, 200})
VAGUE = ANY_OR_NONE | {400, 403, 409, 422, 424, 429} | _GATEWAY_TROUBLE
"""Statuses that gateways were seen to return for any error."""
WAITING = ANY_OR_NONE | {408, 409, 424, 425, 429} | _GATEWAY_TROUBLE
"""Statuses that mean "not now"."""
REQUEST = ANY_OR_NONE | {400, 403, 422, 451, 500}
"""Statuses of requests that were rejected for their content."""
MONEY = VAGUE | {401}


class Phrases(NamedTuple):
    """Phrases with one meaning, and the statuses that they overrule."""

    statuses: frozenset[int | None]
    rows: tuple[Words, ...]


SPENT = (
    Words(
        Reason.QUOTA,
        "credit balance is too low|specified api usage limits|reached your api usage limits",
        "Anthropic",
    ),
    Words(Reason.QUOTA, "usage limit reached|monthly limit exhausted", "Zhipu, 429"),
    Words(Reason.QUOTA, "credits are depleted|spending cap|spend cap", "Google, 429"),
    Words(
        Reason.QUOTA,
        "insufficient balance|insufficient account balance|balance is insufficient|"
        "balance not enough|insufficient credit|more credits|out of credits|any credits|"
        "no credits|not enough credits|insufficient funds|payment required|余额不足|欠费",
        "DeepSeek, OpenRouter, SiliconFlow, xAI, Zhipu",
    ),
    Words(Reason.QUOTA, "monthly included credits|spending limit|spend limit", "HF, xAI"),
)
"""Phrases about money that has been spent, even if the code says that the rate is too high.

Anthropic, Google, LiteLLM, and Zhipu use one code for both."""

PHRASES = (
    Phrases(
        MONEY - {429},
        (
            Words(Reason.QUOTA, "quota exceeded|exceeded your quota|exceeded quota", "gateways"),
            Words(Reason.QUOTA, "key limit exceeded", "OpenRouter, 403"),
        ),
    ),
    Phrases(
        MONEY,
        (
            *SPENT,
            Words(Reason.QUOTA, "check your plan and billing|billing hard limit", "OpenAI"),
            Words(Reason.QUOTA, "usage limit|requires a subscription", "ollama.com, 429 and 403"),
            Words(Reason.QUOTA, "out of call volume quota", "Azure API Management, 403"),
            Words(Reason.QUOTA, "budget has been exceeded|exceededbudget", "LiteLLM"),
            Words(Reason.QUOTA, "account is in arrears|overdue|insufficient_quota", "DashScope"),
        ),
    ),
    Phrases(
        WAITING,
        (
            Words(
                Reason.NOT_READY,
                "loading model|model is loading|is loading|currently loading|still loading|"
                "being loaded|not ready|starting up|warming up",
                "llama.cpp, HF, Ollama, LM Studio, Bedrock",
            ),
            Words(
                Reason.NOT_READY,
                "scaling up|scaled to zero|scale from zero|is initializing|cold start|"
                "is waking up|is starting",
                "Fireworks, HF Endpoints, llama-swap",
            ),
        ),
    ),
    Phrases(
        VAGUE,
        (
            Words(
                Reason.OVERLOADED,
                "overloaded|at capacity|capacity constraints|out of capacity|"
                "no capacity|insufficient capacity|server busy|server is busy|system is busy|"
                "service is busy|service is too busy|high demand|high traffic|heavy load|"
                "high load|queue is full|insufficient system resource|no healthy upstream|"
                "no available workers|no available server|过载|繁忙",
                "Anthropic, Azure, Cerebras, DeepSeek, Ollama, SGLang, Zhipu; Envoy",
            ),
            Words(
                Reason.RATE_LIMITED,
                "too many requests|too many concurrent|rate limit|rate-limit|ratelimit|rate_limit|"
                "throttl|requests per minute|tokens per minute|request limit reached|"
                "please wait before trying again|concurrency limit|slow down|being rate limited|"
                "请求过于频繁|请求过多|频率|限流|并发",
                "Anthropic's gateways, Bedrock, Cloudflare 1015, Zhipu",
            ),
        ),
    ),
    Phrases(
        REQUEST,
        (
            Words(
                Reason.CONTENT_FILTER,
                "content filter|content_filter|content-filter|content policy|content management "
                "policy|content moderation|safety system|safety policy|safety filter|"
                "safety reasons|inappropriate content|sensitive content|sensitive information|"
                "data inspection|datainspection|data_inspection|responsible ai|guardrail|"
                "prohibited content|prompt was blocked|prompt is blocked|response was blocked|"
                "usage policies|敏感|不安全",
                "Anthropic, Azure, DashScope, OpenAI, Vertex, Zhipu",
            ),
        ),
    ),
    Phrases(
        ANY_OR_NONE | {400, 422, 500},
        (
            Words(
                Reason.AUTH,
                "incorrect api key|invalid api key|invalid api-key|invalid_api_key|"
                "invalid x-api-key|api key not valid|api key expired|api key is invalid|"
                "invalid authentication|authentication fail|authentication error|"
                "no auth credentials|missing authentication|unauthorized|unauthenticated|"
                "invalid token|invalid credentials|permission denied|access denied|"
                "not authorized|expired token|token has expired|鉴权失败|认证失败",
                "xAI (400), LiteLLM, MiniMax, gateways",
            ),
        ),
    ),
    Phrases(
        ANY_OR_NONE | {400, 422, 500},
        (
            Words(
                Reason.NOT_FOUND,
                "model_not_found|model not found|model does not exist|unknown model|"
                "no such model|invalid model name|model identifier is invalid|"
                "is not a valid model id|has been decommissioned|non-serverless model|"
                "endpoint is paused|no endpoints found|模型不存在",
                "Bedrock, Groq, HF Endpoints, LiteLLM, OpenRouter, SiliconFlow, Together",
            ),
        ),
    ),
    Phrases(
        ANY_OR_NONE | {500},
        (
            Words(
                Reason.BAD_REQUEST,
                "context length|context window|context size|maximum context|prompt is too long|"
                "input is too long|contextwindowexceeded|badrequesterror",
                "llama.cpp, LM Studio; LiteLLM, vLLM behind gateways",
            ),
        ),
    ),
    Phrases(
        frozenset({400}),
        (
            Words(
                Reason.SERVER_ERROR,
                "unexpected eof|upstream connect error|connection reset by peer|socket hang up|"
                "degraded function cannot be invoked",
                "Ollama in front of its cloud, Envoy, NVIDIA's API",
            ),
        ),
    ),
)
"""Meanings that are only in the text, in search order."""
