"""The result of one probe: frozen values, with no behavior except arithmetic.

All timestamps of a probe are nanoseconds on the monotonic clock. All derived measures are in
seconds. A measure is ``None`` if the probe ended before it could be taken.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

NANOSECONDS = 1_000_000_000


class FailureReason(StrEnum):
    """Every reason for a failure: a label value of ``inference_probe_failures_total``."""

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
    """Why a scheduled probe wasn't sent: a label value of ``inference_probes_skipped_total``."""

    OVERLAP = "overlap"
    BUDGET = "budget"
    PAUSED = "paused"
    RETRY_AFTER = "retry_after"
    COLD_START = "cold_start"
    """The prober is waiting for the model to go cold, or for it to start."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a probe failed.

    ``detail`` is a message for people, with secrets removed. ``status`` is the HTTP status, if
    there was a response. ``retry_after_seconds`` is the delay that the error itself asks for.
    """

    reason: FailureReason
    detail: str
    status: int | None = None
    retry_after_seconds: float | None = None

    @property
    def summary(self) -> str:
        """The reason and the detail. If the provider's message starts with the reason, it isn't
        repeated."""
        return f"{self.reason}: {self.message}" if self.message else str(self.reason)

    @property
    def message(self) -> str:
        """The detail without the reason."""
        return self.detail.removeprefix(f"{self.reason}:").lstrip()


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of one request, normalized so that they mean the same for every provider.

    ``input`` is the whole prompt. It includes ``cached_input`` (read from a cache) and
    ``cache_write`` (stored in one). ``output`` is everything that was generated and billed. It
    includes ``reasoning``, whether that was streamed or not.
    """

    input: int
    output: int
    cached_input: int = 0
    cache_write: int = 0
    reasoning: int = 0


@dataclass(frozen=True, slots=True)
class ConnectionPhases:
    """Seconds spent in each phase of opening a connection. A phase that didn't happen is ``None``:
    an IP address needs no ``dns``, plain HTTP no ``tls``."""

    dns_seconds: float | None = None
    tcp_seconds: float | None = None
    tls_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class RateLimit:
    """The remaining quota of one rate-limited resource, from the provider's headers."""

    resource: str
    """``requests`` or ``tokens``."""
    limit: float | None = None
    remaining: float | None = None


