"""The exporter's own evidence of slow times, with confirming probes, for a whole fleet at once.

As `exporter.probing.evidence` and `exporter.probing.confirmation` have it, in numpy. Months are cut
into pieces of six hours that run side by side, each with what came before it as its past, so that
the baseline is renewed every hour instead of every 15 probes.
tests/integration/test_alert_judge.py compares it with the exporter's code.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.alert_quality.fleet import Fleet
from benchmarks.alert_quality.noise import Noise
from exporter.probing.confirmation import SAVED, SHARE
from exporter.probing.evidence import DOUBT, LIMIT, SLOWER

Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]
Places = npt.NDArray[np.int64]

_PIECE, _BEFORE, _RENEWED = 360, 60, 60
"""In probes: a piece, what is run before it, and how often its baseline is renewed."""
_PAST, _PRESENT, _LONG_PAST, _FEW = 480, 15, 5000, 5
_LEAST, _MOST = -1.0, 2.0
_STEP = 0.02
_PLACES = round((_MOST - _LEAST) / _STEP) + 1
_UNHEARD_OF = 0.01
_MOST_AT_ONCE = 3.3
_PAUSES = 12
_LONGEST_MINUTES = 5
_DAY_MINUTES = 24 * 60


def certainty(fleet: Fleet, seed: int, *, confirm: bool = True) -> Floats:
    """Return the least evidence of each target in each minute; 0 before there is a past."""
    every, ordinary = fleet.world.minutes_per_probe, np.ones(fleet.failed.shape, bool)
    for incident in fleet.incidents:
        ordinary[incident.target, incident.start : incident.end] = False
    random = np.random.default_rng([seed, 1])  # not the numbers that the fleet was drawn from
    result = np.zeros(fleet.failed.shape, np.float32)
    for phase in range(every):
        targets = np.arange(phase, fleet.targets, every)
        seen = np.log(fleet.time_to_first_token[targets, phase::every])
        seen[~fleet.made[targets, phase::every]] = np.nan
        probed = _Probed(
            seen,
            fleet.level[targets, phase::every],
            fleet.spiking[targets, phase::every],
            ordinary[targets, phase::every],
            fleet.world.noise,
            every,
            confirm,
        )
        of_probes = _evidence(probed, random)
        shown = _least_of_minutes(of_probes, every).reshape(len(targets), -1)
        result[targets, phase:] = shown[:, : fleet.minutes - phase]
    return result


def _least_of_minutes(of_pauses: Floats, every_minutes: int) -> Floats:
    """Return the least value that is scraped in each minute, every 15 s, after each probe."""
    ends = np.arange(1, 4 * every_minutes + 1) * _PAUSES / (4 * every_minutes)
    scraped = of_pauses[:, :, np.ceil(ends).astype(int) - 1]
    by_minute = scraped.reshape(*of_pauses.shape[:2], every_minutes, 4)
    return np.asarray(by_minute.min(axis=-1), np.float32)


@dataclass(frozen=True, slots=True)
class _Probed:
    """Scheduled probes, by target and number."""

    seen: Floats
    """The logarithms of the times; NaN without a success."""
    level: Floats
    spiking: Flags
    ordinary: Flags
    """Where nothing is wrong with the target."""
    noise: Noise
    every_minutes: int
    confirm: bool


def _evidence(probed: _Probed, random: np.random.Generator) -> Floats:
    """Return the evidence after each pause that follows each scheduled probe."""
    targets, probes = probed.seen.shape
    starts = np.arange(_PAST + _PRESENT + _BEFORE, probes, _PIECE)
    target = np.repeat(np.arange(targets), len(starts))
    start = np.tile(starts, targets) - _BEFORE
    filled = _without_gaps(probed.seen)
    runs = _Runs(filled, probed.ordinary)
    result = np.zeros((targets, probes + _PIECE, _PAUSES), np.float32)
    sums = _Sums(len(start), min(SAVED, SHARE * _DAY_MINUTES / probed.every_minutes))
    usual = _Usual(filled, runs, target, start)
    for step in range(_BEFORE + _PIECE):
        now = np.minimum(start + step, probes - 1)
        if step and step % _RENEWED == 0:
            usual = _Usual(filled, runs, target, now)
        after = _minute(sums, usual, probed, target, now, random)
        if step >= _BEFORE:
            result[target, start + step] = after
    return result[:, :probes]


def _without_gaps(seen: Floats) -> Floats:
    known = np.where(np.isnan(seen), 0, np.arange(seen.shape[1]))
    return np.nan_to_num(np.take_along_axis(seen, np.maximum.accumulate(known, axis=1), axis=1))


class _Usual:
    """The usual times of each piece: densities by place, and how much probes repeat others."""

    def __init__(self, seen: Floats, runs: _Runs, target: Places, now: Places) -> None:
        index = now[:, None] - np.arange(_PRESENT + _PAST, _PRESENT, -1)[None]
        past = seen[target[:, None], index]
        lower, self.middle, upper = _quartiles(past)
        width = np.maximum(_STEP, 0.9 * (upper - lower) / 1.34 * _PAST**-0.2)
        off = past - self.middle[:, None]
        self.density = _smoothed(_place(off), width)
        share, likeness = runs.share_and_likeness(target, now)
        slow = off >= SLOWER
        beyond = _place(np.array(SLOWER))
        least = (share / (_MOST - SLOWER))[:, None]
        self.density[:, beyond:] = np.maximum(self.density[:, beyond:], least)
        known = slow.sum(1) / (slow.sum(1) + _FEW)
        of_slow = np.maximum(likeness, known * _likeness(slow.astype(np.float32)))
        every = np.maximum(_likeness(np.clip(off, -SLOWER, SLOWER)), of_slow)
        self.likeness = np.stack([every, of_slow])

    def change(self, rows: Places, seen: Floats) -> Floats:
        """Return how much likelier these times are if all are slower, or much slower."""
        off = seen - self.middle[rows]
        usual = self.density[rows, _place(off)]
        slower = self.density[rows, _place(off - SLOWER)]
        much = np.where(off >= SLOWER, 1 / (_MOST - SLOWER), _UNHEARD_OF)
        change = np.log(np.stack([slower, much]) / usual)
        return np.clip(change, -_MOST_AT_ONCE, _MOST_AT_ONCE).astype(np.float32)


def _quartiles(values: Floats) -> tuple[Floats, Floats, Floats]:
    size = values.shape[1]
    ranks = size // 4, size // 2, 3 * size // 4
    ordered = np.partition(values, ranks, axis=1)
    return ordered[:, ranks[0]], ordered[:, ranks[1]], ordered[:, ranks[2]]


class _Sums:
    """The evidence of each piece: that times are slower, and much slower."""

    def __init__(self, pieces: int, saved_at_most: float) -> None:
        """Each piece begins with all that can be saved: over weeks, less is spent than is saved."""
        self.saved_at_most = saved_at_most
        self.value = np.zeros((2, pieces), np.float32)
        self._together = np.zeros((2, pieces), np.float32)
        self.saved = np.full(pieces, saved_at_most, np.float32)
        self.minutes_left = np.full(pieces, _LONGEST_MINUTES, np.float32)

    def add(self, usual: _Usual, rows: Places, seen: Floats) -> None:
        value, likeness = self.value[:, rows], usual.likeness[:, rows]
        together = np.where(value > 0, self._together[:, rows] + 1, 1)
        change = usual.change(rows, seen)
        worth = _together(together, likeness) - _together(together - 1, likeness)
        change = np.where(change > 0, change * worth, change)
        self.value[:, rows] = np.clip(value + change, 0, LIMIT)
        self._together[:, rows] = together

    def doubtful(self, usual: _Usual) -> Flags:
        doubt = (self.value >= DOUBT) & (usual.likeness * LIMIT <= _MOST_AT_ONCE)
        return np.asarray(doubt.any(0) & ~(self.value >= LIMIT).any(0))


def _minute(
    sums: _Sums,
    usual: _Usual,
    probed: _Probed,
    target: Places,
    now: Places,
    random: np.random.Generator,
) -> Floats:
    """Add a scheduled probe, and those that confirm it; return the evidence after each pause."""
    seen = probed.seen[target, now]
    (rows,) = np.nonzero(~np.isnan(seen))
    sums.add(usual, rows, seen[rows])
    sums.saved = np.minimum(sums.saved + SHARE, sums.saved_at_most)
    after = np.empty((len(target), _PAUSES), np.float32)
    after[:] = sums.value.max(0)[:, None]
    asking = ~np.isnan(seen) & probed.confirm
    for pause in range(1, _PAUSES):
        doubtful = sums.doubtful(usual)
        sums.minutes_left[~doubtful] = _LONGEST_MINUTES
        asking &= doubtful & (sums.saved >= 1) & (sums.minutes_left > 0)
        (rows,) = np.nonzero(asking)
        if not len(rows):
            break
        sums.saved[rows] -= 1
        sums.minutes_left[rows] -= probed.every_minutes / _PAUSES
        where = target[rows], now[rows]
        more = probed.noise.again(random, probed.level[where], probed.spiking[where])
        sums.add(usual, rows, more)
        after[rows, pause:] = sums.value[:, rows].max(0)[:, None]
    return after


def _place(off: Floats) -> Places:
    return np.asarray(np.rint((np.clip(off, _LEAST, _MOST) - _LEAST) / _STEP), np.int64)


def _smoothed(places: Places, width: Floats) -> Floats:
    """Return the density around each place, smoothed with a normal kernel."""
    pieces, size = places.shape
    rows = np.arange(pieces)[:, None] * _PLACES
    counts = np.bincount((rows + places).ravel(), minlength=pieces * _PLACES)
    padded = 2 * _PLACES
    waves = np.fft.rfft(counts.reshape(pieces, _PLACES), padded, axis=1)
    angles = 2 * np.pi * np.fft.rfftfreq(padded)
    waves *= np.exp(-0.5 * (angles[None] * width[:, None] / _STEP) ** 2)
    table = np.fft.irfft(waves, padded, axis=1)[:, :_PLACES] / size / _STEP
    return np.asarray(np.maximum(table, 0) + _UNHEARD_OF, np.float32)


class _Runs:
    """How often scheduled probes are slow, and how often one follows another, by target."""

    def __init__(self, seen: Floats, ordinary: Flags) -> None:
        slow = seen - _middles(seen) >= SLOWER
        pairs = slow[:, 1:] & slow[:, :-1] & ordinary[:, 1:]
        self._slow = np.pad(slow.cumsum(1), ((0, 0), (1, 0)))
        self._followed = np.pad((slow & ordinary).cumsum(1), ((0, 0), (1, 0)))
        self._by_slow = np.pad(pairs.cumsum(1), ((0, 0), (1, 0)))

    def share_and_likeness(self, target: Places, now: Places) -> tuple[Floats, Floats]:
        began = np.maximum(now - _LONG_PAST, 0)
        slow = self._slow[target, now] - self._slow[target, began]
        share = slow / (now - began + _FEW)
        known = self._followed[target, now] - self._followed[target, began] + _FEW
        by_slow = self._by_slow[target, now - 1] - self._by_slow[target, began] + _FEW * share
        chance = 2 * np.sqrt(share * (1 - share) / known)
        likeness = np.clip((by_slow / known - share - chance) / (1 - share), 0, 0.99)
        return share.astype(np.float32), likeness.astype(np.float32)


def _middles(seen: Floats) -> Floats:
    """Return the median of the past of each probe."""
    result = np.empty_like(seen)
    for first in range(0, seen.shape[1], _RENEWED):
        past = seen[:, max(0, first - _PAST) : max(first, _RENEWED)]
        result[:, first : first + _RENEWED] = np.median(past, axis=1)[:, None]
    return result


def _likeness(values: Floats) -> Floats:
    """Return the mean autocorrelation at lags 1 to 3."""
    offsets = values - values.mean(1, keepdims=True)
    total = (offsets * offsets).sum(1)
    total[total == 0] = 1
    shared = [(offsets[:, lag:] * offsets[:, :-lag]).sum(1) for lag in (1, 2, 3)]
    return np.asarray(np.clip(sum(shared) / 3 / total, 0, 0.99), np.float32)


def _together(probes: Floats, likeness: Floats) -> Floats:
    return np.asarray(probes / (1 + np.maximum(0, probes - 1) * likeness), np.float32)
