"""Runs probes, interprets their results, and notifies all observers."""

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
from exporter.probing.requested_waits import RequestedWaits

log = structlog.get_logger(__name__)

Observer = Callable[[Observation], None]
Probing = Callable[[Plan], Awaitable[Observation]]
"""Runs one probe of a plan, and returns the observation."""
Judge = Callable[[Observation], Observation | None]
"""Decides whether the model was cold. ``None`` means that observers aren't notified, because a
later probe replaces this one."""


class NotProbed(Exception):
    """A probe wasn't sent."""


class StandsBy(NotProbed):
    """Not probed: another exporter is the leader."""


class OverBudget(NotProbed):
    """Not probed: the probe could exceed a budget. ``str`` says which."""


class Hold(Protocol):
    """Money reserved for one probe."""

    def ended(self, charged_usd: Decimal) -> None:
        """Record the cost after the probe. Without this call, the worst case counts."""
        ...

    def not_sent(self) -> None:
        """Release the money, because nothing was sent."""
        ...


class Purse(Protocol):
    """The budgets."""

    def affords(self, plan: Plan) -> bool:
        """Return whether a probe of this plan is certain to stay within the budgets."""
        ...

    def hold(self, plan: Plan) -> AbstractContextManager[Hold]:
        """Reserve what a probe can cost, until its cost is known.

        :raises OverBudget: the budget isn't large enough.
        """
        ...


def _as_it_is(observation: Observation) -> Observation:
    return observation


class _PlanState:
    """The state of a plan between probes: its position in its texts, its target's connections, and
    a lock so that it never overlaps itself."""

    def __init__(self, plan: Plan, usable: dict[str, Connections]) -> None:
        """Create the state.

        :param usable: connections by the name of their target, which all of its plans share.
        """
        self.plan = plan
        self.connections = _connections(plan.target, usable)
        self.lock = asyncio.Lock()
        self.texts: Iterator[str] = cycle(plan.probe.texts)

    def with_plan(self, plan: Plan, usable: dict[str, Connections]) -> _PlanState:
        """Return the state for new settings. It still waits for its own running probe."""
        state = _PlanState(plan, usable)
        state.lock = self.lock
        if plan.probe == self.plan.probe:
            state.texts = self.texts
        return state


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
    """Runs probes of the active plans within the budgets. All observers get each interpreted
    result."""

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
        """Whether this exporter is currently the leader."""
        self.waits = RequestedWaits()
        self._states: dict[Identity, _PlanState] = {}
        self._in_flight: set[asyncio.Task[Observation]] = set()
        self._retiring: set[asyncio.Task[None]] = set()

    @property
    def in_flight(self) -> int:
        """How many probes are running."""
        return len(self._in_flight)

    def apply(self, change: PlanChange) -> None:
        """Apply the active plans.

        An unchanged target keeps its connections. Connections of the others close when no probe
        uses them anymore.
        """
        before = {state.connections for state in self._states.values()}
        usable = {connections.target.name: connections for connections in before}
        self._states = change.carry(self._states, lambda plan: _PlanState(plan, usable))
        for plan in change.changed:
            self._states[plan.identity] = self._states[plan.identity].with_plan(plan, usable)
        in_use = {state.connections for state in self._states.values()}
        for gone in before - in_use:
            task = asyncio.create_task(gone.retire())
            self._retiring.add(task)
            task.add_done_callback(self._retiring.discard)

    def is_busy(self, plan: Plan) -> bool:
        """Return whether a probe of this plan is running."""
        return self._states[plan.identity].lock.locked()

    def affords(self, plan: Plan) -> bool:
        """Return whether a probe of this plan is certain to stay within the budgets."""
        return self._purse.affords(plan)

    async def probe(
        self, plan: Plan, judge: Judge = _as_it_is, occasion: Occasion = Occasion.USUAL
    ) -> Observation:
        """Probe once, after any running probe of the same plan.

        The probe continues even if the caller is canceled, so everything that was sent is counted.

        :param judge: interprets the result before observers get it.
        :raises KeyError: the plan isn't active.
        :raises NotProbed: the probe could exceed a budget, or another exporter is the leader.
        """
        if not self.may_probe():
            raise StandsBy
        state = self._states[plan.identity]
        asking = self._ask(plan, state, self._purse.hold(plan), occasion)
        task = asyncio.create_task(self._tell(asking, judge))
        self._in_flight.add(task)
        task.add_done_callback(self._in_flight.discard)
        return await asyncio.shield(task)

    async def _ask(
        self, plan: Plan, state: _PlanState, held: AbstractContextManager[Hold], why: Occasion
    ) -> Observation:
        with held as hold:
            async with state.lock:
                if not self.may_probe():  # this may have changed in the meantime
                    hold.not_sent()
                    raise StandsBy
                text = next(state.texts)
                result = await run_probe(plan, text, state.connections)
            self.waits.note(plan, result)
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
        """Wait for running probes during the grace time, then cancel them, and close everything."""
        if self._in_flight:
            await asyncio.wait(self._in_flight, timeout=grace_seconds)
        for task in self._in_flight:
            task.cancel()
        await asyncio.gather(*self._in_flight, *self._retiring, return_exceptions=True)
        for state in self._states.values():
            await state.connections.retire()
