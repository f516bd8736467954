"""Wraps the prober for the schedule, so that a cold model counts neither as warm nor as broken."""

from __future__ import annotations

from collections.abc import Iterable

from exporter.cold.boot import BootListener, Boots
from exporter.cold.cold_probe import ColdProbe
from exporter.cold.detector import ColdDetector
from exporter.cold.starts import ColdStarts
from exporter.cold.waiting import WaitingListener, WaitingTargets
from exporter.config.plan import Plan, PlanChange
from exporter.observation import Observation, Occasion
from exporter.probing.prober import Prober
from exporter.result import FailureReason


class ColdWatch:
    """Marks cold results before they are reported, measures cold starts, and watches servers boot.

    The prober doesn't depend on this class: each call passes the function that judges the result.
    """

    def __init__(
        self, prober: Prober, on_waiting: Iterable[WaitingListener], on_boot: BootListener
    ) -> None:
        """
        :param on_waiting: receive every change of why the exporter waits for a target.
        :param on_boot: receives the progress of a booting server.
        """
        self._prober = prober
        self._waiting_targets = WaitingTargets(on_waiting)
        self._detector = ColdDetector(self._waiting_targets)
        self._boots = Boots(
            self._waiting_targets, on_boot, self._probe_booting, prober.waits.includes
        )
        self._cold_starts = ColdStarts(
            self._detector, self._waiting_targets, self._is_taken, self.probe, self.probe_cold
        )

    async def probe(self, plan: Plan, occasion: Occasion = Occasion.USUAL) -> Observation:
        """Probe like ``Prober.probe``, and mark the result if the model was cold.

        :raises KeyError: the plan is not active.
        :raises NotProbed: the probe could exceed a budget, or another exporter probes.
        """
        return await self._prober.probe(plan, self._judge, occasion)

    async def probe_cold(self, plan: Plan) -> Observation:
        """Probe an idle model until it answers, fails with another reason than "not ready", or
        exceeds its limit.

        :raises KeyError: the plan is not active.
        :raises NotProbed: the probe could exceed a budget, or another exporter probes.
        """
        warm = self._detector.warm_times(plan)
        cold = ColdProbe(plan, self._prober, warm, self._waiting_targets, self._attempted)
        return await cold.carry_out()

    def keeps_back(self, plan: Plan) -> bool:
        """Whether a plan must wait, because its probe would spoil a cold start."""
        return self._cold_starts.keeps_back(plan)

    def apply(self, change: PlanChange) -> None:
        """Watch exactly the targets of the active plans."""
        self._waiting_targets.apply(change)
        self._detector.apply(change)
        self._boots.apply(change)
        self._cold_starts.apply(change)

    def stop(self) -> None:
        """Start nothing from now on. A running probe continues."""
        self._cold_starts.stop()
        self._boots.stop()

    def realign(self) -> None:
        """Align cold starts with their schedule again, and correct the times since when targets
        are waited for, after the system clock has changed."""
        self._cold_starts.realign()
        self._waiting_targets.realign()

    def _is_taken(self, plan: Plan) -> bool:
        """Whether a probe of a plan is running, or its provider wants no probe yet."""
        return self._prober.is_busy(plan) or self._prober.waits.includes(plan)

    async def _probe_booting(self, plan: Plan) -> Observation:
        return await self._prober.probe(plan, self._judge_booting)

    def _judge(self, observation: Observation) -> Observation:
        return self._detector.judge(self._boots.judge(observation))

    def _judge_booting(self, observation: Observation) -> Observation | None:
        """Report no result while the model is not ready: the boot watch already reports that."""
        judged = self._judge(observation)
        failure = judged.result.failure
        return None if failure and failure.reason is FailureReason.NOT_READY else judged

    def _attempted(self, observation: Observation) -> None:
        self._detector.attempted(observation)
        self._boots.judge(observation)
