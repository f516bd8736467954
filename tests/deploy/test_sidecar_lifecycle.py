"""The life cycle of a pod with a sidecar, played with processes in the order that the kubelet
uses."""

from __future__ import annotations

import math
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from subprocess import Popen

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from tests.deploy.variants import KUBERNETES, STATE, VARIANTS, Document, Tool, workloads
from tests.process import eventually, exporter, free_port, process

CONFIG = KUBERNETES / "examples" / "vllm" / "config.yaml"


class Sidecar:
    """The sidecar as the kubelet and Prometheus see it."""

    def __init__(self, port: int, container: Document) -> None:
        self._url = f"http://127.0.0.1:{port}"
        self._container = container

    def passes(self, probe: str) -> bool:
        """Return whether it passes this probe from its manifest."""
        return httpx.get(self._url + self._container[probe]["httpGet"]["path"]).is_success

    def samples(self, name: str, **labels: str) -> list[Sample]:
        """Return the samples with this name and these labels from one scrape."""
        text = httpx.get(f"{self._url}/metrics").text
        return [
            sample
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]

    def value(self, name: str, **labels: str) -> float:
        """Return the only sample with this name and these labels."""
        (found,) = self.samples(name, **labels)
        return found.value

    def failures(self) -> set[str]:
        """Return the reasons of all failures so far."""
        samples = self.samples("inference_probe_failures_total")
        return {sample.labels["reason"] for sample in samples if sample.value}

    def successes(self) -> float:
        return self.value("inference_probes_total", outcome="success")

    def boots(self) -> float:
        return self.value("inference_cold_starts_total", signal="boot")

    def boot_phase(self, phase: str) -> float:
        return self.value("inference_boot_phase_duration_seconds", phase=phase)


def model_server(port: int, folder: Path) -> AbstractContextManager[Popen[bytes]]:
    return process(
        [sys.executable, "-m", "tests.deploy.model_server", str(port)], folder / "server"
    )


@pytest.mark.slow
def test_the_sidecar_is_there_before_the_server_and_after_it(tool: Tool, tmp_path: Path) -> None:
    (variant,) = (variant for variant in VARIANTS if variant.name == "vllm-with-sidecar")
    ((_, pod),) = workloads(variant.render(tool))
    (container,) = pod["spec"]["initContainers"]
    server_port, port = free_port(), free_port()
    config = tmp_path / "config.yaml"
    text = CONFIG.read_text().replace(":8000", f":{server_port}")
    config.write_text(text.replace(STATE, str(tmp_path)))
    arguments = [
        config if argument.startswith("/etc/") else argument for argument in container["args"]
    ]
    env = {
        "INFERENCE_EXPORTER_WEB__LISTEN": f"127.0.0.1:{port}",
        "INFERENCE_EXPORTER_DEFAULTS__INTERVAL": "250ms",
    }
    sidecar = Sidecar(port, container)
    log = tmp_path / "sidecar"
    with process(exporter(*arguments), log, **env) as running:
        # The kubelet starts the server only after the sidecar has started.
        eventually(lambda: sidecar.passes("startupProbe"))
        eventually(sidecar.failures)
        assert sidecar.successes() == 0
        assert sidecar.value("inference_last_probe_success") == 0

        with model_server(server_port, tmp_path) as server:
            eventually(lambda: sidecar.boots() == 1)
            eventually(lambda: sidecar.successes() >= 2)
            assert sidecar.value("inference_last_probe_success") == 1
            phases = ("listening", "healthy", "model_listed", "first_token")
            reached = [sidecar.boot_phase(phase) for phase in phases]
            assert reached == sorted(reached)
            assert not any(map(math.isnan, reached))
            assert sidecar.failures() == {"not_ready"}, "a boot is not an outage"

            # The container runs out of memory and is killed. The kubelet restarts it.
            server.kill()
            server.wait(60)
            eventually(lambda: math.isnan(sidecar.boot_phase("first_token")))
            assert sidecar.passes("livenessProbe"), "what happens to the server is not its fault"
        with model_server(server_port, tmp_path) as server:
            successes = sidecar.successes()
            eventually(lambda: sidecar.boots() == 2)
            eventually(lambda: sidecar.successes() >= successes + 2)

            # The pod ends: first the server, then the sidecar.
            server.terminate()
            server.wait(60)
            eventually(lambda: sidecar.value("inference_last_probe_success") == 0)
            assert sidecar.passes("livenessProbe")
        running.terminate()
        assert running.wait(pod["spec"]["terminationGracePeriodSeconds"]) == 0
    assert '"event": "stopping"' in log.read_text()
