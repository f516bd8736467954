"""The real exporter with simulated providers of every kind, scraped by a real Prometheus.

Five days of history are backfilled for three targets, because baselines take days to learn. To look
at it, run ``python -m tests.integration.observatory``.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import signal
import ssl
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path
from typing import Any

import httpx
import trustme

from benchmarks.alert_quality.replay import Replay, Tools, load_rules
from benchmarks.alert_quality.series import Series
from exporter.providers.calls import ToolCall
from exporter.result import RateLimit
from exporter.simulator import Script, Simulator, run_in_thread
from exporter.simulator.faults import ErrorResponse
from exporter.simulator.script import Boot
from exporter.simulator.steps import Error, ErrorKind
from tests.integration.cluster import cluster_with
from tests.integration.server_metrics import metrics_of
from tests.process import eventually, exporter, free_port, process
from tests.queries import RULE_FILES, RULES

HISTORY_DAYS = 5.5
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
    "kinds": Script(
        first_token_seconds=0.05,
        token_gap_seconds=0.002,
        tool_call=ToolCall("get_rain", '{"city": "Paris"}'),
    ),
    "flaky": Script(first_token_seconds=0.1, fault=OVERLOADED, fault_ratio=0.3),
    "sleepy": Script(first_token_seconds=0.05, boot=Boot(seconds=0.8, idle_seconds=2)),
}
SERVER = {"vllm": Script(first_token_seconds=0.08, token_gap_seconds=0.004, boot=Boot(seconds=1))}
SERVER_LISTENS_AFTER_SECONDS = 4.0
SERVER_RESTARTS_EVERY_SECONDS = 30.0

CONFIG = """
web: {{listen: "127.0.0.1:{port}"}}
location: here
defaults: {{interval: 1s}}
budget: {{usd_per_day: 5, state_file: {folder}/spent.json}}
probes:
  short: {{prompt: "Count from 1 to 20, separated by spaces."}}
  prefix: {{kind: cached_prefix, prefix_tokens: 1024}}
  vectors: {{kind: embeddings}}
  order: {{kind: rerank}}
  listed: {{kind: models}}
  calling:
    prompt: "Does it rain in Paris?"
    tools: [{{name: get_rain, parameters: {{properties: {{city: {{type: string}}}}}}}}]
  fixed: {{kind: fingerprint, logprobs: true}}
controls:
  - {{name: network, url: "{secure}/health", interval: 1s, tls: {{ca_file: {folder}/ca.pem}}}}
