"""One control plane for all tests that need a real one, because it takes a minute to start."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from exporter.simulator import Script, Simulator, run_in_thread
from tests.cluster.control_plane import ControlPlane, Document
from tests.cluster.home import HOME
from tests.deploy.variants import KUBERNETES, ROOT, kustomize


@pytest.fixture(scope="session")
def plane(
    tool: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ControlPlane]:
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
    """Remove the document's own namespace."""
    metadata = {key: value for key, value in document["metadata"].items() if key != "namespace"}
    return {**document, "metadata": metadata}


@pytest.fixture(scope="module")
def provider() -> Iterator[tuple[Simulator, str]]:
    """Run the provider, and yield it with its URL. Its ledger records the requests."""
    quick = Script(first_token_seconds=0.01, token_gap_seconds=0.001)
    simulator = Simulator({"fast": quick, "of-first": quick, "of-second": quick})
    with run_in_thread(simulator) as running:
        yield simulator, running.url
