"""Tells cold results from warm ones, so that neither is taken for the other.

A cold result is one of these: the first success after the model said that it was not ready; one
whose server says that it had to load the model; the first answer of a server that was watched
while it booted (``exporter.cold.boot``); the answer to a probe after a silence kept on purpose
(``exporter.cold.starts``); or, where nothing else shows it, an outlier after an idle spell.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

from exporter.cold.sequence import ColdSequence, is_loaded_now, sign_of
from exporter.cold.waiting_room import WaitingRoom
from exporter.cold.warmth import WarmTimes
from exporter.coldness import Coldness
from exporter.config.plan import Identity, Plan, PlanChange
from exporter.observation import Observation
from exporter.result import NANOSECONDS, ProbeResult

IDLE_SECONDS = 300.0
"""An idle spell, where the target does not say what is one: Ollama unloads a model after so long,
and nothing common does so earlier."""
_MISSED_INTERVALS = 2


@dataclass(slots=True)
class _Past:
    """What is remembered of one target."""

    warm: dict[str, WarmTimes] = field(default_factory=dict)
    """By the name of the probe."""
    sequence: ColdSequence | None = None
    """Under way, if the model was last seen not ready."""
    last_end_ns: int | None = None


class Thermometer:
    """Judges every result before it is told."""

    def __init__(self, waiting_room: WaitingRoom) -> None:
        self._waiting_room = waiting_room
        self._pasts: dict[Identity, _Past] = {}
        """By who is asked."""

    def apply(self, change: PlanChange) -> None:
        """Remember the targets of exactly the plans in force."""
        asked = {plan.asked for plan in change.plans}
        self._pasts = {one: self._pasts.get(one) or _Past() for one in asked}

    def warm_times(self, plan: Plan) -> WarmTimes:
        """The recent warm times of a plan."""
        return self._past(plan).warm.setdefault(plan.probe_name, WarmTimes())

    def idle_seconds(self, plan: Plan) -> float | None:
        """How long ago the latest probe of a plan's target ended; ``None`` if there was none."""
        past = self._past(plan)
        if past.last_end_ns is None:
            return None
        return (time.monotonic_ns() - past.last_end_ns) / NANOSECONDS

    def attempted(self, observation: Observation) -> None:
        """Note an attempt at a cold model, which somebody else judges."""
        self._past(observation.plan).last_end_ns = time.monotonic_ns()

    def judge(self, observation: Observation) -> Observation:
        """The result of a probe, marked if it is cold and nobody has marked it yet."""
        plan = observation.plan
        if not plan.probe.runs_model:
            return observation
        past = self._past(plan)
        idle_seconds = _idle_before(observation.result, past)
        past.last_end_ns = time.monotonic_ns()
        if observation.cold:
            return observation
        if observation.result.failure:
            self._note_failure(plan, past, observation.result)
            return observation
        cold = self._coldness(observation, past, idle_seconds)
        self._waiting_room.ready(plan.target.name)
        seconds = _first_output_seconds(observation.result)
        usable = observation.certain and observation.counts
        if cold is None and seconds and usable and idle_seconds is not None:
            # Nobody knows how long the model had been idle before the very first probe.
            self.warm_times(plan).add(seconds)
        return replace(observation, cold=cold)

    def _past(self, plan: Plan) -> _Past:
        """Its past; one that nobody will ask for again if the target has gone meanwhile."""
        return self._pasts.get(plan.asked) or _Past()

    def _note_failure(self, plan: Plan, past: _Past, result: ProbeResult) -> None:
        if plan.target.watched_boot or not sign_of(result, expected=False):
            return  # whoever watches the server knows better
        past.sequence = past.sequence or ColdSequence(after_idle=False)
        past.sequence.take(result)
        since = time.time() - past.sequence.elapsed_seconds
        detail = result.failure.detail if result.failure else ""
        self._waiting_room.not_ready(plan.target.name, since, detail)

    def _coldness(
        self, observation: Observation, past: _Past, idle_seconds: float | None
    ) -> Coldness | None:
        result = observation.result
        sequence, past.sequence = past.sequence, None
        is_cold = sequence is not None or is_loaded_now(result)
        if not is_cold and not self._is_silently_cold(observation, idle_seconds):
            return None
        sequence = sequence or ColdSequence(after_idle=False)
        sequence.take(result)
        return sequence.coldness(result, self.warm_times(observation.plan))

    def _is_silently_cold(self, observation: Observation, idle_seconds: float | None) -> bool:
        """The rule for a model that shows by nothing but its first token that it was cold. A
        plan's own rhythm is no idle spell: else a provider that gets slow would be called cold."""
        plan, seconds = observation.plan, _first_output_seconds(observation.result)
        if idle_seconds is None or seconds is None or not observation.certain:
            return False
        cold_start = plan.target.cold_start
        spell = cold_start.idle if cold_start else IDLE_SECONDS
        if idle_seconds < max(spell, _MISSED_INTERVALS * plan.interval_seconds):
            return False
        return self.warm_times(plan).is_outlier(seconds)


def _first_output_seconds(result: ProbeResult) -> float | None:
    """Until the first token, or the whole of an answer that comes in one piece."""
    sent, first = result.timeline.sent, result.timeline.first_output
    return None if sent is None or first is None else (first - sent) / NANOSECONDS


def _idle_before(result: ProbeResult, past: _Past) -> float | None:
    if past.last_end_ns is None:
        return None
    return (result.timeline.start - past.last_end_ns) / NANOSECONDS
