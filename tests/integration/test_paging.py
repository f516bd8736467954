"""A provider fails and a real Alertmanager pages. The provider recovers and the page resolves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.simulator import Script, Simulator, run_in_thread
from exporter.simulator.faults import ErrorResponse
from exporter.simulator.steps import Error, ErrorKind
from tests.integration.alertmanager import alertmanager, on_call
from tests.integration.observatory import Observatory
from tests.process import eventually, exporter, free_port, process
from tests.queries import RULES

CONFIG = """
web: {{listen: "127.0.0.1:{port}"}}
defaults: {{interval: 1s}}
targets:
  - {{name: steady, provider: openai, model: steady, base_url: "{url}/v1"}}
  - {{name: failing, provider: openai, model: failing, base_url: "{url}/v1",
     labels: {{team: search}}}}
"""
PROMETHEUS = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: ["{rules}/regression-rules.yml", "{rules}/alerts.yml"]
alerting: {{alertmanagers: [{{static_configs: [{{targets: ["127.0.0.1:{alertmanager}"]}}]}}]}}
scrape_configs:
  - {{job_name: inference, static_configs: [{{targets: ["127.0.0.1:{exporter}"]}}]}}
"""
WELL = Script(first_token_seconds=0.02, token_gap_seconds=0.001)
ILL = Script(fault=ErrorResponse(Error(ErrorKind.OVERLOADED, "Try again later.")))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_page_comes_when_a_target_goes_down_and_is_resolved_when_it_is_back(
    tool: Callable[[str], Path], tmp_path: Path
) -> None:
    prometheus, pager = tool("prometheus"), tool("alertmanager")
    port, own_port = free_port(), free_port()
    simulator = Simulator({"steady": WELL, "failing": WELL})
    with (
        run_in_thread(simulator),
        on_call() as (person, url),
        alertmanager(pager, tmp_path, url) as pager_port,
    ):
        config = tmp_path / "exporter.yaml"
        config.write_text(CONFIG.format(port=port, url=simulator.url))
        scrape = tmp_path / "prometheus.yml"
        scrape.write_text(PROMETHEUS.format(rules=RULES, alertmanager=pager_port, exporter=port))
        watch: list[str | Path] = [
            prometheus,
            f"--config.file={scrape}",
            f"--storage.tsdb.path={tmp_path / 'data'}",
            f"--web.listen-address=127.0.0.1:{own_port}",
        ]
        run = exporter("run", "--config", config)
        with process(run, tmp_path / "exporter.log"), process(watch, tmp_path / "prometheus.log"):
            seen = Observatory(f"http://127.0.0.1:{own_port}")
            well = "count(min_over_time(inference_last_probe_success[1m]) == 1)"
            eventually(lambda: seen.query(well), lambda count: count == [2])
            assert not person.calls

            simulator.scripts["failing"] = ILL
            page = eventually(lambda: person.heard("InferenceTargetDown", "firing"), seconds=240)[0]
            assert page.receiver == "pager"
            assert page.labels["target"] == "failing"
            assert page.labels["team"] == "search"
            assert "mostly overloaded" in page.annotations["summary"]

            simulator.scripts["failing"] = WELL
            end = eventually(lambda: person.heard("InferenceTargetDown", "resolved"))
            assert end[0].labels == page.labels
    assert {call.labels["target"] for call in person.calls} == {"failing"}
