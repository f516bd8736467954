"""Everything that measures cold starts, assembled as in the exporter, with its results."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from exporter.budget.spending import Spending
from exporter.cold.watch import ColdWatch
from exporter.coldness import Waiting
from exporter.config.plan import Plan
from exporter.config.root import Config
from exporter.metrics.registry import Metrics
from exporter.observation import Observation
from exporter.probing.prober import Prober
from exporter.probing.schedule import Schedule
from exporter.result import ProbeResult
from exporter.simulator import Simulator
from tests.observing import Plans


def target(simulator: Simulator, **fields: Any) -> dict[str, Any]:
    """Return a target for the simulator's model ``m``."""
    return {
        "name": "t",
        "provider": "openai",
        "model": "m",
        "base_url": f"{simulator.url}/v1",
        **fields,
    }


def config_of(*targets: dict[str, Any], interval: str = "1h") -> Config:
    """Return a configuration with these targets."""
    defaults = {"interval": interval, "timeout": "30s"}
    return Config.model_validate({"defaults": defaults, "targets": targets})


def plans_of(*targets: dict[str, Any], interval: str = "1h") -> tuple[Plan, ...]:
    """Return a plan for each target."""
    return config_of(*targets, interval=interval).plans()


class Rig:
    """The exporter without its web server."""

    def __init__(self) -> None:
        self.observations: list[Observation] = []
        self.waiting: list[Waiting | None] = []
        self.rested_ns = 0
        """When a target was last left idle, in monotonic nanoseconds."""
        self.metrics = Metrics()
        self.spending = Spending()
        observers = (self.metrics.observe, self.observations.append)
        self.prober = Prober(observers, purse=self.spending)
        waiting = (self.metrics.waiting, self._note_waiting)
        self.cold = ColdWatch(self.prober, waiting, self.metrics.booting)
        self.schedule = Schedule(self.prober, self.metrics, self.cold.probe, self.cold.keeps_back)
        self._plans = Plans()

    @property
    def results(self) -> list[ProbeResult]:
        """All results so far."""
        return [observation.result for observation in self.observations]

    def _note_waiting(self, _target: str, waiting: Waiting | None) -> None:
        self.waiting.append(waiting)
        if self.rests:
            self.rested_ns = time.monotonic_ns()

    @property
    def rests(self) -> bool:
        """Whether a target is left idle, by the latest observation."""
        return bool(self.waiting and self.waiting[-1] and self.waiting[-1].ready)

    def apply(self, *plans: Plan) -> None:
        change = self._plans.become(plans)
        self.metrics.apply(change)
        self.cold.apply(change)
        self.prober.apply(change)
        self.schedule.apply(change)

    async def probe_cold(self, plan: Plan) -> Observation:
        """Send a cold probe now, and return its observation."""
        return await self.cold.probe_cold(plan)

    def value(self, name: str, **labels: str) -> float:
        """Return the sum of all samples with this name and these labels. NaN if there are none."""
        found = [
            value
            for exposed in self.metrics.everything()
            for block in exposed.blocks
            if exposed.family.name == name
            for own, child in block.series()
            if labels.items() <= {**block.labels, **own}.items()
            for value in [getattr(child, "value", None)]
            if value is not None
        ]
        return math.fsum(found) if found else math.nan

    def count(self, name: str) -> int:
        """Return how many observations a histogram has, over all targets."""
        return sum(
            sum(child.counts)
            for exposed in self.metrics.everything()
            for block in exposed.blocks
            if exposed.family.name == name
            for _, child in block.series()
            if hasattr(child, "counts")
        )


@asynccontextmanager
async def rig(*plans: Plan) -> AsyncIterator[Rig]:
    """Run a rig with these plans."""
    run = Rig()
    run.schedule.start()
    run.apply(*plans)
    try:
        yield run
    finally:
        run.schedule.stop()
        run.cold.stop()
        await run.prober.aclose(grace_seconds=1)
