"""The deployment, and the exporter's behavior in a cluster, with a real API server."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from exporter.simulator import Simulator
from tests.cluster.control_plane import ControlPlane, Document, Refused, Tool
from tests.cluster.home import ACCOUNT, HOME, LEASE_SECONDS, discovering, has, put_pod, settings
from tests.cluster.test_leader import Replica, replica, took_over
from tests.deploy.variants import VARIANTS, Variant
from tests.process import eventually

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240)]


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_the_api_server_takes_every_variant_under_the_strictest_pod_security(
    variant: Variant, plane: ControlPlane, tool: Tool
) -> None:
    for number, documents in enumerate(_by_namespace(variant.render(tool), HOME).items()):
        namespace, of_it = documents
        if number or namespace != HOME:
            plane.restricted_namespace(namespace)
        answer = plane.try_out(*of_it, namespace=namespace)
        assert answer.count("serverside-applied") == len(of_it)
        assert "would violate PodSecurity" not in answer


def _by_namespace(documents: list[Document], default: str) -> dict[str, list[Document]]:
    """Group documents by their namespace, without the Namespace objects themselves."""
    found: dict[str, list[Document]] = {}
    for document in documents:
        if document["kind"] != "Namespace":
            namespace = document["metadata"].get("namespace", default)
            found.setdefault(namespace, []).append(document)
    return found


def test_a_pod_that_keeps_its_rights_is_refused_there(plane: ControlPlane) -> None:
    container = {"name": "c", "image": "x"}
    careless = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "careless"},
        "spec": {"containers": [container]},
    }
    with pytest.raises(Refused, match='violates PodSecurity "restricted'):
        plane.try_out(careless, namespace=HOME)


@pytest.mark.parametrize(
    ("verb", "resource", "allowed"),
    [
        ("list", "pods", True),
        ("watch", "pods", True),
        ("list", "services", True),
        ("get", "leases.coordination.k8s.io/inference-exporter", True),
        ("update", "leases.coordination.k8s.io/inference-exporter", True),
        ("get", "secrets", False),
        ("list", "secrets", False),
        ("list", "configmaps", False),
        ("delete", "pods", False),
        ("create", "pods", False),
        ("get", "pods/log", False),
        ("create", "leases.coordination.k8s.io", False),
        ("update", "leases.coordination.k8s.io/another", False),
        ("delete", "leases.coordination.k8s.io/inference-exporter", False),
        ("list", "nodes", False),
        ("create", "serviceaccounts/token", False),
    ],
)
def test_the_shipped_account_may_do_what_it_needs_and_nothing_else(
    verb: str, resource: str, allowed: bool, plane: ControlPlane
) -> None:
    assert plane.may(ACCOUNT, HOME, verb, resource) is allowed


def test_pods_come_and_go_also_while_the_api_server_is_away(
    plane: ControlPlane, provider: tuple[Simulator, str], tmp_path: Path
) -> None:
    port = int(provider[1].rpartition(":")[2])
    put_pod(plane, "a", port)
    try:
        with discovering(plane, tmp_path) as shown:
            has(shown, "a")
            put_pod(plane, "b", port)
            has(shown, "a", "b")
            plane.kill()
            probed = shown.probes()
            eventually(lambda: shown.probes() > probed + 3)
            has(shown, "a", "b")
            plane.start()
            plane.delete_pods("a", namespace=HOME)
            has(shown, "b")
    finally:
        plane.delete_pods("--all", namespace=HOME)


@contextmanager
def both(plane: ControlPlane, url: str, folder: Path) -> Iterator[tuple[Replica, Replica]]:
    """Run both replicas. The first one leads."""
    config = folder / "config.yaml"
    target = f"{{name: t, provider: openai, model: fast, base_url: '{url}/v1'}}"
    config.write_text(
        f"defaults: {{interval: 200ms}}\n{settings(plane, folder)}"
        f"leader_election: kubernetes-lease\ntargets: [{target}]\n"
    )
    with replica(config, "first") as first:
        eventually(first.leads, seconds=30)
        with replica(config, "second") as second:
            eventually(first.probes)
            yield first, second


def test_a_killed_leader_is_followed_within_its_lease(
    plane: ControlPlane, provider: tuple[Simulator, str], tmp_path: Path
) -> None:
    with both(plane, provider[1], tmp_path) as (first, second):
        first.process.kill()
        first.process.wait(60)
        took = took_over(second)
        print(f"took over after {took:.1f} s of a lease of {LEASE_SECONDS:g} s")  # noqa: T201


def test_a_frozen_leader_wakes_up_as_a_standby_and_nothing_is_asked_twice(
    plane: ControlPlane, provider: tuple[Simulator, str], tmp_path: Path
) -> None:
    served = provider[0]
    with both(plane, provider[1], tmp_path) as (first, second):
        first.process.send_signal(signal.SIGSTOP)
        took_over(second)
        counted, asked = second.probes(), len(served.ledger)
        first.process.send_signal(signal.SIGCONT)
        eventually(lambda: not first.leads() and first.probes() == 0)
        eventually(lambda: second.probes() >= counted + 5)
        assert len(served.ledger) - asked <= second.probes() - counted + 2


@pytest.mark.parametrize("how", ["gone", "hanging"])
def test_without_the_api_server_the_leader_stops_before_another_may_begin(
    how: str, plane: ControlPlane, provider: tuple[Simulator, str], tmp_path: Path
) -> None:
    served = provider[0]
    with both(plane, provider[1], tmp_path) as (first, second):
        (plane.kill if how == "gone" else plane.freeze)()
        eventually(lambda: not first.leads() and first.probes() == 0, seconds=40)
        assert not second.leads()
        asked = len(served.ledger)
        time.sleep(1)
        assert len(served.ledger) <= asked + 1, "one may have been under way"
        (plane.start if how == "gone" else plane.thaw)()
        eventually(lambda: first.leads() or second.leads(), seconds=40)
        eventually(lambda: len(served.ledger) > asked + 3)
        assert first.leads() != second.leads()
