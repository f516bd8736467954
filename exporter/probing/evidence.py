"""How strongly the latest probes of one plan say that something has changed.

Each probe is asked how much likelier its outcome is after a change than before it; the logarithms
are added up and never fall below zero (Page's CUSUM test, the quickest that there is). What is
usual is the plan's own past, with its outliers: where one probe in ten is slow anyway, a slow one
says little, and where slow ones come in runs, the second of a run says less.
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
"""Evidence that chance alone brings about once in ten months of one probe a minute: its
exponential is the number of probes until then, where the past holds for the present."""
DOUBT = LIMIT / 4
"""Evidence that makes it worth while to ask again soon."""

SLOWER = math.log(1.5)
"""The change that is looked for: half as slow again, as a difference of logarithms."""

EPISODE_SECONDS = 15.0
"""Failures closer together than this are partly one: a blip of some seconds fails whoever asks."""

_FAILURES, _PROBES = 1.0, 100.0
"""What is taken to have been seen before anything was: one failure in a hundred probes."""
_FAILING = 0.5
"""The share of failures that is looked for."""

_PAST = 480
"""How many probes show what is usual."""
_PRESENT = 15
"""The latest of them say nothing of it yet, lest a change hide itself."""
_ENOUGH = 30
_RENEWED_AFTER = 15
_LONG_PAST = 5000
"""How many probes show runs: three or four days of one a minute."""
_FEW = 5
_MOST_AT_ONCE = 3.3
"""No single probe says more, so that it takes four to reach the limit."""
_UNHEARD_OF = 0.01
"""Density of what the past has not shown, per unit of the logarithm."""
_STEP = 0.02
_LOWEST, _HIGHEST = -1.0, 2.0
"""From the median; what is further off is as far as that."""


class _Past:
    """What scheduled probes have shown, packed: there are thousands of plans. Confirming ones are
    sent when something is wrong, so they say nothing of what is usual."""

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
    """For failures, in place of their usual share."""

    def __init__(self) -> None:
        self._past = _Past()
        self.value = 0.0

    def take(self, failed: bool, *, scheduled: bool, news: float = 1.0) -> None:
        """Add what one probe says.

        :param news: how much of a further failure the one before it has not said yet, 0 to 1.
        """
        seen = self._past.older
        usual = (sum(seen) + _FAILURES) / (len(seen) + _PROBES)
        failing = max(_FAILING, (1 + usual) / 2)
        change = math.log(failing / usual if failed else (1 - failing) / (1 - usual))
        self.value = _added(self.value, change * (news if failed and self.value else 1.0))
        if scheduled:
            self._past.add(failed)


class SlownessEvidence:
    """For times that are half as long again as usual, or much longer."""

    def __init__(self) -> None:
        self._past = _Past()
        self._usual: _Usual | None = None
        self._runs = _Runs()
        self._sums = [_Slower(), _MuchSlower()]
        self._taken = 0

    @property
    def value(self) -> float:
        """NaN until it is known what is usual."""
        return max(one.value for one in self._sums) if self._usual else math.nan

    @property
    def doubtful(self) -> bool:
        """Whether there is something that further probes could find out."""
        return any(one.doubtful for one in self._sums)

    def take(self, seconds: float, *, scheduled: bool) -> None:
        """Add what one probe says."""
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
    """How slow times come in runs, over days of one probe a minute: a run that the last
    hours lack is no change. What went before a change must not teach that it was none, so that a
    run counts once there is no evidence left of it."""

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
        """Of scheduled probes that are slow."""
        return self._slow / (self._probes + _FEW)

    @property
    def likeness(self) -> float:
        """How much slow ones follow slow ones: 0 if perhaps by chance, 1 always."""
        share, count = self.share, self._followed + _FEW
        chance = 2 * math.sqrt(share * (1 - share) / count)
        following = (self._by_slow + _FEW * share) / count
        return max(0.0, min(0.99, (following - share - chance) / (1 - share)))


class _Usual:
    """What the times of a plan look like, with their outliers, and how much they hang together."""

    def __init__(self, logs: Sequence[float], runs: _Runs) -> None:
        """:param logs: of the times, in the order in which they were measured."""
        lower, self._middle, upper = statistics.quantiles(logs, n=4)
        spread = (upper - lower) / 1.34  # of the core alone: outliers make nothing smoother
        width = max(_STEP, 0.9 * spread * len(logs) ** -0.2)  # as Silverman has it
        self._densities = _densities([self._place(one) for one in logs], width)
        for place in range(self._place(self._middle + SLOWER), len(self._densities)):
            least = runs.share / (_HIGHEST - SLOWER)
            self._densities[place] = max(self._densities[place], least)
        slow = [one - self._middle >= SLOWER for one in logs]
        known = sum(slow) / (sum(slow) + _FEW)
        lately = known * _likeness([float(one) for one in slow])
        self.likeness_of_slow = max(runs.likeness, lately)
        """How much slow ones come in runs; a few of them prove nothing."""
        bounded = [max(-SLOWER, min(SLOWER, one - self._middle)) for one in logs]
        self.likeness = max(_likeness(bounded), self.likeness_of_slow)
        """How much neighbours are alike."""

    def is_slow(self, log_seconds: float) -> bool:
        """Whether it is as long as what is looked for."""
        return log_seconds - self._middle >= SLOWER

    def slower(self, log_seconds: float) -> float:
        """How much likelier such a time is, as a logarithm, if all are longer by ``SLOWER``."""
        return self._change(log_seconds, self._densities[self._place(log_seconds - SLOWER)])

    def much_slower(self, log_seconds: float) -> float:
        """The same, if all are longer by that or more, however much."""
        density = 1 / (_HIGHEST - SLOWER) if self.is_slow(log_seconds) else _UNHEARD_OF
        return self._change(log_seconds, density)

    def _change(self, log_seconds: float, density: float) -> float:
        change = math.log(density / self._densities[self._place(log_seconds)])
        return max(-_MOST_AT_ONCE, min(_MOST_AT_ONCE, change))

    def _place(self, log_seconds: float) -> int:
        """Where in the table of densities a time stands."""
        off = max(_LOWEST, min(_HIGHEST, log_seconds - self._middle))
        return round((off - _LOWEST) / _STEP)


class _Sum:
    """The evidence for one kind of change."""

    def __init__(self) -> None:
        self._together = 0
        """Probes since there was no evidence."""
        self._within_reach = LIMIT
        self.value = 0.0

    @property
    def doubtful(self) -> bool:
        """Whether there is something that further probes could find out."""
        return self.value >= DOUBT and self._within_reach >= LIMIT

    def add(self, usual: _Usual, log_seconds: float) -> None:
        """Add what one probe says."""
        self._together = self._together + 1 if self.value else 1
        change, likeness = self.says(usual, log_seconds)
        self._within_reach = _MOST_AT_ONCE / likeness if likeness else math.inf
        if change > 0:
            change *= _worth(self._together, likeness)
        self.value = _added(self.value, change)

    @abstractmethod
    def says(self, usual: _Usual, log_seconds: float) -> tuple[float, float]:
        """What a time says, and how much it may only repeat what those before it said."""


class _Slower(_Sum):
    def says(self, usual: _Usual, log_seconds: float) -> tuple[float, float]:
        return usual.slower(log_seconds), usual.likeness


class _MuchSlower(_Sum):
    """However much the times wander, no wander makes them so long; only runs of slow ones do."""

    def says(self, usual: _Usual, log_seconds: float) -> tuple[float, float]:
        return usual.much_slower(log_seconds), usual.likeness_of_slow


def _densities(places: Sequence[int], width: float) -> array[float]:
    """The density around each place, smoothed with a normal kernel."""
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
    """How much neighbours are alike: 0 for chance, 1 if they are all the same; the mean of the
    autocorrelation of up to three places."""
    mean = math.fsum(values) / len(values)
    offsets = [value - mean for value in values]
    all_of_it = math.fsum(offset * offset for offset in offsets) or 1.0
    shared = [
        math.fsum(a * b for a, b in zip(offsets, offsets[lag:], strict=False)) for lag in (1, 2, 3)
    ]
    return max(0.0, min(0.99, math.fsum(shared) / 3 / all_of_it))


def _worth(number: int, likeness: float) -> float:
    """What the last of so many probes adds to those before it. What hangs together is no
    independent witness: n probes are worth n / (1 + (n - 1) likeness) of them."""

    def together(probes: int) -> float:
        return probes / (1 + max(0, probes - 1) * likeness)

    return together(number) - together(number - 1)


def _added(value: float, change: float) -> float:
    """Beyond the limit there is nothing to know, and whatever ends then is soon seen to end."""
    return min(LIMIT, max(0.0, value + change))
