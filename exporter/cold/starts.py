"""Measures cold starts: keeps a target idle, probes it cold, and right after that warm.

Targets that share a model server share idle periods, because the first probe wakes the server for
all of them. So each idle period measures one of these targets, in turn.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import structlog

from exporter.cold.detector import ColdDetector
from exporter.cold.waiting import WaitingTargets
from exporter.config.model_server import ColdStart
from exporter.config.plan import Plan, PlanChange
from exporter.probing.grid import hashed, next_on_grid
from exporter.probing.prober import OverBudget, Probing, StandsBy
from exporter.process.task_set import TaskSet

_BUSY_SECONDS = 0.25

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Group:
    """Targets that go idle together."""

    key: tuple[str, str]
    """Unique. It also determines the times of the group's idle periods."""
    plans: tuple[Plan, ...]
    """All plans of its targets."""
    settings: ColdStart

    @property
    def targets(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(plan.target.name for plan in self.plans))

    def next_idle_period(self, now: float) -> float:
        """When the next idle period begins, Unix seconds."""
        return next_on_grid(now, hashed(self.key), self.settings.every_seconds)

    def turn(self, due: float) -> Plan:
        """The plan to measure after the idle period that begins at ``due``, Unix seconds.

        It is the first plan of the target whose turn it is. A plan with several requests per probe
        comes last, because the first request wakes the model and the last one is measured. Turns
        depend only on the time, so they survive a restart.
        """
        every = self.settings.every_seconds
        idle_periods = round(due / every - hashed(self.key))
        name = self.targets[idle_periods % len(self.targets)]
        of_target = (plan for plan in self.plans if plan.target.name == name)
        return min(of_target, key=lambda plan: plan.probe.rounds)


def groups_of(plans: Iterable[Plan]) -> dict[tuple[str, str], Group]:
    """All groups by key. A target without a group forms its own."""
    members: dict[tuple[str, str], list[Plan]] = {}
    for plan in plans:
        settings = plan.target.cold_start
        if settings and plan.probe.runs_model:
            key = ("group", settings.group) if settings.group else ("target", plan.target.name)
            members.setdefault(key, []).append(plan)
    return {
        key: Group(key, tuple(of_group), of_group[0].target.cold_start)
        for key, of_group in members.items()
        if of_group[0].target.cold_start
    }


class ColdStarts:
    """Runs the idle periods and cold probes of all groups, each group in a separate task."""

    def __init__(
        self,
        detector: ColdDetector,
        waiting_targets: WaitingTargets,
        is_busy: Callable[[Plan], bool],
        probe: Probing,
        probe_cold: Probing,
    ) -> None:
        """
        :param probe: probes a plan as usual.
        :param probe_cold: probes a plan until its model, which was idle, is ready.
        """
        self._detector = detector
        self._waiting_targets = waiting_targets
        self._is_busy = is_busy
        self._probe = probe
        self._probe_cold = probe_cold
        self._groups = TaskSet[tuple[str, str], Group](self._run)
        self._kept_back: set[str] = set()

    def keeps_back(self, plan: Plan) -> bool:
        """Whether a plan must wait, because its probe would wake the server or reach it during a
        cold start."""
        return plan.target.name in self._kept_back

    def apply(self, change: PlanChange) -> None:
        """Measure exactly the active plans. The idle period of an unchanged group continues."""
        self._groups.apply(groups_of(change.plans))

    def stop(self) -> None:
        """Measure nothing from now on. A running probe continues."""
        self._groups.stop()

    def realign(self) -> None:
        """Align every group with its schedule again after the system clock has changed."""
        groups = self._groups.under_way
        self._groups.stop()
        self._groups.apply(groups)

    async def _run(self, group: Group) -> None:
        while True:
            due = group.next_idle_period(time.time())
            await asyncio.sleep(due - time.time())
            try:
                await self._measure(group, group.turn(due))
            except Exception:
                log.exception("measuring a cold start crashed", targets=group.targets)

    async def _measure(self, group: Group, plan: Plan) -> None:
        self._kept_back.update(group.targets)
        try:
            if await self._wait_until_idle(group):
                await self._cold_then_warm(group, plan)
            else:
                why = "the targets were never idle long enough"
                log.warning("cold start not measured", targets=group.targets, why=why)
        finally:
            self._kept_back.difference_update(group.targets)
            for target in group.targets:
                self._waiting_targets.no_longer_idle(target)

    async def _wait_until_idle(self, group: Group) -> bool:
        """Wait until no target of the group was probed for long enough, and return whether that
        happened in time. A running or manual probe extends the wait."""
        began = time.monotonic()
        self._set_idle(group, "kept idle before a cold probe")
        while (left := self._idle_seconds_left(group, began)) > 0:
            if time.monotonic() - began > group.settings.every_seconds:
                return False
            await asyncio.sleep(left)
        return True

    def _idle_seconds_left(self, group: Group, began: float) -> float:
        waited = time.monotonic() - began
        idle = [self._detector.idle_seconds(plan) for plan in group.plans]
        left = group.settings.idle - min(waited if i is None else i for i in idle)
        busy = any(self._is_busy(plan) for plan in group.plans)
        return max(left, _BUSY_SECONDS) if busy else left

    async def _cold_then_warm(self, group: Group, plan: Plan) -> None:
        self._set_idle(group, f"measuring the cold start of {plan.target.name}")
        try:
            if (await self._probe_cold(plan)).result.success:
                await self._probe(plan)
        except OverBudget as error:
            log.warning("cold start not measured", target=plan.target.name, why=str(error))
        except StandsBy:
            log.info("cold start left to the new leader", target=plan.target.name)

    def _set_idle(self, group: Group, why: str) -> None:
        for target in group.targets:
            self._waiting_targets.idle(target, why)
