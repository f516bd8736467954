"""Configuration of controls, which check the exporter's own network."""

from __future__ import annotations

from pydantic import Field

from exporter.config.connection import TlsSettings
from exporter.settings.types import Duration, HttpUrl, Model


class Control(Model):
    """A page that is almost always up.

    If the exporter can't reach it either, the exporter's own network is at fault, not the targets.
    """

    name: str = Field(min_length=1, max_length=200)
    url: HttpUrl
    """A cheap page. Any HTTP status counts as reachable."""
    interval: Duration = 30.0
    timeout: Duration = 5.0
    tls: TlsSettings = TlsSettings()
