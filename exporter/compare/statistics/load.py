"""The results of each side at each level of load."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from math import ceil, log

import numpy as np

from exporter.compare.sample import Sample
from exporter.compare.statistics.levels import TIMES, Estimate, SideAtLevel
from exporter.compare.statistics.measures import (
    DEFINITIONS,
    MIN_SAMPLES,
    Measure,
    Quantile,
    Value,
)
from exporter.compare.statistics.proportions import Share, two_sided_z
from exporter.compare.statistics.resampling import Floats, Resampling, harrell_davis

_FEWEST = 10
_DRAWS = 1_999
_TAIL = 0.025
_PER_MILLION, _HOUR_SECONDS = 1e6, 3600.0


def side_at_level(
    target: str, streams: int, samples: Sequence[Sample], usd_per_hour: float | None, seed: int
) -> SideAtLevel:
    """Evaluate one target at one level of load.

    :param samples: the samples of this target at this level; at least one.
    """
    draws = Draws(samples, seed)
    failed = sum(sample.failure is not None for sample in samples)
    share = Share(len(samples) - failed, len(samples))
    throughput = _throughput(streams, samples, draws)
    price = _usd_per_million(samples, throughput, usd_per_hour)
    return SideAtLevel(
        target=target,
        requests=len(samples),
        times={m: found for m in TIMES if (found := _time(draws, quantile_of(m)))},
        success=Estimate(share.value, *share.score_interval(two_sided_z(0.95))),
        tokens_per_second=throughput,
        usd_per_million_tokens=price.value if price else None,
        usd_interval=(price.low, price.high) if price and price.low and price.high else None,
        limited=any(sample.failure in ("rate_limited", "quota") for sample in samples),
    )


class Draws:
    """Samples of one side at one level, and a bootstrap of their blocks."""

    def __init__(self, samples: Sequence[Sample], seed: int) -> None:
        blocks = sorted({sample.block for sample in samples})
        self._index = {block: number for number, block in enumerate(blocks)}
        self._samples = samples
        self._resampling = Resampling([""] * len(blocks), 1, _DRAWS, seed)

    def estimate(self, quantile: Quantile, fewest: int = MIN_SAMPLES) -> Estimate | None:
        """Estimate a quantile; without an interval if there are fewer values than ``fewest``."""
        values = [v for s in self._samples if (v := quantile.value(s)) is not None]
        if len(values) < _FEWEST:
            return None
        value = harrell_davis(np.array(values), quantile.share)
        if len(values) < fewest:
            return Estimate(value)
        return _within(value, self.quantiles(quantile))

    def quantiles(self, quantile: Quantile) -> Floats:
        known = [
            (v, self._index[s.block]) for s in self._samples if (v := quantile.value(s)) is not None
        ]
        values, blocks = zip(*known, strict=True)
        return self._resampling.quantiles(
            np.array(values), np.array(blocks, np.intp), quantile.share
        )

    def ratio(self, above: Value, below: Value) -> Estimate | None:
        rows = [(above(s) or 0.0, below(s) or 0.0, self._index[s.block]) for s in self._samples]
        numerators, denominators, blocks = (np.array(column) for column in zip(*rows, strict=True))
        if not denominators.sum():
            return None
        draws = self._resampling.ratios(numerators, denominators, blocks.astype(np.intp))
        return _within(float(numerators.sum() / denominators.sum()), draws)


def _time(draws: Draws, quantile: Quantile) -> Estimate | None:
    """With an interval only if the largest of so many values is hardly ever below the quantile."""
    return draws.estimate(quantile, max(MIN_SAMPLES, ceil(log(_TAIL) / log(quantile.share))))


def _within(value: float, draws: Floats) -> Estimate:
    low, high = np.nanquantile(draws, [0.025, 0.975])
    return Estimate(value, float(low), float(high))


def quantile_of(measure: Measure) -> Quantile:
    statistic = DEFINITIONS[measure].statistic
    if not isinstance(statistic, Quantile):
        raise TypeError(measure)
    return statistic


def _throughput(streams: int, samples: Sequence[Sample], draws: Draws) -> Estimate | None:
    """Estimate the throughput of all streams: tokens per busy second of a stream, times streams.

    A request that is still running when the last request of its turn begins counts in part,
    because not all streams are busy after that.
    """
    shares = dict(_shares_at_full_load(samples))
    per_stream = draws.ratio(
        lambda s: shares[id(s)] * (0 if s.failure else s.output_tokens or 0),
        lambda s: shares[id(s)] * _busy_seconds(s),
    )
    if per_stream is None or per_stream.low is None or per_stream.high is None:
        return None
    if not per_stream.value:  # no answer says how many tokens it has
        return None
    return Estimate(streams * per_stream.value, streams * per_stream.low, streams * per_stream.high)


def _busy_seconds(sample: Sample) -> float:
    return sample.finished_at - (sample.started_at or sample.finished_at)


def _shares_at_full_load(samples: Sequence[Sample]) -> Iterator[tuple[int, float]]:
    ordered = sorted(samples, key=lambda sample: sample.turn)
    for _, group in groupby(ordered, key=lambda sample: sample.turn):
        turn = list(group)
        end = max(sample.started_at or 0.0 for sample in turn)
        for sample in turn:
            busy = _busy_seconds(sample)
            within = max(0.0, min(busy, end - (sample.started_at or 0.0)))
            yield id(sample), within / busy if busy else 0.0


def _usd_per_million(
    samples: Sequence[Sample], throughput: Estimate | None, usd_per_hour: float | None
) -> Estimate | None:
    """Return the price with its interval. Only an hourly price has one, from the throughput."""
    counted = [s for s in samples if s.tokens and not s.failure]
    if usd_per_hour is None:
        priced = [s for s in samples if s.cost_usd is not None and s.tokens]
        tokens = sum(sample.tokens or 0 for sample in priced)
        usd = sum(sample.cost_usd or 0.0 for sample in priced)
        return Estimate(_PER_MILLION * usd / tokens) if tokens else None
    output = sum(sample.output_tokens or 0 for sample in counted)
    if not throughput or not throughput.value or not output:
        return None
    all_by_output = sum(sample.tokens or 0 for sample in counted) / output
    usd = _PER_MILLION * usd_per_hour / _HOUR_SECONDS / all_by_output
    if not throughput.low or not throughput.high:
        return Estimate(usd / throughput.value)
    return Estimate(usd / throughput.value, usd / throughput.high, usd / throughput.low)
