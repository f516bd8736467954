"""The alerts on failures for targets whose probes fail at a low, random rate: always, or from a day
on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np

from benchmarks.alert_quality.failures import Counters, errors_high, throttled, wrong_answers
from benchmarks.alert_quality.fleet import BASE_FAILURES, LEARNING_DAYS, MINUTES_PER_DAY
from benchmarks.alert_quality.judge import episodes

SHARES = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1)
"""The shares of probes that fail independently."""
NEWLY = (0.05, 0.1)
"""The shares of probes that fail from the first day of the month on."""
EVERY_MINUTES = (1, 5)
ALERTS = ("InferenceErrorsHigh", "InferenceThrottled", "InferenceWrongAnswers")
"""InferenceToolCallsFail and InferenceRankingWrong have the same condition as the last one."""
_BEGIN = LEARNING_DAYS * MINUTES_PER_DAY


@dataclass(frozen=True, slots=True)
class Habit:
    """A target with a constant failure rate, and its tickets per month by alert."""

    share: float
    every_minutes: int
    always: bool
    """Whether the probes have always failed so, or only since the first day of the month."""
    tickets: Mapping[str, float]


def habits(target_months: int, seed: int) -> Iterator[Habit]:
    """Simulate targets as if every failure were of the alert's kind, without inhibition."""
    random = np.random.default_rng(seed)
    shape = target_months, _BEGIN + 30 * MINUTES_PER_DAY
    never = np.zeros(shape, bool)
    since_long = [(share, every, True) for share, every in product(SHARES, EVERY_MINUTES)]
    for share, every, always in (*since_long, *((share, 1, False) for share in NEWLY)):
        failing = np.full(shape[1], share, np.float32)
        failing[: 0 if always else _BEGIN] = BASE_FAILURES
        made = np.zeros(shape, bool)
        made[:, ::every] = True
        failed = made & (random.random(shape, np.float32) < failing)
        counted = Counters(made.cumsum(1, dtype=float), failed.cumsum(1, dtype=float))
        fires = (
            errors_high(counted, never, never),
            throttled(counted, never),
            wrong_answers(counted),
        )
        told = (sum(1 for one in flags[:, _BEGIN:] for _ in episodes(one)) for flags in fires)
        tickets = dict(zip(ALERTS, (count / target_months for count in told), strict=True))
        yield Habit(share, every, always, tickets)
