"""The results of each side at each level of load, and the level that misses an objective."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from math import exp, inf, log

import numpy as np

from exporter.compare.sample import Sample
from exporter.compare.statistics.findings import Objective
from exporter.compare.statistics.levels import TIMES, Breaking, Estimate, SideAtLevel
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
_PER_MILLION, _HOUR_SECONDS = 1e6, 3600.0


def side_at_level(
    target: str, streams: int, samples: Sequence[Sample], usd_per_hour: float | None, seed: int
) -> SideAtLevel:
    """Evaluate one target at one level of load.

    :param samples: the samples of this target at this level; at least one.
    """
    draws = _Draws(samples, seed)
    failed = sum(sample.failure is not None for sample in samples)
    share = Share(len(samples) - failed, len(samples))
    throughput = _throughput(streams, samples, draws)
    return SideAtLevel(
        target=target,
        requests=len(samples),
        times={m: found for m in TIMES if (found := draws.estimate(_quantile(m)))},
        success=Estimate(share.value, *share.score_interval(two_sided_z(0.95))),
        tokens_per_second=throughput,
        usd_per_million_tokens=_usd_per_million(samples, throughput, usd_per_hour),
        limited=any(sample.failure in ("rate_limited", "quota") for sample in samples),
    )


def breaking(
    target: str,
    objective: Objective,
    by_level: Mapping[int, Sequence[Sample]],
    seed: int,
) -> Breaking:
    """Estimate the number of streams at which a side starts to miss an objective.

    :param by_level: the samples of this side at each level.
    """
    quantile, known = _quantile(objective.measure), {}
    for streams, samples in sorted(by_level.items()):
        draws = _Draws(samples, seed + streams)
        if (estimate := draws.estimate(quantile)) and estimate.high is not None:
            known[streams] = estimate, draws.quantiles(quantile)
    limit = objective.seconds
    holds = [s for s, (e, _) in known.items() if e.high is not None and e.high <= limit]
    breaks = [s for s, (e, _) in known.items() if e.low is not None and e.low > limit]
    estimate = None
    if len(known) > 1:
        levels = np.log(np.array([*known], float))
        values = np.array([[e.value] for e, _ in known.values()])
        all_draws = np.array([drawn for _, drawn in known.values()])
        [middle] = _crossings(levels, np.log(values), log(limit))
        crossings = _crossings(levels, np.log(all_draws), log(limit))
        low, high = np.quantile(crossings, [0.025, 0.975], method="nearest")
        estimate = Estimate(*(_streams(at) for at in (middle, low, high)))
    return Breaking(
        target, objective, max(holds, default=None), min(breaks, default=None), estimate
    )


def _streams(logarithm: float) -> float:
    return inf if logarithm == inf else 0.0 if logarithm == -inf else exp(logarithm)


def _crossings(levels: Floats, logs: Floats, limit: float) -> Floats:
    """Find where each column first exceeds the limit.

    The result is infinite if it never does, and minus infinity if it does at the first level.
    """
    found = np.full(logs.shape[1], inf)
    for at in range(len(levels) - 1, 0, -1):
        before, after = logs[at - 1], logs[at]
        passes = (before <= limit) & (after > limit)
        slope = np.where(passes, after - before, 1.0)
        at_limit = levels[at - 1] + (limit - before) / slope * (levels[at] - levels[at - 1])
        found = np.where(passes, at_limit, found)
    return np.where(logs[0] > limit, -inf, found)


class _Draws:
    """Samples of one side at one level, and a bootstrap of their blocks."""

    def __init__(self, samples: Sequence[Sample], seed: int) -> None:
        blocks = sorted({sample.block for sample in samples})
        self._index = {block: number for number, block in enumerate(blocks)}
        self._samples = samples
        self._resampling = Resampling([""] * len(blocks), 1, _DRAWS, seed)

    def estimate(self, quantile: Quantile) -> Estimate | None:
        values = [v for s in self._samples if (v := quantile.value(s)) is not None]
        if len(values) < _FEWEST:
            return None
        value = harrell_davis(np.array(values), quantile.share)
        fewest = min(quantile.min_samples, MIN_SAMPLES) if quantile.share <= 0.5 else MIN_SAMPLES
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


def _within(value: float, draws: Floats) -> Estimate:
    low, high = np.nanquantile(draws, [0.025, 0.975])
    return Estimate(value, float(low), float(high))


def _quantile(measure: Measure) -> Quantile:
    statistic = DEFINITIONS[measure].statistic
    if not isinstance(statistic, Quantile):
        raise TypeError(measure)
    return statistic


def _throughput(streams: int, samples: Sequence[Sample], draws: _Draws) -> Estimate | None:
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
) -> float | None:
    counted = [s for s in samples if s.tokens and not s.failure]
    if usd_per_hour is None:
        priced = [s for s in samples if s.cost_usd is not None and s.tokens]
        tokens = sum(sample.tokens or 0 for sample in priced)
        usd = sum(sample.cost_usd or 0.0 for sample in priced)
        return _PER_MILLION * usd / tokens if tokens else None
    output = sum(sample.output_tokens or 0 for sample in counted)
    if not throughput or not throughput.value or not output:
        return None
    all_by_output = sum(sample.tokens or 0 for sample in counted) / output
    per_hour = throughput.value * all_by_output * _HOUR_SECONDS
    return _PER_MILLION * usd_per_hour / per_hour
