"""Everything that is deployed, rendered with the same programs that users run."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
KUBERNETES = ROOT / "deploy" / "kubernetes"
CHART = ROOT / "deploy" / "helm" / "inference-exporter"
KUBERNETES_VERSION = "1.37.0"

STATE = "/var/lib/inference-exporter"
"""The only folder that a pod can write to."""

Document = dict[str, Any]
Tool = Callable[[str], Path]

_TARGET = {"name": "vllm", "provider": "vllm", "model": "default"}
_CONFIG = {"targets": [{**_TARGET, "base_url": "http://vllm.inference.svc:8000/v1"}]}
_FOUND = {
    "kubernetes_discovery": [
        {
            "namespaces": ["inference"],
            "selector": "app.kubernetes.io/component=model-server",
            "port": "http",
            "target": {
                **_TARGET,
                "name": "{namespace}/{name}",
                "base_url": "http://{address}:{port}/v1",
            },
        }
    ],
    "targets": [],
}
_WEB_SECRET = {"name": "inference-exporter-web", "key": "any"}
_OPERATOR = {
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "podMonitor": {"enabled": True},
    "probe": {"enabled": True, "targets": ["vllm"]},
    "prometheusRule": {"enabled": True},
    "dashboards": {"enabled": True},
}


@dataclass(frozen=True, slots=True)
class Variant:
    """One deployable variant."""

    name: str
    folder: str | None = None
    """The folder of the kustomization. ``None`` for the chart."""
    values: Document | None = None

    def render(self, tool: Tool) -> list[Document]:
        """Return the documents, rendered by kustomize or Helm."""
        if self.folder is not None:
            return kustomize(tool, KUBERNETES / self.folder)
        return helm(tool, {"config": _CONFIG, **(self.values or {})})


VARIANTS = (
    Variant("base", "base"),
    Variant("sharded", "overlays/sharded"),
    Variant("highly-available", "overlays/highly-available"),
    Variant("operator", "overlays/operator"),
    Variant("persistent", "overlays/persistent"),
    Variant("several-places", "overlays/several-places"),
    Variant("vllm-with-sidecar", "examples/vllm"),
    Variant("helm-default"),
    Variant("helm-sharded", values={"shards": 3}),
    Variant(
        "helm-persistent",
        values={
            "persistence": {"enabled": True, "size": "1Gi", "storageClass": "fast"},
            "serviceAccount": {"annotations": {"example.com/role": "inference"}},
            "files": {"prompts.jsonl": '{"prompt": "Say one."}\n{"prompt": "Say two."}\n'},
            "config": {
                **_CONFIG,
                "budget": {"usd_per_day": 5, "state_file": f"{STATE}/spent.json"},
                "probes": {"own": {"prompts_file": "prompts.jsonl"}},
            },
            "extraVolumes": [{"name": "ca", "secret": {"secretName": "own-ca"}}],
            "extraVolumeMounts": [{"name": "ca", "mountPath": "/etc/ca", "readOnly": True}],
        },
    ),
    Variant("helm-persistent-shards", values={"shards": 3, "persistence": {"enabled": True}}),
    Variant(
        "helm-highly-available",
        values={
            "config": _FOUND,
            "leaderElection": {"enabled": True},
            "discovery": {"enabled": True, "namespaces": ["inference"]},
        },
    ),
    Variant("helm-operator", values=_OPERATOR),
    Variant(
        "helm-tls",
        values={
            **_OPERATOR,
            "prometheusRule": {"enabled": False},
            "dashboards": {"enabled": False},
            "web": {"scheme": "https", "tlsConfig": {"ca": {"secret": _WEB_SECRET}}},
            "podMonitor": {
                "enabled": True,
                "scheme": "https",
                "tlsConfig": {"insecureSkipVerify": True},
                "basicAuth": {"username": _WEB_SECRET, "password": _WEB_SECRET},
            },
        },
    ),
    Variant(
        "helm-pinned-down",
        values={
            "image": {"repository": "registry.example/inference-exporter", "tag": "1.2.3"},
            "imagePullSecrets": [{"name": "registry"}],
            "keysSecret": "",
            "nodeSelector": {"kubernetes.io/arch": "amd64"},
            "tolerations": [{"key": "monitoring", "operator": "Exists"}],
            "podAnnotations": {"example.com/owner": "inference"},
            "podLabels": {"team": "inference"},
            "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy.example:3128"}],
            "networkPolicy": {"enabled": False},
            "location": {"fromNode": "topology.kubernetes.io/zone"},
        },
    ),
)


def kustomize(tool: Tool, folder: Path) -> list[Document]:
    return _documents(_output(tool("kustomize"), "build", str(folder)))


def helm(tool: Tool, values: Document, namespace: str = "monitoring") -> list[Document]:
    """Return the chart's documents for these values, including its test.

    :raises subprocess.CalledProcessError: Helm fails. ``stderr`` has the reason.
    """
    command = (tool("helm"), "template", "mine", str(CHART), "--namespace", namespace)
    version = ("--kube-version", KUBERNETES_VERSION)
    return _documents(_output(*command, *version, "--values", "-", input=json.dumps(values)))


def _output(program: Path, *arguments: str, input: str | None = None) -> str:
    return subprocess.run(
        [str(program), *arguments], input=input, capture_output=True, text=True, check=True
    ).stdout


def _documents(text: str) -> list[Document]:
    return [document for document in yaml.safe_load_all(text) if document]


def workloads(documents: list[Document]) -> Iterator[tuple[str, Document]]:
    """Yield the name and the pod of every workload."""
    for document in documents:
        if document["kind"] == "Pod":
            yield document["metadata"]["name"], document
        elif "template" in document.get("spec", {}):
            yield document["metadata"]["name"], document["spec"]["template"]


def volumes(name: str, pod: Document, documents: list[Document]) -> dict[str, Document]:
    """What a pod can mount, by name, with what a StatefulSet claims for it."""
    claimed = {
        template["metadata"]["name"]: template["spec"]
        for document in documents
        if document["kind"] == "StatefulSet" and document["metadata"]["name"] == name
        for template in document["spec"].get("volumeClaimTemplates", ())
    }
    return claimed | {volume["name"]: volume for volume in pod["spec"].get("volumes", ())}


def containers(pod: Document) -> list[Document]:
    return [*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]]
