"""Configuration of pushing series, for exporters that Prometheus can't scrape."""

from __future__ import annotations

import socket

from pydantic import Field, field_validator

from exporter.config.names import header_mistakes
from exporter.settings.paths import FilePath
from exporter.settings.types import Duration, HeaderValue, HttpUrl, Model, raise_all


class Push(Model):
    """Every series, sent by OTLP over HTTP. Needs the extra ``push``."""

    endpoint: HttpUrl
    """The whole URL, as in ``http://prometheus:9090/api/v1/otlp/v1/metrics``."""
    interval: Duration = 30.0
    timeout: Duration = Field(default=10.0, le=60)
    """How long a push may take, its repetitions included."""
    headers: dict[str, HeaderValue] = Field(default={})
    """Further request headers; those that carry credentials must be secrets."""
    ca_file: FilePath | None = None
    """The only certificates to trust; the system's where not set."""
    job: str = Field(default="inference", min_length=1)
    """The label ``job`` of every series, which a scrape would give."""
    instance: str | None = Field(default=None, min_length=1)
    """The label ``instance`` of every series; the host's name where not set."""

    @field_validator("headers")
    @classmethod
    def _headers_can_be_sent(cls, headers: dict[str, HeaderValue]) -> dict[str, HeaderValue]:
        raise_all("headers", header_mistakes(headers))
        return headers

    @property
    def own_instance(self) -> str:
        """The label ``instance`` in force."""
        return self.instance or socket.gethostname()
