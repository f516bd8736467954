"""The chart as released: the package is complete and renders the same as its folder."""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path

from exporter import __version__
from tests.deploy.variants import CHART, KUBERNETES_VERSION, ROOT, Tool

VALUES = (
    f"--kube-version={KUBERNETES_VERSION}",
    "--set=prometheusRule.enabled=true",
    "--set=dashboards.enabled=true",
)


def test_a_packaged_chart_holds_what_its_links_lead_to(tool: Tool, tmp_path: Path) -> None:
    helm = tool("helm")
    package: list[str | Path] = [helm, "package", CHART, "--destination", tmp_path]
    subprocess.run(package, check=True, capture_output=True)
    packaged = tmp_path / f"inference-exporter-{__version__}.tgz"
    with tarfile.open(packaged) as archive:
        assert all(member.isfile() for member in archive.getmembers())
        names = {Path(member.name).name for member in archive.getmembers()}
    assert {path.name for path in (ROOT / "dashboards" / "json").glob("*.json")} <= names
    from_package, from_folder = (
        subprocess.run(
            [helm, "template", "mine", chart, *VALUES], check=True, capture_output=True
        ).stdout
        for chart in (packaged, CHART)
    )
    assert from_package == from_folder
