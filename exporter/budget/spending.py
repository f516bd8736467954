"""Counts the daily cost of probes and enforces the budgets.

The exporter sends a probe only if each of its budgets has room for the most that the probe can
cost. It reserves that amount while the probe runs, and then replaces it with the actual cost, so
concurrent probes can't exceed a budget either. A day is a UTC day, and a probe counts on the day it
ends. If the clock goes back over midnight and forward again, both days keep their spend.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from types import TracebackType
from typing import Self

from exporter.config.plan import Plan
from exporter.config.root import Config
from exporter.config.target import Target
from exporter.observation import worst_usd
from exporter.prices.price import exact
from exporter.probing.prober import OverBudget

ZERO = Decimal()


@dataclass(frozen=True, slots=True)
class Day:
    """The spend of one day by target, including removed targets."""

    date: date
    usd: Mapping[str, Decimal]
    later: Day | None = None
    """The later day on which the clock went back to this one."""

    @property
    def total_usd(self) -> Decimal:
        return sum(self.usd.values(), ZERO)

    def plus(self, target: str, usd: Decimal) -> Day:
        return Day(self.date, {**self.usd, target: self.usd.get(target, ZERO) + usd})


class Spending:
    """The budgets, today's spend, and the amounts reserved for running probes.

    Use it only on the probing loop.
    """

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._day = Day(self._today(), {})
        self._other: Day | None = None
        """The day that the clock showed before this one, usually yesterday."""
        self._unknown_on: date | None = None
        """The day whose spend is unknown."""
        self._holds: set[Hold] = set()
        self._limit: Decimal | None = None
        self._target_limits: dict[str, Decimal] = {}

    def apply(self, config: Config) -> None:
        """Apply the budgets of a configuration. The spend stays."""
        usd = config.budget.usd_per_day
        self._limit = None if usd is None else exact(usd)
        self._target_limits = dict(_limits(config.targets))
        if self._unknown_on == self.day.date:
            self.exhaust()

    def resume(self, day: Day) -> None:
        """Add the spend of an earlier process.

        It counts only on its own day, and for each target only if it is higher than the known
        spend.
        """
        for each in filter(None, (day, day.later)):
            if each.date == self.day.date:
                known = self.day.usd
                more = {name: usd for name, usd in each.usd.items() if usd > known.get(name, ZERO)}
                self._day = Day(each.date, {**known, **more})
            elif each.date > self.day.date:
                self._other = each

    def exhaust(self) -> None:
        """Count all budgets as spent until midnight, because the actual spend is unknown."""
        self._unknown_on = self.day.date
        self.resume(Day(self.day.date, {**self._target_limits, "": self._limit or ZERO}))

    @property
    def day(self) -> Day:
        """Today's spend."""
        if (today := self._today()) != self._day.date:
            known = self._other if self._other and self._other.date == today else Day(today, {})
            self._day, self._other = known, self._day
        return self._day

    @property
    def committed(self) -> Day:
        """What to save: today's spend, including the maximum cost of each running probe."""
        usd = defaultdict(Decimal, self.day.usd)
        for hold in self._holds:
            usd[hold.plan.target.name] += hold.usd
        later = self._other if self._other and self._other.date > self.day.date else None
        return Day(self.day.date, usd, later)

    @property
    def limit(self) -> Decimal | None:
        """The budget of all targets together, in USD per day."""
        return self._limit

    @property
    def target_limits(self) -> Mapping[str, Decimal]:
        """The budgets of individual targets, in USD per day."""
        return self._target_limits

    def affords(self, plan: Plan) -> bool:
        """Whether a probe of this plan stays within the budgets even at its maximum cost."""
        return self._exceeded_by(plan, worst_usd(plan)) is None

    def hold(self, plan: Plan) -> Hold:
        """Reserve the maximum cost of a probe until ``settle``.

        :raises OverBudget: a budget has too little left.
        """
        usd = worst_usd(plan)
        if exceeded := self._exceeded_by(plan, usd):
            raise OverBudget(f"a probe of {plan.target.name!r} could exceed {exceeded}")
        hold = Hold(self, plan, usd)
        self._holds.add(hold)
        return hold

    def settle(self, hold: Hold, usd: Decimal) -> None:
        """Replace the reserved amount of a probe by its actual cost."""
        self._holds.discard(hold)
        if usd:
            self._day = self.day.plus(hold.plan.target.name, usd)

    def _exceeded_by(self, plan: Plan, usd: Decimal) -> str | None:
        """Describe the budget that this amount would exceed; ``None`` if there is none."""
        if not usd:
            return None
        committed, name = self.committed, plan.target.name
        if self._limit is not None and committed.total_usd + usd > self._limit:
            return f"the budget of {self._limit:f} USD a day"
        limit = self._target_limits.get(name)
        if limit is not None and committed.usd.get(name, ZERO) + usd > limit:
            return f"its budget of {limit:f} USD a day"
        return None

    def _today(self) -> date:
        return datetime.fromtimestamp(self._now(), UTC).date()


class Hold:
    """The amount reserved for one probe.

    If the block ends without a result, because of a crash or because the process stops, the
    maximum cost counts.
    """

    def __init__(self, spending: Spending, plan: Plan, usd: Decimal) -> None:
        self.plan = plan
        self.usd = usd
        self._spending = spending
        self._charge = usd

    def ended(self, charged_usd: Decimal) -> None:
        """Record the cost of the finished probe."""
        self._charge = charged_usd

    def not_sent(self) -> None:
        """Record that the probe sent no request and won't send one."""
        self._charge = ZERO

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._spending.settle(self, self._charge)


def _limits(targets: Iterable[Target]) -> Iterable[tuple[str, Decimal]]:
    for target in targets:
        if target.budget:
            yield target.name, exact(target.budget.usd_per_day)
