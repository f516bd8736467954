"""The results of the last 24 hours, each hour as a histogram of durations, which gives quantiles
within 3 %.
"""

from __future__ import annotations

import math
import struct
from collections import deque

from exporter.metrics.values import Counts
from exporter.site.past import HOUR_SECONDS, PastProbe, PeriodSummary

_HOURS = 24


class Day:
    """The last 24 hours, including the current one. Only the probing thread uses it."""

    def __init__(self) -> None:
        self._hours: deque[_Hour] = deque()
        self._sum = _Times()
        self._present = _Times()

    def take(self, probe: PastProbe) -> PeriodSummary:
        """Add a probe, and return the summary of the day."""
        number = int(probe.finished_at // HOUR_SECONDS)
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
