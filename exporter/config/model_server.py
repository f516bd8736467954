"""Configuration of models that aren't always ready: booting servers and models loaded on demand."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from exporter.settings.types import Duration, Model, UrlPath, raise_all

_IDLES_PER_CYCLE = 4


class ColdStart(Model):
    """Measures the model after idle time."""

    idle: Duration
    """How long to leave the target idle before a cold probe."""
    every: Duration | None = None
    """Time between two cold probes. Defaults to four times ``idle``."""
    group: str | None = Field(default=None, min_length=1, max_length=200)
    """Targets in the same group share a model server, so they are left idle together."""
    retry: Duration = 2.0
    """Time to wait before retrying a model that isn't ready."""
    limit: Duration = 600.0
    """How long a model can be not ready before the probe fails."""

    @model_validator(mode="after")
    def _leaves_time_for_warm_probes(self) -> Self:
        if self.every is not None and self.every <= self.idle:
            every = ValueError("must be longer than idle; in between, warm probes are sent")
            raise_all("ColdStart", [(("every",), every)])
        return self

    @property
    def every_seconds(self) -> float:
        return self.every or _IDLES_PER_CYCLE * self.idle


class WatchedBoot(Model):
    """Watches a model server from the first refused connection to the first token."""

    health_path: UrlPath = "/health"
    """A path that returns success when the server is healthy."""
    models_path: UrlPath = "/v1/models"
    """A path that lists the loaded models."""
    poll: Duration = 1.0
    """Time between two checks of the server."""
    limit: Duration = 900.0
    """How long a boot can take before it is a failure."""
