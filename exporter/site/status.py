"""The current state of every plan, for people and scripts.

The probing thread writes it and the web thread reads it. Every value is immutable and replaced as
a whole, so readers never see a partial update and no lock is needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from exporter.coldness import Waiting
from exporter.config.plan import Identity, Plan, PlanChange
from exporter.config.slo import Objective, Tally
from exporter.observation import Observation
from exporter.result import SkipReason
from exporter.site.kept import KEPT_FAILURES, KEPT_SUCCESSES, Kept
from exporter.site.past import HISTORY_LENGTH, Day, Sample, Samples, Window, window

__all__ = ["HISTORY_LENGTH", "Sample", "Status", "StatusRow"]

_NO_SAMPLES, _NO_WINDOW = Samples(), Window()


@dataclass(frozen=True, slots=True)
class StatusRow:
    """One plan, its latest result, and what is remembered of the earlier ones."""

    plan: Plan
    last: Observation | None = None
    samples: Samples = _NO_SAMPLES
    hour: Window = _NO_WINDOW
    """The hour that ended with the latest probe."""
    day: Window = _NO_WINDOW
    """The same of 24 hours."""
    tallies: tuple[Tally, ...] = ()
    """How far the objectives of the target are kept, over the hour."""
    last_cold: Observation | None = None
    """The latest success that was a cold start."""
    waiting: Waiting | None = None
    evidence: float = 0.0
    """How strongly the latest probes say that the model has become slower than usual; see
    ``exporter.probing.evidence``."""
    skipped: SkipReason | None = None
    """Why the plan was not carried out when it was due last; ``None`` where it was."""
    successes: tuple[Kept, ...] = ()
    """Oldest first, as are the failures."""
    failures: tuple[Kept, ...] = ()

    @property
    def history(self) -> tuple[Sample, ...]:
        """The samples of the latest probes, oldest first."""
        return self.samples.latest(HISTORY_LENGTH)

    @property
    def kept(self) -> tuple[Kept, ...]:
        """All probes that are kept whole, latest first."""
        both = (*self.successes, *self.failures)
        return tuple(sorted(both, key=lambda kept: kept.finished_at, reverse=True))

    def with_news(self, latest: Observation, day: Day) -> StatusRow:
        sample = Sample.of(latest)
        samples = self.samples.plus(sample)
        of_hour = samples.last_hour()
        hour, of_day = window(of_hour), day.take(sample)
        return replace(
            self.with_kept(latest),
            last=_lean(latest),
            samples=samples,
            hour=hour,
            day=hour if hour.probes == of_day.probes else of_day,
            tallies=_tallies(self.plan, of_hour),
            last_cold=latest if sample.cold and sample.success else self.last_cold,
            skipped=None,
        )

    def with_kept(self, latest: Observation) -> StatusRow:
        """With one more probe to look at, and without the oldest of its kind."""
        kept = Kept.of(latest)
        if latest.result.success:
            return replace(self, successes=(*self.successes, kept)[-KEPT_SUCCESSES:])
        return replace(self, failures=(*self.failures, kept)[-KEPT_FAILURES:])

    def with_plan(self, plan: Plan) -> StatusRow:
        """With other settings; the history is evaluated again."""
        return replace(self, plan=plan, tallies=_tallies(plan, self.samples.last_hour()))


def _lean(latest: Observation) -> Observation:
    """Without what is kept elsewhere, and in less space."""
    timeline = replace(latest.result.timeline, arrivals=())
    return replace(latest, result=replace(latest.result, timeline=timeline, body=""))


def _tallies(plan: Plan, samples: Iterable[Sample]) -> tuple[Tally, ...]:
    slo = plan.target.slo
    if slo is None:
        return ()
    seen = tuple(samples)
    return tuple(_tally(objective, seen) for objective in slo.objectives())


def _tally(objective: Objective, samples: Iterable[Sample]) -> Tally:
    return Tally.of(
        objective, (objective.met_by(sample, usable=not sample.cold) for sample in samples)
    )


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
        """Take over a result; one of a plan that has gone meanwhile is passed over, and one that
        does not count is only kept to be looked at."""
        identity = observation.plan.identity
        row = self._rows.get(identity)
        if row and observation.counts:
            self._rows[identity] = row.with_news(observation, self._days[identity])
        elif row and not observation.result.interrupted:
            self._rows[identity] = row.with_kept(observation)

    def waiting(self, target: str, waiting: Waiting | None) -> None:
        """Take over what a target is being waited for."""
        for identity, row in self._rows.items():
            if row.plan.target.name == target:
                self._rows[identity] = replace(row, waiting=waiting)

    def skipped(self, plan: Plan, reason: SkipReason) -> None:
        """Take over why a plan was not carried out although it was due."""
        if row := self._rows.get(plan.identity):
            self._rows[plan.identity] = replace(row, skipped=reason)

    def evidence(self, plan: Plan, by_measure: Mapping[str, float]) -> None:
        """Take over how strongly a plan's latest probes speak for a change."""
        if row := self._rows.get(plan.identity):
            seen = by_measure["time_to_first_token"]
            self._rows[plan.identity] = replace(row, evidence=seen)

    def rows(self) -> tuple[StatusRow, ...]:
        return tuple(self._rows.values())
