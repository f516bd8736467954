"""Two ways into a real Thanos: an agent that writes on, and a push."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import httpx
import pytest

from exporter.simulator import Script, Simulator, run_in_thread
from tests.integration.test_places import CONFIG, World, example, prometheus
from tests.process import eventually, exporter, free_port, process

pytestmark = [pytest.mark.thanos, pytest.mark.timeout(300)]

Tool = Callable[[str], Path]
PUSH = 'push: {{endpoint: "{receiver}/api/v1/otlp", interval: 500ms, instance: edge-7}}'


def is_ready(port: int) -> bool:
    return httpx.get(f"http://127.0.0.1:{port}/-/ready").is_success


@pytest.fixture(scope="module")
def world(tool: Tool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Its receiver is written to, and its querier asked; neither has any other storage."""
    folder, program = tmp_path_factory.mktemp("thanos"), tool("thanos")
    ports = {place: free_port() for place in ("us", "edge")}
    grpc, write, http, asked = (free_port() for _ in range(4))
    receiver = f"http://127.0.0.1:{write}"
    receive: list[str | Path] = [
        program, "receive", f"--tsdb.path={folder}/data", '--label=receiver="one"',
        f"--remote-write.address=127.0.0.1:{write}", f"--grpc-address=127.0.0.1:{grpc}",
        f"--http-address=127.0.0.1:{http}",
    ]  # fmt: skip
    query: list[str | Path] = [
        program, "query", f"--endpoint=127.0.0.1:{grpc}", f"--http-address=127.0.0.1:{asked}",
        f"--grpc-address=127.0.0.1:{free_port()}",
    ]  # fmt: skip
    script = Script(first_token_seconds=0.02, token_gap_seconds=0.001, answer_tokens=20)
    with ExitStack() as stack:
        simulator = stack.enter_context(run_in_thread(Simulator({"asked": script})))
        for name, port, command in (("receive", http, receive), ("query", asked, query)):
            stack.enter_context(process(command, folder / f"{name}.log"))
            eventually(partial(is_ready, port), seconds=60)
        for place, port in ports.items():
            more = PUSH.format(receiver=receiver) if place == "edge" else ""
            config = folder / f"{place}.yaml"
            text = CONFIG.format(port=port, location=place, url=simulator.url, more=more)
            config.write_text(text)
            run = exporter("run", "--config", config)
            stack.enter_context(process(run, folder / f"{place}.log"))
        us = example(
            "agent.yml",
            **{
                "localhost:9850": f"127.0.0.1:{ports['us']}",
                "url: https://prometheus.example/api/v1/write": f"url: {receiver}/api/v1/receive",
            },
        )
        agent = ("--agent", f"--storage.agent.path={folder}/agent/data")
        stack.enter_context(prometheus(tool("prometheus"), folder / "agent", us, *agent))
        found = World(f"http://127.0.0.1:{asked}", f"http://127.0.0.1:{ports['edge']}")
        probed = 'sum by (location) (inference_probes_total{outcome="success"}) > 3'
        eventually(lambda: found.query(probed), lambda v: set(v) == set(ports), seconds=90)
        yield found


def test_both_places_arrive_in_one_job(world: World) -> None:
    counted = 'count by (location) (inference_last_probe_success{job="inference"})'
    assert world.query(counted) == {"us": 1, "edge": 1}


def test_quantiles_are_there_however_the_series_came(world: World) -> None:
    buckets = "sum by (le, location) (inference_time_to_first_token_seconds_bucket)"
    found = eventually(
        lambda: world.query(f"histogram_quantile(0.5, {buckets})"), lambda v: len(v) == 2
    )
    assert max(found.values()) < 4 * min(found.values())
