"""When each plan runs: every plan on its own time grid."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import UTC
from functools import partial
from typing import Protocol

import structlog
from apscheduler.events import EVENT_JOB_MISSED, JobExecutionEvent
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from exporter.config.plan import Identity, Plan, PlanChange
from exporter.observation import Observation, Occasion
from exporter.probing.confirmation import Confirmation
from exporter.probing.grid import GridTrigger
from exporter.probing.prober import NotProbed, Prober, StandsBy
from exporter.result import SkipReason

_GRACE_SECONDS = 1
"""A probe later than this is dropped. After a pause, only probes that were due in the last second
run."""

log = structlog.get_logger(__name__)


class ScheduleObserver(Protocol):
    """Receives the events of the schedule."""

    def skipped(self, plan: Plan, reason: SkipReason) -> None:
        """Record that a scheduled probe wasn't sent."""
        ...

    def delayed(self, seconds: float) -> None:
        """Record how much later than scheduled a probe started."""
        ...

    def evidence(self, plan: Plan, by_measure: Mapping[str, float]) -> None:
        """Record how strongly the latest probes of a plan show a change."""
        ...


def _keeps_back_nothing(_plan: Plan) -> bool:
    return False


async def _ask(prober: Prober, plan: Plan, occasion: Occasion) -> Observation:
    return await prober.probe(plan, occasion=occasion)


class Schedule:
    """Starts probes when they are due, and confirming probes between them.

    If a probe couldn't start in time (the process was stopped, the clock was set), it is dropped
    and counted. It is never sent later, because a burst of late probes would measure itself.
    """

    def __init__(
        self,
        prober: Prober,
        observer: ScheduleObserver,
        probe: Callable[[Plan, Occasion], Awaitable[Observation]] | None = None,
        keeps_back: Callable[[Plan], bool] = _keeps_back_nothing,
    ) -> None:
        """Create the schedule without plans.

        :param probe: runs a plan. By default, the prober does.
        :param keeps_back: whether a plan must wait, because it would spoil a cold start.
        """
        self._confirmation = Confirmation(observer.evidence)
        self._again: dict[Identity, asyncio.TimerHandle] = {}
        self._confirming: dict[Identity, asyncio.Task[None]] = {}
        self._prober = prober
        self._observer = observer
        self._probe = probe or partial(_ask, prober)
        self._keeps_back = keeps_back
        self._plans: dict[Identity, Plan] = {}
        self._scheduler = AsyncIOScheduler(timezone=UTC)
        self._scheduler.add_listener(self._missed, EVENT_JOB_MISSED)

    def start(self) -> None:
        """Start the schedule. Call this on the probing loop."""
        self._scheduler.start()

    def stop(self) -> None:
        """Start no more probes. Running ones continue.

        This doesn't shut down apscheduler, which would cancel started jobs and report each job that
        hasn't begun as failed.
        """
        self.apply(PlanChange.between(self._plans.values(), ()))
        self._scheduler.pause()

    def apply(self, change: PlanChange) -> None:
        """Schedule exactly the active plans. One with the same interval and phase keeps its job."""
        before, self._plans = self._plans, {plan.identity: plan for plan in change.plans}
        self._confirmation.apply(change)
        for plan in change.gone:
            self._scheduler.remove_job(_job_id(plan))
            self._ask_no_more(plan)
        for plan in change.added:
            self._add(plan)
        for plan in change.changed:
            old = before[plan.identity]
            if (plan.interval_seconds, plan.phase) != (old.interval_seconds, old.phase):
                self._add(plan)

    def realign(self) -> None:
        """Put every plan back on its grid after the system clock was changed."""
        for plan in self._plans.values():
            self._add(plan)

    def _add(self, plan: Plan) -> None:
        self._scheduler.add_job(
            self._due,
            GridTrigger(plan.phase.part, plan.interval_seconds),
            args=(plan.identity,),
            id=_job_id(plan),
            replace_existing=True,
            coalesce=True,
            max_instances=2,  # the second finds the first running, and is skipped
            misfire_grace_time=_GRACE_SECONDS,
        )

    async def _due(self, identity: Identity) -> None:
        plan = self._plans.get(identity)
        if plan is None:
            return  # removed or stopped since it was due
        if reason := self._reason_to_skip(plan):
            self._observer.skipped(plan, reason)
            return
        self._note_delay(plan)
        try:
            await self._carry_out(plan, Occasion.USUAL)
        except StandsBy:
            self._observer.skipped(plan, SkipReason.PAUSED)

    async def _carry_out(self, plan: Plan, occasion: Occasion) -> None:
        """Run a plan and handle its result.

        :raises StandsBy: another exporter is the leader.
        """
        try:
            observation = await self._probe(plan, occasion)
        except asyncio.CancelledError:
            return  # the probe outlasted the grace time, and was canceled at shutdown
        pause = self._confirmation.take(observation)
        self._ask_no_more(plan)
        if pause is not None and plan.identity in self._plans:
            loop = asyncio.get_running_loop()
            self._again[plan.identity] = loop.call_later(pause, self._confirm, plan.identity)

    def _ask_no_more(self, plan: Plan) -> None:
        if waiting := self._again.pop(plan.identity, None):
            waiting.cancel()

    def _confirm(self, identity: Identity) -> None:
        """Send a confirming probe, if a scheduled one could be sent now."""
        del self._again[identity]
        plan = self._plans[identity]
        if self._reason_to_skip(plan):
            self._confirmation.not_asked(plan)
            return
        task = asyncio.create_task(self._ask_between(plan))
        self._confirming[identity] = task
        task.add_done_callback(lambda _: self._confirming.pop(identity, None))

    async def _ask_between(self, plan: Plan) -> None:
        if plan.identity not in self._plans:
            return  # removed or stopped a moment ago
        with suppress(NotProbed):
            await self._carry_out(plan, Occasion.CONFIRMING)

    def _reason_to_skip(self, plan: Plan) -> SkipReason | None:
        if not self._prober.may_probe():
            return SkipReason.PAUSED
        if self._keeps_back(plan):
            return SkipReason.COLD_START
        if self._prober.is_busy(plan) and plan.identity not in self._confirming:
            return SkipReason.OVERLAP
        if self._prober.waits.includes(plan):
            return SkipReason.RETRY_AFTER
        if not self._prober.affords(plan):
            return SkipReason.BUDGET
        return None

    def _note_delay(self, plan: Plan) -> None:
        first = plan.phase.part * plan.interval_seconds
        self._observer.delayed((time.time() - first) % plan.interval_seconds)

    def _missed(self, event: JobExecutionEvent) -> None:
        if plan := self._plans.get(_identity(event.job_id)):
            self._observer.skipped(plan, SkipReason.PAUSED)
            log.warning("probe missed its schedule", target=plan.target.name, probe=plan.probe_name)


def _job_id(plan: Plan) -> str:
    return "\0".join(plan.identity)


def _identity(job_id: str) -> Identity:
    return tuple(job_id.split("\0"))
