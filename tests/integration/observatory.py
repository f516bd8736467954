"""The real exporter on simulated providers of every kind, watched by a real Prometheus.

Five days of history are backfilled for two targets, as if they had been watched before, since what
is usual takes days to learn. ``python -m tests.integration.observatory`` keeps it open to look at.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
import re
import ssl
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import prometheus_client
import trustme
import yaml
from prometheus_client.core import CollectorRegistry, HistogramMetricFamily
from prometheus_client.registry import Collector

from benchmarks.alert_quality.replay import Replay, Tools, load_rules
from benchmarks.alert_quality.series import Series
from exporter.result import NANOSECONDS, RateLimit
from exporter.simulator import Script, Simulator, run_in_thread
from exporter.simulator.faults import ErrorResponse
from exporter.simulator.script import Boot
from exporter.simulator.steps import Error, ErrorKind
from tests.deploy.variants import KUBERNETES
from tests.kubernetes.api_server import ApiServer, running
from tests.process import eventually, exporter, free_port, process
from tests.queries import RULE_FILES, RULES

HISTORY_DAYS = 5.5
RBAC = KUBERNETES / "components"
OVERLOADED = ErrorResponse(Error(ErrorKind.OVERLOADED, "Try again later."))
SCRIPTS = {
    "baseline": Script(
        first_token_seconds=0.15,
        token_gap_seconds=0.004,
        jitter=0.2,
        served_model="baseline-2026-09-01",
        rate_limits=(RateLimit("requests", 500, 480), RateLimit("tokens", 200_000, 188_000)),
    ),
    "candidate": Script(first_token_seconds=0.1, token_gap_seconds=0.003, jitter=0.2),
    "flaky": Script(first_token_seconds=0.1, fault=OVERLOADED, fault_ratio=0.3),
    "sleepy": Script(first_token_seconds=0.05, boot=Boot(seconds=0.8, idle_seconds=2)),
}
SERVER = {"vllm": Script(first_token_seconds=0.08, token_gap_seconds=0.004, boot=Boot(seconds=1))}
SERVER_LISTENS_AFTER_SECONDS = 4.0
SERVER_RESTARTS_EVERY_SECONDS = 30.0

CONFIG = """
web: {{listen: "127.0.0.1:{port}"}}
defaults: {{interval: 1s}}
budget: {{usd_per_day: 5, state_file: {folder}/spent.json}}
targets:
  - name: baseline
    provider: openai
    model: baseline
    base_url: "{secure}/v1"
    tls: {{ca_file: {folder}/ca.pem}}
    connection: fresh
    labels: {{stack: baseline}}
    price: {{input: 2, output: 10}}
    budget: {{usd_per_day: 2}}
    slo: {{success_ratio: 0.99, time_to_first_token: {{threshold: 1s, ratio: 0.95}}}}
    cold_start: {{idle: 4s, every: 20s, retry: 200ms}}
  - name: candidate
    provider: openai
    model: candidate
    base_url: "{secure}/v1"
    tls: {{ca_file: {folder}/ca.pem}}
    labels: {{stack: candidate}}
    price: {{input: 1, output: 5}}
    slo: {{success_ratio: 0.99}}
    cold_start: {{idle: 4s, every: 20s, retry: 200ms}}
  - {{name: flaky, provider: openai, model: flaky, base_url: "{secure}/v1",
     tls: {{ca_file: {folder}/ca.pem}}, slo: {{success_ratio: 0.9}}}}
  - {{name: sleepy, provider: openai, model: sleepy, base_url: "{secure}/v1",
     tls: {{ca_file: {folder}/ca.pem}}, cold_start: {{idle: 3s, every: 8s, retry: 200ms}}}}
{kubernetes}
leader_election: kubernetes-lease
kubernetes_discovery:
  - selector: app=vllm
    port: http
    target:
      name: vllm
      provider: vllm
      model: vllm
      base_url: "http://{{address}}:{{port}}/v1"
      price: {{usd_per_hour: 2}}
      boot: {{limit: 20m, poll: 200ms}}
