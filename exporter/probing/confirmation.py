"""Sends confirming probes between scheduled ones when the latest probes suggest a change.

A change that takes minutes to detect at one probe per minute is then known in tens of seconds.

Three limits bound the cost: a share of the scheduled probes, which can be saved up for bad days;
the length of one inquiry; and the number of plans in an inquiry at the same time. If everything
fails at once, the most likely cause is the exporter's own network, and asking every target reveals
nothing more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import structlog

from exporter.config.plan import Identity, Plan, PlanChange
from exporter.observation import Observation, Occasion
from exporter.probing.evidence import (
    DOUBT,
    EPISODE_SECONDS,
    LIMIT,
    FailureEvidence,
    SlownessEvidence,
)
from exporter.result import NANOSECONDS, FailureReason

SHARE = 0.05
"""How many confirming probes each scheduled probe allows."""
SAVED = 30.0
"""How many of them can be saved up, if a day allows that many. A plan starts with all of them."""

_DAY_SECONDS = 86_400
_PAUSES_PER_INTERVAL = 12
_SHORTEST_PAUSE_SECONDS = 5.0
_LEAST_PAUSES_PER_INTERVAL = 2
_LONGEST_INQUIRY_SECONDS = 300.0
_AT_ONCE = 3
_SHARE_AT_ONCE = 0.1
_WORTH_ASKING_AGAIN = frozenset(
    {
        FailureReason.DNS,
        FailureReason.CONNECT,
        FailureReason.TLS,
        FailureReason.TIMEOUT_CONNECT,
        FailureReason.TIMEOUT_FIRST_TOKEN,
        FailureReason.TIMEOUT_STALL,
        FailureReason.TIMEOUT_TOTAL,
        FailureReason.SERVER_ERROR,
        FailureReason.UNEXPECTED_STATUS,
        FailureReason.PROTOCOL,
        FailureReason.TRUNCATED,
        FailureReason.EMPTY,
    }
)
"""Failures that can be due to chance. A wrong key stays wrong, and a provider that limits requests
or is overloaded must not get more of them."""

log = structlog.get_logger(__name__)

EvidenceListener = Callable[[Plan, Mapping[str, float]], None]
"""Receives the evidence of a plan, by measure."""


def pause_seconds(plan: Plan) -> float | None:
    """Return how long to wait after a doubtful probe before the next one.

    Return ``None`` if the plan has no confirming probes, or is due nearly as soon anyway.
    """
    pause = max(_SHORTEST_PAUSE_SECONDS, plan.interval_seconds / _PAUSES_PER_INTERVAL)
    worth_while = pause * _LEAST_PAUSES_PER_INTERVAL <= plan.interval_seconds
    return pause if plan.confirm and plan.probe.runs_model and worth_while else None


def saved_at_most(plan: Plan) -> float:
    """Return how many confirming probes a plan can save up."""
    return min(SAVED, SHARE * _DAY_SECONDS / plan.interval_seconds)


def most_per_day(plan: Plan) -> float:
    """Return how many confirming probes a plan can send in a day: the day's share, and all saved
    ones."""
    if pause_seconds(plan) is None:
        return 0.0
    return SHARE * _DAY_SECONDS / plan.interval_seconds + saved_at_most(plan)


@dataclass(slots=True)
class _Inquiry:
    """The state of one plan."""

    saved: float
    failures: FailureEvidence = field(default_factory=FailureEvidence)
    slowness: SlownessEvidence = field(default_factory=SlownessEvidence)
    began_ns: int | None = None
    """Monotonic nanoseconds. ``None`` while nothing is in doubt."""
    asked_ns: int | None = None
    """When the latest probe was sent, in monotonic nanoseconds."""

    @property
    def in_doubt(self) -> bool:
        """Whether there is a possible change that isn't certain yet."""
        known = LIMIT in (self.failures.value, self.slowness.value)
        return not known and (self.failures.value >= DOUBT or self.slowness.doubtful)

    @property
    def evidence(self) -> dict[str, float]:
        return {"success": self.failures.value, "time_to_first_token": self.slowness.value}

    def take(self, observation: Observation) -> None:
        result = observation.result
        scheduled = observation.occasion is Occasion.USUAL
        news = self._news(observation)
        self.failures.take(not result.success, scheduled=scheduled, news=news)
        seconds = result.time_to_first_token_seconds
        if result.success and observation.certain and seconds:
            self.slowness.take(seconds, scheduled=scheduled)

    def _news(self, observation: Observation) -> float:
        """Return how much new information this probe has, compared with the previous one, from 0 to
        1."""
        before_ns, self.asked_ns = self.asked_ns, observation.result.timeline.start
        if before_ns is None:
            return 1.0
        episode_seconds = min(EPISODE_SECONDS, observation.plan.interval_seconds / 4)
        return min(1.0, (self.asked_ns - before_ns) / NANOSECONDS / episode_seconds)


