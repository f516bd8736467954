"""A cluster with the Lease and the Roles as deployed, and a pod with a simulated server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from exporter.simulator import Simulator
from tests.cluster.api_server import ApiServer, running
from tests.deploy.variants import KUBERNETES

RBAC = KUBERNETES / "components"


@contextmanager
def cluster_with(server: Simulator, folder: Path) -> Iterator[str]:
    """Run a cluster with a pod of the server, and yield the exporter's configuration for it."""
    roles = [RBAC / name / "rbac.yaml" for name in ("leader-election", "discovery")]
    rules = [
        thing
        for path in roles
        for thing in yaml.safe_load_all(path.read_text())
        if thing["kind"] == "Role"
    ]
    cluster = ApiServer(rules)
    cluster.put("leases", yaml.safe_load((RBAC / "leader-election" / "lease.yaml").read_text()))
    cluster.put("pods", _pod(httpx.URL(server.url).port or 0))
    (folder / "kubernetes").mkdir()
    with running(cluster, folder / "kubernetes") as settings:
        yield settings.replace("lease_duration: 3s", "lease_duration: 60s")  # for busy machines


def _pod(port: int) -> dict[str, Any]:
    container = {"name": "vllm", "ports": [{"name": "http", "containerPort": port}]}
    return {
        "kind": "Pod",
        "metadata": {"name": "vllm-0", "labels": {"app": "vllm"}},
        "spec": {"containers": [container]},
        "status": {"phase": "Running", "podIP": "127.0.0.1"},
    }
