"""From evidence to a report, at the level of error that was agreed on before looking."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from exporter.compare.sample import PROBES_PER_BLOCK, Sample
from exporter.compare.statistics.analysis import analyse
from exporter.compare.statistics.conclusion import Report
from exporter.compare.statistics.findings import Rules
from exporter.compare.statistics.sequential import look_at, looks
from exporter.compare.statistics.under_load import under_load
from exporter.compare.subject import Evidence, Subject


def judge(evidence: Evidence, rules: Rules) -> Report:
    """The report; where several looks were agreed on, at this look's level of error."""
    subject, samples = evidence.subject, evidence.samples
    if any(sample.streams for sample in samples):
        whole = analyse(subject, samples, rules)
        return replace(whole, load=under_load(subject, samples, rules))
    probes = _probes(samples)
    if not subject.until_decided or subject.planned_probes is None or not probes:
        return analyse(subject, samples, rules)
    return analyse(subject, samples, rules, look_at(probes, subject.planned_probes, rules.alpha))


def is_decided(subject: Subject, rules: Rules, probes: int, samples: Sequence[Sample]) -> bool:
    """Whether a look is planned after so many probes, and finds decided what matters most."""
    planned = looks(subject.planned_probes or 0, rules.alpha)
    if probes not in {look.probes for look in planned}:
        return False
    return judge(Evidence(subject, tuple(samples)), rules).answered


def _probes(samples: Iterable[Sample]) -> int:
    """Of each target, as far as they were asked for in blocks."""
    return PROBES_PER_BLOCK * len({sample.block for sample in samples if not sample.cold})
