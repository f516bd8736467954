"""What one probe found out: frozen values, no behaviour but arithmetic.

Every mark of a probe stands on one clock, the monotonic one, in nanoseconds; every derived
measure is in seconds. A measure that the probe did not get far enough to know is ``None``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

NANOSECONDS = 1_000_000_000


class FailureReason(StrEnum):
    """The closed list of reasons, values of a label of ``inference_probe_failures_total``."""

    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    TIMEOUT_CONNECT = "timeout_connect"
    TIMEOUT_FIRST_TOKEN = "timeout_first_token"
    TIMEOUT_STALL = "timeout_stall"
    TIMEOUT_TOTAL = "timeout_total"
    AUTH = "auth"
    NOT_FOUND = "not_found"
    BAD_REQUEST = "bad_request"
    RATE_LIMITED = "rate_limited"
    QUOTA = "quota"
    OVERLOADED = "overloaded"
    NOT_READY = "not_ready"
    SERVER_ERROR = "server_error"
    UNEXPECTED_STATUS = "unexpected_status"
    PROTOCOL = "protocol"
    TRUNCATED = "truncated"
    TOO_LARGE = "too_large"
    CONTENT_FILTER = "content_filter"
    REFUSAL = "refusal"
    EMPTY = "empty"
    WRONG_ANSWER = "wrong_answer"
    INTERNAL = "internal"


class SkipReason(StrEnum):
    """Why a scheduled probe was not sent; each is a label value of
    ``inference_probes_skipped_total``."""

    OVERLAP = "overlap"
    BUDGET = "budget"
    PAUSED = "paused"
    RETRY_AFTER = "retry_after"
    COLD_START = "cold_start"
    """The target is left alone until its model is cold, or is being started."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a probe failed.

    ``detail`` is for people and already free of secrets; ``status`` is the HTTP status, where
    there was one; ``retry_after_seconds`` is how long the error itself asks to be left alone.
    """

    reason: FailureReason
    detail: str
    status: int | None = None
    retry_after_seconds: float | None = None

    @property
    def told(self) -> str:
        """Reason and detail in one text; the reason once, though providers may use the same
        word."""
        return f"{self.reason}: {self.said}" if self.said else str(self.reason)

    @property
    def said(self) -> str:
        """The detail without the reason."""
        return self.detail.removeprefix(f"{self.reason}:").lstrip()


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one request, normalised so that every provider means the same.

    ``input`` is the whole prompt: ``cached_input`` (read from a cache) and ``cache_write``
    (stored into one) are parts of it. ``output`` is all that was generated and billed:
    ``reasoning`` is a part of it, streamed or not.
    """

    input: int
    output: int
    cached_input: int = 0
    cache_write: int = 0
    reasoning: int = 0


@dataclass(frozen=True, slots=True)
class ConnectionPhases:
    """Seconds spent opening a connection; ``None`` for a phase that did not take place
    (an IP address needs no ``dns``, plain HTTP no ``tls``)."""

    dns_seconds: float | None = None
    tcp_seconds: float | None = None
    tls_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class RateLimit:
    """What the provider's headers say is left of one limited resource."""

    resource: str
    """``requests`` or ``tokens``."""
    limit: float | None = None
    remaining: float | None = None


