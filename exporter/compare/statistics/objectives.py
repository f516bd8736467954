"""The level of load at which a side misses an objective.

A failed request misses every objective: otherwise, a server that rejects what it can't serve in
time would meet all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, exp, inf, log

import numpy as np

from exporter.compare.sample import Sample
from exporter.compare.statistics.findings import Objective
from exporter.compare.statistics.levels import Breaking, Estimate
from exporter.compare.statistics.load import Draws, quantile_of
from exporter.compare.statistics.measures import Quantile
from exporter.compare.statistics.proportions import Share, two_sided_z
from exporter.compare.statistics.resampling import Floats

_CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class _AtLevel:
    """The result of one level for an objective."""

    holds: bool
    breaks: bool
    time: float | None = None
    draws: Floats | None = None
    """The quantile of all requests and its bootstrap; ``None`` if too many fail or there are too
    few."""


def breaking(
    target: str,
    objective: Objective,
    by_level: Mapping[int, Sequence[Sample]],
    seed: int,
) -> Breaking:
    """Estimate the number of streams at which a side starts to miss an objective.

    :param by_level: the samples of this side at each level.
    """
    found = {
        streams: _at_level(objective, samples, seed + streams)
        for streams, samples in sorted(by_level.items())
    }
    breaks_at = min((s for s, one in found.items() if one.breaks), default=None)
    holds = (s for s, one in found.items() if one.holds and (not breaks_at or s < breaks_at))
    return Breaking(
        target, objective, max(holds, default=None), breaks_at, _estimate(found, objective.seconds)
    )


def requests_to_hold(objective: Objective) -> int:
    """Count the requests without a failure that show that few enough of them fail."""
    allowed, z = 1 - quantile_of(objective.measure).share, two_sided_z(_CONFIDENCE)
    return ceil(z * z * (1 - allowed) / allowed)


def _at_level(objective: Objective, samples: Sequence[Sample], seed: int) -> _AtLevel:
    quantile, limit = quantile_of(objective.measure), objective.seconds
    failing = Share(sum(sample.failure is not None for sample in samples), len(samples))
    allowed = 1 - quantile.share
    fewest, most = failing.score_interval(two_sided_z(_CONFIDENCE))
    if fewest > allowed:
        return _AtLevel(holds=False, breaks=True)
    if failing.value >= allowed:
        return _AtLevel(holds=False, breaks=False)
    draws, among = Draws(samples, seed), _among_successes(quantile, failing)
    estimate = draws.estimate(among)
    if estimate is None or estimate.low is None or estimate.high is None:
        return _AtLevel(holds=False, breaks=False)
    return _AtLevel(
        holds=estimate.high <= limit and most <= allowed,
        breaks=estimate.low > limit,
        time=estimate.value,
        draws=draws.quantiles(among),
    )


def _among_successes(quantile: Quantile, failing: Share) -> Quantile:
    """Find the quantile of the successes that is this quantile of all requests.

    Failures count as the slowest: if 2 % fail, the p95 of all is the p96.9 of the rest.
    """
    return replace(quantile, share=quantile.share / (1 - failing.value))


def _estimate(found: Mapping[int, _AtLevel], limit: float) -> Estimate | None:
    """Estimate at how many streams the quantile exceeds the limit.

    A level at which too many requests fail has no quantile, but certainly exceeds the limit.
    ``None`` if no lower level exceeds it, or if fewer than two of them have a quantile.
    """
    fails_at = min((s for s, one in found.items() if one.breaks and one.time is None), default=inf)
    known = {
        streams: (one.time, one.draws)
        for streams, one in found.items()
        if one.time is not None and one.draws is not None and streams < fails_at
    }
    if len(known) < 2:
        return None
    levels = np.log(np.array([*known], float))
    values = np.array([[time] for time, _ in known.values()])
    all_draws = np.array([draws for _, draws in known.values()])
    [middle] = _crossings(levels, np.log(values), log(limit))
    if middle == inf and fails_at < inf:
        return None
    crossings = np.minimum(_crossings(levels, np.log(all_draws), log(limit)), log(fails_at))
    low, high = np.quantile(crossings, [0.025, 0.975], method="nearest")
    return Estimate(*(_streams(at) for at in (middle, low, high)))


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
