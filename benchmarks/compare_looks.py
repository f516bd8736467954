"""Comparisons that stop early: how early, and how often with a wrong verdict."""

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
"""With fewer draws, the smallest p-value is above the level of an early look."""


def until_decided(slower: float, seed: int) -> tuple[int, bool]:
    """Return after how many probes a comparison stops, and whether its verdict is a difference.

    It stops when the typical time to first token has a verdict, or at the planned end.
    """
    samples, rules = _samples(slower, seed), _typical(seed)
    report, probes = None, 0
    for look in looks(PLANNED, rules.alpha):
        report, probes = _at(look, samples, rules), look.probes
        if report.answered:
            break
    return probes, report is not None and differs(report)


def without_spending(seed: int) -> bool:
    """Whether equal providers get a wrong verdict at any look if each look uses the whole 5 %."""
    samples, rules = _samples(1.0, seed), _typical(seed)
    return any(
        differs(analyse(SUBJECT, _until(look.probes, samples), rules))
        for look in looks(PLANNED, rules.alpha)
    )


def before(slower: float, seed: int) -> int:
    """Return the number of probes with the previous method.

    It had five looks with levels that add up to 5 % (Bonferroni), and stopped when both p50 and p95
    had a verdict.
    """
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
