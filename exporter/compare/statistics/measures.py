"""The measures of a comparison, and how each is evaluated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from exporter.compare.sample import Sample

Value = Callable[[Sample], float | None]

MIN_SAMPLES = 40
TAIL_SAMPLES = 8
"""So many samples there must be, and so many of them beyond a quantile on its thinner side, for an
interval to be given; ``python -m benchmarks.compare`` shows that intervals hold from there on."""
MIN_BLOCKS = 10
"""In so many blocks both sides must have a value, for a typical ratio."""
MIN_BURSTS = 6
"""In so many bursts the slow probes must have come: one bad minute is no tail."""
TAIL_SHARE = 0.9
"""From this quantile on it is a tail."""
MIN_COLD_STARTS = 4
"""Below, no interval has bounds."""


class Measure(StrEnum):
    """The closed list, in the order in which a report has them."""

    TTFT_TYPICAL = "ttft_typical"
    TTFT_P50 = "ttft_p50"
    TTFT_P95 = "ttft_p95"
    TPOT_TYPICAL = "tpot_typical"
    TPOT_P50 = "tpot_p50"
    TPOT_P95 = "tpot_p95"
    DURATION_TYPICAL = "duration_typical"
    DURATION_P50 = "duration_p50"
    DURATION_P95 = "duration_p95"
    TOKENS_PER_SECOND = "tokens_per_second"
    SUCCESS = "success"
    USD_PER_MILLION_TOKENS = "usd_per_million_tokens"
    USD_PER_THOUSAND_REQUESTS = "usd_per_thousand_requests"
    COLD_START = "cold_start"


class Unit(StrEnum):
    SECONDS = "s"
    TOKENS_PER_SECOND = "tokens/s"
    SHARE = "%"
    USD = "USD"


@dataclass(frozen=True, slots=True)
class Typical:
    """The typical ratio of one value between the sides."""

    value: Value


@dataclass(frozen=True, slots=True)
class Quantile:
    """A quantile of one value over the samples."""

    value: Value
    share: float

    @property
    def min_samples(self) -> int:
        return max(MIN_SAMPLES, round(TAIL_SAMPLES / min(self.share, 1 - self.share)))


@dataclass(frozen=True, slots=True)
class RatioOfSums:
    """A sum over the samples by another sum, times a factor."""

    numerator: Value
    denominator: Value
    factor: float


@dataclass(frozen=True, slots=True)
class SuccessRatio:
    """The share of probes that succeeded; sides differ by their difference, not their ratio."""


@dataclass(frozen=True, slots=True)
class ColdStart:
    """The median of the cold starts, of which there are few."""


Statistic = Typical | Quantile | RatioOfSums | SuccessRatio | ColdStart


@dataclass(frozen=True, slots=True)
class Definition:
    """What a measure is called, computed from and compared by."""

    title: str
    short: str
    """The title where there is little room, in the field's own abbreviations."""
    unit: Unit
    statistic: Statistic
    margin: float
    """How much worse or better still counts as the same, unless the user says otherwise: a part
    of the baseline's value, or for a success ratio a difference."""
    higher_is_better: bool = False
    waits_for: Measure | None = None
    """What asks nearly the same and finds smaller differences: where that one finds none, neither
    does this one."""


def _ttft(sample: Sample) -> float | None:
    return sample.time_to_first_token_seconds


def _tpot(sample: Sample) -> float | None:
    return sample.time_per_output_token_seconds


def _duration(sample: Sample) -> float | None:
    return sample.request_duration_seconds


def _tokens_per_second(sample: Sample) -> float | None:
    return sample.output_tokens_per_second


def _cost(sample: Sample) -> float | None:
    return sample.cost_usd if sample.tokens else None


def _tokens(sample: Sample) -> float | None:
    return None if _cost(sample) is None else sample.tokens


def _one_request(sample: Sample) -> float | None:
    return None if _cost(sample) is None else 1.0


LATENCY_MARGIN = 0.10
SUCCESS_MARGIN = 0.02
COST_MARGIN = 0.05
COLD_START_MARGIN = 0.20


def _typical(title: str, short: str, value: Value) -> Definition:
    return Definition(
        f"{title}, typical", f"{short} typical", Unit.SECONDS, Typical(value), LATENCY_MARGIN
    )


def _latency(
    title: str, short: str, value: Value, share: float, waits_for: Measure | None = None
) -> Definition:
    rank = f"p{share * 100:.0f}"
    return Definition(
        f"{title} {rank}",
        f"{short} {rank}",
        Unit.SECONDS,
        Quantile(value, share),
        LATENCY_MARGIN,
        waits_for=waits_for,
    )


DEFINITIONS: Mapping[Measure, Definition] = {
    Measure.TTFT_TYPICAL: _typical("Time to first token", "TTFT", _ttft),
    Measure.TTFT_P50: _latency("Time to first token", "TTFT", _ttft, 0.50, Measure.TTFT_TYPICAL),
    Measure.TTFT_P95: _latency("Time to first token", "TTFT", _ttft, 0.95),
    Measure.TPOT_TYPICAL: _typical("Time per output token", "TPOT", _tpot),
    Measure.TPOT_P50: _latency("Time per output token", "TPOT", _tpot, 0.50, Measure.TPOT_TYPICAL),
    Measure.TPOT_P95: _latency("Time per output token", "TPOT", _tpot, 0.95),
    Measure.DURATION_TYPICAL: _typical("Request duration", "duration", _duration),
    Measure.DURATION_P50: _latency(
        "Request duration", "duration", _duration, 0.50, Measure.DURATION_TYPICAL
    ),
    Measure.DURATION_P95: _latency("Request duration", "duration", _duration, 0.95),
    Measure.TOKENS_PER_SECOND: Definition(
        "Output tokens per second p50",
        "tokens/s p50",
        Unit.TOKENS_PER_SECOND,
        Quantile(_tokens_per_second, 0.50),
        LATENCY_MARGIN,
        higher_is_better=True,
        waits_for=Measure.TPOT_P50,
    ),
    Measure.SUCCESS: Definition(
        "Success ratio",
        "success",
        Unit.SHARE,
        SuccessRatio(),
        SUCCESS_MARGIN,
        higher_is_better=True,
    ),
    Measure.USD_PER_MILLION_TOKENS: Definition(
        "USD per million tokens",
        "USD/M tokens",
        Unit.USD,
        RatioOfSums(_cost, _tokens, 1e6),
        COST_MARGIN,
    ),
    Measure.USD_PER_THOUSAND_REQUESTS: Definition(
        "USD per thousand requests",
        "USD/k requests",
        Unit.USD,
        RatioOfSums(_cost, _one_request, 1e3),
        COST_MARGIN,
    ),
    Measure.COLD_START: Definition(
        "Cold start p50",
        "cold start p50",
        Unit.SECONDS,
        ColdStart(),
        COLD_START_MARGIN,
    ),
}

TYPICAL = (Measure.TTFT_TYPICAL, Measure.TPOT_TYPICAL, Measure.DURATION_TYPICAL)
"""What a buyer asks before all else, unless he says otherwise."""
