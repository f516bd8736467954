"""When each plan is carried out: every plan on its own grid of time, spread by a stable hash."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Protocol

import structlog
from apscheduler.events import EVENT_JOB_MISSED, JobExecutionEvent
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger

from exporter.config.plan import Identity, Plan, PlanChange
from exporter.observation import Observation
from exporter.probing.grid import next_on_grid, phase_seconds
from exporter.probing.prober import Prober, StandsBy
from exporter.result import SkipReason

MAX_RETRY_AFTER_SECONDS = 900.0
"""A provider may ask for silence, but not for so much that nobody would notice its return."""

_GRACE_SECONDS = 1
"""A probe later than this is dropped. After a pause only those due in its last second run."""

log = structlog.get_logger(__name__)
Probe = Callable[[Plan], Awaitable[Observation]]


class Bystander(Protocol):
    """Is told what became of the schedule's own work."""

    def skipped(self, plan: Plan, reason: SkipReason) -> None:
        """A scheduled probe was not sent."""
        ...

    def delayed(self, seconds: float) -> None:
        """A probe was started so much later than scheduled."""
        ...


def _keeps_back_nothing(_plan: Plan) -> bool:
    return False


class Schedule:
    """Starts probes when they are due.

    A run that could not start in time (the process was stopped, the clock was set) is dropped
    and counted, never made up for: a burst of late probes would measure itself.
    """

    def __init__(
        self,
        prober: Prober,
        bystander: Bystander,
        probe: Probe | None = None,
        keeps_back: Callable[[Plan], bool] = _keeps_back_nothing,
    ) -> None:
        """:param probe: how a plan is carried out, where that is more than to ask the prober.
        :param keeps_back: whether a plan must wait, lest it spoil a cold start.
        """
        self._prober = prober
        self._bystander = bystander
        self._probe = probe or prober.probe
        self._keeps_back = keeps_back
        self._plans: dict[Identity, Plan] = {}
        self._quiet_until: dict[Identity, float] = {}
        """By who is asked; monotonic seconds."""
        self._scheduler = AsyncIOScheduler(timezone=UTC)
        self._scheduler.add_listener(self._missed, EVENT_JOB_MISSED)

    def start(self) -> None:
        """Begin; must be called on the probing loop."""
        self._scheduler.start()

    def stop(self) -> None:
        """Start no more probes; those under way go on.

        The scheduler itself is not shut down: it would cancel what has been started, and call each
        task that had not yet begun a job that raised an exception.
        """
        self.apply(PlanChange.between(self._plans.values(), ()))
        self._scheduler.pause()

    def apply(self, change: PlanChange) -> None:
        """Schedule exactly the plans in force; one whose interval stays keeps its place."""
        before, self._plans = self._plans, {plan.identity: plan for plan in change.plans}
        for plan in change.gone:
            self._scheduler.remove_job(_job_id(plan))
        for plan in change.added:
            self._add(plan)
        for plan in change.changed:
            if plan.interval_seconds != before[plan.identity].interval_seconds:
                self._add(plan)

    def realign(self) -> None:
        """Put every plan back on its grid, after the wall clock was set."""
        for plan in self._plans.values():
            self._add(plan)

    def _add(self, plan: Plan) -> None:
        interval = plan.interval_seconds
        first = next_on_grid(time.time(), plan.key, interval)
        self._scheduler.add_job(
            self._due,
            IntervalTrigger(
                seconds=interval, start_date=datetime.fromtimestamp(first, UTC), timezone=UTC
            ),
            args=(plan.identity,),
            id=_job_id(plan),
            replace_existing=True,
            coalesce=True,
            max_instances=2,  # the second finds the first under way, and is counted as skipped
            misfire_grace_time=_GRACE_SECONDS,
        )

    async def _due(self, identity: Identity) -> None:
        plan = self._plans.get(identity)
        if plan is None:
            return  # removed, or everything stopped, since it was due
        if reason := self._reason_to_skip(plan):
            self._bystander.skipped(plan, reason)
            return
        self._note_delay(plan)
        try:
            result = (await self._probe(plan)).result
        except StandsBy:
            self._bystander.skipped(plan, SkipReason.PAUSED)
            return
        except asyncio.CancelledError:
            return  # the probe outlasted the grace time, and was ended with the exporter
        if result.failure and result.retry_after_seconds:
            quiet = min(result.retry_after_seconds, MAX_RETRY_AFTER_SECONDS)
            self._quiet_until[plan.asked] = time.monotonic() + quiet

    def _reason_to_skip(self, plan: Plan) -> SkipReason | None:
        if not self._prober.may_probe():
            return SkipReason.PAUSED
        if self._keeps_back(plan):
            return SkipReason.COLD_START
        if self._prober.is_busy(plan):
            return SkipReason.OVERLAP
        if time.monotonic() < self._quiet_until.get(plan.asked, 0):
            return SkipReason.RETRY_AFTER
        if not self._prober.affords(plan):
            return SkipReason.BUDGET
        return None

    def _note_delay(self, plan: Plan) -> None:
        phase = phase_seconds(plan.key, plan.interval_seconds)
        delay = (time.time() - phase) % plan.interval_seconds
        self._bystander.delayed(delay)

    def _missed(self, event: JobExecutionEvent) -> None:
        if plan := self._plans.get(_identity(event.job_id)):
            self._bystander.skipped(plan, SkipReason.PAUSED)
            log.warning("probe missed its time", target=plan.target.name, probe=plan.probe_name)


def _job_id(plan: Plan) -> str:
    return "\0".join(plan.identity)


def _identity(job_id: str) -> Identity:
    return tuple(job_id.split("\0"))