class Confirmation:
    """Weighs every observation, and decides which plans get a confirming probe."""

    def __init__(self, listener: EvidenceListener) -> None:
        self._listener = listener
        self._inquiries: dict[Identity, _Inquiry] = {}
        self._asking: set[Identity] = set()

    def apply(self, change: PlanChange) -> None:
        """Weigh exactly the active plans."""
        self._inquiries = change.carry(self._inquiries, lambda plan: _Inquiry(saved_at_most(plan)))
        self._asking &= self._inquiries.keys()

    def take(self, observation: Observation) -> float | None:
        """Weigh an observation.

        :returns: seconds until a confirming probe, or ``None`` if the next scheduled probe is
            enough.
        """
        plan, result = observation.plan, observation.result
        inquiry = self._inquiries.get(plan.identity)
        if inquiry is None:
            return None
        if observation.occasion is Occasion.USUAL:
            inquiry.saved = min(saved_at_most(plan), inquiry.saved + SHARE)
        if result.interrupted or observation.cold or _is_unready(observation):
            inquiry.began_ns = None  # it says nothing about a change, and ends the inquiry
            self.not_asked(plan)
            return None
        inquiry.take(observation)
        self._listener(plan, inquiry.evidence)
        return self._next_pause(plan, inquiry, observation)

    def not_asked(self, plan: Plan) -> None:
        """End the plan's inquiry, so that another plan can have one."""
        self._asking.discard(plan.identity)

    def _next_pause(self, plan: Plan, inquiry: _Inquiry, observation: Observation) -> float | None:
        pause = self._pause(plan, inquiry, observation)
        if pause is None:
            self.not_asked(plan)
            return None
        if plan.identity not in self._asking:
            self._asking.add(plan.identity)
            log.info(
                "something might have changed, probing again soon",
                target=plan.target.name,
                probe=plan.probe_name,
                evidence=inquiry.evidence,
            )
        inquiry.saved -= 1
        return pause

    def _pause(self, plan: Plan, inquiry: _Inquiry, observation: Observation) -> float | None:
        if not inquiry.in_doubt:
            inquiry.began_ns = None
            return None
        failure, now_ns = observation.result.failure, observation.result.timeline.start
        if failure and failure.reason not in _WORTH_ASKING_AGAIN:
            return None
        if plan.identity not in self._asking and len(self._asking) >= self._at_once:
            return None
        inquiry.began_ns = inquiry.began_ns or now_ns
        lasted_seconds = (now_ns - inquiry.began_ns) / NANOSECONDS
        if inquiry.saved < 1 or lasted_seconds > _LONGEST_INQUIRY_SECONDS:
            return None
        return pause_seconds(plan)

    @property
    def _at_once(self) -> float:
        return max(_AT_ONCE, _SHARE_AT_ONCE * len(self._inquiries))


def _is_unready(observation: Observation) -> bool:
    failure = observation.result.failure
    return failure is not None and failure.reason is FailureReason.NOT_READY
