"""Reports what a comparison is too small to detect, before it costs anything."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from exporter.compare.enumeration import listed
from exporter.compare.statistics.findings import Rules
from exporter.compare.statistics.measures import (
    DEFINITIONS,
    MIN_SAMPLES,
    ColdStart,
    Measure,
    Quantile,
    RatioOfSums,
)
from exporter.compare.statistics.objectives import requests_to_hold
from exporter.compare.statistics.proportions import Share, difference_interval, two_sided_z

MIN_COLD_ROUNDS = 6
"""With fewer cold starts per side, no difference is large enough for a verdict."""


def foreseen(
    rules: Rules, probes: int, cold_rounds: int | None, without_price: Sequence[str]
) -> Iterator[str]:
    """Yield one sentence for each question that a comparison of this size can't answer.

    :param probes: the number of probes of each side.
    :param cold_rounds: the number of cold starts; ``None`` if they can't be measured.
    :param without_price: the targets whose price is unknown.
    """
    short = _by_need(rules, probes)
    for needed, measures in sorted(short.items()):
        yield f"{probes} probes are too few for {_named(measures)}: {needed} of each are needed."
    if Measure.SUCCESS in rules.measures and Measure.SUCCESS not in _all(short):
        needed = _successes_for(rules)
        if probes < needed:
            yield (
                f"{probes} probes can tell success ratios apart, but not that they are the same"
                f" within {rules.margin(Measure.SUCCESS) * 100:g} points: that takes {needed}"
                " without a failure."
            )
    costs = [m for m in rules.measures if isinstance(DEFINITIONS[m].statistic, RatioOfSums)]
    if costs and without_price:
        yield f"Cost will not be measured: set the price of {' and '.join(without_price)}."
    if Measure.COLD_START in rules.measures and cold_rounds is not None:
        if not cold_rounds:
            yield "Cold starts will not be measured: --cold-idle asks for them."
        elif cold_rounds < MIN_COLD_ROUNDS:
            yield f"{cold_rounds} cold starts are too few: {MIN_COLD_ROUNDS} of each are needed."


def foreseen_of_levels(rules: Rules, per_side: Mapping[int, int]) -> Iterator[str]:
    """Yield one sentence for each question that this load test can't answer.

    :param per_side: requests by the number of streams.
    """
    if few := [streams for streams, requests in per_side.items() if requests < MIN_SAMPLES]:
        yield (
            f"With {_streams(few)}, the requests of each side are too few for a verdict of that"
            f" level: {MIN_SAMPLES} are needed."
        )
    for objective in rules.objectives:
        needed = max(MIN_SAMPLES, requests_to_hold(objective))
        if few := [streams for streams, requests in per_side.items() if requests < needed]:
            yield (
                f"With {_streams(few)}, the requests of each side are too few to show that the SLO"
                f" for {DEFINITIONS[objective.measure].short} is met: {needed} are needed, without"
                " a failure."
            )


def _streams(levels: Sequence[int]) -> str:
    return f"{listed([*map(str, levels)])} {'stream' if [*levels] == [1] else 'streams'}"


def _by_need(rules: Rules, probes: int) -> dict[int, list[Measure]]:
    short: dict[int, list[Measure]] = {}
    for measure in rules.measures:
        statistic = DEFINITIONS[measure].statistic
        if isinstance(statistic, ColdStart):
            continue
        needed = statistic.min_samples if isinstance(statistic, Quantile) else MIN_SAMPLES
        if probes < needed:
            short.setdefault(needed, []).append(measure)
    return short


def _all(by_need: dict[int, list[Measure]]) -> set[Measure]:
    return {measure for measures in by_need.values() for measure in measures}


def _successes_for(rules: Rules) -> int:
    """Return how many probes without a failure show that the success ratios are the same."""
    margin, z = rules.margin(Measure.SUCCESS), two_sided_z(rules.confidence)
    needed = math.ceil(z * z / margin) // 2 * 2
    while max(map(abs, _interval(needed, z))) > margin:
        needed += 2
    return needed


def _interval(successes: int, z: float) -> tuple[float, float]:
    whole = Share(successes, successes)
    return difference_interval(whole, whole, z)


def _named(measures: Sequence[Measure]) -> str:
    return ", ".join(DEFINITIONS[measure].short for measure in measures)