@dataclass(frozen=True, slots=True)
class Timeline:
    """The marks of one probe, in nanoseconds on the monotonic clock.

    ``sent`` is when the last byte of the request was handed to the kernel. The marks after it
    are arrivals: when the kernel received the bytes, not when this process came to read them.
    """

    start: int
    sent: int | None = None
    headers: int | None = None
    first_token: int | None = None
    first_answer_token: int | None = None
    last_token: int | None = None
    end: int | None = None
    over: int | None = field(default=None, compare=False)
    """When this process was through with the probe, whether it was answered or given up."""
    arrivals: tuple[int, ...] = field(default=(), repr=False)
    """When each read that held output arrived, known well enough or not."""
    gaps: tuple[int, ...] = ()
    """Nanoseconds between each two consecutive reads that held output, where both are known well
    enough."""
    lag: int | None = None
    """The longest that any read with a mark waited for this process, in nanoseconds. ``None``
    where the platform gives no receive time."""
    uncertainty: int | None = None
    """How far off the marks may be, in nanoseconds: where a late read brought several events at
    once, only the last one's arrival is known. ``None`` where that cannot be told."""

    @property
    def first_output(self) -> int | None:
        """The first token, or the end where the answer comes in one piece."""
        return self.end if self.first_token is None else self.first_token


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """How a model answered a prompt that is always the same, with nothing left to chance."""

    prompt: str
    answer: str
    first_token: tuple[tuple[str, float], ...] = ()
    """The likeliest first tokens, each with its probability, where the provider tells them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """What only some kinds of probes measure."""

    items: int | None = None
    """How many texts or documents were dealt with."""
    dimensions: int | None = None
    """How long the vectors are."""
    direction: tuple[float, ...] = field(default=(), repr=False)
    """The vector of a text that is always the same."""
    fingerprint: Fingerprint | None = field(default=None, repr=False)
    cold_first_token_seconds: float | None = None
    """Time to first token of a prompt that no cache had seen."""
    cached_first_token_seconds: float | None = None
    """The same of that prompt asked again."""
    cached_input_ratio: float | None = None
    """Share of the prompt asked again that came from the provider's cache."""
    tool_calls: int | None = None
    """How many; ``None`` where no tool was offered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResult:
    """Everything that one probe learned; the only thing that leaves it."""

    target: str
    probe: str
    finished_at: float
    """Wall-clock end of the probe, Unix seconds."""
    timeline: Timeline
    failure: Failure | None = None
    interrupted: bool = False
    """Whether the exporter itself did not run while a deadline passed: the failure then says
    nothing about the provider."""
    usage: Usage | None = None
    connection: ConnectionPhases | None = None
    """``None`` where an open connection was reused."""
    earlier_usage: Usage | None = None
    """Tokens of the requests before this one that belong to the same probe."""
    measures: Measures = Measures()
    connection_retries: int = 0
    """How often the request was sent anew, over a new connection, since the server closed the kept
    one before it answered: 0 or 1. The times are those of the last one sent."""
    answer: str = ""
    reasoning: str = ""
    body: str = field(default="", repr=False)
    """The beginning of what came instead of an answer; free of secrets."""
    finish_reason: str | None = None
    """The provider's own word."""
    served_model: str | None = None
    request_id: str | None = None
    model_load_seconds: float | None = None
    """How long the server itself says it took to have the model in memory (Ollama's
    ``load_duration``); ``None`` where it says nothing."""
    pace_known: bool = True
    """Whether a time per token can be told: ``False`` where nearly all output came at one moment,
    or tokens were counted that were not shown."""
    status: int | None = None
    rate_limits: tuple[RateLimit, ...] = ()
    retry_after_seconds: float | None = None
    """How long the provider asks to be left alone, in a header or in the error."""
    certificate_expires_at: float | None = None
    """``notAfter`` of the server's certificate, Unix seconds."""

    @property
    def success(self) -> bool:
        return self.failure is None

    @property
    def time_to_first_token_seconds(self) -> float | None:
        return _seconds_between(self.timeline.sent, self.timeline.first_token)

    @property
    def time_to_first_answer_token_seconds(self) -> float | None:
        return _seconds_between(self.timeline.sent, self.timeline.first_answer_token)

    @property
    def request_duration_seconds(self) -> float | None:
        return _seconds_between(self.timeline.sent, self.timeline.end)

    @property
    def items_per_second(self) -> float | None:
        """Texts or documents a second, over the whole request."""
        seconds, items = self.request_duration_seconds, self.measures.items
        return items / seconds if items and seconds else None

    @property
    def streamed_output_tokens(self) -> int | None:
        """Output tokens that came over the wire between the first and the last token.

        Reasoning that a provider bills but keeps to itself (OpenAI's Chat Completions) passed
        before the first token, so it must not make the stream look faster than it was.
        """
        if self.usage is None:
            return None
        return self.usage.output if self.reasoning else self.usage.output - self.usage.reasoning

    @property
    def time_per_output_token_seconds(self) -> float | None:
        """Mean seconds per token after the first; ``None`` below two tokens, without the
        provider's own count, or where the output came in a way that shows no pace."""
        span = _seconds_between(self.timeline.first_token, self.timeline.last_token)
        tokens = self.streamed_output_tokens
        if not span or tokens is None or tokens < 2 or not self.pace_known:
            return None
        return span / (tokens - 1)

    @property
    def output_tokens_per_second(self) -> float | None:
        per_token = self.time_per_output_token_seconds
        return 1 / per_token if per_token else None

    @property
    def inter_chunk_latencies_seconds(self) -> tuple[float, ...]:
        return tuple(gap / NANOSECONDS for gap in self.timeline.gaps)

    @property
    def max_stall_seconds(self) -> float | None:
        return max(self.inter_chunk_latencies_seconds, default=None)

    @property
    def uncertainty_seconds(self) -> float | None:
        """How far off any measure of this result may be."""
        return _seconds(self.timeline.uncertainty)

    @property
    def lag_seconds(self) -> float | None:
        """The longest that a read with a mark waited for this process."""
        return _seconds(self.timeline.lag)


def _seconds(nanoseconds: int | None) -> float | None:
    return None if nanoseconds is None else nanoseconds / NANOSECONDS


def _seconds_between(earlier: int | None, later: int | None) -> float | None:
    if earlier is None or later is None:
        return None
    return (later - earlier) / NANOSECONDS
