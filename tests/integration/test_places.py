"""Three locations, three ways into one real Prometheus: a scrape, an agent with remote write, a
push."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import pytest
import yaml

from exporter.simulator import Script, Simulator, run_in_thread
from tests.process import eventually, exporter, free_port, process
from tests.queries import panel_queries

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

ROOT = Path(__file__).parents[2]
PLACES = ROOT / "deploy" / "places"
Tool = Callable[[str], Path]
CONFIG = """
web: {{listen: "127.0.0.1:{port}"}}
location: {location}
defaults: {{interval: 400ms, connection: fresh}}
targets:
  - {{name: asked, provider: openai, model: asked, base_url: "{url}/v1",
     price: {{input: 1, output: 2}}}}
{more}
"""
PUSH = """
push: {{endpoint: "{central}/api/v1/otlp/v1/metrics", interval: 500ms, instance: edge-7,
        headers: {{Authorization: {{env: PUSH_TOKEN}}}}}}
"""


@dataclass(frozen=True, slots=True)
class World:
    url: str
    """The URL of the central Prometheus."""
    edge: str
    """The URL of the exporter that pushes."""

    def query(self, expression: str) -> dict[str, float]:
        """Return the values of an instant query, by location."""
        answer = httpx.get(f"{self.url}/api/v1/query", params={"query": expression})
        answer.raise_for_status()
        found = answer.json()["data"]["result"]
        return {s["metric"].get("location", ""): float(s["value"][1]) for s in found}

    def names(self, location: str) -> set[str]:
        """Return the names of all series from one location."""
        selector = {"match[]": f'{{location="{location}"}}'}
        answer = httpx.get(f"{self.url}/api/v1/label/__name__/values", params=selector)
        return set(answer.json()["data"])


def example(name: str, **replaced: str) -> str:
    """Return a shipped configuration with the test's addresses and shorter intervals."""
    text = (PLACES / name).read_text()
    for before, after in replaced.items():
        assert before in text
        text = text.replace(before, after)
    return text.replace("15s", "500ms")


@contextmanager
def prometheus(program: Path, folder: Path, config: str, *options: str) -> Iterator[str]:
    port = free_port()
    folder.mkdir()
    (folder / "prometheus.yml").write_text(config)
    address = f"127.0.0.1:{port}"
    config_file = f"--config.file={folder}/prometheus.yml"
    command: list[str | Path] = [program, config_file, f"--web.listen-address={address}", *options]
    with process(command, folder / "log"):
        ready = f"http://{address}/-/ready"
        eventually(lambda: httpx.get(ready).status_code, lambda status: status == 200)
        yield f"http://{address}"


@pytest.fixture(scope="module")
def world(tool: Tool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    program, folder = tool("prometheus"), tmp_path_factory.mktemp("places")
    ports = {place: free_port() for place in ("eu", "us", "edge")}
    script = Script(first_token_seconds=0.02, token_gap_seconds=0.001, answer_tokens=20)
    with ExitStack() as stack:
        simulator = stack.enter_context(run_in_thread(Simulator({"asked": script})))
        receiving = ("--web.enable-remote-write-receiver", "--web.enable-otlp-receiver")
        eu = example(
            "central.yml",
            **{
                "eu.exporter.example:9850": f"127.0.0.1:{ports['eu']}",
                '      - targets: ["us.exporter.example:9850"]\n': "",
                '      - targets: ["asia.exporter.example:9850"]\n': "",
                "../prometheus/": f"{ROOT}/deploy/prometheus/",
            },
        )
        storage = f"--storage.tsdb.path={folder}/central/data"
        central = stack.enter_context(
            prometheus(program, folder / "central", eu, storage, *receiving)
        )
        for place, port in ports.items():
            more = PUSH.format(central=central) if place == "edge" else ""
            config = folder / f"{place}.yaml"
            config.write_text(
                CONFIG.format(port=port, location=place, url=simulator.url, more=more)
            )
            run = exporter("run", "--config", config)
            token = "Bearer push-token-0123456789"
            log = folder / f"{place}.log"
            stack.enter_context(process(run, log, PUSH_TOKEN=token))
        us = example(
            "agent.yml",
            **{
                "localhost:9850": f"127.0.0.1:{ports['us']}",
                "eu-west-1": "us",
                "https://prometheus.example": central,
            },
        )
        agent = ("--agent", f"--storage.agent.path={folder}/agent/data")
        stack.enter_context(prometheus(program, folder / "agent", us, *agent))
        found = World(central, f"http://127.0.0.1:{ports['edge']}")
        probed = 'sum by (location) (inference_probes_total{outcome="success"}) > 3'
        eventually(lambda: found.query(probed), lambda v: set(v) == set(ports))
        yield found


def test_every_place_arrives_in_one_job(world: World) -> None:
    counted = 'count by (location) (inference_last_probe_success{job="inference"})'
    eventually(lambda: world.query(counted), lambda v: v == {"eu": 1, "us": 1, "edge": 1})


def test_an_agent_names_its_place_in_series_without_a_location(world: World) -> None:
    up = 'up{job="inference", instance="us"}'
    eventually(lambda: world.query(up), lambda v: v == {"": 1})


def test_what_is_pushed_is_what_a_scrape_would_show(world: World) -> None:
    scraped = httpx.get(f"{world.edge}/metrics").text
    names = set(re.findall(r"^(\w+)[{ ]", scraped, re.MULTILINE))
    assert names - world.names("edge") == set()
    ours = {name for name in world.names("edge") if name.startswith("inference_")}
    assert ours - names == set()
    counted = 'count(inference_probes_total{instance="edge-7"})'
    eventually(lambda: world.query(counted), lambda v: v == {"": 2})


def test_quantiles_of_pushed_histograms_are_those_of_scraped_ones(world: World) -> None:
    name = "inference_time_to_first_token_seconds"
    buckets = f"sum by (le, location) ({name}_bucket)"
    found = eventually(
        lambda: world.query(f"histogram_quantile(0.5, {buckets})"), lambda v: len(v) == 3
    )
    assert max(found.values()) < 4 * min(found.values())
    counts = f"{name}_count == on (location) group_left () {name}_count"
    eventually(lambda: world.query(counts), lambda v: set(v) == {"eu", "us", "edge"})


def test_the_rules_of_places_see_all_three(world: World) -> None:
    seen = (
        "count by (job, target) (count by (job, target, location) (inference_last_probe_success))"
    )
    eventually(lambda: world.query(seen), lambda v: v == {"": 3})


def test_the_dashboard_of_places_shows_all_three(world: World) -> None:
    """Except panels that need days of history."""
    everybody = {"job": ".+", "instance": ".+", "target": ".+", "probe": ".+", "location": ".+"}
    asked = [q for q in panel_queries() if q.where.startswith("inference-places ")]
    now = [query for query in asked if "deviation" not in query.expression]
    assert len(now) >= 6
    for query in now:
        assert eventually(partial(world.query, query.with_variables(everybody))), query.where
    tcp = next(query for query in now if "phase" in query.expression)
    asked_for = tcp.with_variables(everybody)
    eventually(lambda: world.query(asked_for), lambda v: set(v) == {"eu", "us", "edge"})


@pytest.mark.parametrize("path", sorted(PLACES.glob("*.yml")), ids=lambda path: path.stem)
def test_promtool_takes_the_examples(path: Path, tool: Tool) -> None:
    agent = ["--agent"] if path.stem == "agent" else []
    check = subprocess.run(
        [tool("promtool"), "check", "config", "--syntax-only", *agent, path],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert check.returncode == 0, check.stderr
    assert yaml.safe_load(path.read_text())
