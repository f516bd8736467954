"""From samples to a report."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isinf
from statistics import median

from exporter.compare.sample import Sample
from exporter.compare.statistics import rank
from exporter.compare.statistics.findings import Finding, Report, Rules, Tally, Versus
from exporter.compare.statistics.measures import (
    DEFINITIONS,
    MIN_BURSTS,
    MIN_COLD_STARTS,
    MIN_SAMPLES,
    TAIL_SHARE,
    ColdStart,
    Measure,
    Quantile,
    RatioOfSums,
    Statistic,
    SuccessRatio,
)
from exporter.compare.statistics.percentile import percentile_effect
from exporter.compare.statistics.pool import Pool
from exporter.compare.statistics.proportions import (
    difference_interval,
    difference_p_value,
    two_sided_z,
)
from exporter.compare.statistics.resampling import harrell_davis
from exporter.compare.statistics.verdict import Band, Effect, Verdict, decide, holm
from exporter.compare.subject import Party, Subject

_MOST_WORK = 40_000_000
"""Draws times samples: seconds, not minutes, for a week of probes."""
_MIN_DRAWS = 1_999


@dataclass(frozen=True, slots=True)
class _Outcome:
    """One measure of one candidate, before it is judged."""

    baseline: float | None
    candidate: float | None
    effect: Effect | None
    note: str = ""


def analyse(subject: Subject, samples: Sequence[Sample], rules: Rules, look: str = "") -> Report:
    """Compare every candidate with the baseline, on every measure.

    :param look: which look of several this is; ``rules.confidence`` is then this look's.
    """
    names = [party.name for party in subject.candidates]
    warm = [sample for sample in samples if not sample.cold]
    draws = min(rules.draws, max(_MIN_DRAWS, _MOST_WORK // max(1, len(warm))))
    pool = Pool(warm, subject.baseline.name, names, draws, rules.seed)
    cold = _cold_starts(samples)
    outcomes = {
        (name, measure): _outcome(
            DEFINITIONS[measure].statistic,
            pool,
            cold,
            (subject.baseline.name, name),
            rules.confidence,
        )
        for name in names
        for measure in rules.measures
    }
    times = [sample.finished_at for sample in samples]
    return Report(
        subject=subject,
        rules=rules,
        tallies=tuple(_tally(party, samples) for party in subject.parties),
        versus=_judge(subject, outcomes, rules),
        run_length=pool.run_length,
        started_at=min(times, default=0.0),
        ended_at=max(times, default=0.0),
        look=look,
        samples=tuple(samples),
    )


def _judge(
    subject: Subject, outcomes: Mapping[tuple[str, Measure], _Outcome], rules: Rules
) -> tuple[Versus, ...]:
    corrected = holm({key: o.effect.p_value for key, o in outcomes.items() if o.effect})
    return tuple(
        Versus(
            candidate=party,
            findings=tuple(
                _finding(
                    measure,
                    outcomes[party.name, measure],
                    corrected.get((party.name, measure)),
                    rules,
                )
                for measure in rules.measures
            ),
        )
        for party in subject.candidates
    )


def _finding(
    measure: Measure, outcome: _Outcome, corrected_p: float | None, rules: Rules
) -> Finding:
    definition, margin = DEFINITIONS[measure], rules.margin(measure)
    verdict, note = Verdict.UNDECIDED, outcome.note
    if outcome.effect and corrected_p is not None:
        is_share = isinstance(definition.statistic, SuccessRatio)
        band = Band.of_difference(margin) if is_share else Band.of_ratio(margin)
        verdict = decide(
            outcome.effect,
            band,
            corrected_p,
            rules.alpha,
            higher_is_better=definition.higher_is_better,
        )
        if verdict is Verdict.UNDECIDED:
            note = _why_undecided(outcome.effect, band)
    return Finding(
        measure=measure,
        baseline=outcome.baseline,
        candidate=outcome.candidate,
        effect=outcome.effect,
        corrected_p=corrected_p,
        margin=margin,
        verdict=verdict,
        note=note,
    )


def _why_undecided(effect: Effect, band: Band) -> str:
    if effect.low <= band.neutral <= effect.high:
        return "could be the same or not"
    return "not certain enough for one of many"


def _outcome(
    statistic: Statistic,
    pool: Pool,
    cold: Mapping[str, Sequence[float]],
    sides: tuple[str, str],
    confidence: float,
) -> _Outcome:
    baseline, candidate = sides
    match statistic:
        case Quantile():
            return _compare_quantiles(statistic, pool, baseline, candidate, confidence)
        case RatioOfSums():
            return _compare_ratios(statistic, pool, baseline, candidate, confidence)
        case SuccessRatio():
            return _compare_successes(pool, baseline, candidate, confidence)
        case ColdStart():
            return _compare_cold_starts(cold[baseline], cold[candidate], confidence)


def _compare_quantiles(
    statistic: Quantile, pool: Pool, baseline: str, candidate: str, confidence: float
) -> _Outcome:
    sides = [pool.values(name, statistic.value) for name in (baseline, candidate)]
    before, after = (harrell_davis(s, statistic.share) if len(s) else None for s in sides)
    lacking = _lacking([len(side) for side in sides], statistic.min_samples)
    if not lacking and statistic.share >= TAIL_SHARE:
        lacking = _lacking_bursts(
            pool.bursts((baseline, candidate), statistic.value, statistic.share)
        )
    if lacking or not before or not after:
        return _Outcome(before, after, None, lacking)
    draws = [
        pool.quantiles(name, statistic.value, statistic.share) for name in (baseline, candidate)
    ]
    return _Outcome(
        before,
        after,
        percentile_effect(after / before, draws[1] / draws[0], pool.units, confidence),
    )


def _compare_ratios(
    statistic: RatioOfSums, pool: Pool, baseline: str, candidate: str, confidence: float
) -> _Outcome:
    sizes, values, draws = [], [], []
    for name in (baseline, candidate):
        numerators = pool.values(name, statistic.numerator)
        denominators = pool.values(name, statistic.denominator)
        sizes.append(len(numerators))
        total = denominators.sum()
        values.append(float(statistic.factor * numerators.sum() / total) if total else None)
        draws.append(pool.ratios(name, statistic.numerator, statistic.denominator))
    before, after = values
    lacking = _lacking(sizes, MIN_SAMPLES)
    if lacking or before is None or after is None:
        return _Outcome(before, after, None, lacking)
    if not before or not after:
        return _Outcome(before, after, None, "a price of 0 leaves no ratio")
    return _Outcome(
        before,
        after,
        percentile_effect(after / before, draws[1] / draws[0], pool.units, confidence),
    )


def _compare_successes(pool: Pool, baseline: str, candidate: str, confidence: float) -> _Outcome:
    before, after = pool.successes(baseline), pool.successes(candidate)
    values = (before.value if before else None, after.value if after else None)
    lacking = _lacking([pool.probes(baseline), pool.probes(candidate)], MIN_SAMPLES)
    if before is None or after is None or lacking:
        return _Outcome(*values, None, lacking)
    low, high = difference_interval(before, after, two_sided_z(confidence))
    p_value = difference_p_value(before, after)
    return _Outcome(*values, Effect(after.value - before.value, low, high, p_value))


def _cold_starts(samples: Sequence[Sample]) -> Mapping[str, Sequence[float]]:
    found: dict[str, list[float]] = defaultdict(list)
    for sample in samples:
        if sample.cold_start_seconds:
            found[sample.target].append(sample.cold_start_seconds)
    return found


def _compare_cold_starts(
    baseline: Sequence[float], candidate: Sequence[float], confidence: float
) -> _Outcome:
    before, after = (median(side) if side else None for side in (baseline, candidate))
    lacking = _lacking([len(baseline), len(candidate)], MIN_COLD_STARTS)
    if lacking:
        return _Outcome(before, after, None, lacking)
    effect = rank.ratio(baseline, candidate, confidence)
    if isinf(effect.high):
        return _Outcome(before, after, None, "too few cold starts")
    return _Outcome(before, after, effect)


def _lacking(sizes: Sequence[int], wanted: int) -> str:
    """What is missing for an interval; empty where nothing is."""
    found = min(sizes)
    if found >= wanted:
        return ""
    return "no data" if not max(sizes) else f"{found} of {wanted} values"


def _lacking_bursts(found: float) -> str:
    """The same for a tail, which wants its slow probes spread over the whole time."""
    return "" if found >= MIN_BURSTS else f"slow in {found:.0f} of {MIN_BURSTS} bursts"


def _tally(party: Party, samples: Sequence[Sample]) -> Tally:
    own = [sample for sample in samples if sample.target == party.name]
    failed = [sample for sample in own if sample.failure is not None and not sample.cold]
    costs = [sample.cost_usd for sample in own if sample.cost_usd is not None]
    cold = sum(sample.cold for sample in own)
    return Tally(
        party=party,
        probes=len(own) - cold,
        failures=dict(Counter(s.failure for s in failed if s.failure).most_common()),
        example=next((sample.detail for sample in failed if sample.detail), ""),
        uncertain=sum(sample.uncertain for sample in own),
        cold_probes=cold,
        cost_usd=sum(costs) if costs else None,
    )
