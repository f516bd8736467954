"""One probe of a comparison: everything that the statistics and the report need, without prompt or
answer, so that samples can be stored and shared."""

from __future__ import annotations

from dataclasses import dataclass

PROBES_PER_BLOCK = 2
"""Of each target, in a live comparison."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What one probe of one target came to; times are in seconds and of successes only."""

    target: str
    block: int
    """Samples of one block were taken at nearly the same time and, live, with the same prompt."""
    stratum: str = ""
    """The part of the mix that the block belongs to, such as a class of prompt lengths."""
    finished_at: float
    """Unix seconds."""
    streams: int = 0
    """How many were asked of the target at once; 0 where one probe followed the other."""
    turn: int = 0
    """Under load, which of the times that the target was asked; the sides take turns."""
    started_at: float | None = None
    """Unix seconds, under load."""
    failure: str | None = None
    """The reason; ``None`` for a success."""
    detail: str = ""
    """About the failure, for people; free of secrets."""
    uncertain: bool = False
    """A success whose times may be too far off, since this process read too late; it has none."""
    time_to_first_token_seconds: float | None = None
    time_per_output_token_seconds: float | None = None
    request_duration_seconds: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None
    """Of successes and failures alike; ``None`` where the price or the usage is not known. On a
    server that is paid by the hour, its time."""
    charged_usd: float = 0.0
    """What a budget counts: the cost, or the worst case where something may have been generated
    and the provider did not say how much."""
    cold: bool = False
    """Asked after idleness. Such a sample counts for the cold start and nothing else."""
    cold_start_seconds: float | None = None
    """From the first attempt until the first token of the first success."""

    @property
    def output_tokens_per_second(self) -> float | None:
        per_token = self.time_per_output_token_seconds
        return 1 / per_token if per_token else None

    @property
    def tokens(self) -> int | None:
        """Input and output together."""
        if self.input_tokens is None or self.output_tokens is None:
            return None
        return self.input_tokens + self.output_tokens
