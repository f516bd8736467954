"""The difference between a client's measurement and what the server did."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.truth.clients import Seen
from benchmarks.truth.served import Sends
from exporter.result import NANOSECONDS

CLOCKS_SECONDS = 0.0002
"""The uncertainty between the clocks of two processes and the kernel's timestamps."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One request as measured and as it was. Errors are absolute, in seconds."""

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
    def beyond_claim(self) -> float:
        """The amount by which the largest error exceeds the reported uncertainty; negative if it
        doesn't. Without a report, the uncertainty counts as 0."""
        sends, tokens = self.sends, self.tokens - 1
        ends = (sends.end_ns, sends.end_written_ns)
        first = (sends.first_token_ns, sends.first_token_written_ns)
        spans = (
            sends.last_token_ns - sends.first_token_written_ns,
            sends.last_token_written_ns - sends.first_token_ns,
        )
        errors = [
            _outside(
                self.seen.time_to_first_token_seconds, [at - sends.received_ns for at in first]
            ),
            _outside(self.seen.request_duration_seconds, [at - sends.received_ns for at in ends]),
        ]
        if self.seen.time_per_output_token_seconds is not None:
            seen = self.seen.time_per_output_token_seconds
            errors.append(_outside(seen, [span / tokens for span in spans]))
        return max(errors) - (self.seen.uncertainty_seconds or 0.0)

    @property
    def write_seconds(self) -> float:
        return self._real(self.sends.first_token_ns, self.sends.first_token_written_ns)

    @staticmethod
    def _real(earlier_ns: int, later_ns: int) -> float:
        return (later_ns - earlier_ns) / NANOSECONDS


def share_covered(pairs: Sequence[Pair]) -> float:
    """Return the share of requests whose reported uncertainty covers the error."""
    return sum(pair.beyond_claim <= CLOCKS_SECONDS for pair in pairs) / len(pairs)


def _outside(seconds: float, real_ns: Sequence[float]) -> float:
    """Return how far a time lies outside the possible range.

    The true time is a range too, because the server sends between two readings of its clock.
    """
    earliest, latest = (ns / NANOSECONDS for ns in real_ns)
    return max(earliest - seconds, seconds - latest, 0.0)


ERRORS: Mapping[str, Callable[[Pair], float | None]] = {
    "TTFT": lambda pair: pair.time_to_first_token_error,
    "first token's arrival": lambda pair: pair.arrival_error,
    "TPOT": lambda pair: pair.time_per_output_token_error,
    "duration": lambda pair: pair.duration_error,
}

Measured = dict[tuple[int, str, str], list[Pair]]
"""The results by streams, condition and client."""


def quantiles_ms(seconds: Sequence[float]) -> tuple[float, float, float]:
    """Return p50, p99 and maximum in milliseconds."""
    ordered = sorted(seconds)
    ranks = (len(ordered) // 2, len(ordered) * 99 // 100, len(ordered) - 1)
    p50, p99, largest = (ordered[rank] * 1000 for rank in ranks)
    return p50, p99, largest
