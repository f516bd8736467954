"""The program stops, the model changes, and the restarted program detects the change."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from exporter.simulator import Script, Simulator, run_in_thread
from tests.process import eventually, exporter, free_port, process
from tests.real.exporter_process import Scrape

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

MODEL = Script(first_token_seconds=0, token_gap_seconds=0, answer="A calm answer of a calm model.")
CHANGED = replace(MODEL, answer="A bold answer of a bold model.")


@contextmanager
def running(config: dict[str, object], folder: Path) -> Iterator[str]:
    """Run the exporter, and yield the URL of its metrics. It must stop cleanly."""
    port = free_port()
    path = folder / "exporter.yaml"
    path.write_text(json.dumps({"web": {"listen": f"127.0.0.1:{port}"}, **config}))
    with process(exporter("run", "--config", path), folder / "exporter.log"):
        yield f"http://127.0.0.1:{port}/metrics"


def counted(url: str, name: str, **labels: str) -> float:
    try:
        return Scrape(httpx.get(url, trust_env=False).text).value(name, **labels)
    except (httpx.TransportError, LookupError):
        return 0


def test_a_model_that_changes_during_a_restart_is_noticed(tmp_path: Path) -> None:
    past = tmp_path / "past"
    past.mkdir()
    with run_in_thread(Simulator({"m": MODEL})) as simulator:
        config: dict[str, object] = {
            "state_folder": str(past),
            "probes": {"fixed": {"kind": "fingerprint", "interval": "100ms"}},
            "targets": [
                {"name": "t", "provider": "openai", "model": "m", "base_url": f"{simulator.url}/v1"}
            ],
        }
        probed, changes = "inference_probes_total", "inference_fingerprint_changes_total"
        with running(config, tmp_path) as url:
            eventually(lambda: counted(url, probed, outcome="success") >= 100, bool, seconds=120)
            assert counted(url, changes) == 0
        assert [file.name.endswith(".past.json") for file in past.iterdir()] == [True]

        simulator.scripts["m"] = CHANGED
        with running(config, tmp_path) as url:
            eventually(lambda: counted(url, changes) == 1, bool, seconds=120)
            assert counted(url, probed, outcome="success") < 100
