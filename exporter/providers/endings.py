"""Why generation stopped: the finish words of all providers, each with where it was seen.

Gateways pass words on from whoever is behind them, so there is one table for all dialects, and the
case of letters and what stands between them make no difference. A blocked or broken answer is
never a success, whatever was said before it.
"""

from __future__ import annotations

from collections.abc import Iterator

from exporter.providers.base import Event, Failed, Finished
from exporter.providers.error_words import Words, plain, table
from exporter.result import Failure
from exporter.result import FailureReason as Reason

FAILED_ENDINGS = (
    Words(Reason.CONTENT_FILTER, "content_filter", "OpenAI, Azure, Anthropic's gateways"),
    Words(Reason.CONTENT_FILTER, "content_filtered guardrail_intervened", "Bedrock"),
    Words(
        Reason.CONTENT_FILTER,
        "SAFETY RECITATION LANGUAGE BLOCKLIST PROHIBITED_CONTENT SPII MODEL_ARMOR ESCALATION "
        "IMAGE_SAFETY IMAGE_PROHIBITED_CONTENT IMAGE_RECITATION",
        "Google, also on its compatible endpoint and through OpenRouter",
    ),
    Words(Reason.CONTENT_FILTER, "sensitive", "Zhipu"),
    Words(Reason.CONTENT_FILTER, "ERROR_TOXIC", "Cohere"),
    Words(Reason.CONTENT_FILTER, "moderation moderated blocked flagged", "gateways"),
    Words(Reason.REFUSAL, "refusal refused", "Anthropic"),
    Words(Reason.SERVER_ERROR, "error", "OpenRouter, Mistral, Cohere, KoboldCpp"),
    Words(Reason.SERVER_ERROR, "abort aborted", "SGLang, vLLM"),
    Words(Reason.SERVER_ERROR, "network_error", "Zhipu, and as OpenRouter's native word"),
    Words(Reason.SERVER_ERROR, "cancelled canceled USER_CANCEL", "OpenAI; TensorRT-LLM; Cohere"),
    Words(
        Reason.SERVER_ERROR,
        "OTHER IMAGE_OTHER NO_IMAGE MALFORMED_FUNCTION_CALL MALFORMED_RESPONSE "
        "UNEXPECTED_TOOL_CALL TOO_MANY_TOOL_CALLS MISSING_THOUGHT_SIGNATURE",
        "Google",
    ),
    Words(Reason.SERVER_ERROR, "malformed_model_output malformed_tool_use", "Bedrock"),
    Words(Reason.SERVER_ERROR, "failed timeout", "OpenAI's Responses; Cohere, TensorRT-LLM"),
    Words(Reason.SERVER_ERROR, "repetition_detected", "vLLM: the model repeats itself"),
    Words(Reason.OVERLOADED, "insufficient_system_resource", "DeepSeek"),
    Words(Reason.OVERLOADED, "overloaded out_of_capacity engine_overloaded", "gateways"),
    Words(Reason.RATE_LIMITED, "rate_limit rate_limited rate_limit_exceeded", "gateways"),
    Words(Reason.QUOTA, "insufficient_quota insufficient_credits", "gateways"),
    Words(Reason.AUTH, "PUP_LIMITED_DISABLED", "Google: the account broke the usage policy"),
)

_PARTS = {
    Reason.CONTENT_FILTER: "safety filter blocked blocklist prohibit moderat sensitive guardrail "
    "violat unsafe flagged censor recitation toxic policy harm copyright illegal inspection nsfw "
    "jailbreak",
    Reason.OVERLOADED: "overload capacity insufficientsystem resourceexhausted",
    Reason.RATE_LIMITED: "ratelimit throttl",
    Reason.QUOTA: "insufficientquota insufficientcredit insufficientbalance",
    Reason.SERVER_ERROR: "error abort fail malformed cancel timeout timedout unavailable "
    "disconnect interrupted crash exception",
}
"""Parts of words that nobody has told of yet."""

_UNFINISHED = frozenset({"", "null", "none", "finishreasonunspecified", "unspecified"})
"""Words that stand for none: generation goes on."""

_STOPS = "stop eos eos_token end_turn stop_sequence stop_word complete completed"
_AT_A_TOKEN = frozenset(map(plain, _STOPS.split()))
"""The model ended by a token of its own, which is not shown."""

_REASON_BY_WORD = table(FAILED_ENDINGS)


def is_finish(word: str | None) -> bool:
    """Whether a finish reason says that generation stopped."""
    return plain(word or "") not in _UNFINISHED


def failed_ending(*words: str | None) -> Reason | None:
    """The failure that finish words mean: a server's own and, where a gateway passes it on, the
    one of the server behind it (OpenRouter's ``native_finish_reason``). The more exact holds."""
    reasons = [reason for word in words if word and (reason := _failed(plain(word)))]
    exact = (reason for reason in reasons if reason is not Reason.SERVER_ERROR)
    return next(exact, reasons[0] if reasons else None)


def ending(
    word: str,
    native: str | None = None,
    *,
    verb: str = "finished",
    more: str | None = None,
    counts_stop_token: bool = False,
) -> Iterator[Event]:
    """The events of a finish reason: that generation stopped, and the failure that it means.

    ``more`` is what else the provider says of it. ``counts_stop_token`` says that this server
    counts the token by which a model ends, and does not show it.
    """
    yield Finished(word, with_token=counts_stop_token and plain(word) in _AT_A_TOKEN)
    if reason := failed_ending(word, native):
        shown = word if failed_ending(word) is reason or not native else f"{word}: {native}"
        detail = f"the stream {verb} with {shown!r}"
        yield Failed(Failure(reason, f"{detail}: {more}" if more else detail))


def _failed(word: str) -> Reason | None:
    if word in _REASON_BY_WORD:
        return _REASON_BY_WORD[word]
    return next(
        (reason for reason, parts in _PARTS.items() if any(p in word for p in parts.split())), None
    )
