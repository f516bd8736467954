"""One measure of one candidate against the baseline, before the correction for all measures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp, floor, isinf, sqrt
from statistics import median

from exporter.compare.statistics import rank
from exporter.compare.statistics.known import Known, bursts
from exporter.compare.statistics.measures import (
    MIN_BLOCKS,
    MIN_BURSTS,
    MIN_COLD_STARTS,
    MIN_SAMPLES,
    TAIL_SHARE,
    ColdStart,
    Quantile,
    RatioOfSums,
    Statistic,
    SuccessRatio,
    Typical,
    Value,
)
from exporter.compare.statistics.percentile import percentile_effect
from exporter.compare.statistics.pool import Pool
from exporter.compare.statistics.proportions import (
    difference_interval,
    difference_p_value,
    two_sided_z,
)
from exporter.compare.statistics.resampling import harrell_davis
from exporter.compare.statistics.typical import typical_ratio
from exporter.compare.statistics.verdict import Effect


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result for one measure of one candidate, without a verdict."""

    baseline: float | None
    candidate: float | None
    effect: Effect | None
    note: str = ""
    """The reason if there is no effect."""
    measured: bool = True
    """Whether more probes could give an effect."""


def outcome(
    statistic: Statistic,
    pool: Pool,
    cold: Mapping[str, Sequence[float]],
    sides: tuple[str, str],
    confidence: float,
) -> Outcome:
    """Compare one measure of a candidate with the baseline.

    :param cold: the cold starts of each target, in seconds.
    :param sides: the names of the baseline and the candidate.
    """
    found = _compared(statistic, pool, cold, sides, confidence)
    if found.effect or not all(map(pool.probes, sides)):
        return found
    if not isinstance(statistic, ColdStart) and not any(map(pool.has_answers, sides)):
        return found
    why = _why_not_measured(statistic, found, sides)
    return replace(found, note=why, measured=False) if why else found


def _why_not_measured(statistic: Statistic, found: Outcome, sides: tuple[str, str]) -> str:
    """Return the reason; empty if there are values, even if too few."""
    values = dict(zip(sides, (found.baseline, found.candidate), strict=True))
    without = [name for name, value in values.items() if value is None]
    if isinstance(statistic, RatioOfSums):
        return f"the cost of {' and '.join(without)} is unknown" if without else ""
    if len(without) < len(sides):
        return ""
    return "not requested" if isinstance(statistic, ColdStart) else "no answer reports it"


def _compared(
    statistic: Statistic,
    pool: Pool,
    cold: Mapping[str, Sequence[float]],
    sides: tuple[str, str],
    confidence: float,
) -> Outcome:
    baseline, candidate = sides
    match statistic:
        case Typical():
            return _compare_typical(statistic, pool, baseline, candidate, confidence)
        case Quantile():
            return _compare_quantiles(statistic, pool, baseline, candidate, confidence)
        case RatioOfSums():
            return _compare_ratios(statistic, pool, baseline, candidate, confidence)
        case SuccessRatio():
            return _compare_successes(pool, baseline, candidate, confidence)
        case ColdStart():
            return _compare_cold_starts(cold[baseline], cold[candidate], confidence)


def _compare_typical(
    statistic: Typical, pool: Pool, baseline: str, candidate: str, confidence: float
) -> Outcome:
    known, unlike = _alike(pool, (baseline, candidate), statistic.value)
    sides = [pool.side(own) for own in known]
    before, after = (exp(harrell_davis(s.logs, 0.5)) if len(s.logs) else None for s in sides)
    pairs = pool.pairs(*sides)
    lacking = _lacking([len(side.logs) for side in sides], MIN_SAMPLES) or unlike
    if not lacking and pairs.blocks < MIN_BLOCKS:
        lacking = f"both sides answered in {pairs.blocks} of {MIN_BLOCKS} blocks"
    if lacking or not before or not after:
        return Outcome(before, after, None, lacking)
    other = statistic.shown_by
    runs = pool.memory(baseline, candidate, other) if other else 1
    effect = typical_ratio(pairs, confidence, runs)
    middle, factor = sqrt(before * after), sqrt(effect.value)  # makes both agree with the ratio
    return Outcome(middle / factor, middle * factor, effect)


