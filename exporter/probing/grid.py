"""Time grids: everything runs on its own grid, at its own phase in each interval."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count

from apscheduler.triggers.base import BaseTrigger

from exporter.config.plan import Identity, Phase, Plan


def spread(plans: Iterable[Plan], before: Iterable[Plan]) -> tuple[Plan, ...]:
    """Return the plans with their phases, so that about as many are probed in each second.

    A plan that was among those before keeps its phase, unless it has another interval now. After a
    restart, or on an exporter that becomes the leader, phases follow the order of the plans.
    """
    asked = list(plans)
    kept = {_grid(plan): plan.phase for plan in before}
    of_interval: dict[float, list[Plan]] = {}
    for plan in asked:
        of_interval.setdefault(plan.interval_seconds, []).append(plan)
    free = {interval: _free(group, kept) for interval, group in of_interval.items()}
    return tuple(
        replace(plan, phase=kept.get(_grid(plan)) or next(free[plan.interval_seconds]))
        for plan in asked
    )


def _grid(plan: Plan) -> tuple[Identity, float]:
    return plan.identity, plan.interval_seconds


def _free(plans: Sequence[Plan], kept: Mapping[tuple[Identity, float], Phase]) -> Iterator[Phase]:
    """The phases that none of these plans of one interval keeps, in the order of their places."""
    taken = {old for plan in plans if (old := kept.get(_grid(plan)))}
    origin = next((old.origin for old in taken), hashed(plans[0].key))
    return (phase for place in count() if (phase := Phase(origin, place)) not in taken)


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
