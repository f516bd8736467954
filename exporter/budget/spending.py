"""The daily cost of probing, and when to stop.

The exporter sends a probe only if each of its budgets has room for the most that the probe can
cost. It reserves that amount while the probe runs, and then replaces it with the actual cost, so
concurrent probes can't exceed a budget either. A day is a UTC day, and a probe counts on the day it
ends.
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
    """What was spent on one day, by target; targets that have gone since are still counted."""

    date: date
    usd: Mapping[str, Decimal]

    @property
    def total_usd(self) -> Decimal:
        return sum(self.usd.values(), ZERO)

    def plus(self, target: str, usd: Decimal) -> Day:
        return Day(self.date, {**self.usd, target: self.usd.get(target, ZERO) + usd})


class Spending:
    """The budgets, what was spent of them today, and what is held back for probes in flight.

    Used on the probing loop alone.
    """

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._day = Day(self._today(), {})
        self._holds: set[Hold] = set()
        self._limit: Decimal | None = None
        self._target_limits: dict[str, Decimal] = {}

    def apply(self, config: Config) -> None:
        """Take over the budgets of a configuration; what was spent stays spent."""
        usd = config.budget.usd_per_day
        self._limit = None if usd is None else exact(usd)
        self._target_limits = dict(_limits(config.targets))

    def resume(self, day: Day) -> None:
        """Take over what an earlier process has spent, if that was today, and more than this
        process knows of."""
        if day.date == self.day.date:
            known = self.day.usd
            more = {name: usd for name, usd in day.usd.items() if usd > known.get(name, ZERO)}
            self._day = Day(day.date, {**known, **more})

    def exhaust(self) -> None:
        """Count the budgets as spent today: what was spent really is not known."""
        self.resume(Day(self.day.date, {**self._target_limits, "": self._limit or ZERO}))

    @property
    def day(self) -> Day:
        """Today so far."""
        if (today := self._today()) != self._day.date:
            self._day = Day(today, {})
        return self._day

    @property
    def committed(self) -> Day:
        """Today so far, as if every probe under way had cost all that it can."""
        usd = defaultdict(Decimal, self.day.usd)
        for hold in self._holds:
            usd[hold.plan.target.name] += hold.usd
        return Day(self.day.date, usd)

    @property
    def limit(self) -> Decimal | None:
        """The budget of all targets together, USD per day."""
        return self._limit

    @property
    def target_limits(self) -> Mapping[str, Decimal]:
        """The targets that have a budget of their own, USD per day."""
        return self._target_limits

    def affords(self, plan: Plan) -> bool:
        """Whether a probe of this plan is certain to stay within the budgets."""
        return self._passed_by(plan, worst_usd(plan)) is None

    def hold(self, plan: Plan) -> Hold:
        """Hold back what a probe can cost, until it is settled.

        :raises OverBudget: so much is not left.
        """
        usd = worst_usd(plan)
        if passed := self._passed_by(plan, usd):
            raise OverBudget(f"a probe of {plan.target.name!r} could pass {passed}")
        hold = Hold(self, plan, usd)
        self._holds.add(hold)
        return hold

    def settle(self, hold: Hold, usd: Decimal) -> None:
        """Put what a probe cost in place of what was held back for it."""
        self._holds.discard(hold)
        if usd:
            self._day = self.day.plus(hold.plan.target.name, usd)

    def _passed_by(self, plan: Plan, usd: Decimal) -> str | None:
        """The budget that would be passed, in words."""
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
    """Money held back for one probe. Leaving the block without a result, which takes a crash or
    the end of the process, counts as the worst case."""

    def __init__(self, spending: Spending, plan: Plan, usd: Decimal) -> None:
        self.plan = plan
        self.usd = usd
        self._spending = spending
        self._charge = usd

    def ended(self, charged_usd: Decimal) -> None:
        """The probe is over, and is taken to have cost this much."""
        self._charge = charged_usd

    def not_sent(self) -> None:
        """Nothing was asked after all, and nothing will be."""
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