def _compare_quantiles(
    statistic: Quantile, pool: Pool, baseline: str, candidate: str, confidence: float
) -> Outcome:
    sides, unlike = _alike(pool, (baseline, candidate), statistic.value)
    values = [side.values for side in sides]
    before, after = (harrell_davis(own, statistic.share) if len(own) else None for own in values)
    lacking = _lacking([*map(len, values)], statistic.min_samples) or unlike
    if not lacking and statistic.share >= TAIL_SHARE:
        lacking = _lacking_bursts(bursts(sides, statistic.share))
    if lacking or not before or not after:
        return Outcome(before, after, None, lacking)
    draws = [pool.quantiles(side, statistic.share) for side in sides]
    return Outcome(
        before,
        after,
        percentile_effect(after / before, draws[1] / draws[0], pool.units, confidence),
    )


def _alike(pool: Pool, sides: Sequence[str], value: Value) -> tuple[list[Known], str]:
    """Return the values of both sides for the same prompts.

    If there are none, return all values, and the reason why they can't be compared.
    """
    alike = pool.alike(sides, value)
    if all(len(own.values) for own in alike):
        return alike, ""
    everything = [known for name in sides for known in pool.alike([name], value)]
    return everything, "no prompt has an answer of both sides"


def _compare_ratios(
    statistic: RatioOfSums, pool: Pool, baseline: str, candidate: str, confidence: float
) -> Outcome:
    """Compare costs of the same prompts. Otherwise, a side that fails on long prompts would seem
    cheaper."""
    answered = {
        name: pool.answered_blocks(name, statistic.denominator) for name in (baseline, candidate)
    }
    alike = answered[baseline] & answered[candidate]
    ratios = [
        pool.ratio(
            name,
            statistic.numerator,
            statistic.denominator,
            answered[other] if alike else pool.blocks,
        )
        for name, other in ((baseline, candidate), (candidate, baseline))
    ]
    before, after = (None if r.value is None else statistic.factor * r.value for r in ratios)
    lacking = _lacking([ratio.answers for ratio in ratios], MIN_SAMPLES)
    if not lacking and not alike:
        lacking = "no prompt has a cost on both sides"
    if lacking or before is None or after is None:
        return Outcome(before, after, None, lacking)
    if not before or not after:
        return Outcome(before, after, None, "no ratio, because a cost is 0")
    draws = ratios[1].draws / ratios[0].draws
    return Outcome(before, after, percentile_effect(after / before, draws, pool.units, confidence))


def _compare_successes(pool: Pool, baseline: str, candidate: str, confidence: float) -> Outcome:
    before, after = pool.successes((baseline, candidate))
    values = (before.value if before else None, after.value if after else None)
    lacking = _lacking([pool.probes(baseline), pool.probes(candidate)], MIN_SAMPLES)
    if before is None or after is None or lacking:
        return Outcome(*values, None, lacking)
    if not before.hits and not after.hits:  # an outage of both, not two equally reliable sides
        return Outcome(*values, None, "neither side answered")
    low, high = difference_interval(before, after, two_sided_z(confidence))
    p_value = difference_p_value(before, after)
    return Outcome(*values, Effect(after.value - before.value, low, high, p_value))


def _compare_cold_starts(
    baseline: Sequence[float], candidate: Sequence[float], confidence: float
) -> Outcome:
    before, after = (median(side) if side else None for side in (baseline, candidate))
    lacking = _lacking([len(baseline), len(candidate)], MIN_COLD_STARTS)
    if lacking:
        return Outcome(before, after, None, lacking)
    effect = rank.ratio(baseline, candidate, confidence)
    if isinf(effect.high):
        return Outcome(before, after, None, "too few cold starts")
    return Outcome(before, after, effect)


def _lacking(sizes: Sequence[int], wanted: int) -> str:
    """Describe what is missing for an interval; empty if nothing is."""
    found = min(sizes)
    if found >= wanted:
        return ""
    return "no data" if not max(sizes) else f"{found} of {wanted} values"


def _lacking_bursts(found: float) -> str:
    """Describe what is missing for a tail, which needs slow probes at several times."""
    return "" if found >= MIN_BURSTS else f"slow in {floor(found)} of {MIN_BURSTS} bursts"
