"""A real Prometheus scrapes the demo, and the results agree with the simulator's scripts."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from exporter.metrics.buckets import FIRST_TOKEN_BUCKETS, TOKEN_TIME_BUCKETS
from exporter.simulator import Script, Simulator, run_in_thread
from tests.process import eventually, exporter, free_port, process
from tests.prometheus import Prometheus, running_prometheus
from tests.waiting import timed

FIRST_TOKEN_SECONDS = 0.15
TOKEN_GAP_SECONDS = 0.012
CONFIG = """
web: {{listen: "127.0.0.1:{port}"}}
defaults: {{interval: 400ms}}
targets:
  - {{name: scripted, provider: openai, model: scripted, base_url: "{url}/v1",
     labels: {{team: search}}, price: {{input: 1, output: 2}}}}
"""


@pytest.fixture(scope="module")
def prometheus(
    tool: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    program, folder = tool("prometheus"), tmp_path_factory.mktemp("prometheus")
    port = free_port()
    script = Script(
        first_token_seconds=FIRST_TOKEN_SECONDS,
        token_gap_seconds=TOKEN_GAP_SECONDS,
        answer_tokens=20,
    )
    with run_in_thread(Simulator({"scripted": script})) as simulator:
        (folder / "exporter.yaml").write_text(CONFIG.format(port=port, url=simulator.url))
        run = exporter("run", "--config", folder / "exporter.yaml")
        with (
            process(run, folder / "exporter.log"),
            running_prometheus(program, folder, f"http://127.0.0.1:{port}") as server,
        ):
            wanted = 'inference_probes_total{outcome="success"}'
            eventually(lambda: server.query(wanted), lambda v: v and v[0] >= 12)
            yield server


def bucket_around(value: float, buckets: tuple[float, ...]) -> tuple[float, float]:
    upper = next(bound for bound in buckets if bound >= value)
    lower = max((bound for bound in buckets if bound < value), default=0.0)
    return lower, upper


@timed
@pytest.mark.parametrize(
    ("name", "scripted", "buckets"),
    [
        ("inference_time_to_first_token_seconds", FIRST_TOKEN_SECONDS, FIRST_TOKEN_BUCKETS),
        ("inference_time_per_output_token_seconds", TOKEN_GAP_SECONDS, TOKEN_TIME_BUCKETS),
    ],
)
def test_quantiles_are_within_a_bucket_of_the_script(
    prometheus: Prometheus, name: str, scripted: float, buckets: tuple[float, ...]
) -> None:
    query = f"histogram_quantile(0.5, sum by (le) (rate({name}_bucket[1m])))"
    lower, upper = bucket_around(scripted, buckets)
    value = eventually(lambda: prometheus.query(query), lambda v: v and v[0] == v[0])
    assert lower <= value[0] <= upper


@timed
def test_the_latest_value_gives_exact_quantiles(prometheus: Prometheus) -> None:
    query = "quantile_over_time(0.5, inference_last_probe_time_to_first_token_seconds[1m])"
    assert prometheus.answer(query)[0] == pytest.approx(FIRST_TOKEN_SECONDS, abs=0.03)


def test_the_target_keeps_its_own_labels(prometheus: Prometheus) -> None:
    assert prometheus.answer('inference_probes_total{team="search",outcome="success"}')


def test_the_scrape_has_no_errors(prometheus: Prometheus) -> None:
    assert prometheus.answer("up == 1")
    assert prometheus.answer("scrape_samples_scraped > 100")


def test_promtool_finds_nothing_to_complain_about(
    prometheus: Prometheus, tool: Callable[[str], Path]
) -> None:
    metrics = httpx.get(f"{prometheus.exporter_url}/metrics").content
    check = subprocess.run(
        [tool("promtool"), "check", "metrics"], input=metrics, capture_output=True, check=False
    )
    assert check.returncode == 0, check.stdout + check.stderr
    assert check.stdout + check.stderr == b""
