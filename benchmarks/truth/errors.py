"""What a client saw beside what the server did, and how far the two are apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.truth.clients import Seen
from benchmarks.truth.served import Sends
from exporter.result import NANOSECONDS


@dataclass(frozen=True, slots=True)
class Pair:
    """One request as its client saw it and as it was; errors are absolute, in seconds."""

    seen: Seen
    sends: Sends
    tokens: int

    @property
    def time_to_first_token_error(self) -> float:
        real = self._real(self.sends.received_ns, self.sends.first_token_ns)
        return abs(self.seen.time_to_first_token_seconds - real)

    @property
    def arrival_error(self) -> float:
        return abs(self._real(self.sends.first_token_ns, self.seen.first_token_ns))

    @property
    def time_per_output_token_error(self) -> float | None:
        if self.seen.time_per_output_token_seconds is None:
            return None
        real = self._real(self.sends.first_token_ns, self.sends.last_token_ns) / (self.tokens - 1)
        return abs(self.seen.time_per_output_token_seconds - real)

    @property
    def duration_error(self) -> float:
        real = self._real(self.sends.received_ns, self.sends.end_ns)
        return abs(self.seen.request_duration_seconds - real)

    @property
    def write_seconds(self) -> float:
        return self._real(self.sends.first_token_ns, self.sends.first_token_written_ns)

    @staticmethod
    def _real(earlier_ns: int, later_ns: int) -> float:
        return (later_ns - earlier_ns) / NANOSECONDS


ERRORS: Mapping[str, Callable[[Pair], float | None]] = {
    "TTFT": lambda pair: pair.time_to_first_token_error,
    "first token's arrival": lambda pair: pair.arrival_error,
    "TPOT": lambda pair: pair.time_per_output_token_error,
    "duration": lambda pair: pair.duration_error,
}

Measured = dict[tuple[int, str, str], list[Pair]]
"""By streams, condition and client."""


def quantiles_ms(seconds: Sequence[float]) -> tuple[float, float, float]:
    """p50, p99 and the largest, in milliseconds."""
    ordered = sorted(seconds)
    ranks = (len(ordered) // 2, len(ordered) * 99 // 100, len(ordered) - 1)
    p50, p99, largest = (ordered[rank] * 1000 for rank in ranks)
    return p50, p99, largest
