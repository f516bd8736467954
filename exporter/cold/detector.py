"""Distinguishes cold results from warm ones.

A result is cold if one of these holds:

- It is the first success after the model reported that it was not ready.
- The server reports that it loaded the model for this request.
- It is the first answer of a server whose boot was watched (``exporter.cold.boot``).
- It follows an idle period that the exporter kept (``exporter.cold.starts``).
- Nothing else shows it, but it is an outlier after time without probes.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

from exporter.cold.sequence import ColdSequence, is_loaded_now, may_be_starting, sign_of
from exporter.cold.waiting import WaitingTargets
from exporter.cold.warmth import WarmTimes
from exporter.coldness import Coldness
from exporter.config.plan import Identity, Plan, PlanChange
from exporter.observation import Observation
from exporter.probing.requested_waits import MAX_RETRY_AFTER_SECONDS
from exporter.result import NANOSECONDS, ProbeResult

IDLE_SECONDS = 300.0
"""The default idle time after which a model can be cold: Ollama unloads a model after so long, and
no common server does earlier."""
_MISSED_INTERVALS = 2


@dataclass(slots=True)
class _Past:
    """The history of one target."""

    warm: dict[str, WarmTimes] = field(default_factory=dict)
    """Warm times by the name of the probe."""
    sequence: ColdSequence | None = None
    """The current attempts, from the first that found the model not ready, until the model answers
    or fails for another reason."""
    last_end_ns: int | None = None


class ColdDetector:
    """Marks every cold result before the exporter reports it."""

    def __init__(self, waiting_targets: WaitingTargets) -> None:
        self._waiting_targets = waiting_targets
        self._pasts: dict[Identity, _Past] = {}
        """By model and endpoint."""

    def apply(self, change: PlanChange) -> None:
        """Keep the history of exactly the targets of the active plans."""
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
        """Record an attempt at a cold model.

        ``ColdProbe`` judges its result and measures the whole cold start, so earlier attempts no
        longer count.
        """
        past = self._past(observation.plan)
        past.last_end_ns, past.sequence = time.monotonic_ns(), None

    def judge(self, observation: Observation) -> Observation:
        """The result, marked if it is cold and not marked yet."""
        plan = observation.plan
        if not plan.probe.runs_model:
            return observation
        past = self._past(plan)
        idle_seconds = _idle_before(observation.result, past)
        past.last_end_ns = time.monotonic_ns()
        if _is_out_of_touch(plan, idle_seconds):
            past.sequence = None  # nobody knows when the model got ready
        if observation.cold:
            return observation
        if observation.result.failure:
            self._note_failure(plan, past, observation.result)
            return observation
        cold = self._coldness(observation, past, idle_seconds)
        self._waiting_targets.ready(plan.target.name)
        seconds = _first_output_seconds(observation.result)
        usable = observation.certain and observation.counts
        if cold is None and seconds and usable and idle_seconds is not None:
            # Without an earlier probe, the time could be from a cold model.
            self.warm_times(plan).add(seconds)
        return replace(observation, cold=cold)

    def _past(self, plan: Plan) -> _Past:
        """The history of a plan's target; an empty one if the target was removed."""
        return self._pasts.get(plan.asked) or _Past()

    def _note_failure(self, plan: Plan, past: _Past, result: ProbeResult) -> None:
        if plan.target.watched_boot:
            return  # a boot watch knows the state of the server better
        if not sign_of(result, expected=False):
            if not may_be_starting(result):
                past.sequence = None
                self._waiting_targets.ready(plan.target.name)
            return
        past.sequence = past.sequence or ColdSequence(after_idle=False)
        past.sequence.take(result)
        detail = result.failure.detail if result.failure else ""
        self._waiting_targets.not_ready(plan.target.name, past.sequence.began_ns, detail)

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
        """Whether only a late first token shows that the model was cold.

        The plan's own interval does not count as idle time. If it did, a provider that becomes
        slow would count as cold.
        """
        plan, seconds = observation.plan, _first_output_seconds(observation.result)
        if idle_seconds is None or seconds is None or not observation.certain:
            return False
        cold_start = plan.target.cold_start
        idle_limit = cold_start.idle if cold_start else IDLE_SECONDS
        if idle_seconds < max(idle_limit, _MISSED_INTERVALS * plan.interval_seconds):
            return False
        return self.warm_times(plan).is_outlier(seconds)


def _first_output_seconds(result: ProbeResult) -> float | None:
    """Seconds to the first token, or to the end of a response that isn't streamed."""
    sent, first = result.timeline.sent, result.timeline.first_output
    return None if sent is None or first is None else (first - sent) / NANOSECONDS


def _is_out_of_touch(plan: Plan, idle_seconds: float | None) -> bool:
    """Whether probes were missing for longer than a provider can ask for. They stop if a budget is
    spent, or another exporter is the leader."""
    longest = MAX_RETRY_AFTER_SECONDS + _MISSED_INTERVALS * plan.interval_seconds
    return idle_seconds is not None and idle_seconds > longest


def _idle_before(result: ProbeResult, past: _Past) -> float | None:
    if past.last_end_ns is None:
        return None
    return (result.timeline.start - past.last_end_ns) / NANOSECONDS
