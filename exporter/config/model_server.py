"""Configuration of models that are not always available: servers that boot, models that load on
demand."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from exporter.settings.types import Duration, Model, UrlPath, raise_all

_IDLES_PER_CYCLE = 4


class ColdStart(Model):
    """Measure the model after idleness."""

    idle: Duration
    """How long the target is left alone before a cold probe."""
    every: Duration | None = None
    """How often that is done; four times ``idle`` where not set."""
    group: str | None = Field(default=None, min_length=1, max_length=200)
    """Targets with the same group share a model server: they are left alone together."""
    retry: Duration = 2.0
    """How long to wait before a model that is not ready is asked again."""
    limit: Duration = 600.0
    """How long a model may be not ready before that is a failure."""

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
    """Watch the server of a model from the first refused connection to the first token."""

    health_path: UrlPath = "/health"
    """Answers with success once the server is healthy."""
    models_path: UrlPath = "/v1/models"
    """Lists the models that the server has loaded."""
    poll: Duration = 1.0
    """How often the server is looked at."""
    limit: Duration = 900.0
    """How long a boot may take before it is a failure."""
