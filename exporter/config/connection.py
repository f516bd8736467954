"""Configuration of the connection to a target."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from exporter.settings.paths import FilePath
from exporter.settings.types import Duration, Model

Connection = Literal["reuse", "fresh"]


class TimeoutOverrides(Model):
    """Bounds on the parts of a probe; what is not set is bounded by ``timeout`` alone."""

    connect: Duration | None = None
    """Opening a connection: DNS, TCP and TLS together."""
    first_token: Duration | None = None
    """From the last byte sent to the first output."""
    stall: Duration | None = None
    """Between two pieces of output, and from the last one to the end of the stream."""
    total: Duration | None = None
    """The whole probe; the same as ``timeout``, and stronger than it."""


class TlsSettings(Model):
    """How a target's certificate is verified; verification cannot be turned off."""

    ca_file: FilePath | None = None
    """Certificates to trust beside the system's."""
    cert_file: FilePath | None = None
    """Client certificate chain, PEM."""
    key_file: FilePath | None = None
    """Private key of ``cert_file``, PEM."""

    @model_validator(mode="after")
    def _certificate_and_key_go_together(self) -> Self:
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file must be set together")
        return self
