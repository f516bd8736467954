"""Time grids: everything runs on its own grid, at its own phase in each interval."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from apscheduler.triggers.base import BaseTrigger

from exporter.config.plan import Identity, Plan

_GOLDEN = (math.sqrt(5) - 1) / 2
_DIGITS = 9
"""Phases that agree this far are the same."""


def spread(plans: Iterable[Plan], before: Iterable[Plan]) -> tuple[Plan, ...]:
    """Return the plans with their phases, spread so that about as many are probed in each second.

    Random phases clump: with 2,000 of them, there are seconds with a tenth more probes than one
    core can read. So each phase is the previous one plus the golden ratio. However many there are,
    the distances between neighbors then have at most three values (the three-gap theorem). The
    first phase depends on the name of the first target, so that two exporters differ.

    :param before: the plans so far. A plan that was among them keeps its phase, unless its interval
        is another one now.
    """
    asked = list(plans)
    kept = {_grid(plan): plan.phase for plan in before}
    taken = {_same(plan, kept[_grid(plan)]) for plan in asked if _grid(plan) in kept}
    phases: dict[float, Iterator[float]] = {}
    for plan in asked:
        phases.setdefault(plan.interval_seconds, _golden(hashed(plan.key)))

    def phase_of(plan: Plan) -> float:
        own = kept.get(_grid(plan))
        free = (it for it in phases[plan.interval_seconds] if _same(plan, it) not in taken)
        return next(free) if own is None else own

    return tuple(replace(plan, phase=phase_of(plan)) for plan in asked)


def _grid(plan: Plan) -> tuple[Identity, float]:
    return plan.identity, plan.interval_seconds


def _same(plan: Plan, phase: float) -> tuple[float, float]:
    """What two plans have in common if this is the phase of both."""
    return plan.interval_seconds, round(phase, _DIGITS)


def _golden(first: float) -> Iterator[float]:
    return ((first + number * _GOLDEN) % 1 for number in itertools.count())


def hashed(key: Sequence[str]) -> float:
    """Return a phase that depends on nothing but the key, from 0 up to 1."""
    digest = hashlib.blake2b("\0".join(key).encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64


def next_on_grid(now: float, phase: float, interval_seconds: float) -> float:
    """Return the next time on the grid, in Unix seconds.

    :param phase: the part of the interval that passes before, from 0 up to 1.
    """
    first = phase * interval_seconds
    return math.ceil((now - first) / interval_seconds) * interval_seconds + first


class GridTrigger(BaseTrigger):  # type: ignore[misc]  # apscheduler has no types
    """Fires on the grid, and never catches up on the past.

    apscheduler's own trigger computes every time since it last fired. After the clock is set ten
    years ahead, that is five million times.
    """

    def __init__(self, phase: float, interval_seconds: float) -> None:
        self._phase = phase
        self._interval = interval_seconds

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime:
        """Return the first time on the grid from ``now`` on, and after the previous one."""
        after = now.timestamp()
        if previous is not None:
            after = max(after, previous.timestamp() + self._interval / 2)
        return datetime.fromtimestamp(next_on_grid(after, self._phase, self._interval), UTC)
