"""From samples to a report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from exporter.compare.measures import (
    DEFINITIONS,
    MIN_SAMPLES,
    Measure,
    Quantile,
    RatioOfSums,
    Statistic,
    SuccessRatio,
)
from exporter.compare.pool import Pool
from exporter.compare.proportions import difference_interval, difference_p_value, two_sided_z
from exporter.compare.report import (
    Finding,
    Party,
    Report,
    Settings,
    Subject,
    Tally,
    Versus,
)
from exporter.compare.resampling import Floats, harrell_davis
from exporter.compare.sample import Sample
from exporter.compare.verdict import Band, Effect, Verdict, decide, holm


@dataclass(frozen=True, slots=True)
class _Outcome:
    """One measure of one candidate, before it is judged."""

    baseline: float | None
    candidate: float | None
    effect: Effect | None
    note: str = ""


def analyse(
    subject: Subject, samples: Sequence[Sample], settings: Settings, look: str = ""
) -> Report:
    """Compare every candidate with the baseline, on every measure.

    :param look: which look of several this is; ``settings.confidence`` is then this look's.
    """
    names = [party.name for party in subject.candidates]
    warm, cold = (
        Pool(
            [sample for sample in samples if sample.cold is is_cold],
            subject.baseline.name,
            names,
            settings.draws,
            settings.seed,
        )
        for is_cold in (False, True)
    )
    outcomes = {
        (name, measure): _outcome(
            definition.statistic,
            cold if measure is Measure.COLD_START else warm,
            subject.baseline.name,
            name,
            settings.confidence,
        )
        for name in names
        for measure, definition in DEFINITIONS.items()
    }
    times = [sample.finished_at for sample in samples]
    return Report(
        subject=subject,
        settings=settings,
        tallies=tuple(_tally(party, samples) for party in subject.parties),
        versus=_judge(subject, outcomes, settings),
        run_length=warm.run_length,
        started_at=min(times, default=0.0),
        ended_at=max(times, default=0.0),
        look=look,
        samples=tuple(samples),
    )


def _judge(
    subject: Subject, outcomes: Mapping[tuple[str, Measure], _Outcome], settings: Settings
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
                    settings,
                )
                for measure in DEFINITIONS
            ),
        )
        for party in subject.candidates
    )


def _finding(
    measure: Measure, outcome: _Outcome, corrected_p: float | None, settings: Settings
) -> Finding:
    definition, margin = DEFINITIONS[measure], settings.margin(measure)
    verdict, note = Verdict.UNDECIDED, outcome.note
    if outcome.effect and corrected_p is not None:
        is_share = isinstance(definition.statistic, SuccessRatio)
        band = Band.of_difference(margin) if is_share else Band.of_ratio(margin)
        verdict = decide(
            outcome.effect,
            band,
            corrected_p,
            settings.alpha,
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
        return "may be no difference, may be one beyond the margin"
    return "differs by itself, but not surely enough for one of many measures"


def _outcome(
    statistic: Statistic, pool: Pool, baseline: str, candidate: str, confidence: float
) -> _Outcome:
    match statistic:
        case Quantile():
            return _compare_quantiles(statistic, pool, baseline, candidate, confidence)
        case RatioOfSums():
            return _compare_ratios(statistic, pool, baseline, candidate, confidence)
        case SuccessRatio():
            return _compare_successes(pool, baseline, candidate, confidence)


def _compare_quantiles(
    statistic: Quantile, pool: Pool, baseline: str, candidate: str, confidence: float
) -> _Outcome:
    sides = [pool.values(name, statistic.value) for name in (baseline, candidate)]
    before, after = (harrell_davis(s, statistic.share) if len(s) else None for s in sides)
    lacking = _lacking([len(side) for side in sides], statistic.min_samples)
    if lacking or not before or not after:
        return _Outcome(before, after, None, lacking)
    draws = [
        pool.quantiles(name, statistic.value, statistic.share) for name in (baseline, candidate)
    ]
    return _Outcome(before, after, _ratio_effect(after / before, draws[1] / draws[0], confidence))


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
    return _Outcome(before, after, _ratio_effect(after / before, draws[1] / draws[0], confidence))


def _compare_successes(pool: Pool, baseline: str, candidate: str, confidence: float) -> _Outcome:
    before, after = pool.successes(baseline), pool.successes(candidate)
    values = (before.value if before else None, after.value if after else None)
    lacking = _lacking([pool.probes(baseline), pool.probes(candidate)], MIN_SAMPLES)
    if before is None or after is None or lacking:
        return _Outcome(*values, None, lacking)
    low, high = difference_interval(before, after, two_sided_z(confidence))
    p_value = difference_p_value(before, after)
    return _Outcome(*values, Effect(after.value - before.value, low, high, p_value))


def _ratio_effect(value: float, draws: Floats, confidence: float) -> Effect:
    """The percentile interval, and the p-value that belongs to it."""
    known = draws[~np.isnan(draws)]
    tail = (1 - confidence) / 2
    low, high = np.quantile(known, [tail, 1 - tail])
    beyond = min(int((known <= 1).sum()), int((known >= 1).sum()))
    return Effect(value, float(low), float(high), min(1.0, 2 * (beyond + 1) / (len(known) + 1)))


def _lacking(sizes: Sequence[int], wanted: int) -> str:
    """What is missing for an interval; empty where nothing is."""
    found = min(sizes)
    if found >= wanted:
        return ""
    return "no data" if not max(sizes) else f"{found} of the {wanted} values that it takes"


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
        cold_probes=cold,
        cost_usd=sum(costs) if costs else None,
    )
