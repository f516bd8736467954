"""One cold probe: asked, and asked again for as long as the model says that it is not ready."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

from exporter.cold.readiness import Readiness
from exporter.cold.sequence import ColdSequence, with_failure
from exporter.cold.thermometer import Thermometer
from exporter.config.model_server import ColdStart
from exporter.config.plan import Plan, Timeouts
from exporter.observation import Observation
from exporter.probing.prober import Prober
from exporter.result import Failure, FailureReason, ProbeResult


class ColdProbe:
    """What was asked becomes one result, however many attempts it takes: those that find the
    model not ready are part of a cold start, and no failures."""

    def __init__(
        self,
        plan: Plan,
        settings: ColdStart,
        prober: Prober,
        thermometer: Thermometer,
        readiness: Readiness,
    ) -> None:
        self._plan = plan
        self._settings = settings
        self._prober = prober
        self._thermometer = thermometer
        self._readiness = readiness
        self._sequence = ColdSequence(after_idle=True)
        self._goes_on = False

    async def carry_out(self) -> Observation:
        """Ask until the model answers, fails in another way, or takes longer than its limit."""
        while True:
            latest = await self._prober.probe(self._patient_plan(), self._judge)
            if not self._goes_on:
                return latest
            asked_for = min(latest.result.retry_after_seconds or 0.0, self._seconds_left)
            await asyncio.sleep(max(self._settings.retry, asked_for))

    @property
    def _seconds_left(self) -> float:
        return self._settings.limit - self._sequence.elapsed_seconds

    def _patient_plan(self) -> Plan:
        """The plan with time for a request that is held until the model is there."""
        usual = self._plan.timeouts
        total = max(self._seconds_left, usual.total)
        return replace(
            self._plan, timeouts=Timeouts(total=total, connect=usual.connect, stall=usual.stall)
        )

    def _judge(self, observation: Observation) -> Observation | None:
        """What is to be told; ``None`` for an attempt that will be repeated."""
        plan, result = observation.plan, observation.result
        self._thermometer.attempted(observation)
        not_ready = self._sequence.take(result)
        self._goes_on = not_ready and self._seconds_left > self._settings.retry
        failure = result.failure
        if failure and (not_ready or _was_held_to_the_end(result, failure)):
            failure = self._not_ready(failure)
        if failure and failure.reason is FailureReason.NOT_READY:
            since = time.time() - self._sequence.elapsed_seconds
            self._readiness.not_ready(plan.target.name, since, failure.detail)
        elif result.success:
            self._readiness.ready(plan.target.name)
        if self._goes_on:
            return None
        cold = self._sequence.coldness(result, self._thermometer.warm_times(plan))
        return replace(with_failure(observation, failure), cold=cold)

    def _not_ready(self, failure: Failure) -> Failure:
        """The failure as it is told, whatever showed that the model is not there."""
        detail = f"attempt {self._sequence.attempts}: {failure.detail}"
        return replace(failure, reason=FailureReason.NOT_READY, detail=detail)


def _was_held_to_the_end(result: ProbeResult, failure: Failure) -> bool:
    timed_out = failure.reason is FailureReason.TIMEOUT_TOTAL
    return timed_out and not result.interrupted and result.timeline.first_token is None
