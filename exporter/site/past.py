"""The history of results, packed, because there are thousands of plans.

The last hour keeps every probe. The last day keeps 24 hours, each as a histogram of durations,
which gives quantiles within 3 %.
"""

from __future__ import annotations

import math
import struct
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from exporter.coldness import ColdSignal
from exporter.metrics.values import Counts
from exporter.observation import Observation
from exporter.result import FailureReason

HISTORY_LENGTH = 60
"""The least number of results that a plan keeps."""

_HOUR_SECONDS = 3600
_HOURS = 24
_MOST_PROBES = 720
"""An hour of probes every five seconds."""

_REASONS = tuple(FailureReason)
_PACKED = struct.Struct("<4d2B")
_NO_REASON, _COLD = 255, 1


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
        oldest = probe.finished_at - _HOUR_SECONDS
        count, gone = len(packed) // _PACKED.size, 0
        while count - gone > HISTORY_LENGTH:
            (finished_at,) = struct.unpack_from("<d", packed, gone * _PACKED.size)
            if finished_at >= oldest and count - gone <= _MOST_PROBES:
                break
            gone += 1
        return PastProbes(packed[gone * _PACKED.size :])

    def last_hour(self) -> tuple[PastProbe, ...]:
        """The probes of the hour up to the latest probe."""
        past = tuple(self)
        oldest = past[-1].finished_at - _HOUR_SECONDS if past else 0.0
        return tuple(probe for probe in past if probe.finished_at >= oldest)

    def summary_of_hour(self) -> PeriodSummary:
        """The summary of that hour. Every result changes it, so this creates no objects for the
        probes before."""
        packed = [*_PACKED.iter_unpack(self._packed)]
        oldest = packed[-1][0] - _HOUR_SECONDS if packed else 0.0
        hour = [fields for fields in packed if fields[0] >= oldest]
        successes = [fields for fields in hour if fields[4] == _NO_REASON]
        times = [
            duration if math.isnan(first) else first
            for _, first, _, duration, _, flags in successes
            if not flags & _COLD
        ]
        known = [seconds for seconds in times if not math.isnan(seconds)]
        return _summary(len(hour), len(successes), known)

    def failures_of_last_hour(self) -> tuple[FailureReason, ...]:
        """The failure reasons of that hour. Pages need them for every target, so this unpacks
        nothing else."""
        packed = [(at, reason) for at, _, _, _, reason, _ in _PACKED.iter_unpack(self._packed)]
        oldest = packed[-1][0] - _HOUR_SECONDS if packed else 0.0
        return tuple(
            _REASONS[reason] for at, reason in packed if reason != _NO_REASON and at >= oldest
        )


def summarize(past: Iterable[PastProbe]) -> PeriodSummary:
    """The summary of probes, with exact quantiles."""
    probes = tuple(past)
    times = [seconds for probe in probes if (seconds := probe.warm_seconds) is not None]
    return _summary(len(probes), sum(probe.success for probe in probes), times)


def _summary(probes: int, successes: int, times: list[float]) -> PeriodSummary:
    times.sort()
    return PeriodSummary(probes, successes, _of_sorted(times, 0.5), _of_sorted(times, 0.95))


class Day:
    """The last 24 hours, including the current one. Only the probing thread uses it."""

    def __init__(self) -> None:
        self._hours: deque[_Hour] = deque()
        self._sum = _Times()
        self._present = _Times()

    def take(self, probe: PastProbe) -> PeriodSummary:
        """Add a probe, and return the summary of the day."""
        number = int(probe.finished_at // _HOUR_SECONDS)
        if not self._hours or self._hours[-1].number != number:
            self._turn(number)
        hour = self._hours[-1]
        hour.probes += 1
        hour.successes += probe.success
        if (seconds := probe.warm_seconds) is not None:
            place = _Times.place(seconds)
            self._present.add(place, 1)
            self._sum.add(place, 1)
        return PeriodSummary(
            sum(hour.probes for hour in self._hours),
            sum(hour.successes for hour in self._hours),
            self._sum.quantile(0.5),
            self._sum.quantile(0.95),
        )

    def _turn(self, number: int) -> None:
        """Begin an hour. If the clock was set back, drop the hours that are now in the future."""
        if self._hours:
            self._hours[-1].times = self._present.packed()
        kept = [hour for hour in self._hours if number - _HOURS < hour.number < number]
        self._hours = deque([*kept, _Hour(number)])
        self._sum, self._present = _Times(), _Times()
        for hour in kept:
            self._sum.add_packed(hour.times)


class _Hour:
    __slots__ = ("number", "probes", "successes", "times")

    def __init__(self, number: int) -> None:
        self.number = number
        """Hours since 1970."""
        self.probes = 0
        self.successes = 0
        self.times = b""


class _Times:
    """A histogram of durations with logarithmic buckets, each 5 % longer than the previous one."""

    _STEP = math.log(1.05)
    _PAIR = struct.Struct("<hH")

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts = Counts()

    @classmethod
    def place(cls, seconds: float) -> int:
        """Return the bucket of a duration. Those outside a millisecond to half an hour share the
        outermost ones."""
        return round(math.log(min(max(seconds, 1e-3), 2e3)) / cls._STEP)

    def add(self, place: int, times: int) -> None:
        self._counts.add(place, times)

    def packed(self) -> bytes:
        return b"".join(self._PAIR.pack(it, min(n, 0xFFFF)) for it, n in self._counts.items())

    def add_packed(self, packed: bytes) -> None:
        for place, times in self._PAIR.iter_unpack(packed):
            self._counts.add(place, times)

    def quantile(self, share: float) -> float | None:
        """The quantile in seconds; ``None`` if the histogram is empty."""
        known = [*self._counts.items()]
        rank = share * (sum(times for _, times in known) - 1)
        passed = 0
        for place, times in known:
            passed += times
            if passed > rank:
                return math.exp(place * self._STEP)
        return None


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
