"""Configuration of the exporter's own HTTP server."""

from __future__ import annotations

import re

from pydantic import Field, field_validator

from exporter.settings.paths import FilePath
from exporter.settings.types import HttpUrl, Model
from exporter.settings.url import http_url

RUNBOOK_URL = "https://github.com/inference-exporter/inference-exporter/blob/main/docs/runbooks"


class Web(Model):
    """The exporter's own HTTP server."""

    listen: str = "0.0.0.0:9850"
    """``HOST:PORT``. Put an IPv6 address in brackets."""
    config_file: FilePath | None = None
    """TLS and basic authentication, in the format of the Prometheus exporter-toolkit."""
    enable_lifecycle: bool = False
    """Enables ``POST /-/reload``."""

    enable_probe: bool = True
    """Enables ``/probe``. Each of these probes costs tokens."""
    grafana_url: HttpUrl | None = None
    """URL of the Grafana server that has the dashboards. The status pages link to it."""
    runbook_url: HttpUrl = RUNBOOK_URL
    """URL of the runbooks. The status pages link to them."""
    max_connections: int = Field(default=128, ge=4, le=10_000)
    """Maximum number of connections, and never more than a quarter of the file descriptors. When
    the limit is reached, a new connection replaces the one that has been idle longest."""

    @field_validator("listen")
    @classmethod
    def _is_an_address(cls, listen: str) -> str:
        match = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^:\[\]]*):([0-9]{1,5})", listen)
        if not match or int(match[2]) > 65535:
            raise ValueError(f"{listen!r} is not HOST:PORT")
        if match[1]:
            http_url(f"http://{match[1]}")
        return listen

    @property
    def host_and_port(self) -> tuple[str, int]:
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]") or "0.0.0.0", int(port)
