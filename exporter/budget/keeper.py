"""Shows the spend, and keeps it in a file across restarts."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import partial
from pathlib import Path

import structlog

from exporter.budget.spend_file import SpendFileError, read_day, write_day
from exporter.budget.spending import Day, Spending
from exporter.config.root import Config
from exporter.metrics import exporter_families as families
from exporter.metrics.series import LabelledValue, Series
from exporter.observation import Observation
from exporter.process.in_order import InOrder

_TICK_SECONDS = 1.0
"""The time between two saves, whose spend a crash can lose. The file counts reserved amounts of
running probes as spent, so after a crash the spend is too high rather than too low."""

log = structlog.get_logger(__name__)


class BudgetKeeper:
    """Shows the spend every second, and writes the file if the spend has changed."""

    def __init__(self, spending: Spending, series: Series) -> None:
        self._spending = spending
        self._series = series
        self._path: Path | None = None
        self._saved: Day | None = None
        self._problem: str | None = None
        self._saves = InOrder("spend")
        self.shown = spending.day
        """Today's spend, safe to read in other threads because a ``Day`` is immutable."""

    def apply(self, config: Config) -> None:
        """Apply the budgets and the state file of a configuration."""
        self._spending.apply(config)
        path = config.budget.state_file
        if path != self._path:
            self._path, self._saved, self._problem = path, None, None
            self._series.replace(families.BUDGET_STATE_SAVED)
            if path:
                self._resume(path)
        if path is None and (self._spending.limit is not None or self._spending.target_limits):
            log.warning("a restart resets the budgets: set budget.state_file to keep the spend")
        self._show()

    def observe(self, _observation: Observation) -> None:
        """Show the spend after a probe."""
        self._show()

    async def run(self) -> None:
        """Show and save the spend until cancelled. It changes at midnight too."""
        while True:
            self._show()
            path, day = self._path, self._spending.committed
            if path and day != self._saved:
                problem = await self._saves.run(partial(_problem_of_saving, path, day))
                if path == self._path:  # a reload can have changed it
                    self._note(day, problem)
            await asyncio.sleep(_TICK_SECONDS)

    def close(self) -> None:
        """Save for the last time, after all probes have ended."""
        if self._path:
            day = self._spending.committed
            self._note(day, self._saves.finish(partial(_problem_of_saving, self._path, day)))

    def _resume(self, path: Path) -> None:
        try:
            day = read_day(path)
        except SpendFileError as error:
            log.error(
                "today's spend is unknown: the budgets count as spent until midnight UTC;"
                " to undo this, stop the exporter and remove the file",
                error=str(error),
            )
            self._spending.exhaust()
            return
        if day:
            self._spending.resume(day)

    def _note(self, day: Day, problem: str | None) -> None:
        if problem is None:
            self._saved = day
        elif problem != self._problem:
            log.error("could not save the spend: a restart will lose it", error=problem)
        self._problem = problem
        self._series.gauge(families.BUDGET_STATE_SAVED).set(problem is None)

    def _show(self) -> None:
        spending, day = self._spending, self._spending.day
        self.shown = day
        limit = None if spending.limit is None else float(spending.limit)
        self._series.replace(families.BUDGET, [] if limit is None else [({}, limit)])
        self._series.gauge(families.BUDGET_SPENT).set(float(day.total_usd))
        limits = spending.target_limits
        spent = {name: day.usd.get(name, Decimal()) for name in limits}
        self._series.replace(families.TARGET_BUDGET, _by_target(limits))
        self._series.replace(families.TARGET_BUDGET_SPENT, _by_target(spent))


def _by_target(usd: Mapping[str, Decimal]) -> Iterator[LabelledValue]:
    for target, amount in usd.items():
        yield {"target": target}, float(amount)


def _problem_of_saving(path: Path, day: Day) -> str | None:
    try:
        write_day(path, day)
    except SpendFileError as error:
        return str(error)
    return None
