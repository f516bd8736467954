"""Sources of the configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from exporter.cluster.cloud import Located
from exporter.cluster.discovery import Discovery
from exporter.cluster.sharding import Shard
from exporter.config.kubernetes import Kubernetes
from exporter.config.loading import config_file
from exporter.config.root import Config
from exporter.metrics import exporter_families as families
from exporter.metrics.series import Series
from exporter.prices.settings import Budget


class ConfigSource(Protocol):
    """Loads the configuration, any number of times."""

    def load(self) -> Config:
        """Load the current configuration.

        :raises ConfigError: it has errors.
        """
        ...

    def fingerprint(self) -> object:
        """A value that changes when the configuration might have changed."""
        ...

    def report(self, series: Series) -> None:
        """Set the metrics about the source of the configuration."""
        ...


class FileSource:
    """A configuration file, the files that it names, and the targets that discovery finds.

    Limited to one shard, which has its own leader election and its own share of the budget.
    """

    def __init__(self, path: Path, shard: Shard = Shard()) -> None:  # noqa: B008  it is frozen
        self._path = path
        self._shard = shard
        self._discovery = Discovery()
        self._located = Located()

    def load(self) -> Config:
        config = self._discovery.with_targets_found(config_file.load(self._path))
        owned = tuple(target for target in config.targets if self._shard.owns(target.server))
        own = {
            "targets": owned,
            "kubernetes": self._with_own_lease(config),
            "budget": self._part_of(config.budget),
            "location": self._located(config.location),
        }
        # An updated key counts as set, and the configuration page shows it.
        changed = {name: value for name, value in own.items() if value != getattr(config, name)}
        return config.model_copy(update=changed)

    def _with_own_lease(self, config: Config) -> Kubernetes:
        """The settings with the shard's Lease, if it elects a leader."""
        settings = config.kubernetes
        if config.leader_election is None:
            return settings
        return settings.model_copy(update={"lease": self._shard.own(settings.lease)})

    def _part_of(self, whole: Budget) -> Budget:
        """The shard's share of a budget, and its own file to save what it spent."""
        usd, file = whole.usd_per_day, whole.state_file
        part = {
            "usd_per_day": usd and usd / self._shard.count,
            "state_file": file and file.with_stem(self._shard.own(file.stem)),
        }
        return whole.model_copy(update=part)

    def fingerprint(self) -> object:
        return config_file.fingerprint(self._path), self._discovery.fingerprint()

    def report(self, series: Series) -> None:
        """Set the metrics about the source of the configuration."""
        if self._shard.count > 1:
            series.gauge(families.SHARDS, shard=str(self._shard.index)).set(self._shard.count)
        self._discovery.report(series)
