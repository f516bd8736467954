"""Why generation stopped: the finish reasons of all providers, and where each was seen.

Gateways pass on the finish reasons of their upstream servers, so all dialects share one table. Case
and separators don't matter. A blocked or broken answer is never a success, whatever text came
before.
"""

from __future__ import annotations

import re
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
    reason: re.compile(parts.replace(" ", "|"))
    for reason, parts in {
        Reason.CONTENT_FILTER: "safety filter blocked blocklist prohibit moderat sensitive "
        "guardrail violat unsafe flagged censor recitation toxic policy harm copyright illegal "
        "inspection nsfw jailbreak",
        Reason.OVERLOADED: "overload capacity insufficientsystem resourceexhausted",
        Reason.RATE_LIMITED: "ratelimit throttl",
        Reason.QUOTA: "insufficientquota insufficientcredit insufficientbalance",
        Reason.SERVER_ERROR: "error abort fail malformed cancel timeout timedout unavailable "
        "disconnect interrupted crash exception",
    }.items()
}
"""Parts of finish reasons that aren't in the table."""

_UNFINISHED = frozenset({"", "null", "none", "finishreasonunspecified", "unspecified"})
"""Values that mean no finish reason: generation continues."""

_STOPS = "stop eos eos_token end_turn stop_sequence stop_word complete completed"
_AT_A_TOKEN = frozenset(map(plain, _STOPS.split()))
"""The model ended with its own end token, which isn't shown."""

_REASON_BY_WORD = table(FAILED_ENDINGS)


def is_finish(word: str | None) -> bool:
    """Return whether a finish reason says that generation stopped."""
    return plain(word or "") not in _UNFINISHED


def failed_ending(*words: str | None) -> Reason | None:
    """Return the failure that finish reasons describe.

    A gateway can pass on the finish reason of its upstream server in addition to its own
    (OpenRouter's ``native_finish_reason``). The more exact one wins.
    """
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
    """Yield the events of a finish reason: that generation stopped, and the failure, if it is one.

    ``more`` is the provider's explanation. ``counts_stop_token`` says whether this server counts
    the end-of-sequence token, which isn't shown.
    """
    yield Finished(word, with_token=counts_stop_token and plain(word) in _AT_A_TOKEN)
    if reason := failed_ending(word, native):
        shown = word if failed_ending(word) is reason or not native else f"{word}: {native}"
        detail = f"the stream {verb} with {shown!r}"
        yield Failed(Failure(reason, f"{detail}: {more}" if more else detail))


def _failed(word: str) -> Reason | None:
    if word in _REASON_BY_WORD:
        return _REASON_BY_WORD[word]
    return next((reason for reason, parts in _PARTS.items() if parts.search(word)), None)
