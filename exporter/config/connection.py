"""Configuration of the connection to a target."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from exporter.settings.paths import FilePath
from exporter.settings.types import Duration, Model

Connection = Literal["reuse", "fresh"]


class TimeoutOverrides(Model):
    """Timeouts for the parts of a probe. ``timeout`` limits the parts without their own timeout."""

    connect: Duration | None = None
    """Opening a connection: DNS, TCP and TLS together."""
    first_token: Duration | None = None
    """From the last byte sent to the first output."""
    stall: Duration | None = None
    """Between two pieces of output, and from the last one to the end of the stream."""
    total: Duration | None = None
    """The whole probe. Overrides ``timeout``."""


class TlsSettings(Model):
    """TLS settings of a target. Certificate verification can't be turned off."""

    ca_file: FilePath | None = None
    """PEM file of certificate authorities to trust in addition to the system's."""
    cert_file: FilePath | None = None
    """PEM file of the client certificate chain."""
    key_file: FilePath | None = None
    """PEM file of the private key for ``cert_file``."""

    @model_validator(mode="after")
    def _certificate_and_key_go_together(self) -> Self:
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file must be set together")
        return self
