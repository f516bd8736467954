"""Configuration of pushing series, for exporters that Prometheus can't scrape."""

from __future__ import annotations

import socket

from pydantic import Field, field_validator

from exporter.config.names import header_mistakes
from exporter.settings.paths import FilePath
from exporter.settings.types import Duration, HeaderValue, HttpUrl, Model, raise_all


class Push(Model):
    """Pushes every series by OTLP over HTTP. Needs the extra ``push``."""

    endpoint: HttpUrl
    """The full URL, such as ``http://prometheus:9090/api/v1/otlp/v1/metrics``."""
    interval: Duration = 30.0
    """Time between two pushes."""
    timeout: Duration = Field(default=10.0, le=60)
    """Timeout of a push, retries included."""
    headers: dict[str, HeaderValue] = Field(default={})
    """Extra request headers. A header that carries credentials must be a secret."""
    ca_file: FilePath | None = None
    """PEM file of the only certificate authorities to trust. Defaults to the system's."""
    job: str = Field(default="inference", min_length=1)
    """The label ``job`` of every series, which Prometheus would add in a scrape."""
    instance: str | None = Field(default=None, min_length=1)
    """The label ``instance`` of every series. Defaults to the host name."""

    @field_validator("headers")
    @classmethod
    def _headers_can_be_sent(cls, headers: dict[str, HeaderValue]) -> dict[str, HeaderValue]:
        raise_all("headers", header_mistakes(headers))
        return headers

    @property
    def own_instance(self) -> str:
        """The effective label ``instance``."""
        return self.instance or socket.gethostname()
