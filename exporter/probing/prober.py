"""Carries out plans, judges what came of them, and tells everybody who listens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from decimal import Decimal
from itertools import cycle
from typing import Protocol

import structlog

from exporter.config.plan import Plan
from exporter.net.transport import Connections
from exporter.observation import Observation, observed
from exporter.probing.probe import run_probe

log = structlog.get_logger(__name__)

Observer = Callable[[Observation], None]
Judge = Callable[[Observation], Observation | None]
"""Tells whether the model was cold; ``None``: nobody is told of this one, since it is not the last
of its kind."""


class NotProbed(Exception):
    """A probe was not sent."""


class StandsBy(NotProbed):
    """Not probed: another exporter is the one that probes."""


class OverBudget(NotProbed):
    """Not probed: it could pass a budget; ``str`` says which."""


class Hold(Protocol):
    """Money held back for one probe."""

    def ended(self, charged_usd: Decimal) -> None:
        """The probe is over and is taken to have cost this much. Without this word it counts as
        the worst case."""
        ...

    def not_sent(self) -> None:
        """Nothing was asked after all, and nothing will be."""
        ...


class Purse(Protocol):
    """What may be spent."""

    def affords(self, plan: Plan) -> bool:
        """Whether a probe of this plan is certain to stay within the budgets."""
        ...

    def hold(self, plan: Plan) -> AbstractContextManager[Hold]:
        """Hold back what a probe can cost, until it is settled.

        :raises OverBudget: so much is not left.
        """
        ...


def _as_it_is(observation: Observation) -> Observation:
    return observation


class _Standing:
    """What a plan needs beyond one probe: its place in its texts, its target's connections,
    and a lock, so that it never overlaps itself."""

    def __init__(self, plan: Plan, connections: Connections, lock: asyncio.Lock) -> None:
        self.plan = plan
        self.connections = connections
        self.lock = lock
        self.texts: Iterator[str] = cycle(plan.probe.texts)


def _tell(observer: Observer, observation: Observation) -> None:
    try:
        observer(observation)
    except Exception:
        log.exception("a result could not be recorded", target=observation.result.target)


class Prober:
    """Runs probes of the plans that it was given, as far as the budgets go; each result, judged,
    goes to every observer."""

    def __init__(
        self,
        observers: Iterable[Observer],
        *,
        purse: Purse,
        judge: Judge = _as_it_is,
        may_probe: Callable[[], bool] = lambda: True,
    ) -> None:
        self._observers = tuple(observers)
        self._purse = purse
        self._judge = judge
        self.may_probe = may_probe
        """Whether this exporter is the one that probes, at this very moment."""
        self._standing: dict[tuple[str, str], _Standing] = {}
        self._in_flight: set[asyncio.Task[Observation]] = set()

    @property
    def in_flight(self) -> int:
        """How many probes are under way."""
        return len(self._in_flight)

    async def apply(self, plans: Iterable[Plan]) -> None:
        """Take over these plans. A target that stays as it was keeps its connections; those of
        the others are closed as soon as no probe uses them."""
        before, self._standing = self._standing, {}
        kept = {s.plan.target.name: s.connections for s in before.values()}
        for plan in plans:
            name = plan.target.name
            if name not in kept or kept[name].target != plan.target:
                kept[name] = Connections(plan.target)
            old = before.get(plan.key)
            if old is None or old.plan != plan:
                lock = old.lock if old else asyncio.Lock()
                old = _Standing(plan, kept[name], lock)
            self._standing[plan.key] = old
        in_use = {s.connections for s in self._standing.values()}
        for gone in {s.connections for s in before.values()} - in_use:
            await gone.retire()

    def is_busy(self, plan: Plan) -> bool:
        """Whether a probe of this plan is under way."""
        return self._standing[plan.key].lock.locked()

    def affords(self, plan: Plan) -> bool:
        """Whether a probe of this plan is certain to stay within the budgets."""
        return self._purse.affords(plan)

    async def probe(self, plan: Plan, judge: Judge | None = None) -> Observation:
        """Ask once, after any probe of the same plan that is under way.

        :param judge: judges the result instead of the usual one.

        The probe goes on even if the caller is cancelled: what was sent is always counted.

        :raises KeyError: the plan is none of those taken over.
        :raises NotProbed: it could pass a budget, or another exporter is the one that probes.
        """
        if not self.may_probe():
            raise StandsBy
        standing = self._standing[plan.key]
        probing = self._probe(plan, standing, self._purse.hold(plan), judge or self._judge)
        task = asyncio.create_task(probing)
        self._in_flight.add(task)
        task.add_done_callback(self._in_flight.discard)
        return await asyncio.shield(task)

    async def _probe(
        self, plan: Plan, standing: _Standing, held: AbstractContextManager[Hold], judge: Judge
    ) -> Observation:
        with held as hold:
            async with standing.lock:
                if not self.may_probe():  # that may have ended while it waited
                    hold.not_sent()
                    raise StandsBy
                text = next(standing.texts)
                result = await run_probe(plan, text, standing.connections)
            observation = observed(plan, result)
            hold.ended(observation.cost.charged_usd)
        judged = judge(observation)
        if judged is None:
            return observation
        for observer in self._observers:
            _tell(observer, judged)
        return judged

    async def aclose(self, grace_seconds: float) -> None:
        """Let running probes end within the grace time, then end them, and close everything."""
        if self._in_flight:
            await asyncio.wait(self._in_flight, timeout=grace_seconds)
        for task in self._in_flight:
            task.cancel()
        await asyncio.gather(*self._in_flight, return_exceptions=True)
        for standing in self._standing.values():
            await standing.connections.retire()
