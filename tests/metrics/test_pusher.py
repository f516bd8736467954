"""What an OTLP receiver gets, and what happens without one."""

from __future__ import annotations

import gzip
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import structlog
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from exporter.app import Exporter
from exporter.cluster.source import FileSource
from exporter.config.push import Push
from exporter.config.root import Config
from exporter.metrics.push.pusher import Pusher
from exporter.metrics.registry import Metrics
from exporter.settings.mistakes import ConfigError
from tests.observing import newly
from tests.process import eventually, free_port

TARGET = {"name": "t", "provider": "openai", "model": "m", "base_url": "http://127.0.0.1:9"}
TOKEN = "Bearer push-token-0123456789"


@dataclass
class Received:
    url: str
    status: int = 200
    requests: list[ExportMetricsServiceRequest] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)

    def metrics(self) -> dict[str, Metric]:
        """Return the metrics of all requests, by name."""
        return {
            metric.name: metric
            for request in self.requests
            for resource in request.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }


@contextmanager
def receiver() -> Iterator[Received]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            coding = self.headers.get("Content-Encoding")
            if coding == "gzip":
                body = gzip.decompress(body)
            received.requests.append(ExportMetricsServiceRequest.FromString(body))
            received.tokens.append(self.headers.get("Authorization"))
            self.send_response(received.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    received = Received(f"http://127.0.0.1:{server.server_address[1]}/v1/metrics")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield received
    finally:
        server.shutdown()
        server.server_close()


def metrics() -> Metrics:
    config = Config.model_validate({"targets": [TARGET], "location": "edge"})
    made = Metrics(config.own_labels)
    made.apply(newly(config.plans()))
    return made


def pusher(url: str, interval: str = "1h", **more: object) -> Pusher:
    told = {"endpoint": url, "interval": interval, "timeout": "30s", **more}
    settings = Push.model_validate(told)
    return Pusher(settings, metrics().everything)


def test_the_last_push_has_every_family_with_its_labels_and_whose_they_are() -> None:
    with receiver() as received:
        pushing = pusher(received.url, instance="edge-7", job="llm")
        pushing.start()
        pushing.stop()
    (resource,) = received.requests[0].resource_metrics
    names = {a.key: a.value.string_value for a in resource.resource.attributes}
    assert names["service.name"] == "llm"
    assert names["service.instance.id"] == "edge-7"
    got = received.metrics()
    assert {family.family.name for family in metrics().everything() if family.has_series()} == {
        *got
    }
    point = got["inference_probes_total"].sum.data_points[0]
    labels = {a.key: a.value.string_value for a in point.attributes}
    assert (labels["target"], labels["location"], labels["outcome"]) == ("t", "edge", "success")
    assert got["inference_probes_total"].sum.is_monotonic
    histogram = got["inference_request_duration_seconds"].histogram.data_points[0]
    assert len(histogram.bucket_counts) == len(histogram.explicit_bounds) + 1
    assert not histogram.HasField("min")


def test_a_token_is_read_for_every_push(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    with receiver() as received:
        headers = {"Authorization": {"file": f"{tmp_path}/token"}}
        pushing = pusher(received.url, "50ms", headers=headers)
        pushing.start()
        eventually(lambda: received.tokens)
        (tmp_path / "token").write_text("Bearer another-token-987654")
        eventually(lambda: "Bearer another-token-987654" in received.tokens)
        pushing.stop()
    assert received.tokens[0] == TOKEN


def test_a_receiver_that_refuses_is_told_of_once_and_without_the_token(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PUSH_TOKEN", TOKEN)
    with receiver() as received, structlog.testing.capture_logs() as logs:
        received.status = 403
        headers = {"Authorization": {"env": "PUSH_TOKEN"}}
        pushing = pusher(received.url, "50ms", headers=headers)
        pushing.start()
        eventually(lambda: len(received.requests) > 3)
        received.status = 200
        eventually(lambda: len(logs) > 1)
        pushing.stop()
    assert [entry["event"] for entry in logs] == ["pushes fail", "pushes succeed again"]
    assert "push-token" not in str(logs) + caplog.text


def test_a_missing_secret_is_named() -> None:
    with structlog.testing.capture_logs() as logs:
        pushing = pusher("http://127.0.0.1:9", headers={"Authorization": {"env": "NOT_SET"}})
        pushing.start()
        pushing.stop()
    assert [(entry["event"], entry["why"]) for entry in logs] == [
        ("nothing is pushed", "environment variable NOT_SET is not set")
    ]


async def test_without_the_extra_the_exporter_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config.yaml"
    web = f"web: {{listen: '127.0.0.1:{free_port()}'}}\n"
    config.write_text(f"{web}push: {{endpoint: 'http://127.0.0.1:9'}}\n")
    monkeypatch.setitem(sys.modules, "exporter.metrics.push.pusher", None)
    with pytest.raises(ConfigError, match=r"inference-exporter\[push\]"):
        Exporter(FileSource(config))
