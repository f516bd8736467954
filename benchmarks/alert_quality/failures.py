"""The alerts on failures and error budgets in numpy, for probes with one reason of failure each.

As in deploy/prometheus/alerts.yml, with what silences their hours; what Alertmanager holds back is
judge.py's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.alert_quality.fleet import SITE_TARGETS, Fleet
from benchmarks.alert_quality.regressions import DAY, MARK, Evidence, of_the_week
from benchmarks.alert_quality.windows import count_over, held, lately

Flags = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.float64]
_KNOWN = 0.75
"""The share of a window for which a target must have been known."""


@dataclass(frozen=True, slots=True)
class Counters:
    """Probes and failures since the beginning, by target and minute."""

    probes: Counts
    failures: Counts

    def increase(self, minutes: int) -> tuple[Counts, Counts]:
        return _increase(self.probes, minutes), _increase(self.failures, minutes)

    def share(self, minutes: int) -> Counts:
        probes, failures = self.increase(minutes)
        return np.divide(failures, probes, out=np.zeros_like(failures), where=probes > 0)


def counters(fleet: Fleet, *, of_provider: bool = False) -> Counters:
    """Of all failures, or of those alone that the provider itself gave."""
    failed = fleet.made & fleet.failed
    failed &= ~(fleet.network & of_provider)
    made = fleet.made.cumsum(axis=1, dtype=np.float64)
    return Counters(made, failed.cumsum(axis=1, dtype=np.float64))


def _increase(counter: Counts, minutes: int) -> Counts:
    """As ``increase``: from the first sample in the range to the last, stretched to the range."""
    result = counter - counter[:, :1]
    result[:, minutes - 1 :] = counter[:, minutes - 1 :] - counter[:, : 1 - minutes]
    return result * (minutes / (minutes - 1))


def target_down(fleet: Fleet) -> Flags:
    down = np.zeros(fleet.failed.shape, bool)
    for steps in (3, 15, 60):  # 150 s hold the samples of three minutes
        changes = count_over(fleet.made, steps - 1)
        down |= (changes + 1 >= 3) & (count_over(~fleet.failed, steps) == 0)
    down |= fleet.certain & ~lately(fleet.refuted, 4) & lately(fleet.certain, 58)
    _, before = counters(fleet).increase(30)
    now_and_then = np.pad(before > 1.5, ((0, 0), (5, 0)))[:, :-5] & lately(~fleet.failed, 6)
    return down & ~now_and_then


def by_chance(counted: Counters) -> Counts:
    """How many of an hour's failures may be chance, where some always fail."""
    marks = np.arange(0, counted.probes.shape[1], MARK)
    daily = counted.share(DAY)[:, marks].astype(np.float32)
    usual = np.nan_to_num(held(of_the_week(daily), marks, counted.probes.shape[1]))
    probes, _ = counted.increase(60)
    return 4 * np.minimum(usual, 0.05) * probes


def errors_high(counted: Counters, down: Flags, degraded: Flags) -> Flags:
    """``down`` has told of the failures up to its end; those since then must be enough."""
    chance = by_chance(counted)
    hour = counted.increase(60)[1] - chance
    newly = counted.increase(20)[1] - chance / 3
    newly_enough = (counted.share(20) > 0.05) & (newly > 3.5) & ~lately(down, 20)
    soon = (counted.share(60).round(3) > 0.05) & ((hour > 3.5) & ~lately(down, 60) | newly_enough)
    six = counted.increase(360)[1] - 3 * chance
    share, week = counted.share(360), counted.share(7 * 1440)
    late = (share.round(3) > 0.01) & (six > 5.5) & (share > 2 * week)
    return soon & ~lately(degraded, 60) | late & ~lately(down | degraded, 360)


def throttled(counted: Counters, down: Flags) -> Flags:
    """As if all failures were of this kind."""
    chance = by_chance(counted)
    failures = counted.increase(30)[1] - chance / 2
    newly = counted.increase(20)[1] - chance / 3
    enough = (failures > 2.5) & ~lately(down, 30) | (newly > 2.5) & ~lately(down, 20)
    return (counted.share(30).round(3) > 0.1) & enough


def wrong_answers(counted: Counters) -> Flags:
    """As if all failures were of this kind."""
    failures = counted.increase(60)[1] - by_chance(counted)
    return (counted.share(60).round(3) > 0.05) & (failures > 2.5)


def burns(
    counted: Counters, objective: float, down: Flags, errors: Flags, degraded: Flags
) -> tuple[Flags, Flags]:
    """Whether the error budget burns fast, and slowly.

    :param errors: where InferenceErrorsHigh fires.
    """
    allowed = 1 - objective

    def burning(long: int, short: int, rate: float, least: float) -> Flags:
        _, bad = counted.increase(long)
        fires = ((counted.share(long) / allowed).round(1) > rate) & (bad > least)
        fires &= counted.share(short) / allowed > rate
        fires[:, : int(_KNOWN * long)] = False
        return fires

    _, six_hours = counted.increase(360)
    long = burning(360, 30, 6, 4.5)
    long |= burning(360, 30, 6, 3.5) & (counted.share(360) / allowed > 14.4)
    fast = burning(60, 5, 14.4, 2.5) & ~lately(degraded, 60) | long & ~lately(degraded, 360)
    fast &= ~lately(down, 30)
    slow = (burning(1440, 120, 3, 5.5) | burning(4320, 360, 1, 9.5)) & (six_hours > 2.5)
    told = lately(down | errors, 360) | lately(fast, 360) & ~fast
    return fast, slow & ~told & ~lately(degraded, 420)


def vantage_point(fleet: Fleet, evidence: Evidence) -> tuple[Flags, Flags]:
    """Whether the exporter of each target is seen to be at fault, and whether it may slow down."""
    failing = fleet.failed & ~lately(fleet.made & fleet.failed & ~fleet.network, 15)
    slow = (evidence.most > 0.5 * evidence.limit) & evidence.still
    slowing = (evidence.most > 0.2 * evidence.limit) & evidence.still
    return _together(failing) | _together(slow), _together(slowing)


def _together(affected: Flags) -> Flags:
    """Whether most targets of the same exporter are affected at once."""
    result = np.zeros(affected.shape, bool)
    for site in range(0, len(affected), SITE_TARGETS):
        of_site = slice(site, site + SITE_TARGETS)
        many = affected[of_site].sum(axis=0)
        result[of_site] = (many >= 3) & (many >= 0.6 * len(affected[of_site]))
    return result
