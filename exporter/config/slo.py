"""Service level objectives of a target, and whether probes meet them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from pydantic import Field

from exporter.settings.types import Duration, Model

CHANCE = 0.05
"""The significance level: a result that chance alone produces less often counts as real."""


class Probed(Protocol):
    """The parts of a result that an objective uses."""

    @property
    def success(self) -> bool: ...

    @property
    def time_to_first_token_seconds(self) -> float | None: ...

    @property
    def output_tokens_per_second(self) -> float | None: ...

    @property
    def request_duration_seconds(self) -> float | None: ...


Seconds = Callable[[Probed], float | None]


def time_to_first_token(result: Probed) -> float | None:
    return result.time_to_first_token_seconds


def request_duration(result: Probed) -> float | None:
    return result.request_duration_seconds


_TIMES: Mapping[str, Seconds] = {
    "time_to_first_token": time_to_first_token,
    "request_duration": request_duration,
}


@dataclass(frozen=True, slots=True)
class Objective:
    """The share of probes that must be good. The name is a label value."""

    name: str
    ratio: float
    threshold_seconds: float | None = None
    """``None`` for an objective without a time limit."""
    measure: Seconds = lambda result: None

    def met_by(self, result: Probed, *, usable: bool = True) -> bool | None:
        """Return whether a probe was good; ``None`` if this objective doesn't apply to it.

        Latency objectives apply only to successes. Failures count only against the success
        objective. Otherwise one failure would use up every error budget.

        :param usable: whether the times belong to a warm model and are accurate enough.
        """
        if self.threshold_seconds is None:
            return result.success
        seconds = self.measure(result)
        if not (result.success and usable) or seconds is None:
            return None
        return seconds <= self.threshold_seconds


class SloVerdict(StrEnum):
    """The verdict on an objective, as far as the probes allow one."""

    KEPT = "kept"
    BROKEN = "broken"
    UNKNOWN = "not enough data"


@dataclass(frozen=True, slots=True)
class Tally:
    """The number of good probes among those that an objective applies to."""

    objective: Objective
    good: int = 0
    judged: int = 0

    @classmethod
    def of(cls, objective: Objective, met: Iterable[bool | None]) -> Tally:
        """Count the results of ``Objective.met_by``."""
        judged = [one for one in met if one is not None]
        return cls(objective, sum(judged), len(judged))

    @property
    def ratio(self) -> float | None:
        """The share of good probes; ``None`` without judged probes."""
        return self.good / self.judged if self.judged else None

    @property
    def verdict(self) -> SloVerdict:
        """The verdict by two one-sided binomial tests.

        Broken: a target that just keeps its objective would rarely have so few good probes. Kept: a
        target that just misses its objective would rarely have so many.
        """
        ratio = self.objective.ratio
        if _chance_of_at_most(self.good, self.judged, ratio) < CHANCE:
            return SloVerdict.BROKEN
        if 1 - _chance_of_at_most(self.good - 1, self.judged, ratio) < CHANCE:
            return SloVerdict.KEPT
        return SloVerdict.UNKNOWN

    @property
    def bounds(self) -> tuple[float, float]:
        """The Clopper-Pearson interval for the true share of good probes.

        The objective is broken if it is above the interval, and kept if it is below.
        """
        good, judged = self.good, self.judged
        low = _solved(lambda share: 1 - _chance_of_at_most(good - 1, judged, share) >= CHANCE)
        high = _solved(lambda share: _chance_of_at_most(good, judged, share) < CHANCE)
        return (low if good else 0.0), (high if good < judged else 1.0)

    @property
    def enough(self) -> int:
        """The number of probes that show that the objective is kept, if all of them are good."""
        return math.ceil(math.log(CHANCE) / math.log(self.objective.ratio))


def _solved(holds_above: Callable[[float], bool]) -> float:
    """Find the smallest value between 0 and 1 at which a condition holds, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if holds_above(middle) else (middle, high)
    return (low + high) / 2


def _chance_of_at_most(good: int, judged: int, ratio: float) -> float:
    """Return the binomial probability of at most this many good probes."""
    if 2 * good < judged:
        return _chance_of(range(good + 1), judged, ratio)
    return 1 - _chance_of(range(good + 1, judged + 1), judged, ratio)


def _chance_of(numbers: range, judged: int, ratio: float) -> float:
    """Return the binomial probability that the number of good probes is one of these."""
    log_good, log_bad = math.log(ratio), math.log1p(-ratio)
    log_all = math.lgamma(judged + 1)
    return math.fsum(
        math.exp(
            log_all
            - math.lgamma(good + 1)
            - math.lgamma(judged - good + 1)
            + good * log_good
            + (judged - good) * log_bad
        )
        for good in numbers
    )


class LatencyObjective(Model):
    """The share of successful probes whose time must not exceed a threshold."""

    threshold: Duration
    ratio: float = Field(gt=0, lt=1)


class Slo(Model):
    """Objectives, exported as gauges so that one static rule file serves every configuration."""

    success_ratio: float | None = Field(default=None, gt=0, lt=1)
    """Share of all probes that must succeed."""
    time_to_first_token: LatencyObjective | None = None
    request_duration: LatencyObjective | None = None

    def objectives(self) -> Iterator[Objective]:
        """Yield the objectives that are set."""
        if self.success_ratio is not None:
            yield Objective("success", self.success_ratio)
        for name, measure in _TIMES.items():
            latency: LatencyObjective | None = getattr(self, name)
            if latency:
                yield Objective(name, latency.ratio, latency.threshold, measure)
