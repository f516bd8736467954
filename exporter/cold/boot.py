"""Watches the servers of self-hosted models boot, from the first refused connection to the first
token, and again whenever they restart."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

import structlog

from exporter.cold.sequence import sign_of, with_failure
from exporter.cold.server_pages import ServerPages
from exporter.cold.waiting_room import WaitingRoom
from exporter.coldness import BootPhase, Coldness, ColdSignal
from exporter.config.model_server import WatchedBoot
from exporter.config.plan import Plan, PlanChange
from exporter.observation import Observation
from exporter.probing.prober import NotProbed, Probing
from exporter.process.errands import Errands
from exporter.result import NANOSECONDS, Failure, FailureReason

log = structlog.get_logger(__name__)

BootListener = Callable[[str, Mapping[BootPhase, float]], None]
"""Is told the name of a target, and the seconds after which its booting server had ended each
phase so far; none while nothing but refused connections was seen."""


class BootRecord:
    """One boot. Its clock starts with the first connection that was refused."""

    def __init__(self, began_ns: int) -> None:
        self.began_ns = began_ns
        self._ended: dict[BootPhase, int] = {}

    @property
    def began_at(self) -> float:
        """Unix seconds."""
        return time.time() - self.elapsed_seconds

    @property
    def elapsed_seconds(self) -> float:
        return (time.monotonic_ns() - self.began_ns) / NANOSECONDS

    def reach(self, phase: BootPhase, at_ns: int) -> bool:
        """Note that a phase has ended, and with it, at the latest now, every one before it: a poll
        may see a phase only after a probe has seen a later one. Whether that is news."""
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
        waiting_room: WaitingRoom,
        listener: BootListener,
        probe: Probing,
    ) -> None:
        self.plan = plan
        self._settings = settings
        self._waiting_room = waiting_room
        self._listener = listener
        self._probe = probe
        self._pages = ServerPages(plan.target)
        self._boot: BootRecord | None = None

    async def run(self) -> None:
        """Look at the server until cancelled."""
        while True:
            if not self._waiting_room.is_resting(self.plan.target.name):
                try:
                    await self._look()
                except Exception:
                    log.exception("checking a server crashed", target=self.plan.target.name)
            await asyncio.sleep(self._settings.poll)

    async def _look(self) -> None:
        health = await self._pages.look(self._settings.health_path)
        if health.is_down:
            self._begin(health.began_ns, health.detail)
        self._note(BootPhase.LISTENING, health.connected_ns)
        if self._boot and health.is_good:
            self._note(BootPhase.HEALTHY, health.answered_ns)
            await self._look_for_the_model()

    async def _look_for_the_model(self) -> None:
        models = await self._pages.look(self._settings.models_path)
        if models.lists(self.plan.target.model):
            self._note(BootPhase.MODEL_LISTED, models.answered_ns)
            await self._ask_for_the_first_token()

    def _begin(self, at_ns: int, detail: str) -> None:
        if self._boot is None:
            self._boot = BootRecord(at_ns)
            log.info("the target's server is not ready", target=self.plan.target.name)
            self._listener(self.plan.target.name, {})
        self._waiting(self._boot, detail)

    def _waiting(self, boot: BootRecord, detail: str) -> None:
        self._waiting_room.not_ready(self.plan.target.name, boot.began_at, detail)

    def _note(self, phase: BootPhase, at_ns: int | None) -> None:
        boot = self._boot
        if boot and at_ns is not None and boot.reach(phase, at_ns):
            self._listener(self.plan.target.name, boot.durations)
            self._waiting(boot, f"{phase.value} after {boot.durations[phase]:.1f} s")

    async def _ask_for_the_first_token(self) -> None:
        """The judge ends the boot when it sees the success, of this probe or of any other."""
        if self._boot is None:
            return
        left = self._settings.limit - self._boot.elapsed_seconds
        timeouts = replace(self.plan.timeouts, total=max(left, self.plan.timeouts.total))
        patient = replace(timeouts, first_token=timeouts.total)
        try:
            result = (await self._probe(replace(self.plan, timeouts=patient))).result
        except NotProbed:
            self._end()  # without its first token
            return
        if result.failure and not sign_of(result, expected=True):
            # The server is up; what is wrong now is not its boot, and would be again.
            self._end()

    def _end(self) -> None:
        self._boot = None
        self._waiting_room.ready(self.plan.target.name)

    def judge(self, observation: Observation) -> Observation:
        """What a result means, given how far the server has come."""
        result = observation.result
        if result.failure:
            return self._failed(observation, result.failure)
        boot, first_token = self._boot, result.timeline.first_output
        if boot is None or first_token is None or result.timeline.start < boot.began_ns:
            return observation
        self._note(BootPhase.FIRST_TOKEN, first_token)
        log.info("the target's server has booted", target=result.target, **boot.durations)
        self._end()
        duration = boot.durations[BootPhase.FIRST_TOKEN]
        return replace(observation, cold=Coldness(ColdSignal.BOOT, duration_seconds=duration))

    def _failed(self, observation: Observation, failure: Failure) -> Observation:
        result = observation.result
        sign = sign_of(result, expected=True)
        refused = failure.reason is FailureReason.CONNECT and result.timeline.sent is None
        if refused or sign is ColdSignal.NOT_READY:
            self._begin(result.timeline.start, failure.detail)
        if sign is None or self._boot is None:
            return observation
        if self._boot.elapsed_seconds > self._settings.limit:
            return observation  # too long for a boot: the failure is what it is
        return with_failure(observation, replace(failure, reason=FailureReason.NOT_READY))


class Boots:
    """The watches of all targets whose servers are watched."""

    def __init__(self, waiting_room: WaitingRoom, listener: BootListener, probe: Probing) -> None:
        self._waiting_room = waiting_room
        self._listener = listener
        self._probe = probe
        self._watches: dict[str, BootWatch] = {}
        self._looking = Errands[str, BootWatch](BootWatch.run)

    def apply(self, change: PlanChange) -> None:
        """Watch the servers of exactly the plans in force, each with its target's first probe. A
        watch whose plan stays goes on."""
        first: dict[str, Plan] = {}
        for plan in change.plans:
            if plan.target.watched_boot and plan.probe.runs_model:
                first.setdefault(plan.target.name, plan)
        self._watches = {name: self._watch(plan) for name, plan in first.items()}
        self._looking.apply(self._watches)

    def _watch(self, plan: Plan) -> BootWatch:
        watch = self._watches.get(plan.target.name)
        if watch and watch.plan == plan:
            return watch
        settings = plan.target.watched_boot or WatchedBoot()
        return BootWatch(plan, settings, self._waiting_room, self._listener, self._probe)

    def stop(self) -> None:
        """Watch no more."""
        self._watches = {}
        self._looking.stop()

    def judge(self, observation: Observation) -> Observation:
        """A result of a watched target as its watch sees it; any other as it is."""
        watch = self._watches.get(observation.plan.target.name)
        return watch.judge(observation) if watch else observation
