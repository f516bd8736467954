"""The plan for one target and one probe, with defaults filled in, and the changes that a new
configuration makes to the plans."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from exporter.config.target import Target
from exporter.kinds import Probe
from exporter.prices.price import Price
from exporter.providers import Dialect

Identity = tuple[str, ...]
State = TypeVar("State")


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Bounds in force for one probe, in seconds; only ``total`` always exists."""

    total: float
    connect: float | None = None
    first_token: float | None = None
    stall: float | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """One target and one probe to ask it: what the scheduler schedules and a probe carries out."""

    target: Target
    probe_name: str
    probe: Probe
    interval_seconds: float
    timeouts: Timeouts
    fresh_connection: bool
    max_uncertainty_seconds: float = math.inf
    price: Price | None = None
    """``None`` where it is not known."""
    confirm: bool = False
    """Whether it is asked again soon when something seems to have changed."""

    @property
    def dialect(self) -> Dialect[Any]:
        """How the target is asked what the probe asks."""
        return self.target.dialect(self.probe.kind)

    @property
    def key(self) -> tuple[str, str]:
        """What no two plans of a configuration share: their place in time and in what is shown."""
        return self.target.name, self.probe_name

    @property
    def asked(self) -> Identity:
        """Identifies the model and endpoint. Another model or endpoint under the same name has a
        separate history."""
        target = self.target
        return target.name, target.provider, target.model, target.endpoint

    @property
    def identity(self) -> Identity:
        """Two plans with the same identity have the same past; any others have none in common."""
        return *self.asked, self.probe_name, self.probe.kind


@dataclass(frozen=True, slots=True)
class PlanChange:
    """What changes between the plans in force and those that take their place.

    It is worked out once, and given to everybody who keeps something for each plan.
    """

    plans: tuple[Plan, ...]
    """All that are in force from now on, in the order of the configuration."""
    added: tuple[Plan, ...]
    """Those without a past; one that now asks another model among them."""
    kept: tuple[Plan, ...]
    """Those that stay as they are."""
    changed: tuple[Plan, ...]
    """Those whose past stays, with their new settings."""
    gone: tuple[Plan, ...]
    """Those that are in force no more, as they were."""

    @classmethod
    def between(cls, before: Iterable[Plan], after: Iterable[Plan]) -> Self:
        """The change from some plans to others."""
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
        """What is kept for each plan by its identity: what there was, or something new."""
        return {
            plan.identity: states[plan.identity] if plan.identity in states else new(plan)
            for plan in self.plans
        }
