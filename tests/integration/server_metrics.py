"""The metrics of model servers, for a simulated server."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import prometheus_client
from prometheus_client.core import (
    CollectorRegistry,
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from dashboards.real import (
    FAILED,
    GATEWAY_DURATION,
    GATEWAY_FIRST_TOKEN,
    REQUESTS,
    SERVER_DURATION,
    SERVER_REQUESTS,
)
from dashboards.target_server import CACHE, FIRST_TOKEN, QUEUE, RUNNING, WAITING
from exporter.result import NANOSECONDS
from exporter.simulator import Simulator


class ServersOwn(Collector):
    """The metrics of vLLM, SGLang, and llama.cpp, based on what the simulated server did.

    The simulated server has no queue, so the queue time is zero.
    """

    def __init__(self, server: Simulator) -> None:
        self._server = server

    def collect(self) -> Iterable[Metric]:
        seconds = [
            (served.outputs[0].monotonic_ns - served.received_ns) / NANOSECONDS
            for served in self._server.ledger
            if served.outputs
        ]
        for name in FIRST_TOKEN:
            yield _histogram(name, seconds)
        for name in QUEUE:
            yield _histogram(name, [0.0] * len(seconds))
        for name in (SERVER_DURATION, GATEWAY_FIRST_TOKEN, GATEWAY_DURATION):
            yield _histogram(name, seconds)
        yield _counter(SERVER_REQUESTS, len(seconds), "app/1.0")
        for name in (REQUESTS, FAILED):
            asked = _counter(name, len(seconds), "app/1.0")
            yield _counter(name, len(seconds), "inference-exporter/1.0", asked)
        for name in (*RUNNING, *WAITING, *CACHE):
            yield _gauge(name)


def _gauge(name: str) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, name, labels=["model_name"])
    family.add_metric(["vllm"], 0)
    return family


def _histogram(name: str, values: list[float]) -> HistogramMetricFamily:
    bounds = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, math.inf)
    family = HistogramMetricFamily(name, name, labels=["model_name", "requested_model"])
    counts = [
        (str(bound).replace("inf", "+Inf"), sum(value <= bound for value in values))
        for bound in bounds
    ]
    family.add_metric(["vllm", "vllm"], counts, sum(values))
    return family


def _counter(
    name: str, value: float, asks: str, family: CounterMetricFamily | None = None
) -> CounterMetricFamily:
    """Return a counter with the labels of vLLM and LiteLLM, including the user."""
    labels = ["model_name", "requested_model", "user_agent"]
    family = family or CounterMetricFamily(name, name, labels=labels)
    family.add_metric(["vllm", "vllm", asks], value)
    return family


@contextmanager
def metrics_of(server: Simulator, port: int) -> Iterator[None]:
    """Expose the metrics on this port until the block ends."""
    registry = CollectorRegistry()
    registry.register(ServersOwn(server))
    http, thread = prometheus_client.start_http_server(port, "127.0.0.1", registry)
    try:
        yield
    finally:
        http.shutdown()
        thread.join()
        http.server_close()
