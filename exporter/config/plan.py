"""What follows from the configuration for one target and one probe, defaults filled in."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from exporter.config.target import Target
from exporter.kinds import Probe
from exporter.prices.price import Price
from exporter.providers import Dialect


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

    @property
    def dialect(self) -> Dialect[Any]:
        """How the target is asked what the probe asks."""
        return self.target.dialect(self.probe.kind)

    @property
    def key(self) -> tuple[str, str]:
        """What no two plans share."""
        return self.target.name, self.probe_name
