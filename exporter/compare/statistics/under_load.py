"""Turns samples with concurrent streams into the results of each level."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from exporter.compare.sample import Sample
from exporter.compare.statistics.analysis import analyse
from exporter.compare.statistics.findings import Rules
from exporter.compare.statistics.levels import Breaking, Level, Load
from exporter.compare.statistics.load import side_at_level
from exporter.compare.statistics.measures import TYPICAL, Measure
from exporter.compare.statistics.objectives import breaking
from exporter.compare.subject import Party, Subject

_JUDGED = (*TYPICAL, Measure.SUCCESS, Measure.USD_PER_MILLION_TOKENS)
"""The measures that get a verdict at each level."""
ByLevel = Mapping[int, Mapping[str, Sequence[Sample]]]


def under_load(subject: Subject, samples: Sequence[Sample], rules: Rules) -> Load:
    """Evaluate each level separately. The levels share the permitted error."""
    by_level: dict[int, dict[str, list[Sample]]] = defaultdict(lambda: defaultdict(list))
    for sample in samples:
        if sample.streams:
            own = by_level[sample.streams][sample.target]
            own += [sample] if sample.counts else []
    measures = tuple(m for m in _JUDGED if m in rules.measures)
    of_level = replace(
        rules,
        measures=measures,
        first=tuple(m for m in rules.first if m in measures),
        confidence=1 - rules.alpha / len(by_level),
    )
    levels = (_level(subject, streams, by_level[streams], of_level) for streams in sorted(by_level))
    return Load(tuple(levels), tuple(_breakings(subject, by_level, rules)))


def _level(
    subject: Subject, streams: int, by_target: Mapping[str, Sequence[Sample]], rules: Rules
) -> Level:
    samples = [sample for own in by_target.values() for sample in own]
    sides = (
        side_at_level(party.name, streams, own, party.usd_per_hour, rules.seed)
        for party in subject.parties
        if (own := by_target.get(party.name))
    )
    return Level(streams, tuple(sides), analyse(subject, samples, rules).versus)


def _breakings(subject: Subject, by_level: ByLevel, rules: Rules) -> Iterator[Breaking]:
    for objective in rules.objectives:
        for party in subject.parties:
            yield breaking(party.name, objective, _of(party, by_level), rules.seed)


def _of(party: Party, by_level: ByLevel) -> dict[int, Sequence[Sample]]:
    return {
        streams: own
        for streams, by_target in by_level.items()
        if (own := by_target.get(party.name))
    }
