"""Comparisons that end as soon as they can: how soon, and how often wrongly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from benchmarks.compare_trials import (
    RULES,
    SIGMA,
    SUBJECT,
    differs,
    holm_verdicts,
    only_first_tokens,
)
from exporter.compare.sample import Sample
from exporter.compare.statistics.analysis import analyse
from exporter.compare.statistics.conclusion import Report
from exporter.compare.statistics.findings import Rules
from exporter.compare.statistics.measures import Measure
from exporter.compare.statistics.sequential import Look, looks
from exporter.compare.statistics.verdict import Verdict

PLANNED = 300
_QUANTILES = (Measure.TTFT_P50, Measure.TTFT_P95)
_LOOKS_BEFORE = 5
_DRAWS_BEFORE = 4_999
"""The level of an early look is below what fewer draws can show."""


def until_decided(slower: float, seed: int) -> tuple[int, bool]:
    """After how many probes the typical time to first token had a verdict, or the plan ended, and
    whether that verdict was better or worse."""
    samples, rules = _samples(slower, seed), _typical(seed)
    report, probes = None, 0
    for look in looks(PLANNED, rules.alpha):
        report, probes = _at(look, samples, rules), look.probes
        if report.answered:
            break
    return probes, report is not None and differs(report)


def without_spending(seed: int) -> bool:
    """Whether equal providers are told apart at any look, were each to take the whole 5 %."""
    samples, rules = _samples(1.0, seed), _typical(seed)
    return any(
        differs(analyse(SUBJECT, _until(look.probes, samples), rules))
        for look in looks(PLANNED, rules.alpha)
    )


def before(slower: float, seed: int) -> int:
    """The same as once: until both p50 and p95 had a verdict, at five looks with levels that add
    up to 5 % (Bonferroni)."""
    samples = _samples(slower, seed)
    for number in range(1, _LOOKS_BEFORE + 1):
        probes = PLANNED * number // _LOOKS_BEFORE
        alpha = RULES.alpha * (number**2 - (number - 1) ** 2) / _LOOKS_BEFORE**2
        rules = replace(
            RULES, measures=_QUANTILES, confidence=1 - alpha, draws=_DRAWS_BEFORE, seed=seed
        )
        found = holm_verdicts(analyse(SUBJECT, _until(probes, samples), rules)).values()
        if len(found) == len(_QUANTILES) and Verdict.UNDECIDED not in found:
            return probes
    return PLANNED


def _samples(slower: float, seed: int) -> list[Sample]:
    random = np.random.default_rng(seed)
    return [
        *only_first_tokens("baseline", random.lognormal(0, SIGMA, PLANNED)),
        *only_first_tokens("candidate", slower * random.lognormal(0, SIGMA, PLANNED)),
    ]


def _typical(seed: int) -> Rules:
    return replace(RULES, measures=(Measure.TTFT_TYPICAL,), seed=seed)


def _at(look: Look, samples: list[Sample], rules: Rules) -> Report:
    return analyse(SUBJECT, _until(look.probes, samples), rules, look)


def _until(probes: int, samples: list[Sample]) -> list[Sample]:
    return [sample for sample in samples if sample.block < probes // 2]
