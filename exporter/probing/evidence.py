"""How strongly the latest probes of one plan show a change.

The evidence of a probe is how much likelier its outcome is after a change than before it. The
logarithms are added up, and never fall below zero (Page's CUSUM, the fastest such test). The
baseline is the plan's own past, including outliers. If one probe in ten is always slow, a slow one
is weak evidence. If slow ones come in runs, the second of a run is weaker evidence.
"""

from __future__ import annotations

import math
import statistics
from abc import abstractmethod
from array import array
from collections import Counter, deque
from collections.abc import Sequence
from itertools import pairwise

LIMIT = 13.0
"""Evidence that chance alone reaches once in ten months with one probe per minute. Its exponential
is the mean number of probes until then, if the past is representative."""
DOUBT = LIMIT / 4
"""Evidence that justifies a confirming probe."""

SLOWER = math.log(1.5)
"""The change to detect: half as slow again, as a difference of logarithms."""

EPISODE_SECONDS = 15.0
"""Failures closer together than this count partly as one, because a short outage fails every
probe."""

_FAILURES, _PROBES = 1.0, 100.0
"""The assumed past before the first probe: one failure in a hundred probes."""
_FAILING = 0.5
"""The failure rate to detect."""

_PAST = 480
"""How many probes form the baseline."""
_PRESENT = 15
"""The latest probes aren't part of the baseline, so that a change can't hide itself."""
_ENOUGH = 30
_RENEWED_AFTER = 15
_LONG_PAST = 5000
"""How many probes show runs: three or four days at one per minute."""
_FEW = 5
_MOST_AT_ONCE = 3.3
"""The most evidence of a single probe, so that it takes four to reach the limit."""
_UNHEARD_OF = 0.01
"""The density of values that the past doesn't contain, per unit of the logarithm."""
_STEP = 0.02
_LOWEST, _HIGHEST = -1.0, 2.0
"""The range around the median. Values outside of it count as its ends."""


class _Past:
    """The results of scheduled probes, in compact form because there are thousands of plans.

    Confirming probes aren't included. They are sent when something is wrong, so they aren't
    representative.
    """

    def __init__(self) -> None:
        self.older = array("f")
        self._present = array("f")

    def add(self, seen: float) -> None:
        self._present.append(seen)
        if len(self._present) > _PRESENT:
            self.older.append(self._present.pop(0))
        if len(self.older) > _PAST:
            del self.older[0]


class FailureEvidence:
    """Evidence that failures are more frequent than usual."""

    def __init__(self) -> None:
        self._past = _Past()
        self.value = 0.0

    def take(self, failed: bool, *, scheduled: bool, news: float = 1.0) -> None:
        """Add the evidence of one probe.

        :param news: how much new information another failure has after the previous one, from 0 to
            1.
        """
        seen = self._past.older
        usual = (sum(seen) + _FAILURES) / (len(seen) + _PROBES)
        failing = max(_FAILING, (1 + usual) / 2)
        change = math.log(failing / usual if failed else (1 - failing) / (1 - usual))
        self.value = _added(self.value, change * (news if failed and self.value else 1.0))
        if scheduled:
            self._past.add(failed)


class SlownessEvidence:
    """Evidence that times are half as long again as usual, or much longer."""

    def __init__(self) -> None:
        self._past = _Past()
        self._usual: _Usual | None = None
        self._runs = _Runs()
        self._sums = [_Slower(), _MuchSlower()]
        self._taken = 0

    @property
    def value(self) -> float:
        """The evidence. NaN until there is a baseline."""
        return max(one.value for one in self._sums) if self._usual else math.nan

    @property
    def doubtful(self) -> bool:
        """Whether further probes could settle a doubt."""
        return any(one.doubtful for one in self._sums)

    def take(self, seconds: float, *, scheduled: bool) -> None:
        """Add the evidence of one probe."""
        log_seconds = math.log(seconds)
        if self._usual:
            for one in self._sums:
                one.add(self._usual, log_seconds)
            slow = self._usual.is_slow(log_seconds)
            self._runs.add(slow, scheduled=scheduled, evidence=self.value)
        if scheduled:
            self._past.add(log_seconds)
            self._taken += 1
            if len(self._past.older) >= _ENOUGH and self._taken % _RENEWED_AFTER == 0:
                self._usual = _Usual(self._past.older, self._runs)


class _Runs:
    """How slow times come in runs, over days with one probe per minute. A run isn't a change just
    because the last hours had none.

    A change must not count as a run, so a run counts only once its evidence is gone.
    """

    def __init__(self) -> None:
        self._probes = self._slow = self._followed = self._by_slow = 0.0
        self._doubtful = deque[bool](maxlen=_PAST)

    def add(self, slow: bool, *, scheduled: bool, evidence: float) -> None:
        if scheduled:
            kept = 1 - 1 / _LONG_PAST
            self._probes = kept * self._probes + 1
            self._slow = kept * self._slow + slow
            self._followed *= kept
            self._by_slow *= kept
        self._doubtful.append(slow)
        if evidence <= 0 and not slow:
            pairs = list(pairwise(self._doubtful))
            self._followed += sum(before for before, _ in pairs)
            self._by_slow += sum(before and after for before, after in pairs)
        if evidence <= 0 or evidence >= LIMIT:
            self._doubtful.clear()
            self._doubtful.append(slow)

    @property
    def share(self) -> float:
        """The share of scheduled probes that are slow."""
        return self._slow / (self._probes + _FEW)

    @property
    def likeness(self) -> float:
        """How much slow probes follow each other: 0 if it could be chance, 1 if always."""
        share, count = self.share, self._followed + _FEW
        chance = 2 * math.sqrt(share * (1 - share) / count)
        following = (self._by_slow + _FEW * share) / count
        return max(0.0, min(0.99, (following - share - chance) / (1 - share)))


