"""From evidence to a report, at the level of error that was agreed on before looking."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from exporter.compare.sample import PROBES_PER_BLOCK, Sample
from exporter.compare.statistics.analysis import analyse
from exporter.compare.statistics.findings import Report, Rules
from exporter.compare.statistics.sequential import look_at, looks
from exporter.compare.subject import Evidence, Subject


def judge(evidence: Evidence, rules: Rules) -> Report:
    """The report; where several looks were agreed on, at this look's level of error."""
    subject, samples = evidence.subject, evidence.samples
    probes = _probes(samples)
    if not subject.until_decided or subject.planned_probes is None or not probes:
        return analyse(subject, samples, rules)
    look = look_at(probes, subject.planned_probes, rules.alpha)
    words = (
        f"look {look.number} of a comparison that ends as soon as it is decided, so intervals are"
        f" as wide as {1 - look.alpha:.2%} confidence asks for"
    )
    return analyse(subject, samples, replace(rules, confidence=1 - look.alpha), words)


def is_decided(subject: Subject, rules: Rules, probes: int, samples: Sequence[Sample]) -> bool:
    """Whether a look is planned after so many probes, and finds everything decided."""
    planned = looks(subject.planned_probes or 0, rules.alpha)
    if probes not in {look.probes // PROBES_PER_BLOCK * PROBES_PER_BLOCK for look in planned}:
        return False
    return judge(Evidence(subject, tuple(samples)), rules).decided


def _probes(samples: Iterable[Sample]) -> int:
    """Of each target, as far as they were asked for in blocks."""
    return PROBES_PER_BLOCK * len({sample.block for sample in samples if not sample.cold})
