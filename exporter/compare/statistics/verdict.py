"""From intervals and p-values to verdicts."""

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
    """Nobody was asked for it, or its price is not known: more probes would not tell."""


@dataclass(frozen=True, slots=True)
class Effect:
    """The candidate against the baseline."""

    value: float
    """Candidate by baseline, or candidate minus baseline for shares."""
    low: float
    high: float
    p_value: float
    """Of "both are the same", before any correction."""


@dataclass(frozen=True, slots=True)
class Band:
    """What counts as the same, around the value that means no difference."""

    low: float
    neutral: float
    high: float

    @classmethod
    def of_ratio(cls, margin: float) -> Band:
        """So many times more, or as many times less."""
        return cls(1 / (1 + margin), 1.0, 1 + margin)

    @classmethod
    def of_difference(cls, margin: float) -> Band:
        return cls(-margin, 0.0, margin)

    def holds(self, effect: Effect) -> bool:
        return self.low <= effect.low and effect.high <= self.high


def decide(
    effect: Effect, band: Band, corrected_p: float, alpha: float, *, higher_is_better: bool
) -> Verdict:
    """ "Same" needs the interval alone; "better" and "worse" need the corrected p-value as well,
    since among many measures one looks different by chance."""
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
    """The p-values of many questions, corrected so that rejecting those below alpha keeps the
    chance of even one wrong rejection below alpha, however the questions hang together.

    Holm's method with weights (1979) and gates (Bretz et al. 2009, "A graphical approach to
    sequentially rejective multiple test procedures"): what a rejected question had of the error
    passes to the others, and to those that waited for it.

    :param weights: how the permitted error is shared out among the questions at first.
    :param gates: which question waits for which; it must not weigh more than that one.
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
