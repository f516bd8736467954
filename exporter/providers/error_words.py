"""Error codes and types of all providers, and where each was seen. Their phrases are in
``error_phrases``.

All dialects share one table, because gateways and compatible servers use each other's codes. If a
code has another meaning for one provider, its preset has it (``Preset.reason_by_code``).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from exporter.result import FailureReason as Reason


class Words(NamedTuple):
    """Codes or phrases with one meaning."""

    reason: Reason
    words: str
    """Codes separated by spaces, or phrases separated by bars. Case doesn't matter."""
    seen: str


def plain(word: str) -> str:
    """Normalize a code for lookup.

    ``DataInspectionFailed``, ``data_inspection_failed``, and ``dataInspectionFailedException`` are
    the same code.
    """
    return re.sub(r"[^a-z0-9]", "", word.lower()).removesuffix("exception")


CODES = (
    Words(Reason.AUTH, "invalid_api_key unsupported_country_region_territory", "OpenAI"),
    Words(Reason.AUTH, "authentication_error permission_error", "Anthropic, llama.cpp"),
    Words(Reason.AUTH, "access_denied InvalidApiKey", "DashScope"),
    Words(Reason.AUTH, "API_KEY_INVALID API_KEY_EXPIRED", "Google, ErrorInfo with status 400"),
    # LiteLLM without virtual keys: any key other than its master key.
    Words(Reason.AUTH, "no_db_connection token_not_found_in_db", "LiteLLM"),
    Words(Reason.AUTH, "wrong_api_key", "Cerebras"),
    Words(Reason.AUTH, "invalid_authentication_error incorrect_api_key_error", "Moonshot"),
    Words(
        Reason.AUTH,
        "AccessDeniedException ExpiredTokenException UnrecognizedClientException "
        "MissingAuthenticationTokenException InvalidSignatureException "
        "IncompleteSignatureException InvalidClientTokenId NotAuthorized",
        "AWS, common errors",
    ),
    Words(Reason.NOT_FOUND, "model_not_found", "OpenAI, DashScope"),
    Words(Reason.NOT_FOUND, "DeploymentNotFound", "Azure"),
    Words(Reason.NOT_FOUND, "ResourceNotFoundException UnknownOperationException", "AWS"),
    Words(Reason.NOT_FOUND, "resource_not_found_error", "Moonshot"),
    Words(Reason.NOT_FOUND, "model_decommissioned", "Groq, 400"),
    Words(Reason.NOT_FOUND, "model_not_available dedicated_endpoint_not_running", "Together, 400"),
    # OpenAI returns invalid_prompt for a flagged prompt, not for a malformed one.
    Words(
        Reason.CONTENT_FILTER,
        "content_filter invalid_prompt bio_policy misalignment_policy_violation "
        "content_policy_violation cyber_policy_violation",
        "OpenAI",
    ),
    Words(Reason.CONTENT_FILTER, "data_inspection_failed", "DashScope"),
    Words(Reason.CONTENT_FILTER, "prohibited_content", "Google's Interactions API"),
    Words(Reason.CONTENT_FILTER, "ResponsibleAIPolicyViolation", "Azure, innererror"),
    Words(Reason.CONTENT_FILTER, "content_filter_error content_moderation", "Azure; gateways"),
    Words(Reason.RATE_LIMITED, "rate_limit_exceeded slow_down", "OpenAI"),
    Words(Reason.RATE_LIMITED, "rate_limit_error ramp_limit_exceeded", "Anthropic"),
    Words(Reason.RATE_LIMITED, "limit_requests limit_burst_rate throttling", "DashScope"),
    Words(Reason.RATE_LIMITED, "throttling_error", "LiteLLM"),
    Words(Reason.RATE_LIMITED, "RateLimitReached too_many_requests", "Azure"),
    Words(Reason.RATE_LIMITED, "ThrottlingException TooManyRequestsException", "AWS"),
    Words(Reason.RATE_LIMITED, "RateLimitError rate_limited", "LiteLLM; Mistral"),
    Words(Reason.RATE_LIMITED, "rate_limit_reached_error", "Moonshot"),
    Words(Reason.RATE_LIMITED, "RESOURCE_EXHAUSTED", "Google, whose text speaks of the quota"),
    Words(
        Reason.RATE_LIMITED,
        "too_many_requests_error request_quota_exceeded token_quota_exceeded",
        "Cerebras: quotas of a minute, an hour or a day",
    ),
    Words(
        Reason.QUOTA,
        "insufficient_quota credit_balance_exhausted organization_spend_limit_exceeded "
        "project_spend_limit_exceeded organization_usage_limit_exceeded "
        "billing_hard_limit_reached billing_not_active",
        "OpenAI",
    ),
    Words(Reason.QUOTA, "billing_error enforced_spend_limit_reached", "Anthropic"),
    Words(Reason.QUOTA, "budget_exceeded BudgetExceededError", "LiteLLM"),
    Words(
        Reason.QUOTA,
        "CommodityNotPurchased PrepaidBillOverdue PostpaidBillOverdue Arrearage "
        "AllocationQuota.FreeTierOnly",
        "DashScope",
    ),
    Words(Reason.QUOTA, "BILLING_DISABLED", "Google, ErrorInfo"),
    Words(Reason.QUOTA, "ServiceQuotaExceededException", "AWS"),
    Words(Reason.QUOTA, "exceeded_current_quota_error", "Moonshot"),
    Words(Reason.QUOTA, "SetLimitExceeded", "Volcengine, 429"),
    Words(Reason.QUOTA, "insufficient_balance insufficient_credits", "DeepSeek; gateways"),
    Words(Reason.OVERLOADED, "server_is_overloaded", "OpenAI"),
    Words(Reason.OVERLOADED, "overloaded overloaded_error", "Anthropic; TGI"),
    Words(Reason.OVERLOADED, "capacity_exceeded", "Groq"),
    Words(Reason.OVERLOADED, "queue_exceeded", "Cerebras: type too_many_requests_error, 429"),
    Words(Reason.OVERLOADED, "engine_overloaded_error", "Moonshot, with 429"),
    Words(Reason.OVERLOADED, "NoCapacity EngineOverloaded", "Azure, with 429"),
    Words(Reason.OVERLOADED, "service_tier_capacity_exceeded", "Mistral, 429"),
    Words(Reason.OVERLOADED, "ServerOverloaded", "Volcengine, 429"),
    Words(Reason.OVERLOADED, "MODEL_CAPACITY_EXHAUSTED", "Google, ErrorInfo with status 429"),
    Words(Reason.NOT_READY, "ModelNotReadyException", "Bedrock and SageMaker, with 429"),
    Words(Reason.NOT_READY, "DEPLOYMENT_SCALING_UP", "Fireworks: deployment scaled to zero, 503"),
    Words(Reason.NOT_READY, "model_loading", "llama.cpp's router; gateways"),
)
"""Codes that are exact enough to overrule the HTTP status."""

