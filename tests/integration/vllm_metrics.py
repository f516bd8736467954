"""What a vLLM server says of itself, for a simulated one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import prometheus_client
from prometheus_client.core import CollectorRegistry, HistogramMetricFamily
from prometheus_client.registry import Collector

from exporter.result import NANOSECONDS
from exporter.simulator import Simulator


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
def metrics_of(server: Simulator, port: int) -> Iterator[None]:
    """Shows them at this port for the time of the block."""
    registry = CollectorRegistry()
    registry.register(ServersOwn(server))
    http, thread = prometheus_client.start_http_server(port, "127.0.0.1", registry)
    try:
        yield
    finally:
        http.shutdown()
        thread.join()
        http.server_close()
