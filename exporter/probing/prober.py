"""Runs plans, judges the results, and passes them to the observers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from decimal import Decimal
from itertools import cycle
from typing import Protocol

import structlog

from exporter.config.plan import Identity, Plan, PlanChange
from exporter.config.target import Target
from exporter.net.transport import Connections
from exporter.observation import Observation, Occasion, observed
from exporter.probing.probe import run_probe

log = structlog.get_logger(__name__)

Observer = Callable[[Observation], None]
Probing = Callable[[Plan], Awaitable[Observation]]
"""Runs a plan once, and returns the observation."""
Judge = Callable[[Observation], Observation | None]
"""Decides whether the model was cold. If it returns ``None``, the observation isn't passed on,
because it isn't the last of its kind."""


class NotProbed(Exception):
    """A probe was not sent."""


class StandsBy(NotProbed):
    """Not probed: another exporter does the probing."""


class OverBudget(NotProbed):
    """Not probed: it could exceed a budget; ``str`` says which."""


class Hold(Protocol):
    """Money reserved for one probe."""

    def ended(self, charged_usd: Decimal) -> None:
        """The probe is over and cost this much. Without this call, it counts as the worst case."""
        ...

    def not_sent(self) -> None:
        """No request was sent after all, and none will be."""
        ...


class Purse(Protocol):
    """The money that may be spent."""

    def affords(self, plan: Plan) -> bool:
        """Whether a probe of this plan is certain to stay within the budgets."""
        ...

    def hold(self, plan: Plan) -> AbstractContextManager[Hold]:
        """Reserve what a probe can cost, until it is settled.

        :raises OverBudget: there isn't that much left.
        """
        ...


def _as_it_is(observation: Observation) -> Observation:
    return observation


class _Standing:
    """What a plan keeps between probes: its next text, its target's connections, and a lock that
    keeps it from overlapping itself."""

    def __init__(self, plan: Plan, usable: dict[str, Connections]) -> None:
        """:param usable: connections by target name. All plans of a target share them."""
        self.plan = plan
        self.connections = _connections(plan.target, usable)
        self.lock = asyncio.Lock()
        self.texts: Iterator[str] = cycle(plan.probe.texts)

    def with_plan(self, plan: Plan, usable: dict[str, Connections]) -> _Standing:
        """The same for new settings. It still waits for the plan's running probe."""
        standing = _Standing(plan, usable)
        standing.lock = self.lock
        if plan.probe == self.plan.probe:
            standing.texts = self.texts
        return standing


def _connections(target: Target, usable: dict[str, Connections]) -> Connections:
    found = usable.get(target.name)
    if found is None or found.target != target:
        found = usable[target.name] = Connections(target)
    return found


def _tell_one(observer: Observer, observation: Observation) -> None:
    try:
        observer(observation)
    except Exception:
        log.exception("a result could not be recorded", target=observation.result.target)


class Prober:
    """Runs probes of the plans in force, within the budgets. Each result is judged, and goes to
    every observer."""

    def __init__(
        self,
        observers: Iterable[Observer],
        *,
        purse: Purse,
        may_probe: Callable[[], bool] = lambda: True,
    ) -> None:
        self._observers = tuple(observers)
        self._purse = purse
        self.may_probe = may_probe
        """Whether this exporter is the one that probes right now."""
        self._standing: dict[Identity, _Standing] = {}
        self._in_flight: set[asyncio.Task[Observation]] = set()
        self._retiring: set[asyncio.Task[None]] = set()

    @property
    def in_flight(self) -> int:
        """How many probes are under way."""
        return len(self._in_flight)

    def apply(self, change: PlanChange) -> None:
        """Take over the plans in force. A target that didn't change keeps its connections. Those of
        other targets are closed as soon as no probe uses them."""
        before = {standing.connections for standing in self._standing.values()}
        usable = {connections.target.name: connections for connections in before}
        self._standing = change.carry(self._standing, lambda plan: _Standing(plan, usable))
        for plan in change.changed:
            self._standing[plan.identity] = self._standing[plan.identity].with_plan(plan, usable)
        in_use = {standing.connections for standing in self._standing.values()}
        for gone in before - in_use:
            task = asyncio.create_task(gone.retire())
            self._retiring.add(task)
            task.add_done_callback(self._retiring.discard)

    def is_busy(self, plan: Plan) -> bool:
        """Whether a probe of this plan is under way."""
        return self._standing[plan.identity].lock.locked()

    def affords(self, plan: Plan) -> bool:
        """Whether a probe of this plan is certain to stay within the budgets."""
        return self._purse.affords(plan)

    async def probe(
        self, plan: Plan, judge: Judge = _as_it_is, occasion: Occasion = Occasion.USUAL
    ) -> Observation:
        """Probe once, after any probe of the same plan that is under way.

        :param judge: sees the result before the observers do.

        The probe goes on even if the caller is cancelled, because every request that was sent is
        counted.

        :raises KeyError: the plan isn't in force.
        :raises NotProbed: it could exceed a budget, or another exporter does the probing.
        """
        if not self.may_probe():
            raise StandsBy
        standing = self._standing[plan.identity]
        asking = self._ask(plan, standing, self._purse.hold(plan), occasion)
        task = asyncio.create_task(self._tell(asking, judge))
        self._in_flight.add(task)
        task.add_done_callback(self._in_flight.discard)
        return await asyncio.shield(task)

    async def _ask(
        self, plan: Plan, standing: _Standing, held: AbstractContextManager[Hold], why: Occasion
    ) -> Observation:
        with held as hold:
            async with standing.lock:
                if not self.may_probe():  # that may have ended while it waited
                    hold.not_sent()
                    raise StandsBy
                text = next(standing.texts)
                result = await run_probe(plan, text, standing.connections)
            observation = observed(plan, result, why)
            hold.ended(observation.cost.charged_usd)
            return observation

    async def _tell(self, asking: Awaitable[Observation], judge: Judge) -> Observation:
        observation = await asking
        judged = judge(observation)
        if judged is None:
            return observation
        for observer in self._observers:
            _tell_one(observer, judged)
        return judged

    async def aclose(self, grace_seconds: float) -> None:
        """Give running probes the grace time to end, then cancel them, and close everything."""
        if self._in_flight:
            await asyncio.wait(self._in_flight, timeout=grace_seconds)
        for task in self._in_flight:
            task.cancel()
        await asyncio.gather(*self._in_flight, *self._retiring, return_exceptions=True)
        for standing in self._standing.values():
            await standing.connections.retire()