class _Usual:
    """The usual times of a plan, with their outliers and their autocorrelation."""

    def __init__(self, logs: Sequence[float], runs: _Runs) -> None:
        """Build the baseline from the logarithms of times, in the order of measurement."""
        lower, self._middle, upper = statistics.quantiles(logs, n=4)
        spread = (upper - lower) / 1.34  # without outliers, which would smooth the density
        width = max(_STEP, 0.9 * spread * len(logs) ** -0.2)  # Silverman's rule
        self._densities = _densities([self._place(one) for one in logs], width)
        for place in range(self._place(self._middle + SLOWER), len(self._densities)):
            least = runs.share / (_HIGHEST - SLOWER)
            self._densities[place] = max(self._densities[place], least)
        slow = [one - self._middle >= SLOWER for one in logs]
        known = sum(slow) / (sum(slow) + _FEW)
        lately = known * _likeness([float(one) for one in slow])
        self.likeness_of_slow = max(runs.likeness, lately)
        """How much slow times come in runs. A few of them prove nothing."""
        bounded = [max(-SLOWER, min(SLOWER, one - self._middle)) for one in logs]
        self.likeness = max(_likeness(bounded), self.likeness_of_slow)
        """How similar neighboring times are."""

    def is_slow(self, log_seconds: float) -> bool:
        """Return whether a time is as long as the change to detect."""
        return log_seconds - self._middle >= SLOWER

    def slower(self, log_seconds: float) -> float:
        """Return how much likelier this time is if all times are longer by ``SLOWER``, as a
        logarithm."""
        return self._change(log_seconds, self._densities[self._place(log_seconds - SLOWER)])

    def much_slower(self, log_seconds: float) -> float:
        """Return the same if all times are longer by that or more."""
        density = 1 / (_HIGHEST - SLOWER) if self.is_slow(log_seconds) else _UNHEARD_OF
        return self._change(log_seconds, density)

    def _change(self, log_seconds: float, density: float) -> float:
        change = math.log(density / self._densities[self._place(log_seconds)])
        return max(-_MOST_AT_ONCE, min(_MOST_AT_ONCE, change))

    def _place(self, log_seconds: float) -> int:
        """Return the index of a time in the table of densities."""
        off = max(_LOWEST, min(_HIGHEST, log_seconds - self._middle))
        return round((off - _LOWEST) / _STEP)


class _Sum:
    """The evidence of one kind of change."""

    def __init__(self) -> None:
        self._together = 0
        """The number of probes since there was no evidence."""
        self._within_reach = LIMIT
        self.value = 0.0

    @property
    def doubtful(self) -> bool:
        """Whether further probes could settle a doubt."""
        return self.value >= DOUBT and self._within_reach >= LIMIT

    def add(self, usual: _Usual, log_seconds: float) -> None:
        """Add the evidence of one probe."""
        self._together = self._together + 1 if self.value else 1
        change, likeness = self.says(usual, log_seconds)
        self._within_reach = _MOST_AT_ONCE / likeness if likeness else math.inf
        if change > 0:
            change *= _worth(self._together, likeness)
        self.value = _added(self.value, change)

    @abstractmethod
    def says(self, usual: _Usual, log_seconds: float) -> tuple[float, float]:
        """Return the evidence of a time, and how much it may only repeat the times before it."""


class _Slower(_Sum):
    def says(self, usual: _Usual, log_seconds: float) -> tuple[float, float]:
        return usual.slower(log_seconds), usual.likeness


class _MuchSlower(_Sum):
    """Times don't normally drift this far, so only runs of slow times count as repetition."""

    def says(self, usual: _Usual, log_seconds: float) -> tuple[float, float]:
        return usual.much_slower(log_seconds), usual.likeness_of_slow


def _densities(places: Sequence[int], width: float) -> array[float]:
    """Return the density around each index, smoothed with a normal kernel."""
    reach = round(3 * width / _STEP)
    kernel = [math.exp(-0.5 * (k * _STEP / width) ** 2) for k in range(-reach, reach + 1)]
    scale = len(places) * width * math.sqrt(2 * math.pi)
    table = array("f", [_UNHEARD_OF] * (round((_HIGHEST - _LOWEST) / _STEP) + 1))
    for place, times in Counter(places).items():
        for number, share in enumerate(kernel, place - reach):
            if 0 <= number < len(table):
                table[number] += times * share / scale
    return table


def _likeness(values: Sequence[float]) -> float:
    """Return how similar neighbors are, from 0 (chance) to 1 (all the same): the mean
    autocorrelation at lags 1 to 3."""
    mean = math.fsum(values) / len(values)
    offsets = [value - mean for value in values]
    all_of_it = math.fsum(offset * offset for offset in offsets) or 1.0
    shared = [
        math.fsum(a * b for a, b in zip(offsets, offsets[lag:], strict=False)) for lag in (1, 2, 3)
    ]
    return max(0.0, min(0.99, math.fsum(shared) / 3 / all_of_it))


def _worth(number: int, likeness: float) -> float:
    """Return what the last of ``number`` probes adds to the ones before it. Correlated probes
    aren't independent: n of them are worth n / (1 + (n - 1) likeness)."""

    def together(probes: int) -> float:
        return probes / (1 + max(0, probes - 1) * likeness)

    return together(number) - together(number - 1)


def _added(value: float, change: float) -> float:
    """Add a change, within 0 and the limit. Without the upper bound, the end of a change would take
    long to notice."""
    return min(LIMIT, max(0.0, value + change))
