"""Whole probes, kept for display: their timeline, and the response of failed ones."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import Final

from exporter.coldness import Coldness
from exporter.observation import Observation, Occasion
from exporter.result import ConnectionPhases, Failure, Timeline

KEPT_SUCCESSES: Final = 8
KEPT_FAILURES: Final = 16
"""More than successes: failures are rarer, and people look at them for longer."""

_MICROSECOND: Final = 1_000
_LONGEST: Final = 2**32 - 1
_SHOWN_CHARACTERS: Final = 512


@dataclass(frozen=True, slots=True)
class Trace:
    """The timestamps of one probe, in microseconds from its start; ``None`` if an event did not
    happen."""

    dns: int | None
    """The duration of DNS resolution. ``tcp`` and ``tls`` are durations too, one after the other
    from the start."""
    tcp: int | None
    tls: int | None
    sent: int | None
    headers: int | None
    first_token: int | None
    last_token: int | None
    end: int | None
    over: int | None
    """When the probe ended, with or without a response."""
    arrivals: array[int]
    """When each chunk with output arrived."""
    uncertainty: int | None
    """The largest possible error of each timestamp."""

    @classmethod
    def of(cls, timeline: Timeline, connection: ConnectionPhases | None) -> Trace:
        def after_start(mark: int | None) -> int | None:
            return None if mark is None else _micro(mark - timeline.start)

        phases = connection or ConnectionPhases()
        return cls(
            dns=_from_seconds(phases.dns_seconds),
            tcp=_from_seconds(phases.tcp_seconds),
            tls=_from_seconds(phases.tls_seconds),
            sent=after_start(timeline.sent),
            headers=after_start(timeline.headers),
            first_token=after_start(timeline.first_token),
            last_token=after_start(timeline.last_token),
            end=after_start(timeline.end),
            over=after_start(timeline.over),
            arrivals=array("I", [_micro(at - timeline.start) for at in timeline.arrivals]),
            uncertainty=None if timeline.uncertainty is None else _micro(timeline.uncertainty),
        )


@dataclass(frozen=True, slots=True)
class ProbeDetails:
    """The details of one probe, for display."""

    finished_at: float
    """Unix seconds."""
    trace: Trace
    failure: Failure | None
    certain: bool
    cold: Coldness | None
    confirming: bool
    """Whether the exporter sent it between two scheduled probes, to confirm a change."""
    status: int | None
    request_id: str | None
    served_model: str | None
    finish_reason: str | None
    output_tokens: int | None
    output_tokens_per_second: float | None
    said: str
    """The beginning of a failed probe's response, redacted. Empty if there was no response, or if
    it could reveal the user's own data."""

    @property
    def first_seconds(self) -> float | None:
        """Time to first token."""
        return _seconds_between(self.trace.sent, self.trace.first_token)

    @property
    def total_seconds(self) -> float | None:
        """The duration of the whole request."""
        return _seconds_between(self.trace.sent, self.trace.end)

    @property
    def uncertainty_seconds(self) -> float | None:
        return _seconds_between(0, self.trace.uncertainty)

    @classmethod
    def of(cls, observation: Observation) -> ProbeDetails:
        result = observation.result
        said = (result.body or result.answer) if result.failure else ""
        if observation.plan.probe.is_confidential:
            said = ""
        return cls(
            finished_at=result.finished_at,
            trace=Trace.of(result.timeline, result.connection),
            failure=result.failure,
            certain=observation.certain,
            cold=observation.cold,
            confirming=observation.occasion is Occasion.CONFIRMING,
            status=result.status,
            request_id=result.request_id,
            served_model=result.served_model,
            finish_reason=result.finish_reason,
            output_tokens=result.usage.output if result.usage else None,
            output_tokens_per_second=result.output_tokens_per_second,
            said=said[:_SHOWN_CHARACTERS],
        )


def _micro(nanoseconds: int) -> int:
    return max(0, min(_LONGEST, nanoseconds // _MICROSECOND))


def _from_seconds(seconds: float | None) -> int | None:
    return None if seconds is None else _micro(round(seconds * 1e9))


def _seconds_between(earlier: int | None, later: int | None) -> float | None:
    return None if earlier is None or later is None else (later - earlier) / 1e6
