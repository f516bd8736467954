"""Turns samples into a report."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from exporter.compare.sample import Sample
from exporter.compare.statistics.conclusion import Report
from exporter.compare.statistics.findings import Rules, Tally
from exporter.compare.statistics.judging import judged
from exporter.compare.statistics.measures import DEFINITIONS, RatioOfSums
from exporter.compare.statistics.outcomes import Outcome, outcome
from exporter.compare.statistics.pool import Pool
from exporter.compare.statistics.sequential import Look
from exporter.compare.subject import Party, Subject

_MOST_WORK = 40_000_000
"""Draws times samples. Keeps the analysis of a week of probes to seconds, not minutes."""
_MIN_DRAWS = 1_999
_OF_EACH_LEVEL = Outcome(None, None, None, "depends on the level of load", measured=False)


def analyse(
    subject: Subject, samples: Sequence[Sample], rules: Rules, look: Look | None = None
) -> Report:
    """Compare every candidate with the baseline, on every measure.

    :param look: the look of a sequential comparison; ``None`` if there is only one look.
    """
    names = [party.name for party in subject.candidates]
    warm = [sample for sample in samples if sample.counts]
    draws = min(rules.draws, max(_MIN_DRAWS, _MOST_WORK // max(1, len(warm))))
    pool = Pool(warm, subject.baseline.name, names, draws, rules.seed)
    cold = _cold_starts(samples)
    confidence = 1 - look.alpha if look else rules.confidence
    by_level = costs_by_level(subject, warm)
    outcomes = {
        (name, measure): _OF_EACH_LEVEL
        if by_level and isinstance(DEFINITIONS[measure].statistic, RatioOfSums)
        else outcome(
            DEFINITIONS[measure].statistic, pool, cold, (subject.baseline.name, name), confidence
        )
        for name in names
        for measure in rules.measures
    }
    times = [sample.finished_at for sample in samples]
    return Report(
        subject=subject,
        rules=rules,
        tallies=tuple(_tally(party, samples) for party in subject.parties),
        versus=judged(subject, outcomes, rules, look),
        blocks={name: pool.count_blocks(subject.baseline.name, name) for name in names},
        confidence=confidence,
        run_length=pool.run_length,
        started_at=min(times, default=0.0),
        ended_at=max(times, default=0.0),
        look=look,
        samples=tuple(samples),
    )


def costs_by_level(subject: Subject, samples: Sequence[Sample]) -> bool:
    """Tell whether costs over all levels of load together would mean nothing.

    With a server paid by the hour, a token gets cheaper with each stream.
    """
    levels = {sample.streams for sample in samples}
    return len(levels) > 1 and any(party.usd_per_hour is not None for party in subject.parties)


def _cold_starts(samples: Sequence[Sample]) -> Mapping[str, Sequence[float]]:
    found: dict[str, list[float]] = defaultdict(list)
    for sample in samples:
        if sample.cold_start_seconds:
            found[sample.target].append(sample.cold_start_seconds)
    return found


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
        interrupted=sum(sample.interrupted for sample in own if not sample.cold),
        cold_probes=cold,
        cost_usd=sum(costs) if costs else None,
    )
