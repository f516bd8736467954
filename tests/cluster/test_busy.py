"""A real API server that returns 429 to the exporter's account only."""

from __future__ import annotations

import select
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from exporter.simulator import Simulator
from tests.cluster.control_plane import ControlPlane, Document
from tests.cluster.forwarder import Forwarder
from tests.cluster.home import ACCOUNT, HOME, LEASE_SECONDS, discovering, has, put_pod
from tests.cluster.test_faults import no_pods_left, pair, port_of, say
from tests.process import eventually

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

Provider = tuple[Simulator, str]
GROUP = "/apis/flowcontrol.apiserver.k8s.io/v1"
LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{HOME}/leases/inference-exporter"
LEVEL: Document = {
    "kind": "PriorityLevelConfiguration",
    "metadata": {"name": "nothing"},
    "spec": {
        "type": "Limited",
        "limited": {
            "nominalConcurrencyShares": 0,
            "borrowingLimitPercent": 0,
            "limitResponse": {"type": "Reject"},
        },
    },
}
EVERYTHING = {
    "verbs": ["*"],
    "apiGroups": ["*"],
    "resources": ["*"],
    "namespaces": ["*"],
    "clusterScope": True,
}
FLOW: Document = {
    "kind": "FlowSchema",
    "metadata": {"name": "exporter"},
    "spec": {
        "priorityLevelConfiguration": {"name": "nothing"},
        "matchingPrecedence": 2,  # only the schema named exempt may have 1
        "rules": [
            {
                "subjects": [
                    {
                        "kind": "ServiceAccount",
                        "serviceAccount": {"name": ACCOUNT, "namespace": HOME},
                    }
                ],
                "resourceRules": [EVERYTHING],
            }
        ],
    },
}


@contextmanager
def too_many_requests(plane: ControlPlane) -> Iterator[None]:
    """The exporter's account gets no share of the API server (its priority and fairness).

    It lets one request at a time through nevertheless: one that never ends takes this place.
    """
    made = ("prioritylevelconfigurations", LEVEL), ("flowschemas", FLOW)
    version = {"apiVersion": "flowcontrol.apiserver.k8s.io/v1"}
    headers = {"Authorization": f"Bearer {plane.account_token(ACCOUNT, HOME)}"}
    with ExitStack() as undo:
        uids: list[str] = []
        for kind, document in made:
            answer = plane.request("POST", f"{GROUP}/{kind}", version | document)
            uids.append(answer.json()["metadata"]["uid"])
            path = f"{GROUP}/{kind}/{document['metadata']['name']}"
            undo.callback(plane.request, "DELETE", path)
        trust = ssl.create_default_context(cafile=plane.ca_file)
        client = undo.enter_context(httpx.Client(verify=trust, trust_env=False, timeout=60))

        def asked() -> httpx.Response:
            return client.get(f"{plane.url}{LEASE}", headers=headers)

        eventually(
            lambda: asked().headers.get("X-Kubernetes-PF-FlowSchema-UID") == uids[-1], seconds=60
        )
        for _ in range(20):
            held = undo.enter_context(_endless(plane.url, trust, headers))
            answered, _, _ = select.select([held], [], [], 0.5)
            if not answered:
                break
        assert [asked().status_code for _ in range(3)] == [httpx.codes.TOO_MANY_REQUESTS] * 3
        yield


@contextmanager
def _endless(url: str, trust: ssl.SSLContext, headers: dict[str, str]) -> Iterator[ssl.SSLSocket]:
    """An update whose body never comes."""
    at = httpx.URL(url)
    head = [f"PUT {LEASE} HTTP/1.1", f"Host: {at.host}", "Content-Length: 1000"]
    head += ["Content-Type: application/json", *(f"{k}: {v}" for k, v in headers.items())]
    with (
        socket.create_connection((at.host, at.port or 443)) as plain,
        trust.wrap_socket(plain, server_hostname=at.host) as held,
    ):
        held.sendall("\r\n".join([*head, "", ""]).encode())
        yield held


def told_to_wait(log: Path) -> bool:
    """Whether it was told to by the API server's own Retry-After, which is a second."""
    lines = log.read_text().splitlines()
    return any('"429: ' in line and '"retry_seconds": 1.0' in line for line in lines)


def test_nobody_probes_without_a_renewal_and_two_never_at_once(
    plane: ControlPlane, provider: Provider, tmp_path: Path
) -> None:
    with pair(plane, provider, tmp_path) as two:
        with too_many_requests(plane):
            eventually(lambda: told_to_wait(two.first.log), seconds=30)
            eventually(lambda: two.first.probes() == 0, seconds=30)
            asked = len(two.provider.ledger)
            time.sleep(LEASE_SECONDS)  # time for the second to do wrong
            assert len(two.provider.ledger) <= asked + 1, "one may have been under way"
            assert two.writers() == ["of-first"]
        began = time.monotonic()
        eventually(lambda: two.first.probes() or two.second.probes(), seconds=60)
        say(f"429 for longer than a lease: one probed {time.monotonic() - began:.1f} s after it")
        time.sleep(LEASE_SECONDS)
        assert two.writers() in (["of-first"], ["of-first", "of-second"])
        say(f"429 for longer than a lease: turns at the provider {two.writers()}")


def test_discovery_keeps_its_targets_and_waits(
    plane: ControlPlane, provider: Provider, tmp_path: Path
) -> None:
    with (
        no_pods_left(plane),
        Forwarder(plane.url) as way,
        discovering(plane, tmp_path, way.url) as shown,
    ):
        put_pod(plane, "stays", port_of(provider))
        has(shown, "stays")
        with too_many_requests(plane):
            way.refuse()  # so that the watch starts again
            put_pod(plane, "comes", port_of(provider))
            way.open()
            eventually(lambda: '"429: ' in shown.log.read_text(), seconds=30)
            has(shown, "stays")
        began = time.monotonic()
        has(shown, "stays", "comes", seconds=90)
        say(f"429 to discovery: the new pod is a target {time.monotonic() - began:.1f} s after it")
