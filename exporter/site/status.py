"""What every plan looks like now, for people and scripts.

Written in the probing thread, read in the web thread: every value is immutable, and a change
replaces it whole, so that no reader ever sees half of one and no lock is needed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from exporter.coldness import ColdSignal, Waiting
from exporter.config.plan import Identity, Plan, PlanChange
from exporter.observation import Observation
from exporter.result import FailureReason

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

    def with_news(self, latest: Observation) -> StatusRow:
        history = (*self.history, Sample.of(latest))[-HISTORY_LENGTH:]
        cold = latest if history[-1].cold and latest.result.success else self.last_cold
        return replace(self, last=latest, history=history, last_cold=cold)


class Status:
    """The rows of all plans, in the order of the configuration."""

    def __init__(self) -> None:
        self._rows: dict[Identity, StatusRow] = {}

    def apply(self, change: PlanChange) -> None:
        """Have rows for exactly the plans in force."""
        rows = change.carry(self._rows, StatusRow)
        for plan in change.changed:
            rows[plan.identity] = replace(rows[plan.identity], plan=plan)
        self._rows = rows

    def observe(self, observation: Observation) -> None:
        """Take over a result; one of a plan that has gone meanwhile is passed over, and so is one
        that does not count."""
        identity = observation.plan.identity
        row = self._rows.get(identity)
        if row and observation.counts:
            self._rows[identity] = row.with_news(observation)

    def waiting(self, target: str, waiting: Waiting | None) -> None:
        """Take over what a target is being waited for."""
        for identity, row in self._rows.items():
            if row.plan.target.name == target:
                self._rows[identity] = replace(row, waiting=waiting)

    def rows(self) -> tuple[StatusRow, ...]:
        return tuple(self._rows.values())
