"""Carries out plans and tells everybody who listens what came of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from itertools import cycle

import structlog

from exporter.budget.spending import Hold, Spending
from exporter.config.plan import Plan
from exporter.net.transport import Connections
from exporter.probing.probe import run_probe
from exporter.result import ProbeResult

log = structlog.get_logger(__name__)

Listener = Callable[[ProbeResult], None]
Judge = Callable[[Plan, ProbeResult], ProbeResult | None]
"""What is to be told of a result; ``None``: nothing, since it is not the last of its kind."""


def _as_it_is(_plan: Plan, result: ProbeResult) -> ProbeResult:
    return result


class StandsBy(Exception):
    """Not probed: another exporter is the one that probes."""


class _Standing:
    """What a plan needs beyond one probe: its place in its texts, its target's connections,
    and a lock, so that it never overlaps itself."""

    def __init__(self, plan: Plan, connections: Connections, lock: asyncio.Lock) -> None:
        self.plan = plan
        self.connections = connections
        self.lock = lock
        self.texts: Iterator[str] = cycle(plan.probe.texts)


def _tell(listener: Listener, result: ProbeResult) -> None:
    try:
        listener(result)
    except Exception:
        log.exception("a result could not be recorded", target=result.target)


class Prober:
    """Runs probes of the plans that it was given, as far as the budgets go; each result, judged,
    goes to every listener."""

    def __init__(
        self,
        listeners: Iterable[Listener],
        *,
        spending: Spending | None = None,
        judge: Judge = _as_it_is,
        may_probe: Callable[[], bool] = lambda: True,
    ) -> None:
        self._listeners = tuple(listeners)
        self._spending = spending or Spending()
        self._judge = judge
        self.may_probe = may_probe
        """Whether this exporter is the one that probes, at this very moment."""
        self._standing: dict[tuple[str, str], _Standing] = {}
        self._in_flight: set[asyncio.Task[ProbeResult]] = set()

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
        return self._spending.affords(plan)

    async def probe(self, plan: Plan, judge: Judge | None = None) -> ProbeResult:
        """Ask once, after any probe of the same plan that is under way.

        :param judge: judges the result instead of the usual one.

        The probe goes on even if the caller is cancelled: what was sent is always counted.

        :raises KeyError: the plan is none of those taken over.
        :raises OverBudget: it could pass a budget.
        :raises StandsBy: another exporter is the one that probes.
        """
        if not self.may_probe():
            raise StandsBy
        standing = self._standing[plan.key]
        probing = self._probe(plan, standing, self._spending.hold(plan), judge or self._judge)
        task = asyncio.create_task(probing)
        self._in_flight.add(task)
        task.add_done_callback(self._in_flight.discard)
        return await asyncio.shield(task)

    async def _probe(
        self, plan: Plan, standing: _Standing, hold: Hold, judge: Judge
    ) -> ProbeResult:
        with hold:
            async with standing.lock:
                if not self.may_probe():  # that may have ended while it waited
                    hold.not_sent()
                    raise StandsBy
                text = next(standing.texts)
                result = await run_probe(plan, text, standing.connections)
            hold.ended(result)
        judged = judge(plan, result)
        if judged is None:
            return result
        for listener in self._listeners:
            _tell(listener, judged)
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
