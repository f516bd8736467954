"""Measures models after idleness: leaves their server alone, probes cold, and at once warm.

Targets that share a model server share a silence too: whoever is asked first wakes the server for
all of them. So each silence measures one of them, and they take turns.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import structlog

from exporter.cold.thermometer import Thermometer
from exporter.cold.waiting_room import WaitingRoom
from exporter.config.model_server import ColdStart
from exporter.config.plan import Plan, PlanChange
from exporter.probing.grid import next_on_grid, phase_seconds
from exporter.probing.prober import OverBudget, Probing, StandsBy
from exporter.process.errands import Errands

_BUSY_SECONDS = 0.25

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Group:
    """Targets that are left alone together."""

    key: tuple[str, str]
    """Its place in time, and what no two groups share."""
    plans: tuple[Plan, ...]
    """All plans of its targets."""
    settings: ColdStart

    @property
    def targets(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(plan.target.name for plan in self.plans))

    def next_silence(self, now: float) -> float:
        """When the targets are next to be left alone, Unix seconds."""
        return next_on_grid(now, self.key, self.settings.every_seconds)

    def turn(self, due: float) -> Plan:
        """The plan that is measured after the silence that begins at ``due``: the first one of
        some target. It follows from the time alone, so that a restart keeps the turns."""
        every = self.settings.every_seconds
        silences = round((due - phase_seconds(self.key, every)) / every)
        name = self.targets[silences % len(self.targets)]
        return next(plan for plan in self.plans if plan.target.name == name)


def groups_of(plans: Iterable[Plan]) -> dict[tuple[str, str], Group]:
    """Every group, by its key. A target that names none is one by itself."""
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
    """Carries out the silences of all groups, each in a task of its own."""

    def __init__(
        self,
        thermometer: Thermometer,
        waiting_room: WaitingRoom,
        is_busy: Callable[[Plan], bool],
        probe: Probing,
        probe_cold: Probing,
    ) -> None:
        """
        :param probe: asks a plan as usual.
        :param probe_cold: asks it until its model, left alone before, is ready.
        """
        self._thermometer = thermometer
        self._waiting_room = waiting_room
        self._is_busy = is_busy
        self._probe = probe
        self._probe_cold = probe_cold
        self._silences = Errands[tuple[str, str], Group](self._keep_on)
        self._kept_back: set[str] = set()

    def keeps_back(self, plan: Plan) -> bool:
        """Whether a plan must not be carried out now, lest it wake the server or ask it while it
        is being started."""
        return plan.target.name in self._kept_back

    def apply(self, change: PlanChange) -> None:
        """Measure exactly the plans in force; a group that stays as it is goes on with its
        silence."""
        self._silences.apply(groups_of(change.plans))

    def stop(self) -> None:
        """Measure no more; a probe under way goes on."""
        self._silences.stop()

    def realign(self) -> None:
        """Put every group back on its grid, after the system clock was changed."""
        groups = self._silences.under_way
        self._silences.stop()
        self._silences.apply(groups)

    async def _keep_on(self, group: Group) -> None:
        while True:
            due = group.next_silence(time.time())
            await asyncio.sleep(due - time.time())
            try:
                await self._measure(group, group.turn(due))
            except Exception:
                log.exception("measuring a cold start crashed", targets=group.targets)

    async def _measure(self, group: Group, plan: Plan) -> None:
        self._kept_back.update(group.targets)
        try:
            if await self._silence(group):
                await self._cold_then_warm(group, plan)
            else:
                log.warning("never idle for long enough", targets=group.targets)
        finally:
            self._kept_back.difference_update(group.targets)
            for target in group.targets:
                self._waiting_room.rested(target)

    async def _silence(self, group: Group) -> bool:
        """Wait until no target of the group was asked for long enough: a probe that was under way,
        or that somebody asked for by hand, makes it longer. Whether it came to that in time."""
        began = time.monotonic()
        self._rest(group, "idle, waiting for a cold probe,")
        while (left := self._silence_left(group, began)) > 0:
            if time.monotonic() - began > group.settings.every_seconds:
                return False
            await asyncio.sleep(left)
        return True

    def _silence_left(self, group: Group, began: float) -> float:
        silence = time.monotonic() - began
        idle = [self._thermometer.idle_seconds(plan) for plan in group.plans]
        left = group.settings.idle - min(silence if i is None else i for i in idle)
        busy = any(self._is_busy(plan) for plan in group.plans)
        return max(left, _BUSY_SECONDS) if busy else left

    async def _cold_then_warm(self, group: Group, plan: Plan) -> None:
        self._rest(group, f"{plan.target.name} is being probed cold")
        try:
            if (await self._probe_cold(plan)).result.success:
                await self._probe(plan)
        except OverBudget as error:
            log.warning("cold start not measured", target=plan.target.name, why=str(error))
        except StandsBy:
            log.info("cold start left to the new leader", target=plan.target.name)

    def _rest(self, group: Group, why: str) -> None:
        for target in group.targets:
            self._waiting_room.resting(target, time.time(), why)
