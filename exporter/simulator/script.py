"""What a simulated model does with a request."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from enum import StrEnum

from exporter.providers.calls import ToolCall
from exporter.result import RateLimit
from exporter.simulator.faults import Fault

COUNTING = " ".join(str(number) for number in range(1, 21))
"""The answer to the probe that is asked by default."""


class Sign(StrEnum):
    """How a loading model responds to requests."""

    NOT_READY = "not_ready"
    """An error in the provider's own words: llama.cpp's 503, Bedrock's ModelNotReadyException."""
    BAD_GATEWAY = "bad_gateway"
    """The 502 of a proxy whose server is not there yet."""
    UNAVAILABLE = "unavailable"
    """The bare 503 of a proxy that starts a server (Hugging Face endpoints)."""
    HELD = "held"
    """The request waits for its headers; health and model list say that all is well (Knative,
    Ollama, vLLM's sleep mode)."""
    SILENT = "silent"
    """The stream opens at once; only its first token is late."""


@dataclass(frozen=True, slots=True)
class Boot:
    """The model is not in memory at first, nor after it was left alone for a while."""

    seconds: float
    """How long loading takes; it begins with the simulator, and with the first request after
    idleness."""
    idle_seconds: float | None = None
    """How long without a request until the model is unloaded; ``None``: it never is."""
    sign: Sign = Sign.NOT_READY


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """How one simulated model answers. Times count from the moment its request is complete.

    :raises ValueError: a value makes no sense.
    """

    headers_seconds: float = 0.0
    """Until the status line and the headers."""
    first_token_seconds: float = 0.05
    """Until the first token is generated."""
    cached_first_token_seconds: float | None = None
    """The same for a repeated request: its prompt comes from a cache, and the usage says so.
    ``None``: there is no cache."""
    token_gap_seconds: float = 0.01
    """From one token to the next. The first chunk goes out with its first token, each later one
    with its last, so that time per output token is this value for any chunk size."""
    ending_seconds: float = 0.0
    """From the last output to the finish reason, the usage and the end marker."""
    jitter: float = 0.0
    """Sigma of the log-normal factor on the first token's time and on each gap; their medians
    stay as given."""

    answer: str = COUNTING
    """What is said; each word is a token."""
    answer_tokens: int | None = None
    """Length of the answer, which is cut or said again to fit; ``None``: as it is."""
    first_token_probability: float = 0.9
    """How sure the model is of its first token, where it is asked; another token has the rest."""
    tool_call: ToolCall | None = None
    """What is called instead of answering, where tools are offered."""
    reasoning_tokens: int = 0
    """Tokens of thought before the answer."""
    show_reasoning: bool = True
    """Whether the thought is streamed, or only takes its time and is counted."""
    tokens_per_chunk: tuple[int, ...] = (1,)
    """Sizes of the chunks, taken in turn and over again."""

    opening_event: bool = True
    """Whether an event without output (a role-only chunk) follows the headers, where the
    provider's format lets that be left out."""
    preamble: int = 0
    """How many comments or pings come between the headers and the first token."""
    events_per_write: int = 1
    """How many events are gathered into one TCP write."""
    split_characters: bool = False
    """Whether each write is cut in two: inside a character of several bytes if it holds one."""
    keep_alive: bool = True
    """Whether the connection may carry another request."""

    dimensions: int = 32
    """How long the vectors of its embeddings are; another model has other vectors."""

    slots: int | None = None
    """How many requests it works on at once; the others wait for their turn. ``None``: all."""

    served_model: str | None = None
    """The model that the response names; ``None``: the one that was asked."""
    reports_usage: bool = True
    cached_input_tokens: int = 0
    """How much of the prompt the usage says was read from a cache; at most the prompt."""
    rate_limits: tuple[RateLimit, ...] = ()
    boot: Boot | None = None

    fault: Fault | None = None
    fault_ratio: float = 1.0
    """Share of the requests that meet the fault."""
    seed: int = 0
    """Decides which requests meet the fault, and the jitter."""

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
