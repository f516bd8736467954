"""What the web server sees of the exporter."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from exporter.config.root import Config
from exporter.metrics.registry import Metrics
from exporter.observation import Observation
from exporter.site.status import Status


@dataclass(frozen=True, slots=True)
class Spent:
    """What probing has cost since midnight UTC, in USD."""

    usd: float = 0.0
    limit_usd: float | None = None
    """The daily budget of all targets together."""
    by_target: Mapping[str, float] = field(default_factory=dict)
    target_limits: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Condition:
    """The state of the exporter itself."""

    started_at: float = 0.0
    """Unix seconds."""
    stands_by: bool = False
    """Whether another exporter probes."""
    leader: str | None = None
    """The host name of the leader; ``None`` without an election."""
    config_loaded_at: float = 0.0
    """When the active configuration was loaded, Unix seconds."""
    config_error: str | None = None
    """Why a newer configuration was rejected; ``None`` if none was."""
    spent: Spent = field(default_factory=Spent)
    probes_in_flight: int = 0
    config: Config = field(default_factory=Config)


class Backend(Protocol):
    """The state to show. The coroutines run on ``loop``, the probing loop."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop: ...

    @property
    def metrics(self) -> Metrics: ...

    @property
    def status(self) -> Status: ...

    @property
    def condition(self) -> Condition: ...

    @property
    def ready(self) -> bool:
        """Whether targets are being probed: false while starting and stopping."""
        ...

    @property
    def lifecycle_enabled(self) -> bool: ...

    async def probe_target(self, name: str) -> tuple[Observation, ...]:
        """Probe one configured target now, with all its probes.

        :raises KeyError: no target has this name.
        :raises OverBudget: the probes could exceed a budget.
        """
        ...

    async def reload(self) -> None:
        """Reload the configuration.

        :raises ConfigError: it has errors; nothing has changed.
        """
        ...
