"""The exporter's account, configuration, and pods on a real control plane."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from exporter.config.kubernetes import Kubernetes
from tests.cluster.control_plane import ControlPlane, Document
from tests.cluster.test_discovery import PODS, pod
from tests.cluster.test_leader import Replica, replica
from tests.process import eventually

ACCOUNT = "inference-exporter"
HOME = "exporter"
"""The namespace of the exporter in these tests."""
LEASE_SECONDS = 4.0
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "runAsNonRoot": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def account_settings(plane: ControlPlane, folder: Path) -> Kubernetes:
    """Return ``settings`` as a typed object."""
    written = yaml.safe_load(settings(plane, folder))["kubernetes"]
    return Kubernetes.model_validate(written)


def settings(plane: ControlPlane, folder: Path, url: str | None = None) -> str:
    """Return the ``kubernetes`` part of a configuration, with the token of the shipped account.

    :param url: the URL of the API server, if the exporter doesn't connect directly.
    """
    (folder / "token").write_text(plane.account_token(ACCOUNT, HOME))
    return (
        f"kubernetes: {{api_server: '{url or plane.url}', namespace: {HOME},"
        f" token_file: {folder}/token, ca_file: {plane.ca_file},"
        f" lease_duration: {LEASE_SECONDS:g}s}}\n"
    )


def put_pod(plane: ControlPlane, name: str, port: int) -> None:
    """Create a running pod, with the status that a kubelet would report."""
    wanted: Document = {"apiVersion": "v1", **pod(name, port)}
    status = wanted.pop("status")
    container = wanted["spec"]["containers"][0]
    container |= {"image": "x", "securityContext": RESTRICTED}
    wanted["spec"]["automountServiceAccountToken"] = False
    plane.request("POST", f"/api/v1/namespaces/{HOME}/pods", wanted)
    reported = {"status": {**status, "podIPs": [{"ip": status["podIP"]}]}}
    plane.request("PATCH", f"/api/v1/namespaces/{HOME}/pods/{name}/status", reported)


@contextmanager
def discovering(
    plane: ControlPlane, folder: Path, url: str | None = None, interval: str = "300ms"
) -> Iterator[Replica]:
    config = folder / "config.yaml"
    config.write_text(
        f"defaults: {{interval: {interval}}}\n{settings(plane, folder, url)}"
        f"kubernetes_discovery: [{PODS}]\n"
    )
    with replica(config, "discovering") as running:
        yield running


def has(shown: Replica, *names: str, seconds: float = 30) -> None:
    """Wait until exactly these pods are probed."""
    eventually(lambda: pods(shown.metrics()), lambda found: found == set(names), seconds=seconds)


def pods(metrics: str) -> set[str]:
    lines = (line for line in metrics.splitlines() if line.startswith("inference_probes_total{"))
    return {line.split('target="pod ')[1].split('"')[0] for line in lines}
