"""The results of the last hour, packed, because there are thousands of plans."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from exporter.coldness import ColdSignal
from exporter.config.slo import Objective, Seconds, Tally, request_duration, time_to_first_token
from exporter.observation import Observation
from exporter.result import FailureReason

HISTORY_LENGTH = 60
"""The least number of results that a plan keeps."""

HOUR_SECONDS = 3600
_MOST_PROBES = 720
"""An hour of probes every five seconds."""

_REASONS = tuple(FailureReason)
_PACKED = struct.Struct("<4d2B")
_NO_REASON, _COLD = 255, 1
_Fields = tuple[float, float, float, float, int, int]
_PLACES: Mapping[Seconds, int] = {time_to_first_token: 1, request_duration: 3}
"""Where the fields have the times of an objective."""


@dataclass(frozen=True, slots=True)
class PastProbe:
    """A result without its details. ``None`` means unknown."""

    finished_at: float
    """Wall-clock end of the probe, Unix seconds."""
    time_to_first_token_seconds: float | None
    output_tokens_per_second: float | None
    failure_reason: FailureReason | None
    cold: bool = False
    """Whether the model had to start, so that its times say nothing about a warm model."""
    request_duration_seconds: float | None = field(default=None, compare=False)

    @classmethod
    def of(cls, observation: Observation) -> PastProbe:
        result, cold, certain = observation.result, observation.cold, observation.certain
        return cls(
            result.finished_at,
            result.time_to_first_token_seconds if certain else None,
            result.output_tokens_per_second if certain else None,
            result.failure.reason if result.failure else None,
            cold is not None and cold.signal is not ColdSignal.NONE,
            result.request_duration_seconds if certain else None,
        )

    @property
    def success(self) -> bool:
        return self.failure_reason is None

    @property
    def warm_seconds(self) -> float | None:
        """The time to first token, or the duration of the request if the response isn't streamed.
        ``None`` for failures and cold models."""
        if self.failure_reason or self.cold:
            return None
        first = self.time_to_first_token_seconds
        return self.request_duration_seconds if first is None else first


@dataclass(frozen=True, slots=True)
class PeriodSummary:
    """The probes of a period. Times are in seconds, from the successes of a warm model."""

    probes: int = 0
    successes: int = 0
    p50: float | None = None
    p95: float | None = None

    @property
    def success_ratio(self) -> float | None:
        return self.successes / self.probes if self.probes else None


class PastProbes:
    """The latest probes, oldest first: those of the last hour, and at least ``HISTORY_LENGTH`` if
    there were that many. Immutable."""

    __slots__ = ("_packed",)

    def __init__(self, packed: bytes = b"") -> None:
        self._packed = packed

    def __len__(self) -> int:
        return len(self._packed) // _PACKED.size

    def __iter__(self) -> Iterator[PastProbe]:
        return (_unpacked(*fields) for fields in _PACKED.iter_unpack(self._packed))

    def latest(self, count: int) -> tuple[PastProbe, ...]:
        """The latest probes, at most ``count``."""
        packed = self._packed[-count * _PACKED.size :]
        return tuple(_unpacked(*fields) for fields in _PACKED.iter_unpack(packed))

    def plus(self, probe: PastProbe) -> PastProbes:
        """These probes and a new one, without those that are now too old."""
        packed = self._packed + _pack(probe)
        oldest = probe.finished_at - HOUR_SECONDS
        count, gone = len(packed) // _PACKED.size, 0
        while count - gone > HISTORY_LENGTH:
            (finished_at,) = struct.unpack_from("<d", packed, gone * _PACKED.size)
            if finished_at >= oldest and count - gone <= _MOST_PROBES:
                break
            gone += 1
        return PastProbes(packed[gone * _PACKED.size :])

    def last_hour(self) -> PastHour:
        """The probes of the hour up to the latest one."""
        packed = [*_PACKED.iter_unpack(self._packed)]
        oldest = packed[-1][0] - HOUR_SECONDS if packed else 0.0
        return PastHour([fields for fields in packed if fields[0] >= oldest])


class PastHour:
    """The probes of an hour. Every result changes its summary and its tallies, and pages need its
    failures for every target, so none of these creates an object for each probe."""

    __slots__ = ("_probes", "_successes")

    def __init__(self, probes: list[_Fields]) -> None:
        self._probes = probes
        self._successes = [fields for fields in probes if fields[4] == _NO_REASON]

    def summary(self) -> PeriodSummary:
        times = [
            duration if math.isnan(first) else first
            for _, first, _, duration, _, flags in self._successes
            if not flags & _COLD
        ]
        known = [seconds for seconds in times if not math.isnan(seconds)]
        return _summary(len(self._probes), len(self._successes), known)

    def tallies(self, objectives: Iterable[Objective]) -> tuple[Tally, ...]:
        """How far the hour meets each objective, by the rules of ``Objective.met_by``."""
        warm = [fields for fields in self._successes if not fields[5] & _COLD]

        def tally(objective: Objective) -> Tally:
            limit = objective.threshold_seconds
            if limit is None:
                return Tally(objective, len(self._successes), len(self._probes))
            place = _PLACES[objective.measure]
            times = [fields[place] for fields in warm if not math.isnan(fields[place])]
            return Tally(objective, len([time for time in times if time <= limit]), len(times))

        return tuple(map(tally, objectives))

    def failures(self) -> tuple[FailureReason, ...]:
        """The reasons of its failures, oldest first."""
        return tuple(_REASONS[fields[4]] for fields in self._probes if fields[4] != _NO_REASON)


def summarize(past: Iterable[PastProbe]) -> PeriodSummary:
    """The summary of probes, with exact quantiles."""
    probes = tuple(past)
    times = [seconds for probe in probes if (seconds := probe.warm_seconds) is not None]
    return _summary(len(probes), sum(probe.success for probe in probes), times)


def _summary(probes: int, successes: int, times: list[float]) -> PeriodSummary:
    times.sort()
    return PeriodSummary(probes, successes, _of_sorted(times, 0.5), _of_sorted(times, 0.95))


def _of_sorted(values: Sequence[float], share: float) -> float | None:
    """The quantile of sorted values, interpolated between neighbours."""
    if not values:
        return None
    rank = share * (len(values) - 1)
    below = int(rank)
    above = min(below + 1, len(values) - 1)
    return values[below] + (values[above] - values[below]) * (rank - below)


def _pack(probe: PastProbe) -> bytes:
    reason = probe.failure_reason
    return _PACKED.pack(
        probe.finished_at,
        _number(probe.time_to_first_token_seconds),
        _number(probe.output_tokens_per_second),
        _number(probe.request_duration_seconds),
        _NO_REASON if reason is None else _REASONS.index(reason),
        _COLD if probe.cold else 0,
    )


def _unpacked(
    finished_at: float, first: float, speed: float, duration: float, reason: int, flags: int
) -> PastProbe:
    return PastProbe(
        finished_at,
        _known(first),
        _known(speed),
        None if reason == _NO_REASON else _REASONS[reason],
        bool(flags & _COLD),
        _known(duration),
    )


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _known(value: float) -> float | None:
    return value if value == value else None  # not NaN
