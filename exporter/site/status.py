"""What every plan looks like now, for people and scripts.

Written in the probing thread, read in the web thread: every value is immutable, and a change
replaces it whole, so that no reader ever sees half of one and no lock is needed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from exporter.config.plan import Plan
from exporter.observation import Observation
from exporter.result import ColdSignal, FailureReason, Waiting

HISTORY_LENGTH = 60
"""How many of its latest results a plan remembers."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What stays of a result once a later one has come. ``None`` is not known."""

    finished_at: float
    """Wall-clock end of the probe, Unix seconds."""
    time_to_first_token_seconds: float | None
    output_tokens_per_second: float | None
    failure_reason: FailureReason | None
    cold: bool = False
    """Whether the model had to be started, so that its time is none of a warm one."""

    @classmethod
    def of(cls, observation: Observation) -> Sample:
        result, cold, certain = observation.result, observation.cold, observation.certain
        return cls(
            result.finished_at,
            result.time_to_first_token_seconds if certain else None,
            result.output_tokens_per_second if certain else None,
            result.failure.reason if result.failure else None,
            cold is not None and cold.signal is not ColdSignal.NONE,
        )


@dataclass(frozen=True, slots=True)
class StatusRow:
    """One plan, its latest result and the samples of its latest results, oldest first."""

    plan: Plan
    last: Observation | None = None
    history: tuple[Sample, ...] = ()
    last_cold: Observation | None = None
    """The latest success that was a cold start."""
    waiting: Waiting | None = None

    def with_plan(self, plan: Plan) -> StatusRow:
        """The same past under a new plan; forgotten if it was another model's past."""
        return replace(self, plan=plan) if _asked(plan) == _asked(self.plan) else StatusRow(plan)

    def with_news(self, latest: Observation) -> StatusRow:
        history = (*self.history, Sample.of(latest))[-HISTORY_LENGTH:]
        cold = latest if history[-1].cold and latest.result.success else self.last_cold
        return replace(self, last=latest, history=history, last_cold=cold)


class Status:
    """The rows of all plans, in the order of the configuration."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], StatusRow] = {}

    def apply(self, plans: Iterable[Plan]) -> None:
        """Have rows for exactly these plans."""
        before = self._rows
        self._rows = {
            plan.key: before[plan.key].with_plan(plan) if plan.key in before else StatusRow(plan)
            for plan in plans
        }

    def observe(self, observation: Observation) -> None:
        """Take over a result; one of a plan that has gone meanwhile is passed over, and so is one
        that the exporter itself interrupted."""
        key = observation.plan.key
        row = self._rows.get(key)
        if row and not observation.result.interrupted:
            self._rows[key] = row.with_news(observation)

    def waiting(self, target: str, waiting: Waiting | None) -> None:
        """Take over what a target is being waited for."""
        for key, row in self._rows.items():
            if key[0] == target:
                self._rows[key] = replace(row, waiting=waiting)

    def rows(self) -> tuple[StatusRow, ...]:
        return tuple(self._rows.values())


def _asked(plan: Plan) -> tuple[str, str, str]:
    target = plan.target
    return target.provider, target.model, target.endpoint
