"""The current state of every plan, for people and scripts.

The probing thread writes it and the web thread reads it. Every value is immutable and replaced as
a whole, so readers never see a partial update and no lock is needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from exporter.coldness import Waiting
from exporter.config.plan import Identity, Plan, PlanChange
from exporter.config.slo import Tally, request_duration, time_to_first_token
from exporter.observation import Observation
from exporter.result import SkipReason
from exporter.site.day import Day
from exporter.site.details import KEPT_FAILURES, KEPT_SUCCESSES, ProbeDetails
from exporter.site.past import HISTORY_LENGTH, PastProbe, PastProbes, PeriodSummary

__all__ = ["HISTORY_LENGTH", "PastProbe", "Status", "StatusRow"]

_NO_PAST, _NO_SUMMARY = PastProbes(), PeriodSummary()


@dataclass(frozen=True, slots=True)
class StatusRow:
    """One plan, its latest result, and its history."""

    plan: Plan
    last: Observation | None = None
    past: PastProbes = _NO_PAST
    hour: PeriodSummary = _NO_SUMMARY
    """The hour up to the latest probe."""
    day: PeriodSummary = _NO_SUMMARY
    """The 24 hours up to the latest probe."""
    tallies: tuple[Tally, ...] = ()
    """How far the target meets each of its objectives, over the last hour."""
    last_cold: Observation | None = None
    """The latest success that was a cold start."""
    waiting: Waiting | None = None
    evidence: float = 0.0
    """How strongly the latest probes suggest that the model is slower than usual; see
    ``exporter.probing.evidence``."""
    skipped: SkipReason | None = None
    """Why the latest scheduled probe was not sent; ``None`` if it was."""
    successes: tuple[ProbeDetails, ...] = ()
    """Oldest first, like the failures."""
    failures: tuple[ProbeDetails, ...] = ()

    @property
    def history(self) -> tuple[PastProbe, ...]:
        """The latest probes, oldest first."""
        return self.past.latest(HISTORY_LENGTH)

    @property
    def limit_seconds(self) -> float | None:
        """The threshold of the objective for ``PastProbe.warm_seconds``, the times in charts."""
        shown = time_to_first_token if self.plan.probe.streams else request_duration
        limits = (each.threshold_seconds for each in self.plan.objectives if each.measure is shown)
        return next(limits, None)

    @property
    def kept(self) -> tuple[ProbeDetails, ...]:
        """The probes kept with their details, latest first."""
        both = (*self.successes, *self.failures)
        return tuple(sorted(both, key=lambda kept: kept.finished_at, reverse=True))

    def with_news(self, latest: Observation, day: Day) -> StatusRow:
        probe = PastProbe.of(latest)
        past = self.past.plus(probe)
        last_hour = past.last_hour()
        hour, of_day = last_hour.summary(), day.take(probe)
        return replace(
            self,
            **self._kept_with(latest),
            last=_lean(latest),
            past=past,
            hour=hour,
            day=hour if hour.probes == of_day.probes else of_day,
            tallies=last_hour.tallies(self.plan.objectives),
            last_cold=latest if probe.cold and probe.success else self.last_cold,
            skipped=None,
        )

    def with_kept(self, latest: Observation) -> StatusRow:
        """This row with one more probe in detail, and without the oldest success or failure."""
        return replace(self, **self._kept_with(latest))

    def _kept_with(self, latest: Observation) -> dict[str, Any]:
        kept = ProbeDetails.of(latest)
        if latest.result.success:
            return {"successes": (*self.successes, kept)[-KEPT_SUCCESSES:]}
        return {"failures": (*self.failures, kept)[-KEPT_FAILURES:]}

    def with_plan(self, plan: Plan) -> StatusRow:
        """This row with changed settings, and its history evaluated again."""
        return replace(self, plan=plan, tallies=self.past.last_hour().tallies(plan.objectives))


def _lean(latest: Observation) -> Observation:
    """The observation without its arrivals and body, which ``ProbeDetails`` has in less space."""
    timeline = replace(latest.result.timeline, arrivals=())
    return replace(latest, result=replace(latest.result, timeline=timeline, body=""))


class Status:
    """The rows of all plans, in the order of the configuration."""

    def __init__(self) -> None:
        self._rows: dict[Identity, StatusRow] = {}
        self._days: dict[Identity, Day] = {}

    def apply(self, change: PlanChange) -> None:
        """Keep rows for exactly the active plans."""
        self._days = change.carry(self._days, lambda _: Day())
        rows = change.carry(self._rows, StatusRow)
        for plan in change.changed:
            rows[plan.identity] = rows[plan.identity].with_plan(plan)
        self._rows = rows

    def observe(self, observation: Observation) -> None:
        """Add a result. Ignore it if its plan was removed; keep only its details if it doesn't
        count."""
        identity = observation.plan.identity
        row = self._rows.get(identity)
        if row and observation.counts:
            self._rows[identity] = row.with_news(observation, self._days[identity])
        elif row and not observation.result.interrupted:
            self._rows[identity] = row.with_kept(observation)

    def waiting(self, target: str, waiting: Waiting | None) -> None:
        """Set why a target is being waited for; ``None`` if it no longer is."""
        for identity, row in self._rows.items():
            if row.plan.target.name == target:
                self._rows[identity] = replace(row, waiting=waiting)

    def skipped(self, plan: Plan, reason: SkipReason) -> None:
        """Set why a scheduled probe was not sent."""
        if row := self._rows.get(plan.identity):
            self._rows[plan.identity] = replace(row, skipped=reason)

    def evidence(self, plan: Plan, by_measure: Mapping[str, float]) -> None:
        """Set how strongly a plan's latest probes suggest a change."""
        if row := self._rows.get(plan.identity):
            seen = by_measure["time_to_first_token"]
            self._rows[plan.identity] = replace(row, evidence=seen)

    def rows(self) -> tuple[StatusRow, ...]:
        return tuple(self._rows.values())
