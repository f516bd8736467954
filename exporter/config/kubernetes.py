"""Configuration of the Kubernetes cluster that the exporter runs in."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from exporter.settings.paths import FilePath
from exporter.settings.types import Duration, HttpUrl, Model

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where Kubernetes puts what a pod needs to speak to the API server."""
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,230}[a-z0-9])?")
"""253 characters at most; a shard's number is put behind it."""


def _name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(
            "must be lowercase letters, digits, hyphens and dots, as in Kubernetes names"
        )
    return name


Name = Annotated[str, AfterValidator(_name)]
Role = Literal["pod", "service"]
Port = Annotated[int, Field(ge=1, le=65535)] | Annotated[str, Field(min_length=1)]


class Kubernetes(Model):
    """How the API server is reached; within a cluster nothing needs to be set."""

    api_server: HttpUrl | None = None
    """Where not set, the one of the cluster that the exporter runs in."""
    token_file: FilePath = SERVICE_ACCOUNT / "token"
    """Read for every request, since Kubernetes renews it; without the file, none is sent."""
    ca_file: FilePath = SERVICE_ACCOUNT / "ca.crt"
    """The only certificates to trust; without the file, the system's."""
    namespace: Name | None = None
    """Defaults to the namespace of the service account."""
    lease: Name = "inference-exporter"
    """Name of the Lease by which several exporters agree on a leader; of each shard another, with
    the shard's number at its end."""
    lease_duration: Duration = Field(default=15.0, ge=3)
    """How long after its last renewal a leader leads no more and another may take over."""


class KubernetesDiscovery(Model):
    """Pods or services of which each becomes a target."""

    role: Role = "pod"
    namespaces: tuple[Name, ...] = ()
    """The exporter's own where empty."""
    selector: str = Field(min_length=1)
    """A label selector, as ``kubectl get -l`` takes it."""
    port: Port
    """The name or the number of the port that serves the API."""
    target: dict[str, object]
    """A target whose texts may hold placeholders."""
