"""The plan for one target and one probe, and how a new configuration changes the plans."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from exporter.config.output_limit import most_output_tokens
from exporter.config.slo import Objective, time_to_first_token
from exporter.config.target import Target
from exporter.kinds import Probe
from exporter.prices.price import Price
from exporter.providers import Dialect

Identity = tuple[str, ...]
State = TypeVar("State")


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The effective timeouts of one probe, in seconds. Only ``total`` is always set."""

    total: float
    connect: float | None = None
    first_token: float | None = None
    stall: float | None = None


_GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True, slots=True)
class Phase:
    """When a plan is due within its interval.

    Random phases clump: of 2,000 plans, some seconds get a tenth more than one core can read. So
    each phase is the one before it plus the golden ratio. The distances between neighbors then have
    at most three values (the three-gap theorem), for any number of plans, if no place is free.
    """

    origin: float = 0.0
    """The first phase of all plans with this interval. It differs between exporters whose first
    targets have different names."""
    place: int = 0

    @property
    def part(self) -> float:
        """The part of the interval that passes before the plan is due, from 0 up to 1. Intervals
        are counted from the beginning of Unix time."""
        return (self.origin + self.place * _GOLDEN) % 1


@dataclass(frozen=True, slots=True)
class Plan:
    """One target and one of its probes, with defaults filled in.

    The scheduler schedules plans, and a probe runs one.
    """

    target: Target
    probe_name: str
    probe: Probe
    interval_seconds: float
    timeouts: Timeouts
    fresh_connection: bool
    max_uncertainty_seconds: float = math.inf
    price: Price | None = None
    """``None`` if the price is unknown."""
    confirm: bool = False
    """Whether to probe again soon if the latest probes suggest a change."""
    phase: Phase = Phase()

    @property
    def dialect(self) -> Dialect[Any]:
        """The dialect of the target for this kind of probe."""
        return self.target.dialect(self.probe.kind)

    @property
    def key(self) -> tuple[str, str]:
        """The names of target and probe, unique in a configuration."""
        return self.target.name, self.probe_name

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """The target's objectives that probes of this kind can meet or miss. Only streamed answers
        have a first token."""
        slo = self.target.slo
        return tuple(
            objective
            for objective in (slo.objectives() if slo else ())
            if self.probe.streams or objective.measure is not time_to_first_token
        )

    @property
    def output_tokens(self) -> int:
        """The most output tokens of one probe, if ``extra_body`` doesn't remove the limit."""
        size, rounds = self.probe.size, self.probe.rounds
        if size is None:
            return 0
        return rounds * most_output_tokens(size.output_tokens // rounds, self.target.extra_body)

    @property
    def asked(self) -> Identity:
        """The target's name, model and endpoint.

        Another model or endpoint under the same name has a separate history.
        """
        target = self.target
        return target.name, target.provider, target.model, target.endpoint

    @property
    def identity(self) -> Identity:
        """The identity of the plan's history. Plans with the same identity share one history."""
        return *self.asked, self.probe_name, self.probe.kind


@dataclass(frozen=True, slots=True)
class PlanChange:
    """The difference between the old and the new plans.

    It is computed once and passed to every component that keeps state for each plan.
    """

    plans: tuple[Plan, ...]
    """All new plans, in the order of the configuration."""
    added: tuple[Plan, ...]
    """Plans without a history, such as a target that now uses another model."""
    kept: tuple[Plan, ...]
    """Unchanged plans."""
    changed: tuple[Plan, ...]
    """Plans with new settings that keep their history."""
    gone: tuple[Plan, ...]
    """Removed plans, with their old settings."""

    @classmethod
    def between(cls, before: Iterable[Plan], after: Iterable[Plan]) -> Self:
        """Compute the difference between two sets of plans."""
        old = {plan.identity: plan for plan in before}
        new = {plan.identity: plan for plan in after}
        stayed = [plan for identity, plan in new.items() if identity in old]
        return cls(
            plans=tuple(new.values()),
            added=tuple(plan for identity, plan in new.items() if identity not in old),
            kept=tuple(plan for plan in stayed if plan == old[plan.identity]),
            changed=tuple(plan for plan in stayed if plan != old[plan.identity]),
            gone=tuple(plan for identity, plan in old.items() if identity not in new),
        )

    def carry(
        self, states: Mapping[Identity, State], new: Callable[[Plan], State]
    ) -> dict[Identity, State]:
        """Return the state of each plan by its identity: the existing one, or a new one."""
        return {
            plan.identity: states[plan.identity] if plan.identity in states else new(plan)
            for plan in self.plans
        }