TYPES = (
    Words(
        Reason.BAD_REQUEST,
        "invalid_request_error context_length_exceeded unsupported_parameter unsupported_value "
        "data_residency_mismatch",
        "OpenAI",
    ),
    Words(Reason.BAD_REQUEST, "conflict_error request_too_large", "Anthropic"),
    Words(
        Reason.BAD_REQUEST,
        "BadRequestError UnprocessableEntityError NotImplementedError",
        "vLLM, SGLang",
    ),
    Words(Reason.BAD_REQUEST, "exceed_context_size_error not_supported_error", "llama.cpp"),
    Words(Reason.BAD_REQUEST, "invalid_parameter_error InvalidParameter", "DashScope"),
    Words(Reason.BAD_REQUEST, "validation", "TGI"),
    Words(Reason.BAD_REQUEST, "ContextWindowExceededError", "LiteLLM"),
    Words(Reason.BAD_REQUEST, "ValidationException", "AWS"),
    Words(Reason.BAD_REQUEST, "INVALID_ARGUMENT FAILED_PRECONDITION", "Google"),
    Words(Reason.AUTH, "AuthenticationError PermissionDeniedError Unauthorized", "LiteLLM"),
    Words(Reason.AUTH, "UNAUTHENTICATED PERMISSION_DENIED", "Google"),
    Words(Reason.NOT_FOUND, "not_found_error NotFoundError", "Anthropic; vLLM"),
    Words(Reason.NOT_FOUND, "NOT_FOUND", "Google"),
    Words(
        Reason.OVERLOADED,
        "service_unavailable_error ServiceUnavailableError unavailable_error ModelUnavailable "
        "ModelServingError",
        "OpenAI, vLLM, llama.cpp, DashScope",
    ),
    Words(Reason.OVERLOADED, "ServiceUnavailableException", "AWS"),
    Words(Reason.OVERLOADED, "UNAVAILABLE", "Google"),
    Words(Reason.OVERLOADED, "server_overload", "gateways"),
)
"""Types that are less exact than an HTTP status. They count only if an error in a stream has no
status."""


def table(rows: tuple[Words, ...]) -> dict[str, Reason]:
    """Return the meaning of each code."""
    return {plain(word): row.reason for row in rows for word in row.words.split()}
