"""The measures of a comparison, and the statistic of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from exporter.compare.sample import Sample

Value = Callable[[Sample], float | None]

MIN_SAMPLES = 40
TAIL_SAMPLES = 8
"""An interval needs this many samples in total, and this many beyond the quantile on its thinner
side. ``python -m benchmarks.compare`` shows that intervals keep their coverage from there on."""
MIN_BLOCKS = 10
"""A typical ratio needs a value of both sides in this many blocks."""
MIN_BURSTS = 6
"""A tail needs slow probes in this many bursts: one bad minute isn't a tail."""
TAIL_SHARE = 0.9
"""The lowest quantile that counts as a tail."""
MIN_COLD_STARTS = 4
"""With fewer cold starts, no interval has bounds."""


class Measure(StrEnum):
    """All measures, in the order of the report."""

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
    """The typical ratio of a value between the sides."""

    value: Value
    shown_by: Value | None = None
    """Another time, in which slow periods show more clearly than in this one."""


@dataclass(frozen=True, slots=True)
class Quantile:
    """A quantile of a value over the samples."""

    value: Value
    share: float

    @property
    def min_samples(self) -> int:
        return max(MIN_SAMPLES, round(TAIL_SAMPLES / min(self.share, 1 - self.share)))


@dataclass(frozen=True, slots=True)
class RatioOfSums:
    """One sum over the samples divided by another, times a factor."""

    numerator: Value
    denominator: Value
    factor: float


@dataclass(frozen=True, slots=True)
class SuccessRatio:
    """The share of probes that succeeded. It is compared by difference, not by ratio."""


@dataclass(frozen=True, slots=True)
class ColdStart:
    """The median of the cold starts. There are few of them, so it needs an exact test."""


Statistic = Typical | Quantile | RatioOfSums | SuccessRatio | ColdStart


@dataclass(frozen=True, slots=True)
class Definition:
    """The name, the statistic and the default margin of a measure."""

    title: str
    short: str
    """A short title with the usual abbreviations, for narrow places."""
    unit: Unit
    statistic: Statistic
    margin: float
    """The default difference that still counts as the same: a share of the baseline's value, or a
    difference for a success ratio."""
    higher_is_better: bool = False
    waits_for: Measure | None = None
    """A more sensitive measure of nearly the same question. If it finds no difference, neither does
    this one."""


def _ttft(sample: Sample) -> float | None:
    return sample.time_to_first_token_seconds


def _tpot(sample: Sample) -> float | None:
    return sample.time_per_output_token_seconds


def _duration(sample: Sample) -> float | None:
    return sample.request_duration_seconds


def _tokens_per_second(sample: Sample) -> float | None:
    return sample.output_tokens_per_second


def _cost(sample: Sample) -> float | None:
    """A failed request can cost something without producing tokens."""
    return sample.cost_usd if sample.tokens or sample.failure else None


def _tokens(sample: Sample) -> float | None:
    return None if _cost(sample) is None else sample.tokens or 0


def _one_answer(sample: Sample) -> float | None:
    return None if _cost(sample) is None else float(bool(sample.tokens))


LATENCY_MARGIN = 0.10
SUCCESS_MARGIN = 0.02
COST_MARGIN = 0.05
COLD_START_MARGIN = 0.20


def _typical(title: str, short: str, statistic: Typical) -> Definition:
    return Definition(
        f"{title}, typical", f"{short} typical", Unit.SECONDS, statistic, LATENCY_MARGIN
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
    Measure.TTFT_TYPICAL: _typical("Time to first token", "TTFT", Typical(_ttft, _duration)),
    Measure.TTFT_P50: _latency("Time to first token", "TTFT", _ttft, 0.50, Measure.TTFT_TYPICAL),
    Measure.TTFT_P95: _latency("Time to first token", "TTFT", _ttft, 0.95),
    Measure.TPOT_TYPICAL: _typical("Time per output token", "TPOT", Typical(_tpot)),
    Measure.TPOT_P50: _latency("Time per output token", "TPOT", _tpot, 0.50, Measure.TPOT_TYPICAL),
    Measure.TPOT_P95: _latency("Time per output token", "TPOT", _tpot, 0.95),
    Measure.DURATION_TYPICAL: _typical("Request duration", "duration", Typical(_duration)),
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
        RatioOfSums(_cost, _one_answer, 1e3),
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
"""The measures that decide a comparison by default."""
