"""Stands between the schedule and the prober, so that cold models are neither taken for warm ones
nor for broken ones."""

from __future__ import annotations

from collections.abc import Iterable

from exporter.cold.boot import BootListener, Boots
from exporter.cold.cold_probe import ColdProbe
from exporter.cold.starts import ColdStarts
from exporter.cold.thermometer import Thermometer
from exporter.cold.waiting_room import WaitingListener, WaitingRoom
from exporter.config.plan import Plan, PlanChange
from exporter.observation import Observation, Occasion
from exporter.probing.prober import Prober
from exporter.result import FailureReason


class ColdWatch:
    """Judges every result before it is told, measures cold starts, and watches servers boot.

    It uses the prober, which knows nothing of it: each probe carries its judge with it.
    """

    def __init__(
        self, prober: Prober, on_waiting: Iterable[WaitingListener], on_boot: BootListener
    ) -> None:
        """
        :param on_waiting: are told of every change of what a target is being waited for.
        :param on_boot: is told how far a booting server has come.
        """
        self._prober = prober
        self._waiting_room = WaitingRoom(on_waiting)
        self._thermometer = Thermometer(self._waiting_room)
        self._boots = Boots(self._waiting_room, on_boot, self._probe_booting)
        self._cold_starts = ColdStarts(
            self._thermometer, self._waiting_room, prober.is_busy, self.probe, self.probe_cold
        )

    async def probe(self, plan: Plan, occasion: Occasion = Occasion.USUAL) -> Observation:
        """Ask as ``Prober.probe`` does, and tell whether the model was cold.

        :raises KeyError: the plan is not in force.
        :raises NotProbed: it could pass a budget, or another exporter is the one that probes.
        """
        return await self._prober.probe(plan, self._judge, occasion)

    async def probe_cold(self, plan: Plan) -> Observation:
        """Ask a model that was left alone until it answers, fails in another way than by not being
        ready, or takes longer than its limit.

        :raises KeyError: the plan is not in force.
        :raises NotProbed: it could pass a budget, or another exporter is the one that probes.
        """
        warm = self._thermometer.warm_times(plan)
        cold = ColdProbe(plan, self._prober, warm, self._waiting_room, self._attempted)
        return await cold.carry_out()

    def keeps_back(self, plan: Plan) -> bool:
        """Whether a plan must not be carried out now, lest it spoil a cold start."""
        return self._cold_starts.keeps_back(plan)

    def apply(self, change: PlanChange) -> None:
        """Watch exactly the targets of the plans in force."""
        self._waiting_room.apply(change)
        self._thermometer.apply(change)
        self._boots.apply(change)
        self._cold_starts.apply(change)

    def stop(self) -> None:
        """Begin nothing any more; a probe under way goes on."""
        self._cold_starts.stop()
        self._boots.stop()

    def realign(self) -> None:
        """Put cold starts back on their grid, after the system clock was changed."""
        self._cold_starts.realign()

    async def _probe_booting(self, plan: Plan) -> Observation:
        return await self._prober.probe(plan, self._judge_booting)

    def _judge(self, observation: Observation) -> Observation:
        return self._thermometer.judge(self._boots.judge(observation))

    def _judge_booting(self, observation: Observation) -> Observation | None:
        """That a model which is being watched is not ready is no news, and is not told."""
        judged = self._judge(observation)
        failure = judged.result.failure
        return None if failure and failure.reason is FailureReason.NOT_READY else judged

    def _attempted(self, observation: Observation) -> None:
        self._thermometer.attempted(observation)
        self._boots.judge(observation)
