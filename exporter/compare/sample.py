"""One probe of a comparison: everything that the statistics and the report need.

A sample contains no prompt and no answer, so it is safe to store and share.
"""

from __future__ import annotations

from dataclasses import dataclass

PROBES_PER_BLOCK = 2
"""The number of probes of each target per block in a live comparison."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The result of one probe of one target. Only successes have times, in seconds."""

    target: str
    block: int
    """Samples of a block have nearly the same time and, in a live comparison, the same prompt."""
    stratum: str = ""
    """The part of the mix that the block belongs to, such as a class of prompt lengths."""
    finished_at: float
    """Unix seconds."""
    streams: int = 0
    """The number of concurrent streams; 0 for one probe at a time."""
    turn: int = 0
    """Under load, the number of the target's turn. The sides take turns."""
    started_at: float | None = None
    """Unix seconds; only under load."""
    failure: str | None = None
    """The reason; ``None`` for a success."""
    detail: str = ""
    """A description of the failure, free of secrets."""
    interrupted: bool = False
    """Whether this process itself wasn't running when a deadline passed. Such a sample says nothing
    about the target."""
    uncertain: bool = False
    """Whether a success has no times because this process read too late to measure them."""
    time_to_first_token_seconds: float | None = None
    time_per_output_token_seconds: float | None = None
    request_duration_seconds: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None
    """The cost of a success or failure; ``None`` if the price or the usage is unknown. For a server
    paid by the hour, the cost of its time."""
    charged_usd: float = 0.0
    """The amount that counts against a budget: the cost, or the worst case if the provider may have
    generated tokens without reporting how many."""
    cold: bool = False
    """Whether the target was idle before. Such a sample counts only for the cold start."""
    cold_start_seconds: float | None = None
    """From the first attempt until the first token of the first success."""

    @property
    def counts(self) -> bool:
        """Whether it says something about the warm target."""
        return not self.cold and not self.interrupted

    @property
    def output_tokens_per_second(self) -> float | None:
        per_token = self.time_per_output_token_seconds
        return 1 / per_token if per_token else None

    @property
    def tokens(self) -> int | None:
        """Input and output tokens together."""
        if self.input_tokens is None or self.output_tokens is None:
            return None
        return self.input_tokens + self.output_tokens
