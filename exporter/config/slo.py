"""Service level objectives of a target, and whether a probe met them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from pydantic import Field

from exporter.result import ProbeResult
from exporter.settings.types import Duration, Model

Seconds = Callable[[ProbeResult], float | None]

_TIMES: Mapping[str, Seconds] = {
    "time_to_first_token": lambda result: result.time_to_first_token_seconds,
    "request_duration": lambda result: result.request_duration_seconds,
}


@dataclass(frozen=True, slots=True)
class Objective:
    """A share of probes that is to be good. Each has a name, which is a label value."""

    name: str
    ratio: float
    threshold_seconds: float | None = None
    """``None`` for an objective that has nothing to do with time."""
    measure: Seconds = lambda result: None

    def met_by(self, result: ProbeResult, *, usable: bool = True) -> bool | None:
        """Whether a probe was good; ``None`` where this objective does not judge it.

        Times are judged on successes only: a failure is the success objective's, and would
        otherwise be charged to the error budgets of all.

        :param usable: whether the probe's times are those of a warm model, and known well enough
            to be judged.
        """
        if self.threshold_seconds is None:
            return result.success
        seconds = self.measure(result)
        if not (result.success and usable) or seconds is None:
            return None
        return seconds <= self.threshold_seconds


class LatencyObjective(Model):
    """A share of the successful probes that must not take longer than a threshold."""

    threshold: Duration
    ratio: float = Field(gt=0, lt=1)


class Slo(Model):
    """Objectives, exported as gauges so that one static rule file serves every configuration."""

    success_ratio: float | None = Field(default=None, gt=0, lt=1)
    """Share of all probes that must succeed."""
    time_to_first_token: LatencyObjective | None = None
    request_duration: LatencyObjective | None = None

    def objectives(self) -> Iterator[Objective]:
        """Those that are set."""
        if self.success_ratio is not None:
            yield Objective("success", self.success_ratio)
        for name, measure in _TIMES.items():
            latency: LatencyObjective | None = getattr(self, name)
            if latency:
                yield Objective(name, latency.ratio, latency.threshold, measure)