@dataclass(frozen=True, slots=True)
class Timeline:
    """Timestamps of one probe, in nanoseconds on the monotonic clock.

    ``sent`` is when the kernel took the last byte of the request. Later timestamps are arrivals:
    when the kernel received the bytes, not when this process read them.
    """

    start: int
    sent: int | None = None
    headers: int | None = None
    first_token: int | None = None
    first_answer_token: int | None = None
    last_token: int | None = None
    end: int | None = None
    over: int | None = field(default=None, compare=False)
    """When this process finished with the probe, whether it got an answer or gave up."""
    arrivals: tuple[int, ...] = field(default=(), repr=False)
    """When each read with output arrived, including reads with an uncertain arrival time."""
    gaps: tuple[int, ...] = ()
    """Nanoseconds between consecutive reads with output whose times are both certain enough."""
    lag: int | None = None
    """The longest that the bytes of a timestamped read waited for this process, in nanoseconds.
    ``None`` if the platform doesn't report receive times."""
    uncertainty: int | None = None
    """How far off the timestamps can be, in nanoseconds. If a late read returned several events at
    once, only the arrival of the last one is known. ``None`` if the error is unknown."""

    @property
    def first_output(self) -> int | None:
        """When the first token arrived, or the end of an answer that comes in one piece."""
        return self.end if self.first_token is None else self.first_token


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """A model's greedy answer to a fixed prompt."""

    prompt: str
    answer: str
    first_token: tuple[tuple[str, float], ...] = ()
    """The likeliest first tokens and their probabilities, if the provider reports them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """Measures that only some kinds of probes take."""

    items: int | None = None
    """How many texts or documents were processed."""
    dimensions: int | None = None
    """The length of the vectors."""
    direction: tuple[float, ...] = field(default=(), repr=False)
    """The vector of a text that never changes."""
    fingerprint: Fingerprint | None = field(default=None, repr=False)
    cold_first_token_seconds: float | None = None
    """Time to first token of a prompt that no cache had seen."""
    cached_first_token_seconds: float | None = None
    """Time to first token when the same prompt was sent again."""
    cached_input_ratio: float | None = None
    """The share of the repeated prompt that the provider read from its cache."""
    tool_calls: int | None = None
    """How many tools were called. ``None`` if the probe offered none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResult:
    """Everything that one probe learned. Nothing else leaves the probe."""

    target: str
    probe: str
    finished_at: float
    """When the probe ended: wall-clock time, in Unix seconds."""
    timeline: Timeline
    failure: Failure | None = None
    interrupted: bool = False
    """Whether the exporter wasn't running when a deadline passed. The failure then says nothing
    about the provider."""
    usage: Usage | None = None
    connection: ConnectionPhases | None = None
    """``None`` if the probe reused an open connection."""
    earlier_usage: Usage | None = None
    """Tokens of this probe's earlier requests."""
    earlier_uncounted: bool = False
    """Whether the provider reported no tokens for an earlier request of this probe."""
    measures: Measures = Measures()
    connection_retries: int = 0
    """How often the request was sent again because the server closed the reused connection before
    it answered: 0 or 1. All times belong to the last attempt."""
    answer: str = ""
    reasoning: str = ""
    body: str = field(default="", repr=False)
    """The start of a response that wasn't an answer, with secrets removed."""
    finish_reason: str | None = None
    """The finish reason as the provider spells it."""
    served_model: str | None = None
    request_id: str | None = None
    model_load_seconds: float | None = None
    """How long the server took to load the model, if it says so: Ollama's ``load_duration``."""
    pace_known: bool = True
    """Whether a time per token makes sense: not if nearly all output arrived at once, or if the
    count includes tokens that weren't streamed."""
    status: int | None = None
    rate_limits: tuple[RateLimit, ...] = ()
    retry_after_seconds: float | None = None
    """How long the provider asks clients to wait, in a header or in the error."""
    certificate_expires_at: float | None = None
    """``notAfter`` of the server's certificate, in Unix seconds."""

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
        """Texts or documents per second, over the whole request."""
        seconds, items = self.request_duration_seconds, self.measures.items
        return items / seconds if items and seconds else None

    @property
    def streamed_output_tokens(self) -> int | None:
        """Output tokens that were streamed between the first and the last token.

        A provider may bill reasoning without streaming it (OpenAI's Chat Completions). Those tokens
        were generated before the first token arrived. Counting them would make the stream look
        faster than it was.
        """
        if self.usage is None:
            return None
        return self.usage.output if self.reasoning else self.usage.output - self.usage.reasoning

    @property
    def time_per_output_token_seconds(self) -> float | None:
        """Mean seconds per token after the first. ``None`` if there are fewer than two tokens, if
        the provider didn't report a count, or if the arrivals show no pace."""
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
        return tuple([gap / NANOSECONDS for gap in self.timeline.gaps])

    @property
    def max_stall_seconds(self) -> float | None:
        return _seconds(max(self.timeline.gaps, default=None))

    @property
    def uncertainty_seconds(self) -> float | None:
        """How far off any measure of this result can be."""
        return _seconds(self.timeline.uncertainty)

    @property
    def lag_seconds(self) -> float | None:
        """The longest that the bytes of a timestamped read waited for this process."""
        return _seconds(self.timeline.lag)


def _seconds(nanoseconds: int | None) -> float | None:
    return None if nanoseconds is None else nanoseconds / NANOSECONDS


def _seconds_between(earlier: int | None, later: int | None) -> float | None:
    if earlier is None or later is None:
        return None
    return (later - earlier) / NANOSECONDS
