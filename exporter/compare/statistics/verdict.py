"""Turns intervals and p-values into verdicts."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)


class Verdict(StrEnum):
    BETTER = "better"
    SAME = "same"
    """The interval lies within the margin."""
    WORSE = "worse"
    UNDECIDED = "not enough data"
    NOT_MEASURED = "not measured"
    """The measure wasn't requested or its price is unknown. More probes wouldn't help."""


@dataclass(frozen=True, slots=True)
class Effect:
    """The candidate compared with the baseline."""

    value: float
    """Candidate divided by baseline, or candidate minus baseline for shares."""
    low: float
    high: float
    p_value: float
    """The p-value of "both are the same", without correction."""


@dataclass(frozen=True, slots=True)
class Band:
    """The effects that count as the same, around the value that means no difference."""

    low: float
    neutral: float
    high: float

    @classmethod
    def of_ratio(cls, margin: float) -> Band:
        """Return a band that is symmetric in factors."""
        return cls(1 / (1 + margin), 1.0, 1 + margin)

    @classmethod
    def of_difference(cls, margin: float) -> Band:
        return cls(-margin, 0.0, margin)

    def holds(self, effect: Effect) -> bool:
        return self.low <= effect.low and effect.high <= self.high


def decide(
    effect: Effect, band: Band, corrected_p: float, alpha: float, *, higher_is_better: bool
) -> Verdict:
    """Decide on a verdict.

    "Same" needs only the interval. "Better" and "worse" also need the corrected p-value, because
    among many measures one looks different by chance.
    """
    if band.holds(effect):
        return Verdict.SAME
    differs = not effect.low <= band.neutral <= effect.high
    if not differs or corrected_p >= alpha:
        return Verdict.UNDECIDED
    is_higher = effect.value > band.neutral
    return Verdict.BETTER if is_higher == higher_is_better else Verdict.WORSE


def corrected(
    p_values: Mapping[Key, float], weights: Mapping[Key, float], gates: Mapping[Key, Key]
) -> dict[Key, float]:
    """Correct the p-values of many questions.

    Rejecting the questions with a corrected p-value below alpha keeps the probability of even one
    wrong rejection below alpha, however the questions depend on each other.

    Holm's method with weights (1979) and gates (Bretz et al. 2009, "A graphical approach to
    sequentially rejective multiple test procedures"): the share of a rejected question passes to
    the others, and to those that waited for it.

    :param weights: the initial shares of the permitted error.
    :param gates: the question that each question waits for. A question must not weigh more than
        the one that it waits for.
    """
    found: dict[Key, float] = {}
    waiting, largest = dict(p_values), 0.0
    while waiting:
        open_ = [key for key in waiting if gates.get(key) not in waiting]
        whole = sum(weights[key] for key in open_)
        key = min(open_, key=lambda one: waiting[one] / weights[one])
        largest = max(largest, min(1.0, waiting.pop(key) * whole / weights[key]))
        found[key] = largest
    return found
