"""Alerts on answers that are right or wrong, where a model is wrong by chance now and then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from benchmarks.alert_quality.failures import Counters, wrong_answers
from benchmarks.alert_quality.fleet import MINUTES_PER_DAY
from benchmarks.alert_quality.judge import episodes

SHARES = (0.0005, 0.002, 0.005, 0.01, 0.02)
"""Of all answers that are wrong by chance, each by itself."""
EVERY_MINUTES = (1, 5)
_MONTH_MINUTES = 30 * MINUTES_PER_DAY


@dataclass(frozen=True, slots=True)
class ByChance:
    """What an alert makes of a model that is as it always was."""

    share: float
    every_minutes: int
    tickets_per_month: float


def by_chance(target_months: int, seed: int) -> Iterator[ByChance]:
    """InferenceWrongAnswers, and InferenceToolCallsFail and InferenceRankingWrong with it: the three
    fire at the same share and number of an hour's answers."""
    random = np.random.default_rng(seed)
    shape = target_months, _MONTH_MINUTES
    for share, every in product(SHARES, EVERY_MINUTES):
        made = np.zeros(shape, bool)
        made[:, ::every] = True
        wrong = made & (random.random(shape, np.float32) < share)
        counted = Counters(made.cumsum(1, dtype=float), wrong.cumsum(1, dtype=float))
        fires = wrong_answers(counted)
        told = sum(1 for target in fires for _ in episodes(target))
        yield ByChance(share, every, told / target_months)
