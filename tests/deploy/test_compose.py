"""The Compose stack: all mounted files exist, and the programs accept them."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from exporter import __version__
from tests.deploy.variants import ROOT, Document, Tool
from tests.process import eventually, free_port, process

FILE = ROOT / "deploy" / "compose.yaml"
NO_RULES = "alertmanager.yml"
SERVICES: dict[str, Document] = yaml.safe_load(FILE.read_text())["services"]


def mounts(service: str) -> Iterator[tuple[Path, Path]]:
    """Yield our files and folders that a container mounts, and their paths in the container."""
    for volume in SERVICES[service].get("volumes", ()):
        source, target, *_ = volume.split(":")
        if source.startswith("."):
            yield (FILE.parent / source).resolve(), Path(target)


def seen_by(service: str, root: Path) -> Path:
    """Return a folder with the same content as the container's root."""
    for source, target in mounts(service):
        place = root / target.relative_to("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, place) if source.is_dir() else shutil.copy(source, place)
    return root


@pytest.mark.parametrize("service", SERVICES)
def test_every_container_is_bound_to_this_machine_and_restricted(service: str) -> None:
    container = SERVICES[service]
    assert container["read_only"]
    assert container["cap_drop"] == ["ALL"]
    assert all(port.startswith("127.0.0.1:") for port in container["ports"])
    assert all(source.exists() for source, _ in mounts(service))
    assert not container["image"].endswith(":latest")


def test_prometheus_takes_its_configuration_and_all_rules(tool: Tool, tmp_path: Path) -> None:
    config = seen_by("prometheus", tmp_path) / "etc" / "prometheus" / "prometheus.yml"
    checked = subprocess.run(
        [tool("promtool"), "check", "config", config], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
    taken = set(re.findall(r"rules/(\S+)", checked.stdout))
    assert taken == {p.name for p in (ROOT / "deploy/prometheus").glob("*.yml")} - {NO_RULES}


def test_alertmanager_starts_with_its_configuration(tool: Tool, tmp_path: Path) -> None:
    config = seen_by("alertmanager", tmp_path) / "etc" / "alertmanager" / "alertmanager.yml"
    port = free_port()
    command: list[str | Path] = [
        tool("alertmanager"),
        f"--config.file={config}",
        f"--storage.path={tmp_path}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]
    with process(command, tmp_path / "log"):
        eventually(lambda: httpx.get(f"http://127.0.0.1:{port}/-/ready").is_success)


def test_grafana_finds_the_dashboards_and_a_prometheus(tmp_path: Path) -> None:
    root = seen_by("grafana", tmp_path)
    provisioning = root / "etc" / "grafana" / "provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources/prometheus.yaml").read_text())[
        "datasources"
    ]
    host, port = source["url"].removeprefix("http://").split(":")
    assert (host in SERVICES, port) == (True, "9090")
    (provider,) = yaml.safe_load((provisioning / "dashboards/inference.yaml").read_text())[
        "providers"
    ]
    assert list((root / provider["options"]["path"].lstrip("/")).glob("*.json"))
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (root / home.lstrip("/")).is_file()


def test_the_image_is_of_this_version() -> None:
    assert SERVICES["exporter"]["image"] == f"inference-exporter:{__version__}"
