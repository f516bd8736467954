"""A source of configurations that is slow once the exporter runs."""

from __future__ import annotations

import threading

from exporter.config.root import Config
from exporter.metrics.series import Series

PATIENCE_SECONDS = 20


class SlowSource:
    """Returns the first configuration at once. Every later load waits until it may go on."""

    def __init__(self, first: Config, later: Config) -> None:
        self._first, self._later = first, later
        self.loaded = 0
        self.loading, self.may_load = threading.Event(), threading.Event()
        self.mistake: Exception | None = None
        """What later loads raise."""

    def load(self) -> Config:
        self.loaded += 1
        if self.loaded == 1:
            return self._first
        self.loading.set()
        assert self.may_load.wait(PATIENCE_SECONDS)
        if self.mistake:
            raise self.mistake
        return self._later

    def fingerprint(self) -> object:
        return None

    def report(self, _series: Series) -> None:
        """Do nothing, because there is nothing to report."""
