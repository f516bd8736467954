"""How a simulated model responds to requests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from enum import StrEnum

from exporter.providers.calls import ToolCall
from exporter.result import RateLimit
from exporter.simulator.faults import Fault

COUNTING = " ".join(str(number) for number in range(1, 21))
"""The answer to the default probe."""


class Sign(StrEnum):
    """How a loading model responds to requests."""

    NOT_READY = "not_ready"
    """The provider's own error: llama.cpp's 503, Bedrock's ModelNotReadyException."""
    BAD_GATEWAY = "bad_gateway"
    """The 502 of a proxy whose server isn't up yet."""
    UNAVAILABLE = "unavailable"
    """The bare 503 of a proxy that starts a server (Hugging Face endpoints)."""
    HELD = "held"
    """The request waits for its headers. Health and model list look normal (Knative, Ollama, vLLM's
    sleep mode)."""
    SILENT = "silent"
    """The stream opens at once. Only its first token is late."""


@dataclass(frozen=True, slots=True)
class Boot:
    """How a model loads: at the start of the simulator, and again after an idle period."""

    seconds: float
    """How long loading takes. It starts with the simulator, and with the first request after an
    idle period."""
    idle_seconds: float | None = None
    """How long the model stays loaded without requests. ``None``: forever."""
    sign: Sign = Sign.NOT_READY


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """How one simulated model answers. All times start when the request is complete.

    :raises ValueError: a value is invalid.
    """

    headers_seconds: float = 0.0
    """The time until the status line and the headers."""
    first_token_seconds: float = 0.05
    """The time until the first token is generated."""
    cached_first_token_seconds: float | None = None
    """The same for a repeated request, whose prompt comes from a cache, which usage reports.
    ``None``: there is no cache."""
    token_gap_seconds: float = 0.01
    """The time between tokens. The first chunk is sent with its first token, each later one with
    its last. Time per output token is therefore this value for any chunk size."""
    ending_seconds: float = 0.0
    """The time from the last output to the finish reason, the usage, and the end marker."""
    jitter: float = 0.0
    """The sigma of a log-normal factor for the time of the first token and for each gap. Medians
    stay unchanged."""

    answer: str = COUNTING
    """The text of the answer. Each word is a token."""
    answer_tokens: int | None = None
    """The length of the answer, which is cut or repeated to fit. ``None``: unchanged."""
    first_token_probability: float = 0.9
    """The probability of the first token, if requested. Another token gets the rest."""
    tool_call: ToolCall | None = None
    """The call that replaces the answer if the request offers tools."""
    reasoning_tokens: int = 0
    """Reasoning tokens before the answer."""
    show_reasoning: bool = True
    """Whether reasoning is streamed, or only takes time and counts."""
    tokens_per_chunk: tuple[int, ...] = (1,)
    """The sizes of the chunks, used in turn and repeated."""

    opening_event: bool = True
    """Whether an event without output (a role-only chunk) follows the headers, if the provider's
    format makes it optional."""
    preamble: int = 0
    """How many comments or pings come between the headers and the first token."""
    events_per_write: int = 1
    """How many events go into one TCP write."""
    split_characters: bool = False
    """Whether each write is split in two, inside a multi-byte character if it contains one."""
    keep_alive: bool = True
    """Whether the connection can carry another request."""

    dimensions: int = 32
    """The length of the embedding vectors. Each model has different vectors."""

    slots: int | None = None
    """How many requests run at the same time. Others wait. ``None``: no limit."""

    served_model: str | None = None
    """The model name in the response. ``None``: the requested name."""
    reports_usage: bool = True
    cached_input_tokens: int = 0
    """How much of the prompt the usage reports as read from a cache. At most the whole prompt."""
    rate_limits: tuple[RateLimit, ...] = ()
    boot: Boot | None = None

    fault: Fault | None = None
    fault_ratio: float = 1.0
    """The share of the requests that get the fault."""
    seed: int = 0
    """The seed for the choice of requests with a fault, and for the jitter."""

    def __post_init__(self) -> None:
        for mistake in self._mistakes():
            raise ValueError(mistake)

    def _mistakes(self) -> Iterator[str]:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, int | float) and value < 0 and field.name != "seed":
                yield f"{field.name} must not be negative"
        if self.headers_seconds > self.first_token_seconds:
            yield "headers_seconds must not exceed first_token_seconds"
        if not self.tokens_per_chunk or min(self.tokens_per_chunk) < 1:
            yield "tokens_per_chunk must name sizes of at least 1"
        if self.events_per_write < 1:
            yield "events_per_write must be at least 1"
        if self.events_per_write > 1 and self.split_characters:
            yield "split_characters needs events_per_write to be 1"
        if self.slots == 0:
            yield "slots must be at least 1"
        if self.fault_ratio > 1:
            yield "fault_ratio must be at most 1"
        if not self.answer.split() and self.answer_tokens:
            yield "an empty answer cannot be repeated"
