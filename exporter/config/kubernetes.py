"""Configuration of the Kubernetes cluster that the exporter runs in."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from exporter.settings.paths import FilePath
from exporter.settings.types import Duration, HttpUrl, Model

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""The folder with the credentials that Kubernetes gives a pod for the API server."""
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,230}[a-z0-9])?")
"""Kubernetes allows 253 characters. The rest is for the number of a shard."""


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
    """The connection to the API server. In a cluster, the defaults work."""

    api_server: HttpUrl | None = None
    """Defaults to the API server of the cluster that the exporter runs in."""
    token_file: FilePath = SERVICE_ACCOUNT / "token"
    """Read for every request, because Kubernetes rotates it. Without the file, no token is sent."""
    ca_file: FilePath = SERVICE_ACCOUNT / "ca.crt"
    """The only certificate authorities to trust. Read for every request, because Kubernetes rotates
    them. Without the file, the system's."""
    namespace: Name | None = None
    """Defaults to the namespace of the service account."""
    lease: Name = "inference-exporter"
    """Name of the Lease for leader election. Each shard appends its number."""
    lease_duration: Duration = Field(default=15.0, ge=3)
    """How long after the last renewal another exporter can become the leader."""


class KubernetesDiscovery(Model):
    """Pods or services that become targets."""

    role: Role = "pod"
    """``pod`` makes each pod a target, ``service`` each Service."""
    namespaces: tuple[Name, ...] = ()
    """Namespaces to search. Defaults to the exporter's own namespace."""
    selector: str = Field(min_length=1)
    """A label selector, in the syntax of ``kubectl get -l``."""
    port: Port
    """Name or number of the port that serves the API."""
    target: dict[str, object]
    """A template of a target, with placeholders such as ``{address}``."""
