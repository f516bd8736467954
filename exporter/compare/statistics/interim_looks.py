"""Turns evidence into a report, at the error level set before the first look."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from statistics import median

from exporter.compare.sample import PROBES_PER_BLOCK, Sample
from exporter.compare.statistics.analysis import analyse
from exporter.compare.statistics.break_even import monthly_costs
from exporter.compare.statistics.changes import Change, changes
from exporter.compare.statistics.conclusion import Report
from exporter.compare.statistics.findings import Rules
from exporter.compare.statistics.sequential import Look, look_at, looks
from exporter.compare.statistics.under_load import under_load
from exporter.compare.subject import Evidence, Subject


def judge(evidence: Evidence, rules: Rules) -> Report:
    """Judge the evidence; if several looks are planned, use the error level of this look."""
    subject, samples = evidence.subject, evidence.samples
    load = under_load(subject, samples, rules) if any(s.streams for s in samples) else None
    return replace(
        analyse(subject, samples, rules, _look(subject, samples, rules)),
        load=load,
        worth=monthly_costs(subject, samples, rules, load),
        changes={} if load else dict(_changes(evidence, rules)),
    )


def _look(subject: Subject, samples: Sequence[Sample], rules: Rules) -> Look | None:
    probes = _probes(samples)
    if not subject.until_decided or subject.planned_probes is None or not probes:
        return None
    return look_at(probes, subject.planned_probes, rules.alpha)


def _changes(evidence: Evidence, rules: Rules) -> Iterator[tuple[str, tuple[Change, ...]]]:
    """Yield the changes of the time to first token of each target.

    Each stratum has its own level, so values are divided by the median of their stratum.
    """
    for party in evidence.subject.parties:
        own = sorted(
            (s for s in evidence.samples if s.target == party.name and s.counts),
            key=lambda sample: sample.finished_at,
        )
        known = [(s, v) for s in own if (v := s.time_to_first_token_seconds)]
        usual = _usual_by_stratum(known)
        found = changes(
            [sample.finished_at for sample, _ in known],
            [value / usual[sample.stratum] for sample, value in known],
            rules.seed,
        )
        if found:
            scale = median(value for _, value in known)
            yield (
                party.name,
                tuple(
                    replace(one, before=scale * one.before, after=scale * one.after)
                    for one in found
                ),
            )


def _usual_by_stratum(known: Sequence[tuple[Sample, float]]) -> dict[str, float]:
    by_stratum: dict[str, list[float]] = defaultdict(list)
    for sample, value in known:
        by_stratum[sample.stratum].append(value)
    return {stratum: median(values) for stratum, values in by_stratum.items()}


def is_decided(subject: Subject, rules: Rules, probes: int, samples: Sequence[Sample]) -> bool:
    """Whether a look is planned after this many probes and decides the most important measures."""
    planned = looks(subject.planned_probes or 0, rules.alpha)
    if probes not in {look.probes for look in planned}:
        return False
    return analyse(subject, samples, rules, _look(subject, samples, rules)).answered


def _probes(samples: Iterable[Sample]) -> int:
    """Return the number of warm probes of each target."""
    return PROBES_PER_BLOCK * len({sample.block for sample in samples if not sample.cold})
