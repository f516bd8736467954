"""Each cloud's metadata service gets the right request, and the location becomes a label of all
series."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from exporter.cluster.cloud import Located
from exporter.cluster.source import FileSource
from exporter.config.location import ExporterLocation
from exporter.metrics.exposition import TEXT
from exporter.metrics.registry import Metrics
from exporter.settings.mistakes import ConfigError
from tests.observing import newly

ADAPTER: TypeAdapter[Any] = TypeAdapter(ExporterLocation)


class _Clouds(BaseHTTPRequestHandler):
    """All three services at one address. Each rejects requests without its required header."""

    def do_PUT(self) -> None:
        wanted = "X-aws-ec2-metadata-token-ttl-seconds" in self.headers
        self._answer("token-1" if wanted and self.path == "/latest/api/token" else None)

    def do_GET(self) -> None:
        aws = self.headers.get("X-aws-ec2-metadata-token") == "token-1"
        gcp = self.headers.get("Metadata-Flavor") == "Google"
        azure = self.headers.get("Metadata") == "true"
        api = "?api-version=2021-02-01&format=text"
        pages = {
            "/latest/meta-data/placement/region": aws and "eu-west-1",
            "/latest/meta-data/placement/availability-zone": aws and "eu-west-1b",
            "/computeMetadata/v1/instance/zone": gcp and "projects/12/zones/europe-west4-a",
            f"/metadata/instance/compute/location{api}": azure and "westeurope",
            f"/metadata/instance/compute/zone{api}": azure and "2",
        }
        self._answer(pages.get(self.path) or None)

    def _answer(self, text: str | None) -> None:
        self.send_response(401 if text is None else 200)
        body = (text or "no").encode()
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def clouds(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Clouds)
    address = f"127.0.0.1:{server.server_address[1]}"
    for name in ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "AZURE_POD_IDENTITY_AUTHORITY_HOST"):
        monkeypatch.setenv(name, f"http://{address}/")
    monkeypatch.setenv("GCE_METADATA_HOST", address)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("written", "place"),
    [
        ("eu-west-1", "eu-west-1"),
        (None, None),
        ({"cloud": "aws"}, "eu-west-1"),
        ({"cloud": "aws", "part": "zone"}, "eu-west-1b"),
        ({"cloud": "gcp"}, "europe-west4"),
        ({"cloud": "gcp", "part": "zone"}, "europe-west4-a"),
        ({"cloud": "azure"}, "westeurope"),
        ({"cloud": "azure", "part": "zone"}, "westeurope-2"),
    ],
    ids=str,
)
def test_the_place_is_what_was_written_or_what_the_cloud_says(
    written: object, place: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    location = ADAPTER.validate_python(written) if written else None
    with clouds(monkeypatch):
        located = Located()
        assert located(location) == place
    assert located(location) == place, "it is asked once"


def test_a_cloud_that_does_not_answer_stops_the_start_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GCE_METADATA_HOST", "127.0.0.1:9")
    with pytest.raises(ConfigError, match=r"location\.cloud: .*gcp.* set location to the name"):
        Located()(ADAPTER.validate_python({"cloud": "gcp"}))


@pytest.mark.parametrize("written", ["", "a b", "-x", "é", 'x"', "a" * 65, 7, {"cloud": "ours"}])
def test_what_is_no_place_is_refused(written: object) -> None:
    with pytest.raises(ValidationError):
        ADAPTER.validate_python(written)


def test_every_series_carries_the_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = {"name": "t", "provider": "openai", "model": "m", "base_url": "http://127.0.0.1:9"}
    (tmp_path / "config.yaml").write_text(json.dumps({"targets": [target], "location": "file"}))
    monkeypatch.setenv("INFERENCE_EXPORTER_LOCATION", "eu-west-1")
    config = FileSource(tmp_path / "config.yaml").load()
    metrics = Metrics(config.own_labels)
    metrics.apply(newly(config.plans()))
    lines = TEXT.body(metrics.everything()).decode().splitlines()
    series = [line for line in lines if not line.startswith("#")]
    assert len(series) > 100
    assert [line for line in series if 'location="eu-west-1"' not in line] == []


def test_no_target_may_carry_another_place(tmp_path: Path) -> None:
    target = {"name": "t", "provider": "openai", "model": "m", "labels": {"location": "x"}}
    (tmp_path / "config.yaml").write_text(json.dumps({"targets": [target]}))
    with pytest.raises(ConfigError, match="set location, which puts it on every series"):
        FileSource(tmp_path / "config.yaml").load()