targets:
  - name: baseline
    provider: openai
    model: baseline
    base_url: "{secure}/v1"
    tls: {{ca_file: {folder}/ca.pem}}
    connection: fresh
    labels: {{stack: baseline}}
    probes: [short]
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
    probes: [short]
    price: {{input: 1, output: 5}}
    slo: {{success_ratio: 0.99}}
    cold_start: {{idle: 4s, every: 20s, retry: 200ms}}
  - {{name: kinds, provider: openai, model: kinds, base_url: "{secure}/v1",
     probes: [prefix, vectors, fixed, order, listed, calling], tls: {{ca_file: {folder}/ca.pem}},
     price: {{input: 2, cached_input: 0.5, output: 10}}}}
  - {{name: flaky, provider: openai, model: flaky, base_url: "{secure}/v1", probes: [short],
     tls: {{ca_file: {folder}/ca.pem}}, slo: {{success_ratio: 0.9}}}}
  - {{name: sleepy, provider: openai, model: sleepy, base_url: "{secure}/v1", probes: [short],
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
      probes: [short]
      base_url: "http://{{address}}:{{port}}/v1"
      price: {{usd_per_hour: 2}}
      boot: {{limit: 20m, poll: 200ms}}
"""
PROMETHEUS = """
global: {{scrape_interval: 1s, evaluation_interval: 2s}}
rule_files: ["{folder}/rules/*.yml"]
scrape_configs:
  - job_name: inference
    static_configs: [{{targets: ["127.0.0.1:{exporter}"]}}]
    scrape_native_histograms: true
    always_scrape_classic_histograms: true
  - {{job_name: vllm, static_configs: [{{targets: ["127.0.0.1:{server}"]}}]}}
"""


@dataclass(frozen=True, slots=True)
class Observatory:
    """Where to send queries."""

    url: str
    """The URL of Prometheus."""

    def query(self, expression: str) -> list[float]:
        """Return the values of an instant query.

        :raises ValueError: Prometheus rejects the query.
        :raises httpx.HTTPError: Prometheus isn't running, or isn't ready.
        """
        answer = httpx.post(f"{self.url}/api/v1/query", data={"query": expression}, timeout=30)
        if answer.is_server_error:  # not ready yet
            answer.raise_for_status()
        data = json.loads(answer.text)
        if data["status"] != "success":
            raise ValueError(f"{expression}: {data['error']}")
        if data["data"]["resultType"] == "scalar":
            return [float(data["data"]["result"][1])]
        return [_number(series) for series in data["data"]["result"]]


def _number(series: dict[str, Any]) -> float:
    """Return a value, or the count of a native histogram."""
    return float(series["value"][1] if "value" in series else series["histogram"][1]["count"])


@contextmanager
def observatory(tools: Tools, folder: Path) -> Iterator[Observatory]:
    """Run everything until the block ends. Yield once every target has been probed several
    times."""
    port, server_port, own_port = free_port(), free_port(), free_port()
    (folder / "data").mkdir()
    _backfill(tools, folder, port)
    hosted = Simulator(SCRIPTS, ssl_context=_certificate(folder))
    own = Simulator(SERVER, listen_after_seconds=SERVER_LISTENS_AFTER_SECONDS)
    with (
        run_in_thread(hosted, alongside=_change_the_model),
        run_in_thread(own, alongside=_boot_now_and_then),
        metrics_of(own, server_port),
        cluster_with(own, folder) as kubernetes,
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
            eventually(lambda: seen.query(enough), lambda counts: counts == [10], seconds=90)
            yield seen


async def _boot_now_and_then(simulator: Simulator) -> None:
    while True:
        await asyncio.sleep(SERVER_RESTARTS_EVERY_SECONDS)
        await simulator.restart()


async def _change_the_model(simulator: Simulator) -> None:
    """Switch back and forth, so that the last minute always contains a change."""
    for served in cycle(("baseline-2026-11-01", "baseline-2026-09-01")):
        await asyncio.sleep(10)
        simulator.scripts["baseline"] = replace(SCRIPTS["baseline"], served_model=served)


def _write_impatient_rules(folder: Path) -> None:
    """Write the rules with an evaluation interval of two seconds, including slow ones."""
    folder.mkdir()
    for path in RULE_FILES:
        (folder / path.name).write_text(re.sub(r"\n    interval: \w+", "", path.read_text()))


def _certificate(folder: Path) -> ssl.SSLContext:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    return context


def _backfill(tools: Tools, folder: Path, port: int) -> None:
    """Backfill days in which three targets behaved as they do now, and the results of the rules."""
    end = int(time.time()) // 60 * 60
    start = end - int(HISTORY_DAYS * 86_400) // 60 * 60
    replay = Replay(tools, folder, start, end)
    replay.add(_history(start, end, f"127.0.0.1:{port}"))
    replay.record(load_rules(RULES / "regression-rules.yml"))


def _history(start: int, end: int, instance: str) -> Iterator[Series]:
    dice = random.Random(1)
    times = range(start, end, 60)
    for target, probe in (("baseline", "short"), ("candidate", "short"), ("kinds", "vectors")):
        script = SCRIPTS[target]
        labels = {
            "job": "inference", "instance": instance, "target": target, "provider": "openai",
            "model": target, "probe": probe, "stack": target, "location": "here",
        }  # fmt: skip
        yield Series("inference_last_probe_timestamp_seconds", labels, times, times)
        for name, further, each in (
            ("probes_total", {"outcome": "success"}, 1),
            ("probe_failures_total", {"reason": "server_error"}, 0),
        ):
            counts = [each * count for count in range(len(times))]
            yield Series(f"inference_{name}", {**labels, **further}, times, counts)
        medians = {
            "last_probe_time_to_first_token_seconds": script.first_token_seconds,
            "last_probe_time_per_output_token_seconds": script.token_gap_seconds,
        }
        for name, median in medians.items() if probe == "short" else [("items_per_second", 20.0)]:
            values = [median * dice.lognormvariate(0, script.jitter) for _ in times]
            yield Series(f"inference_{name}", labels, times, values)


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # so that its processes end with it
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