"""
PROMETHEUS = """
global: {{scrape_interval: 1s, evaluation_interval: 2s}}
rule_files: ["{folder}/rules/*.yml"]
scrape_configs:
  - {{job_name: inference, static_configs: [{{targets: ["127.0.0.1:{exporter}"]}}]}}
  - {{job_name: vllm, static_configs: [{{targets: ["127.0.0.1:{server}"]}}]}}
"""


@dataclass(frozen=True, slots=True)
class Observatory:
    """Where to ask."""

    url: str
    """Of Prometheus."""

    def query(self, expression: str) -> list[float]:
        """The values of an instant query.

        :raises ValueError: Prometheus does not understand it.
        :raises httpx.HTTPError: it is not there, or not ready.
        """
        answer = httpx.post(f"{self.url}/api/v1/query", data={"query": expression}, timeout=30)
        if answer.is_server_error:  # not ready yet
            answer.raise_for_status()
        data = json.loads(answer.text)
        if data["status"] != "success":
            raise ValueError(f"{expression}: {data['error']}")
        if data["data"]["resultType"] == "scalar":
            return [float(data["data"]["result"][1])]
        return [float(series["value"][1]) for series in data["data"]["result"]]


class ServersOwn(Collector):
    """What a vLLM server would say of itself, from what the simulated one really did. It keeps
    nobody waiting, so its queue takes no time."""

    def __init__(self, server: Simulator) -> None:
        self._server = server

    def collect(self) -> Iterable[HistogramMetricFamily]:
        seconds = [
            (served.outputs[0].monotonic_ns - served.received_ns) / NANOSECONDS
            for served in self._server.ledger
            if served.outputs
        ]
        yield _histogram("vllm:time_to_first_token_seconds", seconds)
        yield _histogram("vllm:request_queue_time_seconds", [0.0] * len(seconds))


def _histogram(name: str, values: list[float]) -> HistogramMetricFamily:
    bounds = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, math.inf)
    family = HistogramMetricFamily(name, name, labels=["model_name"])
    counts = [
        (str(bound).replace("inf", "+Inf"), sum(value <= bound for value in values))
        for bound in bounds
    ]
    family.add_metric(["vllm"], counts, sum(values))
    return family


@contextmanager
def observatory(tools: Tools, folder: Path) -> Iterator[Observatory]:
    """Everything, for the time of the block; ready once every target was probed some times."""
    port, server_port, own_port = free_port(), free_port(), free_port()
    (folder / "data").mkdir()
    _backfill(tools, folder, port)
    hosted = Simulator(SCRIPTS, ssl_context=_certificate(folder))
    own = Simulator(SERVER, listen_after_seconds=SERVER_LISTENS_AFTER_SECONDS)
    with (
        run_in_thread(hosted, beside=_change_the_model),
        run_in_thread(own, beside=_boot_now_and_then),
        _metrics_of(own, server_port),
        _cluster(own, folder) as kubernetes,
    ):
        secure = hosted.url.replace("127.0.0.1", "localhost")
        config = folder / "exporter.yaml"
        text = CONFIG.format(port=port, folder=folder, secure=secure, kubernetes=kubernetes)
        config.write_text(text)
        scrape = folder / "prometheus.yml"
        scrape.write_text(PROMETHEUS.format(folder=folder, exporter=port, server=server_port))
        _write_impatient_rules(folder / "rules")
        watch: list[str | Path] = [
            tools.prometheus,
            f"--config.file={scrape}",
            f"--storage.tsdb.path={folder / 'data'}",
            "--enable-feature=exemplar-storage",
            f"--web.listen-address=127.0.0.1:{own_port}",
        ]
        run = exporter("run", "--config", config)
        with process(watch, folder / "prometheus.log"), process(run, folder / "exporter.log"):
            seen = Observatory(f"http://127.0.0.1:{own_port}")
            enough = 'count(inference_probes_total{outcome="success"} >= 15)'
            eventually(lambda: seen.query(enough), lambda counts: counts == [5], seconds=90)
            yield seen


async def _boot_now_and_then(simulator: Simulator) -> None:
    while True:
        await asyncio.sleep(SERVER_RESTARTS_EVERY_SECONDS)
        await simulator.restart()


async def _change_the_model(simulator: Simulator) -> None:
    await asyncio.sleep(10)
    simulator.scripts["baseline"] = replace(SCRIPTS["baseline"], served_model="baseline-2026-11-01")
    await asyncio.Event().wait()


@contextmanager
def _cluster(server: Simulator, folder: Path) -> Iterator[str]:
    """A cluster that the exporter runs in, with a pod of the server; how it is configured."""
    roles = [RBAC / name / "rbac.yaml" for name in ("leader-election", "discovery")]
    rules = [
        thing
        for path in roles
        for thing in yaml.safe_load_all(path.read_text())
        if thing["kind"] == "Role"
    ]
    cluster = ApiServer(rules)
    cluster.put("leases", yaml.safe_load((RBAC / "leader-election" / "lease.yaml").read_text()))
    cluster.put("pods", _pod(httpx.URL(server.url).port or 0))
    (folder / "kubernetes").mkdir()
    with running(cluster, folder / "kubernetes") as settings:
        yield settings.replace("lease_duration: 3s", "lease_duration: 60s")  # however busy we are


def _pod(port: int) -> dict[str, Any]:
    container = {"name": "vllm", "ports": [{"name": "http", "containerPort": port}]}
    return {
        "kind": "Pod",
        "metadata": {"name": "vllm-0", "labels": {"app": "vllm"}},
        "spec": {"containers": [container]},
        "status": {"phase": "Running", "podIP": "127.0.0.1"},
    }


def _write_impatient_rules(folder: Path) -> None:
    """The rules as they are, but evaluated every two seconds, those that change slowly too."""
    folder.mkdir()
    for path in RULE_FILES:
        (folder / path.name).write_text(re.sub(r"\n    interval: \w+", "", path.read_text()))


@contextmanager
def _metrics_of(server: Simulator, port: int) -> Iterator[None]:
    registry = CollectorRegistry()
    registry.register(ServersOwn(server))
    http, thread = prometheus_client.start_http_server(port, "127.0.0.1", registry)
    try:
        yield
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


def _certificate(folder: Path) -> ssl.SSLContext:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    return context


def _backfill(tools: Tools, folder: Path, port: int) -> None:
    """Days in which two targets were as they are now, and what the rules made of them."""
    end = int(time.time()) // 60 * 60
    start = end - int(HISTORY_DAYS * 86_400) // 60 * 60
    replay = Replay(tools, folder, start, end)
    replay.add(_history(start, end, f"127.0.0.1:{port}"))
    replay.record(load_rules(RULES / "regression-rules.yml"))


def _history(start: int, end: int, instance: str) -> Iterator[Series]:
    dice = random.Random(1)
    times = range(start, end, 60)
    for target in ("baseline", "candidate"):
        script = SCRIPTS[target]
        labels = {
            "job": "inference", "instance": instance, "target": target, "provider": "openai",
            "model": target, "probe": "short", "stack": target,
        }  # fmt: skip
        for measure, median in (
            ("time_to_first_token_seconds", script.first_token_seconds),
            ("time_per_output_token_seconds", script.token_gap_seconds),
        ):
            values = [median * dice.lognormvariate(0, script.jitter) for _ in times]
            yield Series(f"inference_last_probe_{measure}", labels, times, values)


def main() -> None:
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 60
    programs = Path(__file__).parents[2] / ".tools" / "bin"
    with (
        tempfile.TemporaryDirectory() as folder,
        observatory(Tools(programs / "prometheus", programs / "promtool"), Path(folder)) as seen,
    ):
        sys.stdout.write(f"{seen.url}\n")
        sys.stdout.flush()
        time.sleep(minutes * 60)


if __name__ == "__main__":
    main()
