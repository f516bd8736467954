"""One cold probe: it sends requests until the model is ready."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from exporter.cold.sequence import ColdSequence, with_failure
from exporter.cold.waiting import WaitingTargets
from exporter.cold.warmth import WarmTimes
from exporter.config.plan import Plan, Timeouts
from exporter.observation import Observation
from exporter.probing.prober import Prober
from exporter.result import Failure, FailureReason, ProbeResult


class ColdProbe:
    """Combines any number of attempts into one result. Attempts that find the model not ready are
    part of the cold start, not failures."""

    def __init__(
        self,
        plan: Plan,
        prober: Prober,
        warm: WarmTimes,
        waiting_targets: WaitingTargets,
        attempted: Callable[[Observation], None],
    ) -> None:
        """
        :param plan: a plan of a target with ``cold_start``.
        :param attempted: receives the unchanged result of each attempt.
        """
        if plan.target.cold_start is None:
            raise ValueError(f"target {plan.target.name} has no cold_start")
        self._plan = plan
        self._settings = plan.target.cold_start
        self._prober = prober
        self._warm = warm
        self._waiting_targets = waiting_targets
        self._attempted = attempted
        self._sequence = ColdSequence(after_idle=True)
        self._goes_on = False

    async def carry_out(self) -> Observation:
        """Send requests until the model answers, fails in another way, or exceeds its limit."""
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
        """The plan with a timeout for servers that hold the request until the model is ready."""
        usual = self._plan.timeouts
        total = max(self._seconds_left, usual.total)
        return replace(
            self._plan, timeouts=Timeouts(total=total, connect=usual.connect, stall=usual.stall)
        )

    def _judge(self, observation: Observation) -> Observation | None:
        """The result to report; ``None`` for an attempt that will be repeated."""
        plan, result = observation.plan, observation.result
        self._attempted(observation)
        not_ready = self._sequence.take(result)
        self._goes_on = not_ready and self._seconds_left > self._settings.retry
        failure = result.failure
        if failure and (not_ready or _was_held_to_the_end(result, failure)):
            failure = self._not_ready(failure)
        if failure and failure.reason is FailureReason.NOT_READY:
            began_ns = self._sequence.began_ns
            self._waiting_targets.not_ready(plan.target.name, began_ns, failure.detail)
        else:
            self._waiting_targets.ready(plan.target.name)
        if self._goes_on:
            return None
        cold = self._sequence.coldness(result, self._warm)
        return replace(with_failure(observation, failure), cold=cold)

    def _not_ready(self, failure: Failure) -> Failure:
        """The failure with the reason "not ready" and the number of the attempt."""
        detail = f"attempt {self._sequence.attempts}: {failure.detail}"
        return replace(failure, reason=FailureReason.NOT_READY, detail=detail)


def _was_held_to_the_end(result: ProbeResult, failure: Failure) -> bool:
    timed_out = failure.reason is FailureReason.TIMEOUT_TOTAL
    return timed_out and not result.interrupted and result.timeline.first_token is None
