"""What is deployed, and what the exporter does in a cluster, judged by a real API server."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from exporter.simulator import Script, Simulator, run_in_thread
from tests.cluster.control_plane import ControlPlane, Document, Refused, Tool
from tests.cluster.test_discovery import PODS, pod
from tests.cluster.test_leader import Replica, replica, took_over
from tests.deploy.variants import KUBERNETES, VARIANTS, Variant, kustomize
from tests.process import eventually

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240)]

ROOT = Path(__file__).parents[2]
ACCOUNT = "inference-exporter"
HOME = "exporter"
"""The namespace of the exporter in these tests."""
LEASE_SECONDS = 4.0


@pytest.fixture(scope="module")
def plane(tool: Tool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    plane = ControlPlane(tool, tmp_path_factory.mktemp("plane"))
    with plane.running():
        for definitions in sorted((ROOT / ".tools" / "definitions").glob("*/*.yaml")):
            plane.apply(*yaml.safe_load_all(definitions.read_text()))
        plane.restricted_namespace(HOME)
        shipped = kustomize(tool, KUBERNETES / "overlays" / "highly-available")
        ours = ("ServiceAccount", "Role", "RoleBinding", "Lease")
        plane.apply(*(_at_home(d) for d in shipped if d["kind"] in ours), namespace=HOME)
        yield plane


def _at_home(document: Document) -> Document:
    """Without the namespace that it may name."""
    metadata = {key: value for key, value in document["metadata"].items() if key != "namespace"}
    return {**document, "metadata": metadata}


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
    """Documents by the namespace that they name; those that are a namespace are left out."""
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


@pytest.fixture(scope="module")
def simulator() -> Iterator[tuple[Simulator, str]]:
    simulator = Simulator({"fast": Script(first_token_seconds=0.01, token_gap_seconds=0.001)})
    with run_in_thread(simulator) as running:
        yield simulator, running.url


def settings(plane: ControlPlane, folder: Path) -> str:
    """The part of a configuration that finds the API server, with the shipped account's token."""
    (folder / "token").write_text(plane.account_token(ACCOUNT, HOME))
    return (
        f"kubernetes: {{api_server: '{plane.url}', namespace: {HOME}, token_file: {folder}/token,"
        f" ca_file: {plane.ca_file}, lease_duration: {LEASE_SECONDS:g}s}}\n"
    )


def put_pod(plane: ControlPlane, name: str, port: int) -> None:
    """A pod that runs: what a kubelet would report is patched in."""
    wanted = {"apiVersion": "v1", **pod(name, port)}
    status = wanted.pop("status")
    container = wanted["spec"]["containers"][0]
    container |= {"image": "x", "securityContext": _RESTRICTED}
    wanted["spec"]["automountServiceAccountToken"] = False
    plane.kubectl("create", f"--namespace={HOME}", "-f", "-", documents=[wanted])
    patch = yaml.safe_dump({"status": {**status, "podIPs": [{"ip": status["podIP"]}]}})
    arguments = ("pod", name, f"--namespace={HOME}", "--subresource=status", "--type=merge")
    plane.kubectl("patch", *arguments, "--patch", patch)


_RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "runAsNonRoot": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


@contextmanager
def discovering(plane: ControlPlane, folder: Path) -> Iterator[Replica]:
    config = folder / "config.yaml"
    config.write_text(
        f"defaults: {{interval: 300ms}}\n{settings(plane, folder)}kubernetes_discovery: [{PODS}]\n"
    )
    with replica(config, "discovering") as running:
        yield running


def has(shown: Replica, *names: str) -> None:
    eventually(lambda: _pods(shown.metrics()), lambda found: found == set(names), seconds=30)


def _pods(metrics: str) -> set[str]:
    lines = (line for line in metrics.splitlines() if line.startswith("inference_probes_total{"))
    return {line.split('target="pod ')[1].split('"')[0] for line in lines}


def test_pods_come_and_go_also_while_the_api_server_is_away(
    plane: ControlPlane, simulator: tuple[Simulator, str], tmp_path: Path
) -> None:
    port = int(simulator[1].rpartition(":")[2])
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
    """The first of the two leads."""
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
    plane: ControlPlane, simulator: tuple[Simulator, str], tmp_path: Path
) -> None:
    with both(plane, simulator[1], tmp_path) as (first, second):
        first.process.kill()
        first.process.wait(20)
        took = took_over(second)
        print(f"took over after {took:.1f} s of a lease of {LEASE_SECONDS:g} s")  # noqa: T201


def test_a_frozen_leader_wakes_up_as_a_standby_and_nothing_is_asked_twice(
    plane: ControlPlane, simulator: tuple[Simulator, str], tmp_path: Path
) -> None:
    provider = simulator[0]
    with both(plane, simulator[1], tmp_path) as (first, second):
        first.process.send_signal(signal.SIGSTOP)
        took_over(second)
        counted, asked = second.probes(), len(provider.ledger)
        first.process.send_signal(signal.SIGCONT)
        eventually(lambda: not first.leads() and first.probes() == 0)
        eventually(lambda: second.probes() >= counted + 5)
        assert len(provider.ledger) - asked <= second.probes() - counted + 2


@pytest.mark.parametrize("how", ["gone", "hanging"])
def test_without_the_api_server_the_leader_stops_before_another_may_begin(
    how: str, plane: ControlPlane, simulator: tuple[Simulator, str], tmp_path: Path
) -> None:
    provider = simulator[0]
    with both(plane, simulator[1], tmp_path) as (first, second):
        (plane.kill if how == "gone" else plane.freeze)()
        eventually(lambda: not first.leads() and first.probes() == 0, seconds=40)
        assert not second.leads()
        asked = len(provider.ledger)
        time.sleep(1)
        assert len(provider.ledger) <= asked + 1, "one may have been under way"
        (plane.start if how == "gone" else plane.thaw)()
        eventually(lambda: first.leads() or second.leads(), seconds=40)
        eventually(lambda: len(provider.ledger) > asked + 3)
        assert first.leads() != second.leads()
