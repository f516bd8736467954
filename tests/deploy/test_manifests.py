"""Every variant matches its schemas, meets the strictest Pod Security Standard, and is complete."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest
import yaml

from exporter import __version__
from exporter.cluster.sharding import Shard
from exporter.config.loading import config_file
from tests.deploy.golden import golden_file, golden_text
from tests.deploy.pod_security import breaches
from tests.deploy.schemas import validate
from tests.deploy.variants import (
    CHART,
    ROOT,
    STATE,
    VARIANTS,
    Document,
    Tool,
    Variant,
    containers,
    helm,
    volumes,
    workloads,
)

every_variant = pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)


@every_variant
def test_the_api_server_would_take_it(variant: Variant, tool: Tool) -> None:
    documents = variant.render(tool)
    for document in documents:
        validate(document)
    names = [(d["kind"], d["metadata"]["name"], d["metadata"].get("namespace")) for d in documents]
    assert len(names) == len(set(names))


@every_variant
def test_it_is_as_it_was_reviewed(variant: Variant, tool: Tool) -> None:
    text = golden_text(variant.render(tool))
    assert text == golden_file(variant).read_text(), "if right: python -m tests.deploy.golden"


@every_variant
def test_every_pod_is_restricted(variant: Variant, tool: Tool) -> None:
    pods = list(workloads(variant.render(tool)))
    assert pods
    assert {name: list(breaches(pod)) for name, pod in pods} == {name: [] for name, _ in pods}


@pytest.mark.parametrize(
    ("change", "breach"),
    [
        ({"securityContext": {"runAsNonRoot": False}}, "may be root"),
        ({"securityContext": {"capabilities": {"add": ["NET_RAW"]}}}, "has capabilities"),
        ({"ports": [{"containerPort": 1, "hostPort": 1}]}, "takes a port of the host"),
        ({"resources": {"requests": {}}}, "asks for no resources"),
    ],
)
def test_what_is_not_restricted_is_found(change: Document, breach: str, tool: Tool) -> None:
    ((_, pod),) = workloads(VARIANTS[0].render(tool))
    container = pod["spec"]["containers"][0]
    for key, value in change.items():
        both = isinstance(value, dict) and key == "securityContext"
        container[key] = {**container[key], **value} if both else value
    assert any(breach in found for found in breaches(pod))


@every_variant
def test_what_is_referred_to_is_there(variant: Variant, tool: Tool) -> None:
    documents = variant.render(tool)
    there = {(document["kind"], document["metadata"]["name"]) for document in documents}
    for name, pod in workloads(documents):
        if account := pod["spec"].get("serviceAccountName"):
            assert ("ServiceAccount", account) in there
        mounted = {v["name"] for c in containers(pod) for v in c.get("volumeMounts", ())}
        mountable = volumes(name, pod, documents)
        assert mounted == set(mountable)
        for volume in mountable.values():
            if "configMap" in volume:
                assert ("ConfigMap", volume["configMap"]["name"]) in there
            if name == "inference-exporter" and "persistentVolumeClaim" in volume:
                claim = volume["persistentVolumeClaim"]["claimName"]
                assert ("PersistentVolumeClaim", claim) in there
    for binding in (document for document in documents if document["kind"] == "RoleBinding"):
        assert ("Role", binding["roleRef"]["name"]) in there
        assert [("ServiceAccount", s["name"]) in there for s in binding["subjects"]] == [True]


@every_variant
def test_services_and_monitors_find_the_pods(variant: Variant, tool: Tool) -> None:
    documents = variant.render(tool)
    pods = [pod for _, pod in workloads(documents) if pod.get("kind") != "Pod"]
    for document in documents:
        spec = document.get("spec", {})
        selector = spec.get("selector", {})
        match document["kind"]:
            case "Service":
                labels, port = selector, spec["ports"][0]["targetPort"]
            case "PodDisruptionBudget":
                labels, port = selector["matchLabels"], None
            case "NetworkPolicy":
                labels = spec["podSelector"]["matchLabels"]
                port = spec["ingress"][0]["ports"][0]["port"]
            case "ServiceMonitor":
                services = [d for d in documents if d["kind"] == "Service"]
                wanted = selector["matchLabels"].items()
                found = [s for s in services if wanted <= s["metadata"]["labels"].items()]
                ports = [port["name"] for s in found for port in s["spec"]["ports"]]
                assert ports.count(spec["endpoints"][0]["port"]) == 1
                continue
            case _:
                continue
        assert labels, document
        (pod,) = (p for p in pods if labels.items() <= p["metadata"]["labels"].items())
        names = [p["name"] for c in containers(pod) for p in c.get("ports", ())]
        assert port is None or port in names


@every_variant
def test_its_configurations_are_right(
    variant: Variant, tool: Tool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents = variant.render(tool)
    for container in (
        container for _, pod in workloads(documents) for container in containers(pod)
    ):
        for variable in container.get("env", ()):
            value = variable.get("value", "from-a-label")  # as a kubelet would fill it in
            monkeypatch.setenv(variable["name"], value)
    folders = [d["data"] for d in documents if "config.yaml" in d.get("data", {})]
    assert folders
    for files in folders:
        for name, text in files.items():
            (tmp_path / name).write_text(text)
        config = config_file.load(tmp_path / "config.yaml")
        assert config.targets or config.kubernetes_discovery
        leases = [d["metadata"]["name"] for d in documents if d["kind"] == "Lease"]
        assert leases == ([config.kubernetes.lease] if config.leader_election else [])


@every_variant
def test_what_is_to_be_remembered_has_a_place_that_can_be_written(
    variant: Variant, tool: Tool
) -> None:
    documents = variant.render(tool)
    for name, pod in workloads(documents):
        for container in containers(pod):
            if container["name"] != "inference-exporter":
                continue
            writable = {
                mount["mountPath"]: volumes(name, pod, documents)[mount["name"]]
                for mount in container["volumeMounts"]
                if not mount.get("readOnly")
            }
            assert set(writable) == {STATE}
            lasts = "emptyDir" not in writable[STATE]
            assert lasts is ("persistent" in variant.name)
    for document in documents:
        if "config.yaml" in document.get("data", {}):
            config = yaml.safe_load(document["data"]["config.yaml"])
            file = config.get("budget", {}).get("state_file", f"{STATE}/spent.json")
            assert config.get("state_folder", STATE) == str(Path(file).parent) == STATE
            assert config.get("state_folder") == STATE or variant.folder is None


@pytest.mark.parametrize("name", ["sharded", "helm-sharded"])
def test_every_shard_of_a_stateful_set_is_run(name: str, tool: Tool) -> None:
    (variant,) = (variant for variant in VARIANTS if variant.name == name)
    (stateful_set,) = (d for d in variant.render(tool) if d["kind"] == "StatefulSet")
    (container,) = containers(stateful_set["spec"]["template"])
    _, shard = container["args"][-2:]
    pods = [
        f"{stateful_set['metadata']['name']}-{n}" for n in range(stateful_set["spec"]["replicas"])
    ]
    assert [Shard.parse(shard, pod) for pod in pods] == [Shard(n, len(pods)) for n in range(3)]


def test_the_sidecar_outlives_the_server_and_cannot_make_it_unready(tool: Tool) -> None:
    (variant,) = (variant for variant in VARIANTS if variant.name == "vllm-with-sidecar")
    ((_, pod),) = workloads(variant.render(tool))
    (sidecar,) = pod["spec"]["initContainers"]
    assert sidecar["restartPolicy"] == "Always"
    assert "readinessProbe" not in sidecar
    assert sidecar["startupProbe"]["httpGet"]["path"] == "/-/ready"
    assert pod["metadata"]["labels"]["inference-exporter/sidecar"] == "true"


def test_an_exporter_keeps_its_name_in_prometheus_when_its_pod_is_replaced(tool: Tool) -> None:
    """Else what is usual for its targets would begin anew."""
    for variant in (variant for variant in VARIANTS if variant.name.endswith("operator")):
        name, dropped = _relabelings(variant.render(tool))
        assert name["sourceLabels"][1] == "__meta_kubernetes_pod_name"
        pods = ["mine-7d9f8b6c5d-x2x4z", "mine-66c8f5b9f4-q7b9k", "mine-0", "mine-1"]
        found = [re.fullmatch(name["regex"], f"monitoring/{pod}") for pod in pods]
        instances = [match[1] for match in found if match]
        assert instances == [f"monitoring/{part}" for part in ("mine", "mine", "mine-0", "mine-1")]
        assert dropped == {"action": "labeldrop", "regex": "pod"}


def test_two_exporters_that_elect_a_leader_have_two_names(tool: Tool) -> None:
    values = {"serviceMonitor": {"enabled": True}, "leaderElection": {"enabled": True}}
    assert _relabelings(helm(tool, {"config": {"targets": []}, **values})) == []


def _relabelings(documents: list[Document]) -> list[Document]:
    (monitor,) = (document for document in documents if document["kind"] == "ServiceMonitor")
    relabelings: list[Document] = monitor["spec"]["endpoints"][0].get("relabelings", [])
    return relabelings


@every_variant
def test_prometheus_asks_for_configured_targets_by_a_full_host_name(
    variant: Variant, tool: Tool
) -> None:
    documents = variant.render(tool)
    (config,) = (d["data"]["config.yaml"] for d in documents if "config.yaml" in d.get("data", {}))
    names = [target["name"] for target in yaml.safe_load(config).get("targets", ())]
    for probe in (document for document in documents if document["kind"] == "Probe"):
        host, _, _ = probe["spec"]["prober"]["url"].partition(":")
        assert host.endswith(".svc"), "Prometheus runs in another namespace"
        assert set(probe["spec"]["targets"]["staticConfig"]["static"]) <= set(names)


def test_dashboards_and_rules_come_from_the_files_that_are_checked(tool: Tool) -> None:
    rules = yaml.safe_load((ROOT / "deploy/prometheus/prometheusrule.yaml").read_text())["spec"]
    files = {p.name: p.read_text() for p in (ROOT / "dashboards/json").glob("*.json")}
    for variant in VARIANTS:
        if not variant.name.endswith("operator"):
            continue
        documents = variant.render(tool)
        maps = [d for d in documents if "grafana_dashboard" in d["metadata"].get("labels", {})]
        assert {name: text for d in maps for name, text in d["data"].items()} == files
        assert all(len(text.encode()) < 2**18 for text in files.values()), "kubectl apply fails"
        assert [d["spec"] for d in documents if d["kind"] == "PrometheusRule"] == [rules]


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"shard": 3}, "additional properties 'shard' not allowed"),
        ({"shards": 0}, "minimum: got 0, want 1"),
        ({"config": {"targets": None}}, "missing property 'targets'"),
        ({"serviceMonitor": {"interval": "often"}}, "does not match pattern"),
        ({"probe": {"enabled": True}}, "minItems: got 0, want 1"),
        ({"shards": 2, "leaderElection": {"enabled": True}}, "leaderElection goes with shards: 1"),
        (
            {"shards": 2, "probe": {"enabled": True, "targets": ["vllm"]}},
            "probe goes with a single exporter",
        ),
        (
            {"leaderElection": {"enabled": True}, "probe": {"enabled": True, "targets": ["vllm"]}},
            "probe goes with a single exporter",
        ),
        (
            {"persistence": {"enabled": True}, "leaderElection": {"enabled": True}},
            "persistence goes without leaderElection",
        ),
        (
            {"shards": 2, "persistence": {"enabled": True, "existingClaim": "mine"}},
            "persistence.existingClaim goes with shards: 1",
        ),
        ({"persistence": {"size": "some"}}, "does not match pattern"),
        ({"files": {"config.yaml": "targets: []"}}, "config.yaml"),
    ],
)
def test_the_chart_refuses_wrong_values(values: Document, complaint: str, tool: Tool) -> None:
    with pytest.raises(subprocess.CalledProcessError) as refused:
        helm(tool, values)
    assert complaint in refused.value.stderr


def test_two_releases_of_one_name_can_look_at_the_same_namespace(tool: Tool) -> None:
    values = {"config": {"targets": []}, "discovery": {"enabled": True, "namespaces": ["models"]}}
    roles = {
        (document["kind"], document["metadata"]["name"])
        for namespace in ("team-a", "team-b")
        for document in helm(tool, values, namespace)
        if document["metadata"].get("namespace") == "models"
    }
    assert len(roles) == 4


def test_the_chart_is_the_exporters_version_and_lints(tool: Tool) -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["version"] == chart["appVersion"] == __version__
    command = [str(tool("helm")), "lint", "--strict", str(CHART)]
    lint = subprocess.run(command, capture_output=True, text=True, check=False)
    assert lint.returncode == 0, lint.stdout


@every_variant
def test_images_are_of_this_version(variant: Variant, tool: Tool) -> None:
    images = {
        container["image"].rpartition("/")[2]
        for _, pod in workloads(variant.render(tool))
        for container in containers(pod)
    }
    ours = {image for image in images if image.startswith("inference-exporter:")}
    pinned = "1.2.3" if variant.name == "helm-pinned-down" else __version__
    assert ours == {f"inference-exporter:{pinned}"}
    assert not any(image.endswith(":latest") or ":" not in image for image in images)


@pytest.mark.parametrize("unknown", ["core", "operator"])
def test_a_field_that_nobody_knows_is_found(unknown: str, tool: Tool) -> None:
    (variant,) = (variant for variant in VARIANTS if variant.name == "operator")
    kind = "Service" if unknown == "core" else "ServiceMonitor"
    (document,) = (d for d in variant.render(tool) if d["kind"] == kind)
    document["spec"]["selectr"] = {}
    with pytest.raises((jsonschema.ValidationError, kubernetes_validate.ValidationError)):
        validate(document)
