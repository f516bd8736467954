"""Measures how self-hosted model servers boot, from the first refused connection to the first
token, each time they restart."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

import structlog

from exporter.cold.sequence import sign_of, with_failure
from exporter.cold.server_pages import ServerPages
from exporter.cold.waiting import WaitingTargets
from exporter.coldness import BootPhase, Coldness, ColdSignal
from exporter.config.model_server import WatchedBoot
from exporter.config.plan import Plan, PlanChange
from exporter.net.failure import OwnFault
from exporter.observation import Observation
from exporter.probing.prober import NotProbed, Probing
from exporter.process.task_set import TaskSet
from exporter.result import NANOSECONDS, Failure, FailureReason

log = structlog.get_logger(__name__)

BootListener = Callable[[str, Mapping[BootPhase, float]], None]
"""Receives the name of a target, and for each boot phase that has ended the seconds since the boot
began. Without any, all connections were refused so far."""


class BootRecord:
    """One boot. Its clock starts with the first refused connection."""

    def __init__(self, began_ns: int) -> None:
        self.began_ns = began_ns
        self._ended: dict[BootPhase, int] = {}

    @property
    def elapsed_seconds(self) -> float:
        return (time.monotonic_ns() - self.began_ns) / NANOSECONDS

    def reach(self, phase: BootPhase, at_ns: int) -> bool:
        """Record the end of a phase, and return whether it is news.

        Earlier phases end at the same time at the latest: a probe can see a later phase before a
        poll sees an earlier one.
        """
        if phase in self._ended:
            return False
        phases = list(BootPhase)
        for earlier in phases[: phases.index(phase) + 1]:
            self._ended[earlier] = min(at_ns, self._ended.get(earlier, at_ns))
        return True

    @property
    def durations(self) -> dict[BootPhase, float]:
        """Seconds from the beginning to the end of each phase so far."""
        return {p: (at - self.began_ns) / NANOSECONDS for p, at in self._ended.items()}


class BootWatch:
    """Watches the server of one target."""

    def __init__(
        self,
        plan: Plan,
        settings: WatchedBoot,
        waiting_targets: WaitingTargets,
        listener: BootListener,
        probe: Probing,
        must_wait: Callable[[Plan], bool],
        boot: BootRecord | None,
    ) -> None:
        """
        :param boot: the boot that is going on, if a watch with other settings has seen it begin.
        """
        self.plan = plan
        self._settings = settings
        self._waiting_targets = waiting_targets
        self._listener = listener
        self._probe = probe
        self._must_wait = must_wait
        self._pages = ServerPages(plan.target)
        self.boot = boot

    async def run(self) -> None:
        """Poll the server until cancelled."""
        while True:
            if not self._waiting_targets.is_idle(self.plan.target.name):
                try:
                    await self._poll()
                except OwnFault as fault:  # says nothing about the server
                    log.warning(
                        "a server couldn't be checked",
                        target=self.plan.target.name,
                        why=str(fault),
                    )
                except Exception:
                    log.exception("checking a server crashed", target=self.plan.target.name)
            await asyncio.sleep(self._settings.poll)

    async def _poll(self) -> None:
        health = await self._pages.get(self._settings.health_path)
        if health.is_down:
            self._begin(health.began_ns, health.detail)
        self._note(BootPhase.LISTENING, health.connected_ns)
        if self.boot and health.is_good:
            self._note(BootPhase.HEALTHY, health.answered_ns)
            await self._poll_models()

    async def _poll_models(self) -> None:
        models = await self._pages.get(self._settings.models_path)
        if models.lists(self.plan.target.model):
            self._note(BootPhase.MODEL_LISTED, models.answered_ns)
            await self._probe_first_token()

    def _begin(self, at_ns: int, detail: str) -> None:
        if self.boot is None:
            self.boot = BootRecord(at_ns)
            log.info("the target's server is not ready", target=self.plan.target.name)
            self._listener(self.plan.target.name, {})
        self._waiting(self.boot, detail)

    def _waiting(self, boot: BootRecord, detail: str) -> None:
        self._waiting_targets.not_ready(self.plan.target.name, boot.began_ns, detail)

    def _note(self, phase: BootPhase, at_ns: int | None) -> None:
        boot = self.boot
        if boot and at_ns is not None and boot.reach(phase, at_ns):
            self._listener(self.plan.target.name, boot.durations)
            self._waiting(boot, f"{phase.value} after {boot.durations[phase]:.1f} s")

    async def _probe_first_token(self) -> None:
        """Send a probe. ``judge`` ends the boot at the first success, of this or any probe.

        After the limit, only scheduled probes are sent.
        """
        if self.boot is None or self._must_wait(self.plan):
            return
        left = self._settings.limit - self.boot.elapsed_seconds
        if left <= 0:
            return
        timeouts = replace(self.plan.timeouts, total=max(left, self.plan.timeouts.total))
        patient = replace(timeouts, first_token=timeouts.total)
        try:
            result = (await self._probe(replace(self.plan, timeouts=patient))).result
        except NotProbed:
            self._end()  # the first token stays unknown
            return
        if result.failure and not (result.interrupted or sign_of(result, expected=True)):
            # The server is up. This failure has another cause than the boot, and would repeat.
            self._end()

    def _end(self) -> None:
        self.boot = None
        self._waiting_targets.ready(self.plan.target.name)

    def judge(self, observation: Observation) -> Observation:
        """Add to a result what it means for the boot: its end, or "not ready" for a failure."""
        result = observation.result
        if result.failure:
            return self._failed(observation, result.failure)
        boot, runs_model = self.boot, observation.plan.probe.runs_model
        first_token = result.timeline.first_output if runs_model else None
        if boot is None or first_token is None or result.timeline.start < boot.began_ns:
            return observation
        self._note(BootPhase.FIRST_TOKEN, first_token)
        phases = {f"{phase}_seconds": round(at, 3) for phase, at in boot.durations.items()}
        log.info("the target's server has booted", target=result.target, **phases)
        self._end()
        duration = boot.durations[BootPhase.FIRST_TOKEN]
        return replace(observation, cold=Coldness(ColdSignal.BOOT, duration_seconds=duration))

    def _failed(self, observation: Observation, failure: Failure) -> Observation:
        result = observation.result
        sign = sign_of(result, expected=True)
        refused = failure.reason is FailureReason.CONNECT and result.timeline.sent is None
        if refused or sign is ColdSignal.NOT_READY:
            self._begin(result.timeline.start, failure.detail)
        if sign is None or self.boot is None:
            return observation
        if self.boot.elapsed_seconds > self._settings.limit:
            return observation  # too long for a boot: report the failure unchanged
        return with_failure(observation, replace(failure, reason=FailureReason.NOT_READY))


class Boots:
    """The boot watches of all targets with ``watched_boot``."""

    def __init__(
        self,
        waiting_targets: WaitingTargets,
        listener: BootListener,
        probe: Probing,
        must_wait: Callable[[Plan], bool],
    ) -> None:
        """
        :param must_wait: whether a plan's server wants no probe yet.
        """
        self._waiting_targets = waiting_targets
        self._listener = listener
        self._probe = probe
        self._must_wait = must_wait
        self._watches: dict[str, BootWatch] = {}
        self._looking = TaskSet[str, BootWatch](BootWatch.run)

    def apply(self, change: PlanChange) -> None:
        """Watch the servers of exactly the active plans, each with its target's first probe, of
        those with the fewest requests. The watch of an unchanged plan continues."""
        first: dict[str, Plan] = {}
        for plan in sorted(change.plans, key=lambda plan: plan.probe.rounds):
            if plan.target.watched_boot and plan.probe.runs_model:
                first.setdefault(plan.target.name, plan)
        self._watches = {name: self._watch(plan) for name, plan in first.items()}
        self._looking.apply(self._watches)

    def _watch(self, plan: Plan) -> BootWatch:
        watch = self._watches.get(plan.target.name)
        if watch and watch.plan == plan:
            return watch
        return BootWatch(
            plan,
            plan.target.watched_boot or WatchedBoot(),
            self._waiting_targets,
            self._listener,
            self._probe,
            self._must_wait,
            watch.boot if watch and watch.plan.asked == plan.asked else None,
        )

    def stop(self) -> None:
        """Stop watching."""
        self._watches = {}
        self._looking.stop()

    def judge(self, observation: Observation) -> Observation:
        """The result with what it means for the boot, if its target is watched."""
        watch = self._watches.get(observation.plan.target.name)
        return watch.judge(observation) if watch else observation
