"""The commands in the guide work, as far as possible without a cluster."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from exporter.config.loading import config_file
from tests.deploy.schemas import validate
from tests.deploy.variants import CHART, KUBERNETES, KUBERNETES_VERSION, ROOT, Tool, kustomize

GUIDE = (ROOT / "docs" / "kubernetes.md").read_text()
BLOCKS: list[str] = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
FOLDERS = sorted(set(re.findall(r"`(deploy/kubernetes/[\w/-]+)`", GUIDE)))


def block(start: str) -> str:
    (found,) = (text for text in BLOCKS if text.startswith(start))
    return found


def test_the_kustomization_of_the_reader_builds(tool: Tool, tmp_path: Path) -> None:
    clone = tmp_path / "inference-exporter"
    for part in ("deploy", "dashboards"):
        shutil.copytree(ROOT / part, clone / part, symlinks=True)
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "config.yaml").write_text(block("targets:"))
    (mine / "kustomization.yaml").write_text(block("apiVersion: kustomize"))
    documents = kustomize(tool, mine)
    for document in documents:
        validate(document)
        assert document["metadata"]["namespace"] == "inference-exporter"
    (config,) = (d["data"]["config.yaml"] for d in documents if "config.yaml" in d.get("data", {}))
    assert config == block("targets:")
    (deployment,) = (d for d in documents if d["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "registry.example/inference-exporter:0.1.0"
    assert config_file.load(mine / "config.yaml").targets


@pytest.mark.parametrize(
    "component", ["sharded", "persistence", "location", "leader-election", "discovery"]
)
def test_the_overlay_for_the_operator_takes_each_option(
    component: str, tool: Tool, tmp_path: Path
) -> None:
    """As the guide says to combine them: an overlay, and components."""
    inside = os.path.relpath(KUBERNETES, tmp_path.resolve())
    kustomization = {
        **yaml.safe_load(block("apiVersion: kustomize")),
        "resources": [f"{inside}/overlays/operator"],
        "components": [f"{inside}/components/{component}"],
    }
    del kustomization["configMapGenerator"]
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    kinds = set()
    for document in kustomize(tool, tmp_path):
        validate(document)
        kinds.add(document["kind"])
    assert {"ServiceMonitor", "PrometheusRule"} <= kinds


@pytest.mark.parametrize("more", ["", "config: {web:"], ids=["plain", "secured"])
def test_the_values_of_the_reader_render(more: str, tool: Tool, tmp_path: Path) -> None:
    (tmp_path / "more.yaml").write_text(block(more) if more else "")
    rendered = subprocess.run(
        [
            str(tool("helm")),
            "template",
            "inference-exporter",
            str(CHART),
            *("--kube-version", KUBERNETES_VERSION, "--values", "-"),
            *("--values", tmp_path / "more.yaml"),
        ],
        input=block("image:"),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    documents = [document for document in yaml.safe_load_all(rendered) if document]
    for document in documents:
        validate(document)
    assert {"ServiceMonitor", "PrometheusRule"} <= {document["kind"] for document in documents}


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_folder_that_is_named_is_there(folder: str) -> None:
    assert (ROOT / folder / "kustomization.yaml").is_file()
