"""Attempts to reach a model that is not ready, and the cold start that they measure."""

from __future__ import annotations

import time
from dataclasses import replace

from exporter.cold.warmth import WarmTimes
from exporter.coldness import Coldness, ColdSignal
from exporter.observation import Observation
from exporter.result import NANOSECONDS, Failure, FailureReason, ProbeResult

COLD_LOAD_SECONDS = 0.25
"""The least load time of a cold model. A warm model in Ollama reports some tens of milliseconds,
for scheduling."""

_GATEWAY_STATUSES = frozenset({502, 503, 504})
_UNREACHED = frozenset({FailureReason.CONNECT, FailureReason.TIMEOUT_CONNECT})
_HELD = frozenset({FailureReason.TIMEOUT_FIRST_TOKEN, FailureReason.TIMEOUT_TOTAL})


def sign_of(result: ProbeResult, *, expected: bool) -> ColdSignal | None:
    """How a result shows that the model is not ready; ``None`` if it doesn't.

    :param expected: whether the model is likely to be cold. Only then do an unreachable server and
        a gateway error mean a cold model. At any other time they are failures.
    """
    failure = result.failure
    if failure is None or result.interrupted:
        return None
    if failure.reason is FailureReason.NOT_READY:
        return ColdSignal.NOT_READY
    if expected and failure.reason in _UNREACHED:
        return ColdSignal.REFUSED
    if expected and failure.status in _GATEWAY_STATUSES:
        return ColdSignal.GATEWAY
    return None


def may_be_starting(result: ProbeResult) -> bool:
    """Whether a model that was not ready before can still be starting, by a result that doesn't
    say so itself. Otherwise, the failure has another cause."""
    held = result.failure is not None and result.failure.reason in _HELD
    return result.interrupted or held or sign_of(result, expected=True) is not None


def with_failure(observation: Observation, failure: Failure | None) -> Observation:
    """The observation with this failure."""
    return replace(observation, result=replace(observation.result, failure=failure))


def is_loaded_now(result: ProbeResult) -> bool:
    """Whether the server reports that it loaded the model for this answer."""
    return (result.model_load_seconds or 0.0) >= COLD_LOAD_SECONDS


class ColdSequence:
    """The attempts so far."""

    def __init__(self, *, after_idle: bool) -> None:
        """:param after_idle: whether an idle period came before the sequence."""
        self._after_idle = after_idle
        self._first_ns: int | None = None
        self._signal: ColdSignal | None = None
        self.attempts = 0

    @property
    def began_ns(self) -> int:
        """When the first attempt was sent, monotonic nanoseconds; now before that."""
        return time.monotonic_ns() if self._first_ns is None else self._first_ns

    @property
    def elapsed_seconds(self) -> float:
        """Seconds since the first attempt was sent; 0 before that."""
        began_ns = self.began_ns
        return (time.monotonic_ns() - began_ns) / NANOSECONDS

    def take(self, result: ProbeResult) -> bool:
        """Record an attempt, and return whether it found the model not ready."""
        self.attempts += 1
        if self._first_ns is None:
            self._first_ns = result.timeline.sent or result.timeline.start
        sign = sign_of(result, expected=self._after_idle)
        self._signal = self._signal or sign
        return sign is not None

    def coldness(self, result: ProbeResult, warm: WarmTimes) -> Coldness:
        """The cold start that the sequence measured.

        :param result: the result of the latest attempt.
        """
        duration = self._duration_seconds(result)
        median = warm.median
        return Coldness(
            signal=self._signal or _signal_of_success(duration, result, warm),
            attempts=self.attempts,
            duration_seconds=duration,
            penalty_seconds=max(0.0, duration - median) if duration and median else None,
        )

    def _duration_seconds(self, result: ProbeResult) -> float | None:
        first_token = result.timeline.first_output
        if result.failure or first_token is None or self._first_ns is None:
            return None
        return (first_token - self._first_ns) / NANOSECONDS


def _signal_of_success(duration: float | None, result: ProbeResult, warm: WarmTimes) -> ColdSignal:
    """The signal of a model that answered the first attempt."""
    if is_loaded_now(result):
        return ColdSignal.LOAD_TIME
    if duration is not None and warm.is_outlier(duration, enough=1):
        return ColdSignal.SLOW
    return ColdSignal.NONE
